"""Compiled code that counts no references leaves those of its callers as they are."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.errors import NumbaError

import analytic
from analytic.compilation import compiled, elementwise


def test_no_reference_is_kept() -> None:
    @elementwise
    def doubled(a: Any, first: int) -> float:
        total = 0.0
        for k in range(first, a.shape[1]):
            a[0, k] *= 2.0
            total += a[0, k]
        return total

    @compiled
    def twice(a: Any) -> float:
        return doubled(a, 0) + doubled(a, 2)

    a = np.arange(4.0)[None].copy()
    before = sys.getrefcount(a)
    found = [twice(a) for _ in range(3)]
    assert found[0] == 12.0 + 20.0
    assert sys.getrefcount(a) == before


def test_parts_of_arrays_are_borrowed() -> None:
    """Also through a compiled function that counts, which is given such a part."""

    @compiled
    def first(a: Any) -> float:
        return a[0]

    @elementwise
    def diagonal(a: Any) -> float:
        total = 0.0
        for k in range(a.shape[0]):
            row = a[k, k:]
            total += first(row)
        return total

    @compiled
    def both(a: Any) -> float:
        return diagonal(a) + diagonal(a[1:, 1:])

    a = np.arange(9.0).reshape(3, 3)
    before = sys.getrefcount(a)
    assert both(a) == (0.0 + 4.0 + 8.0) + (4.0 + 8.0)
    assert diagonal(a) == 12.0
    assert sys.getrefcount(a) == before


def test_no_array_can_be_made_or_returned() -> None:
    """It would belong to nobody: numba refuses to compile that."""

    @elementwise
    def zeros(n: int) -> float:
        return np.zeros(n)[0]

    @elementwise
    def part(a: Any) -> Any:
        return a[1:]

    with pytest.raises(NumbaError, match="array passed"):
        zeros(3)
    with pytest.raises(NumbaError, match="array passed"):
        part(np.ones(3))


REDUCTIONS = {"argmax", "argmin", "copy", "max", "mean", "min", "prod", "sort", "sum"}
"""Methods of arrays for which numba makes arrays of its own."""


def _uncounted(source: str) -> list[ast.FunctionDef]:
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    marks = ("elementwise", "inlined")
    return [
        f for f in functions if any(m in ast.unparse(d) for d in f.decorator_list for m in marks)
    ]


def _reductions(function: ast.FunctionDef) -> list[str]:
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [f.attr for f in calls if isinstance(f, ast.Attribute) and f.attr in REDUCTIONS]


def test_uncounted_functions_compile_alone() -> None:
    """Numba takes these methods only where a counted function has compiled them before."""
    sources = [path.read_text() for path in Path(analytic.__file__).parent.rglob("*.py")]
    functions = [f for source in sources for f in _uncounted(source)]
    assert len(functions) > 150
    assert {f.name: found for f in functions if (found := _reductions(f))} == {}
    seen = "@elementwise\ndef most(a):\n    return a[1:].max()"
    assert _reductions(_uncounted(seen)[0]) == ["max"]
