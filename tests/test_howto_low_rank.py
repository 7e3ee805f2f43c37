"""The page of the how-to on low effective rank runs from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "low_rank.md"


def test_the_page_on_low_effective_rank_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    assert code.count("[32, 128, 512]") == 1
    names: dict[str, Any] = {}
    exec(code.replace("[32, 128, 512]", "[32, 128]"), names)
    printed = capsys.readouterr().out
    assert "a lower bound of the supremum" in printed
    assert names["ball"].value > names["h"].value > 0
    assert (tmp_path / "ranks.png").stat().st_size > 5000
    assert names["result"].holds is not None
