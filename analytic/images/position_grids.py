"""Pairs of images with all pairs of their positions, or with equal ones only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.images.position_readings import Window
from analytic.images.shifts import Index
from analytic.machine import Array

__all__ = ["PositionPairs"]


class PositionPairs(NamedTuple):
    """Pairs of images.

    Attributes:
        i: the first images among all of them, (pairs,).
        j: the second ones.
        mixes: whether their grid has all pairs of positions, (P, P), or equal ones only, (P,).
    """

    i: Index
    j: Index
    mixes: bool

    def both(self, values: Any) -> tuple[Any, Any]:
        """Numbers (n, P) of both images, (pairs, P, 1) and (pairs, 1, P), or (pairs, P)."""
        if self.mixes:
            return values[self.i][:, :, None], values[self.j][:, None]
        return values[self.i], values[self.j]

    def outer(self, values: Array) -> Array:
        """Products of the numbers of both images."""
        a, b = self.both(values)
        return a * b

    def same(self, labels: Index) -> NDArray[np.bool_]:
        """Whether the positions have the same label."""
        a, b = self.both(labels)
        return np.asarray(a == b)

    def different(self, labels: Index) -> tuple[Index, Index]:
        """One of all pairs of positions, flat, with the same two labels, and which is that of each.

        Which of both comes first does not matter.
        """
        a, b = self.both(labels)
        key = np.minimum(a, b) * (int(labels.max()) + 1) + np.maximum(a, b)
        _, first, copies = np.unique(key.ravel(), return_index=True, return_inverse=True)
        return first, copies.ravel()

    def places(self, n: int, grid: tuple[int, ...]) -> tuple[Index, Index]:
        """Of both positions among those of n images, one after the other, flat."""
        numbers = np.arange(n * grid[-1]).reshape(n, -1)
        a, b = (np.broadcast_to(part, grid).ravel() for part in self.both(numbers))
        return a, b

    def read(self, source: Index, values: Array) -> Array:
        """Sums over what is read at both positions, -1 outside, of (pairs, *grid)."""
        around = np.pad(values, ((0, 0), *((0, 1),) * (values.ndim - 1)))
        total = np.zeros(())
        for places in source:
            where = (places[:, None], places[None]) if self.mixes else (places,)
            total = total + around[(slice(None), *where)]
        return total

    def mean(self, window: Window, values: Array) -> Array:
        """Means over all pairs of places in two windows, (pairs, P', P')."""
        rows = values[:, window.source].mean(axis=1, dtype=np.longdouble).astype(np.float64)
        found = rows[:, :, window.source].mean(axis=2, dtype=np.longdouble)
        return found.astype(np.float64)
