"""What activations by pieces lose to cancellation where deviations are far beyond their kinks.

At s = 1e8 a unit of hardswish is hardly ever between its kinks, and what happens there is a
difference of integrals over either side: of size u w(s)^2, w the polynomial between the kinks. So
are the coefficients of a piecewise linear w, sums over its kinks of w'.
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from analytic.expectations.polylines import Polyline
from analytic.expectations.splines import EXACT, Spline
from analytic.machine import UNIT, Array

__all__ = ["lost_in_coefficients", "lost_in_pairs"]

SHARE = 1 / 8
"""Of a rounding of the polynomial's square: measured are at most 1/30, of hardswish at 1e8."""


def lost_in_pairs(
    line: Spline, s: Array, second: Array, slope: Array, place: NDArray[np.intp]
) -> Array:
    """Errors of E w(u) w(v) and E w'(u) w'(v), relative to the roots of those of one unit.

    Pieces that are no polynomials of low degree are short and summed by rules of their own.

    Args:
        line: w.
        s: deviations of units, (n,).
        second: their E w^2.
        slope: their E w'^2.
        place: the units of pairs: all first ones, then all second ones.
    """
    low = ~line.powers[:, EXACT + 1 :].any(axis=1)
    inner = low & np.isfinite(line.ends[:-1]) & np.isfinite(line.ends[1:])
    sizes, h = np.abs(line.powers[inner, : EXACT + 1]), line.lengths[inner]
    k = np.arange(EXACT + 1)
    terms = sizes * (s[:, None] / h)[:, :, None] ** k
    w, w1 = (np.sum(part, axis=2).max(axis=1, initial=0.0) for part in (terms, k * terms))
    roots = np.sqrt(np.stack([second, slope * s**2]))
    lost = _share(np.stack([w, w1]), roots)[:, place].reshape(2, 2, -1)
    return np.asarray(SHARE * UNIT * lost[:, 0] * lost[:, 1])


def lost_in_coefficients(line: object, s: Array, second: Array, slope: Array) -> float:
    """The same of the coefficients of w and w', relative to the roots; the largest over s.

    Those of a step at A deviations have at most the norm sqrt(P(z > |A|)).
    """
    if not isinstance(line, Polyline):
        return 0.0
    beyond = ndtr(-np.abs(line.places / np.maximum(s, 1e-300)[:, None]))
    jumps = np.asarray(UNIT * np.sqrt(beyond) @ np.abs(line.jumps))
    shares = _share(s * jumps, np.sqrt(second)), _share(jumps, np.sqrt(slope))
    return float(np.max(shares, initial=0.0))


def _share(part: Array, whole: Array) -> Array:
    return np.asarray(part / np.where(whole > 0, whole, np.inf))
