"""The page on lifted modules: its lines run, and its tables are what the script prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from networks import liftable_forms, liftable_images, unliftable
from networks.liftable import MODULES

assert liftable_images
assert liftable_forms
PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "lifted.md").read_text()
ROW = re.compile(r"^\| (.+?) \| ([+-][\d.]+) ± ([\d.]+) % \| ([\d.]+) \| ([+-][\d.]+) ± ([\d.]+) %"
                 r" \| ([\d.]+) \| (\w+) \|$", re.MULTILINE)  # fmt: skip


def test_the_lines_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    sweep = "widths=[64, 128, 256], seeds=20, points=12"
    assert code.count(sweep) == code.count("perceptron(256, seed=0)") == 1
    small = code.replace(sweep, "widths=[16, 32, 64], seeds=4, points=6")
    names: dict[str, Any] = {}
    exec(small.replace("perceptron(256, seed=0)", "perceptron(64, seed=0)"), names)
    printed = capsys.readouterr().out
    assert "% from its limit" in printed
    assert "at width 64; 10 % needs a width of about" in printed
    assert "has its outputs to" in printed
    assert names["result"].config["first_layer"] == "drawn"


def test_every_module_has_a_row_and_no_row_is_off() -> None:
    """Means within four standard errors and what 1/m may leave; z of the largest of 15 pairs."""
    rows = {found[0]: found[1:] for found in ROW.findall(PAGE)}
    assert set(rows) == set(MODULES)
    for name, (narrow, error, _, wide, wide_error, z, _) in rows.items():
        bias = abs(float(narrow)) + 4 * float(error)
        assert abs(float(wide)) < bias / 4 + 4 * float(wide_error), name
        assert float(z) < 4.5, name


def test_every_refusal_has_a_row() -> None:
    """What the sentences say is in ``test_module_network``."""
    table = PAGE[PAGE.index("| module | sentence |") :]
    rows = dict(re.findall(r"^\| (.+?) \| (expected .*) \|$", table, re.MULTILINE))
    assert set(rows) == set(unliftable.REFUSED)
    for name, (_, _, says) in unliftable.REFUSED.items():
        assert says in rows[name], name
