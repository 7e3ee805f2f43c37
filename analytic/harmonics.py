r"""Spherical harmonics under the uniform probability measure of S^{d-1}, for every d >= 2.

    N_k    dimension of the space of degree k
    P_k    zonal polynomial with P_k(1) = 1: Legendre's for d = 3, Chebyshev's T_k for d = 2
    y      points of the unit sphere, (N, d);  t = <y, y'>

With w the law of t, int P_j P_k w dt = [j = k]/N_k, and the sum of Y(y) Y(y') over an
orthonormal basis of degree k is N_k P_k(t) (Mueller 1966; Atkinson and Han 2012, chapter 2).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_gegenbauer

__all__ = ["gauss", "harmonics", "legendre", "multiplicity"]

Array = NDArray[np.float64]


def multiplicity(dimension: int, degree: int) -> int:
    """N_k of S^{d-1}.

    Example:
        >>> [multiplicity(3, k) for k in range(4)]
        [1, 3, 5, 7]
    """
    d, k = dimension, degree
    return math.comb(k + d - 1, d - 1) - (math.comb(k + d - 3, d - 1) if k > 1 else 0)


def legendre(dimension: int, degrees: int, t: Array) -> Array:
    """P_0, ..., P_{degrees - 1} at t, shape (degrees, len(t))."""
    p = np.ones((max(degrees, 2), len(t)))
    p[1] = t
    for k in range(1, degrees - 1):
        a = dimension - 2 + k
        p[k + 1] = ((a + k) * t * p[k] - k * p[k - 1]) / a
    return p[:degrees]


@lru_cache(maxsize=64)
def gauss(dimension: int, count: int) -> tuple[Array, Array]:
    """Gauss's rule for the law of t: exact for polynomials of degree 2 count - 1."""
    nodes, weights = roots_gegenbauer(count, dimension / 2 - 1)
    weights = weights / weights.sum()
    for array in (nodes, weights):
        array.setflags(write=False)
    return nodes, weights


def harmonics(dimension: int, degrees: int, y: Array) -> list[Array]:
    """Orthonormal real harmonics of degree 0, 1, ..., an array (N, N_k) for each.

    A harmonic of degree k is p(y_d) H(y_1, ..., y_{d-1}), H one of a degree low <= k in one
    dimension less and p of degree k - low orthogonal under (1 - y_d^2)^low w.
    """
    if dimension == 2:
        z = (y[:, 0] + 1j * y[:, 1])[:, None] ** np.arange(1, degrees)
        pairs = math.sqrt(2) * np.stack([z.real, z.imag], axis=2)
        return [np.ones((len(y), 1)), *pairs.transpose(1, 0, 2)]
    lower = harmonics(dimension - 1, degrees, y[:, :-1])
    square = (y**2).sum(axis=1)
    blocks: list[list[Array]] = [[] for _ in range(degrees)]
    for low, inner in enumerate(lower):
        radial = _orthonormal(dimension, low, degrees - low, y[:, -1], square)
        for m, p in enumerate(radial):
            blocks[low + m].append(p[:, None] * inner)
    return [np.concatenate(block, axis=1) for block in blocks]


def _orthonormal(dimension: int, low: int, count: int, t: Array, square: Array) -> list[Array]:
    """p_0, p_1, ..., homogeneous in (t, |y|), orthonormal under (1 - t^2)^low w dt."""
    a = low + dimension / 2 - 1  # the index of Gegenbauer's polynomials
    log = (  # of E (1 - t^2)^low under w
        math.lgamma(a + 0.5) - math.lgamma(a + 1)
        - math.lgamma(dimension / 2 - 0.5) + math.lgamma(dimension / 2)
    )  # fmt: skip
    p = [np.full_like(t, math.exp(-log / 2))]
    before = 0.0
    for n in range(count - 1):
        after = math.sqrt((n + 1) * (n + 2 * a) / (4 * (n + a) * (n + 1 + a)))
        rest = before * square * p[n - 1] if n else 0.0
        p.append((t * p[n] - rest) / after)
        before = after
    return p
