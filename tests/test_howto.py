"""The page on activations runs from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "activations.md"
SWEEP = "widths=[32, 64, 128, 256, 512], seeds=200, points=64"


def test_the_page_on_activations_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    code = "\n".join(blocks)
    assert code.count(SWEEP) == 1
    exec(code.replace(SWEEP, "widths=[16, 32, 64], seeds=6, points=16"), {})
    plt.close("all")
    printed = capsys.readouterr().out
    for promise in re.findall(r"# (holds: .*|fails: .*)", code):
        assert promise in printed
    for place in ("not at x = 0", "one at x = 2", "jumps from 0 to 1", "on the right", "got 'x."):
        assert place in printed
    assert (tmp_path / "activations.png").stat().st_size > 5000
