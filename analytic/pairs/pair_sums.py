"""Sums over pairs that lose no digits, and the errors of sums of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.machine import Array

__all__ = ["lagrange_defect", "share_or_zero", "some_places", "summed_error"]

Index = NDArray[np.intp]
SAMPLED = 128
"""Inputs whose correlations are looked at."""


def some_places(size: int) -> Index:
    """At most SAMPLED places among so many, spread evenly."""
    return np.linspace(0, size - 1, min(SAMPLED, size)).astype(np.intp)


def share_or_zero(part: Any, whole: Array) -> Array:
    """The quotient, and 0 where whole is 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.inf))


def summed_error(i: Index, j: Index, *parts: tuple[Array, Array]) -> Array:
    """The error of a sum of kernels from (error, diagonal) of each, relative to its own.

    |A_ij| <= sqrt(A_ii A_jj), and the roots of two such products add up to no more than that of
    the sums, by Cauchy and Schwarz.
    """
    whole = np.sum([own for _, own in parts], axis=0)
    wrong = sum(error * np.sqrt(own[i] * own[j]) for error, own in parts)
    return share_or_zero(wrong, np.sqrt(whole[i] * whole[j]))


def lagrange_defect(a: tuple[Array, ...], b: tuple[Array, ...]) -> Array:
    """|a| |b| - a.b = |a x b|^2/(|a| |b| + a.b), by Lagrange's identity."""
    crossed = sum((a[p] * b[q] - a[q] * b[p]) ** 2 for p in range(len(a)) for q in range(p))
    size = np.sqrt(sum(p**2 for p in a)) * np.sqrt(sum(p**2 for p in b))
    return share_or_zero(crossed, size + sum(p * q for p, q in zip(a, b, strict=True)))
