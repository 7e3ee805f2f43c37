"""Compiled code that counts no references to arrays cannot make, keep or give away one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba.core import types
from numba.core.errors import NumbaError

from analytic.compilation import borrowing, compiled

ARRAY = types.Array(types.float64, 1, "C")


def _makes(a: Any) -> Any:
    return np.empty(2 * a.size).sum()


def _copies(a: Any) -> Any:
    return a.copy().sum()


def _gives_away(a: Any) -> Any:
    return a[1:]


@pytest.mark.parametrize("function", [_makes, _copies, _gives_away])
def test_what_owns_an_array_is_not_compiled(function: Callable[[Any], Any]) -> None:
    compiled(function).compile((ARRAY,))
    with pytest.raises(NumbaError):
        borrowing(function).compile((ARRAY,))


def test_sums_and_places_of_arrays_may_be_borrowed() -> None:
    @borrowing
    def doubled(a: Any) -> float:
        part, total = a[1:], 0.0
        for k in range(part.size):
            part[k] *= 2.0
            total += part[k]
        return total

    a = np.arange(4.0)
    assert doubled(a) == 12.0
    assert a.tolist() == [0.0, 2.0, 4.0, 6.0]
