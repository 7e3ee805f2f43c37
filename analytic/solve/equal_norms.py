r"""Inputs of equal norm: the whole network as one function of the correlation.

If |x| = |x'|, the kernel is K = f(rho), rho = <x, x'>/|x|^2. By Schoenberg (1942) f is
absolutely monotone, f = sum_k f_k rho^k with f_k >= 0, since it is a kernel on the spheres of
all dimensions. So its Chebyshev coefficients a_j are non-negative and, for j of one parity,
do not increase, which certifies an interpolant p in M Chebyshev points by its value at 1:

    |f - p| <= 2 sum_{j >= M} a_j <= 2 (f(1) - p(1))            (docs/theory/zonal.md).

The general recursion gives f at these points, once; a pair then costs its scalar product and
one short Chebyshev series.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.machine import LANES, UNIT, Array
from analytic.network import Network
from analytic.pairs import prepare, roundings, rows_together, scalar_products, store
from analytic.recursion import ROWS, Data, Problem, RowBlock, Tile, diagonal, mean_squares, new_tile
from analytic.results import AccuracyError
from analytic.solve.answer import solve
from analytic.vector_blocks import settled

__all__ = ["Zonal", "circle", "interpolate", "zonal"]


POINTS = 256
"""Chebyshev points M of the correlation."""
SHARE = 1 / 64
"""Part of the tolerance that the error of f at the points may take."""
LEBESGUE = 1 + 2 / np.pi * np.log(POINTS)
"""Bound of the Lebesgue constant of the points (Rivlin 1974)."""
CHUNK = 8
"""Terms of Clenshaw's recurrence that stay in registers."""
WORTHWHILE = 2**22
"""Fewest pairs times layers."""
NARROW = 2.0**-40
"""Largest relative difference of |x|^2 that counts as rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Zonal:
    """A method: the kernels as Chebyshev series in rho, for inputs of equal norm.

    Attributes:
        scale: rho = scale <x, x'>/d.
        even: a_0, a_2, ... of Sigma and of Sigma + Theta, shape (2, terms).
        odd: a_1, a_3, ..., shape (2, terms).
        error: bound of the relative error of a pair.
        diagonal: that at x = x'.
    """

    scale: float
    even: Array
    odd: Array
    error: float
    diagonal: float
    _tiles: list[Tile] = field(init=False, default_factory=list[Tile])  # that threads have left

    @property
    def bytes(self) -> int:
        return self.even.nbytes + self.odd.nbytes

    def step(self, n: int) -> int:
        return rows_together(n)

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
        """See ``analytic.recursion.problem.Method``."""
        bound[block.row : block.end] = self.error
        try:
            tile = self._tiles.pop()
        except IndexError:
            tile = new_tile(0)
        _fill_rows(tile, self.scale, self.even, self.odd, data, block)
        self._tiles.append(tile)
        return self.even.shape[1] + self.odd.shape[1], 0


def zonal(network: Network, x: Array, y: Array | None, tolerance: float) -> Problem | None:
    """The problem in its zonal form, or None where that is impossible or not worth it."""
    work = len(x) * len(x if y is None else y) * len(network.steps)
    squares = mean_squares(x if y is None else np.concatenate([x, y]))
    square = float(squares[0])
    noisy = any(step.noise > 1 for step in network.steps)  # K(x, x) is no limit of K(x, x')
    if work < WORTHWHILE or not square > 0 or noisy:
        return None
    spread = float(np.abs(squares / square - 1).max())
    if not spread <= NARROW:
        return None
    if spread > 0:
        spread = 2.0 ** np.ceil(np.log2(spread))
    method = _of_norm(network, square, roundings(x.shape[1]), float(spread), tolerance)
    if method is None:
        return None
    state = diagonal(network, squares)
    return Problem(network, x, x if y is None else y, y is None, state, method)


@lru_cache(maxsize=32)
def _of_norm(
    network: Network, square: float, rounded: int, spread: float, tolerance: float
) -> Zonal | None:
    """The method for inputs of one norm, kept for others that have it; None if it does not serve.

    Args:
        network: the description.
        square: |x|^2/d.
        rounded: how often scalar products are rounded.
        spread: relative difference of |x|^2/d.
        tolerance: the promise.
    """
    start = rounded * UNIT + spread  # where rho is clipped
    points, pole = circle(square)
    share = SHARE * tolerance
    problem = prepare(network, points, pole, share, start=start, spread=spread)
    if problem.method.error > share:
        return None
    try:
        values = solve(problem, "both", share, progress=False).value
    except AccuracyError:  # at pairs that the series leaves out
        return None
    top = diagonal(network, mean_squares(pole))
    at_pole = np.array([top.nngp[0], top.ntk[0]])
    errors = problem.method.error, problem.method.diagonal
    return interpolate(square, np.stack(values)[:, :, 0], at_pole, *errors, tolerance)


def circle(square: float) -> tuple[Array, Array]:
    """Inputs in the plane with |x|^2/2 = square, and the pole they are compared with.

    Their correlations with the pole are the Chebyshev points.
    """
    angle = np.pi * (np.arange(POINTS) + 0.5) / POINTS
    size = np.sqrt(2 * square)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return size * points, size * np.array([[1.0, 0.0]])


def interpolate(
    square: float, values: Array, pole: Array, error: float, diagonal: float, tolerance: float
) -> Zonal | None:
    """The Chebyshev series, if its certificate meets the tolerance.

    Args:
        square: |x|^2/d of all inputs.
        values: Sigma and Sigma + Theta at the points of ``circle``, shape (2, POINTS).
        pole: both at x = x', shape (2,).
        error: bound of the relative error of the values and, in rho, of the pairs to come.
        diagonal: bound of that at x = x'.
        tolerance: wanted bound of the relative error.
    """
    phase = np.outer(2 * np.arange(POINTS) + 1, np.arange(POINTS)) % (4 * POINTS)
    series = values @ np.cos(np.pi / (2 * POINTS) * phase) * (2 / POINTS) / pole[:, None]
    series[:, 0] /= 2
    gap = max(float((1 - series.sum(axis=1)).max()), 0.0) + (LEBESGUE + 1) * error
    even, rest_even = _shortened(series[:, ::2], tolerance)
    odd, rest_odd = _shortened(series[:, 1::2], tolerance)
    rounding = 4 * (even.shape[1] + odd.shape[1] + 4) * UNIT
    bound = 2 * gap + (LEBESGUE + 1) * error + rest_even + rest_odd + rounding
    if not bound <= tolerance:
        return None
    return Zonal(1 / square, even * pole[:, None], odd * pole[:, None], bound, diagonal)


def _shortened(series: Array, tolerance: float) -> tuple[Array, float]:
    """As many terms as leave a rest of at most tolerance/8, in fours, and that rest.

    Zeros follow, so that they are eights.
    """
    rests = np.cumsum(np.abs(series[:, ::-1]), axis=1)[:, ::-1].max(axis=0)
    terms = int(np.count_nonzero(rests > tolerance / 8))
    terms += -terms % 4
    kept = np.pad(series[:, :terms], ((0, 0), (0, -terms % CHUNK)))
    return kept, float(np.append(rests, 0.0)[terms])


@elementwise
def _fill_rows(t: Tile, scale: float, even: Any, odd: Any, data: Data, block: RowBlock) -> None:
    """Fill the rows of a block with the series in rho = scale <x, x'>/d."""
    k = max(block.nngp.shape[1], block.ntk.shape[1])
    for first in range(block.row, block.end, ROWS):
        last = min(first + ROWS, block.end)
        for lane in range((first // LANES) * LANES if data.own else 0, k, LANES):
            stop = min(lane + LANES, k)
            scalar_products(t, data, first, last, lane)
            for kind in range(2):
                out = block.ntk if kind else block.nngp
                if out.size > 0:
                    _evaluate(t, last - first, scale, even[kind], odd[kind])
                    store(t, block, first, last, lane, stop, data.own, out)
    settled()


@elementwise
def _evaluate(t: Tile, rows: int, scale: float, even: Any, odd: Any) -> None:
    """x becomes the series at rho = scale sigma.

    T_{j+2} = 2 T_2 T_j - T_{j-2}: Clenshaw's recurrence, for either parity in 2 T_2(rho).
    """
    rho, twice, b0, b1 = t.rho[0], t.theta[0], t.value0[0], t.slope0[0]
    for m in range(rows):
        sigma, value = t.sigma[m], t.x[m]
        for j in range(LANES):
            r = min(max(sigma[j] * scale, -1.0), 1.0)
            rho[j] = r
            twice[j] = 4.0 * r * r - 2.0
        _clenshaw(odd, twice, b0, b1)
        for j in range(LANES):
            value[j] = rho[j] * (b0[j] - b1[j])
        if even.size > 0:
            _clenshaw(even, twice, b0, b1)
            for j in range(LANES):
                value[j] += b0[j] - 0.5 * twice[j] * b1[j]


@elementwise
def _clenshaw(series: Any, twice: Any, b0: Any, b1: Any) -> None:
    """b_k = (a_k - b_{k+2}) + 2 T_2 b_{k+1}, eight steps at a time; b_0 and b_1 remain.

    The difference waits for nothing, so that a step takes the time of one multiply-add.
    """
    last = series.size - CHUNK
    if last < 0:
        b0[:] = 0.0
        b1[:] = 0.0
    for k in range(last, -1, -CHUNK):
        a = (series[k + 7], series[k + 6], series[k + 5], series[k + 4])
        b = (series[k + 3], series[k + 2], series[k + 1], series[k])
        for j in range(LANES):
            p = 0.0 if k == last else b0[j]
            q = 0.0 if k == last else b1[j]
            y = twice[j]
            for i in range(4):
                p, q = (a[i] - q) + y * p, p
            for i in range(4):
                p, q = (b[i] - q) + y * p, p
            b0[j] = p
            b1[j] = q
