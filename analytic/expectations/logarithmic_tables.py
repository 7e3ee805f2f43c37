r"""Pairs of large deviations: E w(u) w(v) and E w'(u) w'(v) by tables.

Where a smooth w bends on the scale 1/beta, both change with 1 - |rho| on the scale 1/(beta^2 s s'),
and with its logarithm from there to 1. So they are polynomials of moderate degree in log s, log s'
and

    x = log(1 + beta^2 s s' (1 - |rho|)) / log(1 + beta^2 s s' farthest),

which has no singularity near [0, 1], and of low rank in the first two (``rank_reduction``). With a
kink at 0 they have powers of sqrt(1 - |rho|), too, and x is

    x = arsinh(beta sqrt(s s' (1 - |rho|))) / arsinh(beta sqrt(s s' farthest)).

The values at the Chebyshev points come from ``close_pairs``, and so do those between them, which
say how far the sum is away. That is an estimate, not a proof.

Where deviations stay large behind the layer (softplus), the next one asks for 1 - |c| of the cosine
c = E/(r r') to an error of u sqrt(1 - |c|). Such a table has (1 - |c|)/omega in the place of E:

    omega^2 = 1 - |rho| + 1/(beta^2 s s').
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.angle_parts import HYPERBOLIC, LOGARITHMIC
from analytic.expectations.heat_choice import heat
from analytic.expectations.heat_tables import chebyshev_points
from analytic.expectations.pair_formulas import pair_formula
from analytic.expectations.rank_reduction import SumTable, low_rank, pair_values, summed_slowly
from analytic.expectations.splines import by_pieces
from analytic.machine import UNIT, Array

__all__ = ["LogTable", "log_table", "near_table"]

Index = NDArray[np.intp]


class _Limits(NamedTuple):
    """The largest 1 - |rho|, points in x, and the longest sums: others cost too much."""

    farthest: float
    points: int
    terms: int
    rank: int


OF_E, OF_NEAR, OF_KINKS = (
    _Limits(0.7, 64, 56, 40),
    _Limits(1.0, 80, 76, 48),
    _Limits(1.0, 96, 92, 48),
)
HALVES = 2
"""Parts of an octave at which the ranges of s end."""
LEAST = 0.05
"""The smallest s of a table, in units of the scale of w: on a line with biases all are served."""
WIDEST = 8.0
"""Octaves of the widest range."""
FINENESS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""The beta that are tried, in units of the inverse of the scale of w."""
FINENESS_OF_KINKS = tuple(2.0**k for k in range(-5, 9))
"""The same where a kink at 0 hides the scale."""
KEPT = 2.0**-47
"""Coefficients that are kept, relative to the largest."""
FEW, SURE = 8, 2
"""Points in x beside those that pairs of equal deviations ask for, and a quarter of these, with
which a table is tried first; coefficients that have to fade before them."""
SHARP = 2.0**-38
"""An error that serves everywhere."""
SAFETY = 4.0
"""How much larger the error may be elsewhere."""
TRIED = 600
"""Places between the points at which the table is compared."""
ROUNDED = 2**8 * UNIT
"""Roundings of the sum, relative to norms, and what ``banded_sums`` leave out."""


class Coordinate(NamedTuple):
    """x as a function of the angle of a pair: see the module.

    Attributes:
        beta: the inverse of a scale.
        near: whether 1 - |c| is in the place of E.
        kinked: whether there is a kink at 0.
    """

    beta: float
    near: bool
    kinked: bool

    @property
    def limits(self) -> _Limits:
        return OF_KINKS if self.kinked else (OF_NEAR if self.near else OF_E)

    def values(
        self, activation: Activation, s: Array, i: Index, j: Index, x: Array
    ) -> tuple[Array, float]:
        """``pair_values`` at the coordinate x."""
        steep, farthest = self.beta**2 * s[i] * s[j], self.limits.farthest
        if self.kinked:
            small = np.sinh(x * np.arcsinh(np.sqrt(steep * farthest))) ** 2 / steep
        else:
            small = np.expm1(x * np.log1p(steep * farthest)) / steep
        small = np.minimum(small, farthest)
        omega = np.sqrt(small + 1 / steep) if self.near else None
        return pair_values(activation, s, i, j, small, omega)


@dataclass(frozen=True, slots=True, eq=False)
class LogTable(SumTable):
    """The table of an activation for a range of s.

    Attributes:
        ends: log of the smallest and of the largest s.
        way: the coordinate of the angle.
    """

    ends: tuple[float, float]
    way: Coordinate

    @property
    def kind(self) -> int:
        """That of the coordinate."""
        return HYPERBOLIC if self.way.kinked else LOGARITHMIC

    @property
    def beta(self) -> float:
        """The inverse of its scale."""
        return self.way.beta

    @property
    def farthest(self) -> float:
        """The largest 1 - |rho|."""
        return self.way.limits.farthest

    @property
    def scale(self) -> float:
        """What scales the coordinate."""
        return self.farthest

    def of_inputs(self, s: Array, r: Array, slope: Array) -> Array:
        """phi, the roots of E w^2 and of E w'^2, and beta s, 0 out of range: (rank + 3, n)."""
        low, high = self.ends
        inside = s >= math.exp(low) * (1 - 4 * UNIT)
        x = 2 * (np.log(np.where(inside, s, math.exp(low))) - low) / (high - low) - 1
        steep = np.where(inside, self.beta * s, 0.0)
        return np.stack([*self.phi(x), r, np.sqrt(slope), steep])

    def at(self, s: Array, s_: Array, x: Array, side: int) -> Array:
        """E and D relative to norms, slowly, (2, pairs); x is in [0, 1]."""
        one, other = (self.of_inputs(a, a, a)[:-3] for a in (s, s_))
        return summed_slowly(self.sums.core[:, side], one, other, x)


def log_table(activation: Activation, s: Array) -> LogTable | None:
    """The table for deviations up to the largest of s, or None where it serves not.

    Args:
        activation: w.
        s: positive.
    """
    return None if activation.is_erf else near_table(activation, s, near=False)


def near_table(activation: Activation, s: Array, *, near: bool = True) -> LogTable | None:
    """The same with 1 - |c| in the place of E, of erf too.

    Args:
        activation: w.
        s: positive.
        near: whether it is there.
    """
    if by_pieces(activation) or pair_formula(activation):
        return None
    of = heat(activation)
    if of is None or not (of.smooth or near) or not s.max() < 2.0**of.highest:
        return None
    least = LEAST * of.rule.scale if of.smooth else 0.0
    low = math.floor(HALVES * math.log2(max(s.min(), least))) / HALVES
    high = math.ceil(HALVES * math.log2(s.max()) + 1e-9) / HALVES
    return _table(activation, max(low, high - WIDEST), high, near) if low < high else None


@lru_cache(maxsize=64)
def _table(activation: Activation, low: float, high: float, near: bool) -> LogTable | None:
    way, terms = _way(activation, 2.0**high, near)
    few = terms + terms // 4 + FEW
    if few < way.limits.points:
        found = _by_points(activation, (low, high), way, few)
        if found is not None and found.sums.degree < few - SURE and found.error <= SHARP:
            return found
    return _by_points(activation, (low, high), way, way.limits.points)


def _by_points(
    activation: Activation, octaves: tuple[float, float], way: Coordinate, count: int
) -> LogTable | None:
    """The table by so many points in x."""
    ends, points = (octaves[0] * math.log(2), octaves[1] * math.log(2)), _points_in(octaves)
    (x, by_s), (z, by_x) = chebyshev_points(points), chebyshev_points(count)
    s = np.exp(ends[0] + (ends[1] - ends[0]) * (x + 1) / 2)
    i, j = (np.repeat(part, count) for part in np.triu_indices(points))
    values, error = way.values(activation, s, i, j, np.resize((z + 1) / 2, i.size))
    if not np.isfinite(values).all():
        return None
    sums = low_rank(values.reshape(2, 2, -1, count), by_s, by_x, KEPT)
    found = LogTable(sums, error, ends, way)
    if sums.degree > way.limits.terms or found.rank > way.limits.rank:
        return None
    return replace(found, error=SAFETY * _judged(found, activation) + error + ROUNDED)


def _points_in(octaves: tuple[float, float]) -> int:
    """Chebyshev points in log s."""
    return 12 + math.ceil(5 * (octaves[1] - octaves[0]))


def _way(activation: Activation, s: float, near: bool) -> tuple[Coordinate, int]:
    """The one that asks for the fewest terms, by pairs of equal deviations, and their number."""
    of = heat(activation)
    assert of is not None
    tried = [f / of.rule.scale for f in FINENESS] if of.smooth else FINENESS_OF_KINKS
    ways = [Coordinate(beta, near, not of.smooth) for beta in tried]
    terms = [_terms(activation, s, way) for way in ways]
    return ways[int(np.argmin(terms))], min(terms)


def _terms(activation: Activation, s: float, way: Coordinate) -> int:
    z, by_x = chebyshev_points(way.limits.points)
    i = np.zeros(z.size, dtype=np.intp)
    values, _ = way.values(activation, np.full(2, s), i, i + 1, (z + 1) / 2)
    size = np.abs(values @ by_x.T).max(axis=(0, 1))
    return int(np.flatnonzero(~(size <= KEPT * size.max()))[-1])


def _judged(table: LogTable, activation: Activation) -> float:
    """The largest difference to ``close_pairs`` between the points, at corners and elsewhere."""
    places = np.random.default_rng(0).random((TRIED, 3))
    places[: TRIED // 2] = 0.5 - 0.5 * np.cos(np.pi * places[: TRIED // 2])  # many near the ends
    places[:8] = np.stack(np.meshgrid(*[[0.001, 0.999]] * 3), axis=-1).reshape(8, 3)
    (low, high), i = table.ends, np.arange(TRIED)
    s, s_ = np.exp(low + (high - low) * places[:, :2].T)
    both, x = np.concatenate([s, s_]), places[:, 2]
    exact, error = table.way.values(activation, both, i, i + TRIED, x)
    found = np.stack([table.at(s, s_, x, side) for side in (0, 1)])
    return float(np.abs(found - exact).max()) + error / SAFETY
