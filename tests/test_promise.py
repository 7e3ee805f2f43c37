"""The promise is made in the same words everywhere."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from analytic import kernel
from analytic.results import PROMISE
from compare.command.cli import kinfinity

ROOT = Path(__file__).parent.parent


def _words(text: str | None) -> str:
    return " ".join(str(text).split())


def test_all_pages_promise_the_same() -> None:
    assert PROMISE in _words((ROOT / "README.md").read_text())
    assert PROMISE in _words((ROOT / "docs" / "theory" / "bound.md").read_text())
    assert PROMISE in _words(kernel.__doc__)


def test_the_command_says_it() -> None:
    answer = CliRunner().invoke(kinfinity, ["info"])
    assert answer.exit_code == 0
    assert PROMISE in _words(answer.output)
