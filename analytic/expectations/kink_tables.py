r"""Nearly parallel pairs of an activation with kinks at 0: E w(u) w(v) and E w'(u) w'(v) by tables.

A kink at 0 has no scale: both are analytic in log s, log s' and y = sin(theta/2), down to y = 0,
where theta is the smaller angle between u and +-v. So they are polynomials in the three on the
whole range of the deviations of a layer, and of low rank in the first two:

    E = r r' sum_abk C_abk phi_a(s) phi_b(s') T_k(y),    the same for D with the roots of E w'^2,

with the first singular vectors phi of all coefficients. The values at the Chebyshev points come
from ``close_pairs``, and so do those between them, which say how far the sum is away. That is an
estimate, not a proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from analytic.activation import Activation
from analytic.expectations.angle_parts import TABLE
from analytic.expectations.heat_tables import chebyshev_points
from analytic.expectations.rank_reduction import SumTable, low_rank, pair_values, summed_slowly
from analytic.expectations.splines import by_pieces
from analytic.machine import UNIT, Array

__all__ = ["KinkTable", "kink_table"]

HALVES = 2
"""Parts of an octave at which the ranges of s end."""
WIDEST = 6.0
"""Octaves of the widest range."""
ANGLES = (0.05, 0.065, 0.1, 0.2, 0.35)
"""The largest y^2 of a table: the smallest that serves is taken."""
TERMS = (24, 48)
"""Points in y: the fewest that serve. Units of large s see angles of size 1/s."""
SERVED_BY = 2.0**-40
"""An error that serves."""
KEPT = 2.0**-46
"""Coefficients that are kept, relative to the largest."""
SAFETY = 4.0
"""How much larger the error may be elsewhere."""
TRIED = 400
"""Places between the points at which the table is compared."""
ROUNDED = 2**7 * UNIT
"""Roundings of the sum, relative to norms, and what ``banded_sums`` leave out."""


@dataclass(frozen=True, slots=True, eq=False)
class KinkTable(SumTable):
    """The table of an activation for a range of s.

    Attributes:
        low: log of the smallest s.
        high: that of the largest one.
        farthest: the largest 1 - |rho|.
    """

    low: float
    high: float
    farthest: float

    kind = TABLE

    @property
    def scale(self) -> float:
        """1 over the largest y."""
        return 1 / math.sqrt(self.farthest / 2)

    def of_inputs(self, s: Array, r: Array, slope: Array) -> Array:
        """What is asked of each input: phi, the root of E w^2 and that of E w'^2, (rank + 2, n)."""
        x = 2 * (np.log(np.maximum(s, math.exp(self.low))) - self.low) / (self.high - self.low) - 1
        return np.stack([*self.phi(x), r, np.sqrt(slope)])

    def at(self, s: Array, s_: Array, y: Array, side: int) -> Array:
        """E and D relative to norms, slowly, (2, pairs)."""
        one, other = (self.of_inputs(a, a, a)[:-2] for a in (s, s_))
        x = y / math.sqrt(self.farthest / 2)
        return summed_slowly(self.sums.core[:, side], one, other, x)


def kink_table(activation: Activation, s: Array, farthest: float) -> KinkTable | None:
    """The table for deviations from the smallest to the largest of s, or None where it serves not.

    They may be too far apart, or kinks elsewhere.

    Args:
        activation: w.
        s: positive.
        farthest: the largest 1 - |rho| that is asked for.
    """
    if by_pieces(activation) is not None:
        return None
    low = math.floor(HALVES * math.log2(s.min())) / HALVES
    high = math.ceil(HALVES * math.log2(s.max()) + 1e-9) / HALVES
    top = [2 * a for a in ANGLES if farthest <= 2 * a]
    if high - low > WIDEST or not top:
        return None
    few, many = TERMS
    found = _table(activation, low, high, top[0], few)
    if found is None or found.error <= SERVED_BY:
        return found
    return _table(activation, low, high, top[0], many)


@lru_cache(maxsize=64)
def _table(
    activation: Activation, low: float, high: float, farthest: float, terms: int
) -> KinkTable | None:
    ends, points = (low * math.log(2), high * math.log(2)), 10 + math.ceil(4 * (high - low))
    (x, by_s), (z, by_y) = chebyshev_points(points), chebyshev_points(terms)
    s = np.exp(ends[0] + (ends[1] - ends[0]) * (x + 1) / 2)
    y = math.sqrt(farthest / 2) * (z + 1) / 2
    i, j = np.triu_indices(points)
    small = 2 * np.tile(y, i.size) ** 2
    values, error = pair_values(activation, s, np.repeat(i, y.size), np.repeat(j, y.size), small)
    if not np.isfinite(values).all():
        return None
    sums = low_rank(values.reshape(2, 2, i.size, y.size), by_s, by_y, KEPT)
    found = KinkTable(sums, error, *ends, farthest)
    return replace(found, error=SAFETY * _judged(found, activation) + error + ROUNDED)


def _judged(table: KinkTable, activation: Activation) -> float:
    """The largest difference to ``close_pairs`` between the points, at corners and elsewhere."""
    places = np.random.default_rng(0).random((TRIED, 3))
    places[: TRIED // 2] = 0.5 - 0.5 * np.cos(np.pi * places[: TRIED // 2])  # many near the ends
    places[:8] = np.stack(np.meshgrid(*[[0.001, 0.999]] * 3), axis=-1).reshape(8, 3)
    s, s_ = np.exp(table.low + (table.high - table.low) * places[:, :2].T)
    y = math.sqrt(table.farthest / 2) * places[:, 2]
    i = np.arange(TRIED)
    exact, error = pair_values(activation, np.concatenate([s, s_]), i, i + TRIED, 2 * y**2)
    found = np.stack([table.at(s, s_, y, side) for side in (0, 1)])
    return float(np.abs(found - exact).max()) + error / SAFETY
