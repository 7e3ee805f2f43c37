"""E w(u) w(v) and E w'(u) w'(v) of single pairs of wide deviations, for the tables of a cell.

By conditioning: with the tables of a smooth activation, or one with a kink at 0, or panel by panel
where there are kinks elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from analytic.activation import Activation
from analytic.expectations.conditioning import SUM_ROUNDING, conditional
from analytic.expectations.heat_choice import HIGHEST, heat
from analytic.expectations.heat_tables import Heat
from analytic.expectations.product_rules import Angle
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import Spline, by_pieces, spline
from analytic.machine import Array

__all__ = ["PairValues", "pair_values_of"]

PairValues = Callable[[Array, Array, Array], tuple[Array, Array]]
"""From s >= s' and 1 - rho >= 0, all of one shape, to E and D, (2,) + that shape, and to the errors
of E over its scale and of D over its norms, (2, pairs)."""
WIDE = 10
"""Octaves of the outer law that are met."""


def pair_values_of(activation: Activation, degree: int) -> PairValues | None:
    """Those of an activation whose E is of the size of (s s')^degree, or None."""
    if by_pieces(activation) is not None:
        pieces = spline(activation)
        ends = pieces is None or min(pieces.far) < math.inf
        return None if pieces is None or ends else partial(_by_panels, pieces)
    table = heat(activation, HIGHEST[0])
    return None if table is None else partial(_by_tables, table, degree)


def _by_tables(of: Heat, degree: int, s: Array, s_: Array, small: Array) -> tuple[Array, Array]:
    unit, unit_ = (1 / a.ravel() ** degree for a in (s, s_))
    minus, plus, d, apart, *noise = conditional(
        of, s.ravel(), s_.ravel(), small.ravel(), 2 - small.ravel(), unit, unit_
    )
    e = (plus - minus) / 2 / (unit * unit_)
    lost = 4 * of.outer[-WIDE:].max() + SUM_ROUNDING
    wrong = 2 * noise[0] * np.sqrt(2 * apart) + (noise[2] + lost) * np.minimum(minus, plus)
    return np.stack([e, d]).reshape(2, *s.shape), np.stack([wrong, 2 * noise[1] + lost])


def _by_panels(of: Spline, s: Array, s_: Array, small: Array) -> tuple[Array, Array]:
    shape, (s, s_, small) = s.shape, (part.ravel() for part in (s, s_, small))
    r, r_ = (np.sqrt(of.moments(part)[1]) for part in (s, s_))
    minus, plus, d, *errors = spline_distances(of, s, s_, r, r_, Angle(small, 2 - small, 0 * s))
    return np.stack([(plus - minus) / 2 * (r * r_), d]).reshape(2, *shape), np.stack(errors)
