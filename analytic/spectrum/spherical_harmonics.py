r"""Spherical harmonics under the uniform probability measure of S^{d-1}, for every d >= 2.

    N_k    dimension of the space of degree k
    P_k    zonal polynomial with P_k(1) = 1: Legendre's for d = 3, Chebyshev's T_k for d = 2
    y      points of the unit sphere, (N, d);  t = <y, y'>, and w dt is its law
    p_k    polynomials orthonormal under w: b_{k+1} p_{k+1} = t p_k - b_k p_{k-1}

int P_j P_k w dt = [j = k]/N_k, and the sum of Y(y) Y(y') over an orthonormal basis of degree k
is N_k P_k(t) (Mueller 1966; Atkinson and Han 2012, chapter 2).
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

from analytic.machine import Array

__all__ = ["gauss", "harmonics", "legendre", "multiplicity", "product_rule"]


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


@lru_cache(maxsize=32)
def gauss(dimension: int, count: int) -> tuple[Array, Array]:
    """Gauss's rule under w, (count,) nodes and weights: exact to degree 2 count - 1.

    The nodes are eigenvalues of the Jacobi matrix (Golub and Welsch 1969) after a step of
    Newton's method, the weights Christoffel's 1/sum_k p_k^2.
    """
    if dimension == 2:
        angle = np.pi * (np.arange(count)[::-1] + 0.5) / count
        return np.cos(angle), np.full(count, 1 / count)
    b = _recurrence(dimension / 2 - 1, count)
    eigen: Any = eigh_tridiagonal
    found: Array = eigen(np.zeros(count), b[1:-1], eigvals_only=True)
    start = (found - found[::-1]) / 2
    value, slope, _ = _orthonormal(b, start)
    nodes = start - value / slope
    weights = 1 / _orthonormal(b, nodes)[2]
    return nodes, weights / weights.sum()


def _recurrence(a: float, count: int) -> Array:
    """b_0 = 0, b_1, ..., b_count for the weight (1 - t^2)^(a - 1/2), a > 0."""
    k = np.arange(2, count + 1)
    rest = np.sqrt(k * (k + 2 * a - 1) / (4 * (k + a) * (k + a - 1)))
    return np.concatenate([[0.0, math.sqrt(1 / (2 * a + 2))], rest])


def _orthonormal(b: Array, t: Array) -> tuple[Array, Array, Array]:
    """p_n, its slope and sum_{k < n} p_k^2 at t, n = len(b) - 1."""
    p, before = np.ones_like(t), np.zeros_like(t)
    slope, slope_before, total = np.zeros_like(t), np.zeros_like(t), np.zeros_like(t)
    for k in range(len(b) - 1):
        total += p**2
        slope, slope_before = (p + t * slope - b[k] * slope_before) / b[k + 1], slope
        p, before = (t * p - b[k] * before) / b[k + 1], p
    return p, slope, total


def harmonics(dimension: int, degrees: int, y: Array) -> list[Array]:
    """Orthonormal real harmonics of degree 0, 1, ..., an array (N, N_k) for each.

    On the circle sqrt(2) cos and sqrt(2) sin; then, dimension by dimension, p(y_d) H with H a
    harmonic of degree j <= k of y_1, ..., y_{d-1}, made homogeneous, and p of degree k - j
    orthogonal under (1 - y_d^2)^j w.
    """
    powers = (y[:, 0] + 1j * y[:, 1])[:, None] ** np.arange(1, degrees)
    pairs = math.sqrt(2) * np.stack([powers.real, powers.imag], axis=2)
    found = [np.ones((len(y), 1)), *pairs.transpose(1, 0, 2)]
    for d in range(3, dimension + 1):
        square = (y[:, :d] ** 2).sum(axis=1)
        blocks: list[list[Array]] = [[] for _ in range(degrees)]
        for j, inner in enumerate(found):
            for k, p in enumerate(_radial(d, j, degrees - j, y[:, d - 1], square), start=j):
                blocks[k].append(p[:, None] * inner)
        found = [np.concatenate(block, axis=1) for block in blocks]
    return found


def _radial(dimension: int, j: int, count: int, t: Array, square: Array) -> list[Array]:
    """p_0, p_1, ... orthonormal under (1 - t^2)^j w, made homogeneous in (t, |y|)."""
    a = j + dimension / 2 - 1
    b = _recurrence(a, count)
    log = (  # of E (1 - t^2)^j under w
        math.lgamma(a + 0.5) - math.lgamma(a + 1)
        - math.lgamma(dimension / 2 - 0.5) + math.lgamma(dimension / 2)
    )  # fmt: skip
    p = [np.full_like(t, math.exp(-log / 2))]
    for n in range(count - 1):
        rest = b[n] * square * p[n - 1] if n else 0.0
        p.append((t * p[n] - rest) / b[n + 1])
    return p


def product_rule(dimension: int, count: int) -> tuple[Array, Array]:
    """Points of the unit sphere and weights, exact for polynomials of degree 2 count - 1.

    Gauss's rule in each coordinate, and 2 count equispaced points on the circle, shifted by
    half a step: none of them lies on an axis.
    """
    if dimension == 2:
        angle = np.pi * (np.arange(2 * count) + 0.5) / count
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return circle, np.full(2 * count, 0.5 / count)
    lower, lower_weights = product_rule(dimension - 1, count)
    t, weights = gauss(dimension, count)
    height = np.repeat(t, len(lower))[:, None]
    shrunk = np.tile(lower, (count, 1)) * np.sqrt((1 - height) * (1 + height))
    return np.concatenate([shrunk, height], axis=1), np.outer(weights, lower_weights).ravel()
