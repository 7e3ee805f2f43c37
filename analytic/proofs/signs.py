"""The sign of a function on the real line, proved by interval arithmetic, and its zeros."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.expressions import SWITCHES, X, derivative, stable
from analytic.machine import Array
from analytic.proofs.asymptotics import Tail, tail
from analytic.proofs.extrema import first_boxes, ranges
from analytic.proofs.interval import enclose
from analytic.proofs.interval_arithmetic import Interval

__all__ = ["Sign", "Zeros", "sign", "zeros"]

ROUNDS, BOXES = 40, 64
"""How often boxes are halved before a sign counts as undecided, and how many at a time."""


class Sign(NamedTuple):
    """The sign of a function on the real line.

    Attributes:
        value: 1 or -1 if it is proved to be the same everywhere, otherwise 0.
        place: where the function is 0 or changes its sign, or could not be told from 0.
        sure: whether it is proved that the sign is not the same everywhere.
    """

    value: int
    place: float = math.nan
    sure: bool = True


@lru_cache(maxsize=512)
def sign(expression: Any) -> Sign:
    """Decide whether a continuous expression is positive or negative everywhere.

    Example:
        >>> sign(2 + sympy.sin(X)).value
        1
        >>> sign(X**3 - 8).place
        2.0
    """
    if expression.is_positive or expression.is_negative:
        return Sign(1 if expression.is_positive else -1)
    expression = stable(expression)
    if not expression.free_symbols:
        return Sign(0, 0.0)
    box = first_boxes()
    for turn in range(ROUNDS):
        points = np.union1d(box.low, box.high)
        found = _signs(enclose(expression, Interval(points, points)))
        bracket = _innermost_change(points, found)
        if bracket is not None:
            return Sign(0, _bisected(expression, *bracket))
        if turn == 0 and not all(_sign_of_tail(tail(expression, side)) for side in (1, -1)):
            return Sign(0, math.inf, sure=False)
        low, high = ranges(expression, box)
        undecided = np.flatnonzero((low <= 0) & (high >= 0))
        if not undecided.size:
            return Sign(int(found[np.flatnonzero(found)[0]]))
        distance = np.minimum(np.abs(box.low), np.abs(box.high))[undecided]
        box = _halves(box, undecided[np.argsort(distance, kind="stable")])
    return Sign(0, float(box.low[0]), sure=False)


def _sign_of_tail(end: Tail) -> int:
    if end.below is None:
        return 0
    return 1 if end.low >= 0 else -1 if end.high <= 0 else 0


def _signs(values: Interval) -> NDArray[np.int64]:
    """1, -1, 0 where the value is within rounding of 0, or 2 where it is not known at all."""
    low, high = values
    near = (low <= 0) & (high >= 0)
    tiny = np.maximum(np.abs(low), np.abs(high)) <= 1e-300
    return np.where(near, np.where(tiny, 0, 2), np.where(low > 0, 1, -1))


def _innermost_change(points: Array, found: NDArray[np.int64]) -> tuple[float, float] | None:
    """The pair of points nearest to 0 between which the sign changes; twice the same if 0."""
    known = np.flatnonzero(found != 2)
    points, found = points[known], found[known]
    places = np.flatnonzero(found[1:] != found[:-1])
    if not places.size:
        return None
    place = places[np.argmin(np.minimum(np.abs(points[places]), np.abs(points[places + 1])))]
    for end in (place, place + 1):
        if found[end] == 0:
            return float(points[end]), float(points[end])
    return float(points[place]), float(points[place + 1])


def _bisected(expression: Any, a: float, b: float) -> float:
    """The zero between two points of different sign, by cutting the interval into pieces."""
    while b - a > 1e-15 * max(abs(a), abs(b), 1.0):
        points = np.unique(np.append(np.linspace(a, b, 33), np.clip(0.0, a, b)))
        found = _signs(enclose(expression, Interval(points, points)))
        unknown = np.flatnonzero((found == 0) | (found == 2))
        if unknown.size:
            return float(points[unknown[np.argmin(np.abs(points[unknown]))]])
        place = int(np.flatnonzero(found != found[0])[0])
        if (a, b) == (points[place - 1], points[place]):
            break
        a, b = float(points[place - 1]), float(points[place])
    return a + (b - a) / 2


def _halves(box: Interval, chosen: NDArray[np.intp]) -> Interval:
    """The first BOXES of the chosen boxes halved, the others as they are."""
    split, rest = chosen[:BOXES], chosen[BOXES:]
    low, high = box.low[split], box.high[split]
    middle = low + (high - low) / 2
    return Interval(
        np.concatenate([low, middle, box.low[rest]]),
        np.concatenate([middle, high, box.high[rest]]),
    )


class Zeros(NamedTuple):
    """Real zeros of a function.

    Attributes:
        places: numbers, exact ones where they could be found.
        complete: whether these are proved to be all of them.
    """

    places: tuple[Any, ...]
    complete: bool


@lru_cache(maxsize=512)
def zeros(expression: Any) -> Zeros:
    """The zeros of an expression: exact for polynomials, else isolated, else by sign changes.

    Example:
        >>> zeros(X**2 - 4).places
        (-2, 2)
        >>> zeros(sympy.cosh(X)).complete
        True
    """
    if sign(expression).value:
        return Zeros((), True)
    rational = expression.xreplace(
        {number: sympy.Rational(float(number)) for number in expression.atoms(sympy.Float)}
    )
    if rational.is_polynomial(X):
        poly = sympy.Poly(rational, X)
        if poly.degree() == 1:
            return Zeros((sympy.solve(rational, X)[0],), True)
        if (poly.domain.is_QQ or poly.domain.is_ZZ) and 0 < poly.degree() <= 12:
            return Zeros(tuple(sorted(set(sympy.real_roots(poly)), key=float)), True)
    isolated = _isolated(stable(expression))
    if isolated is not None:
        return Zeros(isolated, True)
    points = np.arange(-32, 32.125, 0.125)
    found = _signs(enclose(stable(expression), Interval(points, points)))
    exact = [sympy.Rational(float(p)) for p in points[found == 0]]
    points, found = points[found != 2], found[found != 2]
    change = np.flatnonzero(found[1:] * found[:-1] == -1)
    near = [sympy.Float(_bisected(stable(expression), points[i], points[i + 1])) for i in change]
    return Zeros(tuple(sorted(exact + near, key=lambda place: abs(float(place)))), False)


HALVINGS, OPEN = 24, 512
"""How often boxes are halved to isolate zeros, and how many may be open."""
OFFSET = 0.0317
"""By which boxes are moved, so that zeros at simple numbers are not at their ends."""


def _isolated(expression: Any) -> tuple[Any, ...] | None:
    """All zeros of a smooth expression, if each lies in a box on which it is monotone, or None."""
    if expression.has(*SWITCHES) or not all(_sign_of_tail(tail(expression, k)) for k in (1, -1)):
        return None
    first = first_boxes()
    ends = np.append(first.low, first.high[-1])
    ends[1:-1] += OFFSET
    box, found = Interval(ends[:-1], ends[1:]), set[float]()
    for _ in range(HALVINGS):
        low, high = ranges(expression, box)
        near = (low <= 0) & (high >= 0)
        box = Interval(box.low[near], box.high[near])
        slope = enclose(derivative(expression, 1), box)
        sides = [_signs(enclose(expression, Interval(end, end))) for end in box]
        single = ((slope.low > 0) | (slope.high < 0)) & (np.abs(sides[0] * sides[1]) == 1)
        for k in np.flatnonzero(single & (sides[0] != sides[1])):
            found.add(_polished(expression, float(box.low[k]), float(box.high[k])))
        if single.all():
            return tuple(sympy.Float(zero) if zero else sympy.S.Zero for zero in sorted(found))
        if np.count_nonzero(~single) > OPEN:
            return None
        left, right = box.low[~single], box.high[~single]
        middle = left + (right - left) / 2
        box = Interval(np.concatenate([left, middle]), np.concatenate([middle, right]))
    return None


def _polished(expression: Any, low: float, high: float) -> float:
    """The zero between two points of different sign: bisection, then Newton's method in 30 digits.

    Enclosures are a hundred times wider than roundings, and so is what bisection finds.
    """
    zero = _bisected(expression, low, high)
    slope = derivative(expression, 1)
    for _ in range(2):
        value, steep = (
            float(sympy.N(f.subs(X, sympy.Float(zero, 30)), 30)) for f in (expression, slope)
        )
        moved = zero - value / steep if steep else zero
        zero = moved if low < moved < high else zero
    return zero
