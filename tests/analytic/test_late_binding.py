"""Compiled code that binds what it calls when it comes to the call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytic.compilation import compiled
from analytic.late_binding import WHOLE, late


@compiled
def largest_place(a: Any, k: int, shift: int) -> int:
    return int(a[:k].argmax()) + shift


@compiled
def refuse(a: Any) -> None:
    if a.size > 2:
        raise ValueError("more than two")


@compiled
def unused(a: Any) -> None:
    a[0] = -1.0


@compiled
def cannot_be_compiled(a: Any) -> None:
    a.no_such_method()


_largest_place: Any = late(largest_place, WHOLE)
_refuse: Any = late(refuse)
_unused: Any = late(unused)
_cannot_be_compiled: Any = late(cannot_be_compiled)


@compiled
def places(a: Any, found: Any, serve: bool) -> None:
    for k in range(found.size):
        found[k] = _largest_place(a, k + 1, 1)
    if not serve:
        _unused(a)


@compiled
def refused(a: Any) -> None:
    _refuse(a)


@compiled
def stopped(a: Any) -> None:
    _cannot_be_compiled(a)


def test_a_late_call_is_a_call() -> None:
    a, found = np.array([3.0, 1.0, 4.0, 1.0, 5.0]), np.zeros(5, np.int64)
    places(a, found, True)
    assert found.tolist() == [1, 1, 3, 3, 5]
    assert not unused.signatures  # never called, never compiled
    assert len(largest_place.signatures) == 1  # the literal 1 is a number like any other
    before = sys.getrefcount(a)
    places(a, found, False)
    assert a[0] == -1.0
    assert sys.getrefcount(a) == before


def test_errors_reach_the_caller() -> None:
    refused(np.zeros(2))
    with pytest.raises(ValueError, match="more than two"):
        refused(np.zeros(3))


def test_code_that_cannot_be_compiled_stops_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="was not compiled"):
        stopped(np.zeros(2))
    assert "no_such_method" in capsys.readouterr().err


def test_an_interrupt_stops_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cannot_be_compiled, "compile", interrupt)
    with pytest.raises(KeyboardInterrupt, match="while compiling"):
        stopped(np.zeros(2))


def test_threads_may_ask_at_once() -> None:
    kinds: list[Callable[[], Any]] = [lambda k=k: np.zeros((2,) * k) for k in (1, 2, 3)]
    arrays = [kind() for kind in kinds * 4]
    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(shapes, a) for a in arrays]:
            assert future.result() == 2


@compiled
def first_length(a: Any) -> int:
    return a.shape[0]


_first_length: Any = late(first_length, WHOLE)


@compiled
def shapes(a: Any) -> int:
    return _first_length(a)


SCRIPT = """
import numpy as np
from tests.analytic.test_late_binding import largest_place, places
found = np.zeros(2, np.int64)
places(np.array([1.0, 2.0]), found, True)
print(found.tolist(), *[sum(f.stats.cache_hits.values()) for f in (places, largest_place)])
"""


def test_code_on_disk_finds_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    for hits in (0, 1):
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert output == f"[1, 2] {hits} {hits}\n"
