r"""Expectations of products of w and w' at four Gaussian units, for all quadruples of inputs.

Three of the four are integrated by a trapezoidal rule in independent coordinates (Cholesky),
the last one by the heat semigroup,

    E[f(u_d) | u_a, u_b, u_c] = W_f(x, tau),   W_f(x, tau) = E f(x + tau z),

x its conditional mean and tau its conditional standard deviation. W is tabulated once for a
layer on a grid of x and Chebyshev points of tau; W of w' is the derivative of that of w.
"""

# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.compilation import compiled
from analytic.expectations import uniform_rule
from analytic.machine import EXACT_SUMS, cores
from analytic.results import AccuracyError

__all__ = ["FourMoments", "four_moments"]

Array = NDArray[np.float64]

REACH = 7.5
"""Radius of the ball of nodes: outside lies 4e-12 of the normal law in three dimensions."""
SETTLED = 1e-8
"""Agreement of two rules shifted by half a step, relative to E w^4 and E w'^4."""
POINTS = 24
"""Chebyshev points of tau."""
STEPS = tuple(0.8 * 0.85**k for k in range(16))
"""Steps of the rules that are tried."""
MESH = 0.02
"""Step of the grid of x, in units of the narrower of 1 and the widest s."""


@dataclass(frozen=True, slots=True, eq=False)
class FourMoments:
    """Joint moments of the units of n inputs, and of their slopes.

    Attributes:
        units: E[w_a w_b w_c w_d], shape (n, n, n, n).
        mixed: E[w'_a w'_b w_c w_d], shape (n, n, n, n).
        slopes: E[w'_a w'_b w'_c w'_d], shape (n, n, n, n).
        three: E[w_a w_b w_c], shape (n, n, n).
        mixed_three: E[w'_a w'_b w_c], shape (n, n, n).
    """

    units: Array
    mixed: Array
    slopes: Array
    three: Array
    mixed_three: Array


def four_moments(activation: Activation, covariance: Array) -> FourMoments:
    """All joint moments of four units with the given covariance, shape (n, n)."""
    n = len(covariance)
    widest = float(np.sqrt(np.diag(covariance).max()))
    nodes, weights = _ball(*_rule(activation, widest))
    step = MESH * min(1.0, max(widest, 1e-3))
    count = int(np.ceil((REACH + 1) * max(widest, 1e-3) / step))
    grid = step * np.arange(-count, count + 1).astype(np.float64)
    series = _heat(activation, grid, widest)
    moments = FourMoments(*(np.empty((n,) * k) for k in (4, 4, 4, 3, 3)))
    whole = (moments.units, moments.mixed, moments.slopes, moments.three, moments.mixed_three)

    def task(triple: tuple[int, int, int]) -> None:
        _triple(np.array(triple), covariance, nodes, weights, series, grid[0], step, widest, *whole)

    triples = [(a, b, c) for a in range(n) for b in range(a, n) for c in range(b, n)]
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(task, triples))
    return moments


def _rule(activation: Activation, s: float) -> tuple[Array, Array]:
    """The coarsest trapezoidal rule that one shifted by half a step confirms."""
    for step in STEPS:
        rules = [_uniform(step, shift) for shift in (0.0, 0.5)]
        powers = [
            [float(weights @ f**4) for f in activation.derivatives(s * nodes, 1)]
            for nodes, weights in rules
        ]
        if np.allclose(*powers, rtol=SETTLED, atol=0):
            return rules[0]
    raise AccuracyError(
        f"expected pre-activations that steps of {STEPS[-1]:.2f} resolve, got standard deviation"
        f" {s:.3g} of {activation!r}; scale the inputs or lower weight_std"
    )


def _uniform(step: float, shift: float) -> tuple[Array, Array]:
    half = int(REACH / step)
    nodes = step * (np.arange(-half, half + 1).astype(np.float64) + shift)
    weights = step * np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)
    return nodes, np.asarray(weights, dtype=np.float64)


def _ball(nodes: Array, weights: Array) -> tuple[Array, Array]:
    """The threefold product rule without its corners: nodes (3, q) and weights (q,)."""
    z = np.stack([grid.ravel() for grid in np.meshgrid(nodes, nodes, nodes)])
    inside = (z**2).sum(axis=0) <= REACH**2
    p = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
    return np.ascontiguousarray(z[:, inside]), p[inside]


def _heat(activation: Activation, grid: Array, widest: float) -> Array:
    """Chebyshev coefficients in tau of W, W', W'' on the grid, (POINTS, 3, grid)."""
    angles = np.pi * (np.arange(POINTS) + 0.5) / POINTS
    rule = uniform_rule(64)
    values = np.empty((POINTS, 3, grid.size))
    for index, angle in enumerate(angles):
        tau = widest * (1 + np.cos(angle)) / 2
        derivatives = activation.derivatives(grid[:, None] + tau * rule.nodes, 2)
        for order in range(3):
            values[index, order] = derivatives[order] @ rule.weights
    transform = np.cos(np.outer(np.arange(POINTS), angles)) * 2 / POINTS
    transform[0] /= 2
    return np.ascontiguousarray(np.einsum("kt,tog->kog", transform, values))


@compiled
def _triple(
    triple: Any, covariance: Any, z: Any, p: Any, series: Any, low: float, step: float,
    widest: float, units: Any, mixed: Any, slopes: Any, three: Any, mixed_three: Any,
) -> None:  # fmt: skip
    """All quadruples a <= b <= c <= d of one triple."""
    a, b, c = triple
    n = covariance.shape[0]
    root = np.zeros((3, 3))
    for i in range(3):
        tau = _row(root, i, covariance, triple, triple[i], root)
        root[i, i] = tau
    at_nodes = np.zeros((3, 2, p.size))
    flat = _evaluated(series, 0.0, widest)
    for i in range(3):
        _spread(flat, root[i], z, low, step, at_nodes[i])
    last = np.empty((2, p.size))
    row = np.zeros((4, 3))
    last[0] = 1.0
    last[1] = 0.0
    found = _products(at_nodes, last, p)
    _share_three(three, mixed_three, triple, found)
    for d in range(c, n):
        tau = _row(row, 3, covariance, triple, d, root)
        _spread(_evaluated(series, tau, widest), row[3], z, low, step, last)
        found = _products(at_nodes, last, p)
        _share_four(units, mixed, slopes, np.array([a, b, c, d]), found)


@compiled
def _row(rows: Any, i: int, covariance: Any, triple: Any, d: int, root: Any) -> float:
    """One row of the Cholesky factor against the triple; returns what is left of the variance."""
    rest = covariance[d, d]
    for j in range(min(i, 3)):
        value = covariance[d, triple[j]]
        for k in range(j):
            value -= rows[i, k] * root[j, k]
        rows[i, j] = value / root[j, j] if root[j, j] > 0 else 0.0
        rest -= rows[i, j] ** 2
    return np.sqrt(rest) if rest > 1e-13 * covariance[d, d] else 0.0


@compiled
def _evaluated(series: Any, tau: float, widest: float) -> Any:
    """W, W', W'' on the grid at one tau."""
    t = 2.0 * tau / widest - 1.0 if widest > 0 else -1.0
    one, two = np.zeros(series.shape[1:]), np.zeros(series.shape[1:])
    for k in range(series.shape[0] - 1, 0, -1):
        one, two = series[k] + 2.0 * t * one - two, one
    return series[0] + t * one - two


@compiled
def _spread(table: Any, row: Any, z: Any, low: float, step: float, out: Any) -> None:
    """W and W' at the nodes sum_j row_j z_j, by cubic Hermite interpolation."""
    for i in range(z.shape[1]):
        x = (row[0] * z[0, i] + row[1] * z[1, i] + row[2] * z[2, i] - low) / step
        q = min(max(int(x), 0), table.shape[1] - 2)
        t = x - q
        s = 1.0 - t
        for order in range(2):
            left = table[order, q] * (1.0 + 2.0 * t) + step * t * table[order + 1, q]
            right = table[order, q + 1] * (3.0 - 2.0 * t) - step * s * table[order + 1, q + 1]
            out[order, i] = s * s * left + t * t * right


@partial(compiled, flags=EXACT_SUMS | {"reassoc"})  # sums of one sign or bounded terms
def _products(first: Any, last: Any, p: Any) -> Any:
    """Sums over the nodes of the eight products with zero, two or four slopes.

    The order: none, all, then the slopes at (0 1), (0 2), (0 3), (1 2), (1 3), (2 3).
    """
    none = both = at01 = at02 = at03 = at12 = at13 = at23 = 0.0
    for i in range(p.size):
        a0, a1 = p[i] * first[0, 0, i], p[i] * first[0, 1, i]
        b0, b1 = first[1, 0, i], first[1, 1, i]
        c0, c1 = first[2, 0, i], first[2, 1, i]
        d0, d1 = last[0, i], last[1, i]
        none += a0 * b0 * (c0 * d0)
        both += a1 * b1 * (c1 * d1)
        at01 += a1 * b1 * (c0 * d0)
        at02 += a1 * b0 * (c1 * d0)
        at03 += a1 * b0 * (c0 * d1)
        at12 += a0 * b1 * (c1 * d0)
        at13 += a0 * b1 * (c0 * d1)
        at23 += a0 * b0 * (c1 * d1)
    return np.array([none, both, at01, at02, at03, at12, at13, at23])


@compiled
def _share_four(units: Any, mixed: Any, slopes: Any, index: Any, found: Any) -> None:
    """Write the moments of a quadruple at all its permutations."""
    for i in range(4):
        for j in range(4):
            for k in range(4):
                if i == j or i == k or j == k:
                    continue
                a, b, c, d = index[i], index[j], index[k], index[6 - i - j - k]
                low, high = min(i, j), max(i, j)
                place = 1 + high if low == 0 else high + 3 if low == 1 else 7
                units[a, b, c, d] = found[0]
                slopes[a, b, c, d] = found[1]
                mixed[a, b, c, d] = found[place]


@compiled
def _share_three(three: Any, mixed_three: Any, index: Any, found: Any) -> None:
    for i in range(3):
        for j in range(3):
            if i != j:
                a, b, c = index[i], index[j], index[3 - i - j]
                place = 1 + max(i, j) if min(i, j) == 0 else 5
                three[a, b, c] = found[0]
                mixed_three[a, b, c] = found[place]
