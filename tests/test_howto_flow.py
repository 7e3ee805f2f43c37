"""The page on gradient flow runs from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "flow.md"


def test_the_page_on_the_flow_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)), space)
    flow, whole = space["flow"], space["whole"]
    assert flow.residuals.shape == (4, 32)
    assert flow.evaluation.shape == (4, 5)
    assert flow.kernels.shape == (4, 3, 3)
    assert whole.times.tolist() == [0, 10, 1000]
    assert float(whole.loss[2]) < 0.5 * float(whole.loss[0])
    assert "expected to reach t = 1e+06" in capsys.readouterr().out
