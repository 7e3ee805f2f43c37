"""Pages of the how-to that run from their first line to their last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

PAGES = Path(__file__).parent.parent / "docs" / "howto"
SWEEP = "widths=[32, 64, 128, 256, 512], seeds=200, points=64"


def test_the_page_on_activations_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = _code("activations.md")
    assert code.count(SWEEP) == 1
    exec(code.replace(SWEEP, "widths=[16, 32, 64], seeds=6, points=16"), {})
    plt.close("all")
    printed = capsys.readouterr().out
    for promise in re.findall(r"# (holds: .*|fails: .*)", code):
        assert promise in printed
    for place in ("not at x = 0", "one at x = 2", "jumps from 0 to 1", "on the right", "got 'x."):
        assert place in printed
    assert (tmp_path / "activations.png").stat().st_size > 5000


def test_the_page_on_images_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(_code("images.md"), names)
    printed = capsys.readouterr().out
    assert "AveragePooling(2)" in printed
    assert names["K"].shape == (60, 60)
    assert names["pooled"].shape == (20, 20)
    distance = np.linalg.norm(names["K0"] - names["limit"]) / np.linalg.norm(names["limit"])
    assert distance < 0.15
    assert float(printed.split()[-1]) > 0.8


def test_the_page_on_the_operator_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = _code("operator.md")
    names: dict[str, Any] = {}
    exec(code, names)
    printed = capsys.readouterr().out
    assert "0 exactly at every even degree from 0 on: K is not positive definite" in printed
    assert "[0.8106 0.0901 0.0324]" in printed
    assert names["flow"].shape == (3, 5)
    assert names["smooth"].shape == (5,)
    assert names["residual"].shape == (2, 200)


def test_the_page_on_parametrisations_runs() -> None:
    names: dict[str, Any] = {}
    code = _code("parametrisations.md")
    assert code.count("(64, 256, 1024)") == 1
    exec(code.replace("(64, 256, 1024)", "(16, 64)").replace("1024", "64"), names)
    table = names["table"]
    page = (PAGES / "parametrisations.md").read_text()
    rows = {"ntk": "2.72, 2.72", "mean_field": "1.32, 1.32", "mup": "1.72, 1.72"}
    for name, printed in rows.items():
        assert printed in page
        for m in (16, 64):
            assert f"{table[name, m][0]:.2f}" == printed[:4]
        assert table[name, 64][1] < 0.7 * table[name, 16][1]
    assert 3 < table["pytorch", 64][0] / table["pytorch", 16][0] < 4
    assert f"{table['pytorch', 64][0]:.0f}" == "34"


def _code(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.DOTALL))
