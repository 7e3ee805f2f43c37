"""Compiled code that counts no references leaves those of its callers as they are."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

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
