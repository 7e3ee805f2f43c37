r"""Suprema of |f| over the real line: exact where possible, otherwise enclosed.

Branch and bound (Moore 1966; Hansen 1980): the line is cut into boxes, each with an
enclosure of f by interval arithmetic, sharpened by the mean value form

    f(x) in f(m) + f'(box) (x - m)

and by monotonicity where f' has no zero. Boxes that cannot hold the supremum are left
alone, the others are halved. What lies beyond START is bounded by ``analytic.proofs``. The
lower bound is a value of f, the upper one holds everywhere: nothing is sampled and called
a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.expressions import START, SWITCHES, derivative, elementary
from analytic.machine import Array
from analytic.proofs.asymptotics import tail
from analytic.proofs.critical import exact_supremum
from analytic.proofs.interval import constant, enclose
from analytic.proofs.interval_arithmetic import Interval

__all__ = ["Bound", "first_boxes", "ranges", "supremum"]

TOLERANCE = 1e-10
"""Relative width at which an enclosure is narrow enough."""
ROUNDS = 80
"""Most times that boxes are halved."""
BOXES = 512
"""Boxes that are halved at a time, once for their size and once for their distance from 0."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A constant with its enclosure.

    Attributes:
        low: a lower bound.
        high: an upper bound; infinite if none was found or there is none.
        exact: the constant as a sympy number, or None. ``oo`` says that there is none.
    """

    low: float
    high: float
    exact: Any = None

    @property
    def is_finite(self) -> bool | None:
        """Whether the constant is finite; None if that is not known."""
        if math.isfinite(self.high):
            return True
        return False if self.exact == sympy.oo else None

    def __str__(self) -> str:
        if self.exact is not None and len(str(self.exact)) <= 40:
            value = "" if self.exact.is_Integer or self.exact == sympy.oo else f" = {self.low:.6g}"
            return f"{self.exact}{value}"
        if self.is_finite and self.high - self.low <= 1e-6 * self.high:
            return f"{self.high:.6g}"
        return f"between {self.low:.6g} and {self.high:.6g}"


@lru_cache(maxsize=512)
def supremum(expression: Any) -> Bound:
    """Enclose sup |f| over the real line.

    Example:
        >>> from analytic.expressions.vocabulary import X, sigmoid
        >>> str(supremum(derivative(sigmoid(X), 2)))
        'sqrt(3)/18 = 0.096225'
        >>> bound = supremum(derivative(X * sigmoid(X), 1))  # silu, without a closed form
        >>> 0 < bound.high - bound.low < 1e-9 and bound.low > 1.0998
        True
    """
    ends = [tail(expression, side) for side in (1, -1)]
    if any(end.below is not None and end.below.grows for end in ends):
        return Bound(math.inf, math.inf, sympy.oo)
    exact = exact_supremum(expression)
    if exact is not None:
        low, high = constant(exact) if exact.is_finite else (math.inf, math.inf)
        return Bound(float(low), float(high), elementary(exact))
    low, high = _enclosed(expression, max(end.size for end in ends))
    return Bound(low, high, sympy.Rational(low) if low == high else None)


def first_boxes() -> Interval:
    """A partition of [-START, START]: even up to 32, dyadic beyond."""
    right = np.concatenate([np.arange(0, 32, 0.5), 2.0 ** np.arange(5, math.log2(START) + 1)])
    ends = np.concatenate([-right[:0:-1], right])
    return Interval(ends[:-1], ends[1:])


def ranges(expression: Any, box: Interval) -> Interval:
    """The range of f on boxes, by the sharpest of the three forms."""
    low, high = enclose(expression, box)
    if expression.has(*SWITCHES):
        return Interval(low, high)
    slope = enclose(derivative(expression, 1), box)
    middle = box.low + (box.high - box.low) / 2
    value, ends = (
        enclose(expression, Interval(middle, middle)),
        [enclose(expression, Interval(end, end)) for end in box],
    )
    with np.errstate(all="ignore"):
        half = np.nextafter(np.maximum(middle - box.low, box.high - middle), np.inf)
        reach = np.nextafter(half * np.maximum(np.abs(slope.low), np.abs(slope.high)), np.inf)
        reach = np.where(np.isnan(reach), np.inf, reach)
        below, above = (
            np.nextafter(value.low - reach, -np.inf),
            np.nextafter(value.high + reach, np.inf),
        )
    monotone = (slope.low >= 0) | (slope.high <= 0)
    below = np.where(monotone, np.minimum(ends[0].low, ends[1].low), below)
    above = np.where(monotone, np.maximum(ends[0].high, ends[1].high), above)
    return Interval(np.fmax(low, below), np.fmin(high, above))


def _enclosed(expression: Any, beyond: float) -> tuple[float, float]:
    """Bounds of sup |f|, where |f| <= beyond outside [-START, START]."""
    box = first_boxes()
    least, upper = 0.0, np.empty(0)
    parked = beyond  # bounds of the boxes that need no more work
    for _ in range(ROUNDS):
        low, high = ranges(expression, box)
        upper = np.maximum(np.abs(low), np.abs(high))
        least = max(least, _attained(expression, box))
        open_ = upper > max(least * (1 + TOLERANCE), beyond)
        parked = max(parked, float(np.max(upper[~open_], initial=0.0)))
        if not open_.any():
            return least, max(parked, least)
        box, parked, upper = _halved(box, upper, open_, parked)
    return least, max(parked, float(np.max(upper, initial=0.0)))


def _attained(expression: Any, box: Interval) -> float:
    """The largest lower bound of |f| at the middle of a box."""
    middle = box.low + (box.high - box.low) / 2
    low, high = enclose(expression, Interval(middle, middle))
    sure = np.where(low * high > 0, np.minimum(np.abs(low), np.abs(high)), 0.0)
    return float(np.max(sure[np.isfinite(sure)], initial=0.0))


def _halved(
    box: Interval, upper: Array, open_: NDArray[np.bool_], parked: float
) -> tuple[Interval, float, Array]:
    """Halve the largest and the innermost of the open boxes; the bound of the rest is kept."""
    places = np.flatnonzero(open_)
    distance = np.minimum(np.abs(box.low), np.abs(box.high))[places]
    chosen = np.union1d(
        places[np.argsort(-upper[places], kind="stable")[:BOXES]],
        places[np.argsort(distance, kind="stable")[:BOXES]],
    )
    rest = np.setdiff1d(places, chosen)
    parked = max(parked, float(np.max(upper[rest], initial=0.0)))
    low, high = box.low[chosen], box.high[chosen]
    middle = low + (high - low) / 2
    halves = Interval(np.concatenate([low, middle]), np.concatenate([middle, high]))
    return halves, parked, np.concatenate([upper[chosen], upper[chosen]])
