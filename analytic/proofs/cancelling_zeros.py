r"""Expressions whose values cancel beside 0, written so that they do not.

log(1 + |x|) is 0 at x = 10^-17 in floating point, and x - sin(x) is at 10^-9, but a rule whose
nodes crowd at a kink needs their digits. With the branches f_+ and f_- on either side of 0, each of
which has a zero of order n there beside its value c,

    w(x) = c + g_+(max(x, 0)) + g_-(min(x, 0)),   g(u) = f(u) - c = u^n q(u),

where q is summed by its Taylor series near 0 (``analytic.expressions.removed_zeros``). Farther
away values are those of w as it is written.
"""

# mpmath has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import mpmath
import numpy as np
import sympy

from analytic.expressions import (
    X,
    derivative,
    divided_functions,
    elementary,
    extended_values,
    values,
)
from analytic.machine import Array
from analytic.proofs.divided_zeros import quotient, zero_order
from analytic.proofs.nonsmooth_points import branch, kinks

__all__ = ["sharp_extended_values", "sharp_values"]

BESIDE = 2.0**-20 * 1.37
"""Where values are looked at."""
LOST = 2.0**-44
"""Relative error of w or w' there from which on digits count as lost."""
DIGITS = 60
"""Of what is exact."""
TINY = 2.0**-9
"""Of the radius of a series: below it few of its terms matter."""
HIGHEST = 8
"""Highest order of a zero."""
LONGEST = 60
"""Most operations of an expression that is looked at."""


def sharp_values(expression: Any, x: Array, order: int) -> list[Array]:
    """``values``, whose digits are not lost beside 0.

    Example:
        >>> x = np.array([1e-17])
        >>> float(values(sympy.log(1 + sympy.Abs(X)), x, 0)[0][0])
        0.0
        >>> float(sharp_values(sympy.log(1 + sympy.Abs(X)), x, 0)[0][0])
        1e-17
    """
    found, beside = values(expression, x, order), _beside(expression)
    for near in _near(beside, x):
        again = values(beside.form, x[near], order) if beside else found
        found = [np.array(value) for value in found]
        for value, sharper in zip(found, again, strict=True):
            value[near] = sharper
    return found


def sharp_extended_values(expression: Any, x: Any, order: int, roundings: int) -> tuple[Any, Array]:
    """``extended_values``, whose digits are not lost beside 0."""
    value, error = extended_values(expression, x, order, roundings)
    beside = _beside(expression)
    for near in _near(beside, x):
        if beside is not None:
            value[near], error[near] = extended_values(beside.form, x[near], order, roundings)
    return value, error


class _Beside(NamedTuple):
    """The form of an expression beside 0, and up to where it is taken."""

    form: Any
    radius: float


def _near(beside: _Beside | None, x: Any) -> Iterator[Any]:
    """Where the form beside 0 is taken: tiny arguments, whose series are short, and others."""
    if beside is None:
        return
    tiny = np.abs(x) < beside.radius * TINY
    for part in (tiny, (np.abs(x) < beside.radius) & ~tiny):
        if part.any():
            yield part


@lru_cache(maxsize=256)
def _beside(expression: Any) -> _Beside | None:
    """None where nothing cancels, or nothing can be proved."""
    found = kinks(expression)
    if not found.complete or any(place != 0 for place in found.places):
        return None
    if expression.is_polynomial(X) or sympy.count_ops(expression) > LONGEST:
        return None
    zero, smooth = sympy.S.Zero, not found.places
    sides = [branch(expression, zero, side) for side in (1, -1)]
    start = sides[0].subs(X, 0)
    if start != sides[1].subs(X, 0) or not any(map(_cancels, sides, (1, -1))):
        return None
    parts = [_rise(side, start) for side in sides[: 1 if smooth else 2]]
    ends = (X,) if smooth else (sympy.Max(X, 0), sympy.Min(X, 0))
    if any(part is None for part in parts):
        return None
    form = start + sum(part(end) for part, end in zip(parts, ends, strict=True) if part)
    return _Beside(form, min(f.series.radius for f in divided_functions(form)))


def _cancels(smooth: Any, side: int) -> bool:
    """Whether w or w' lose digits at one place beside 0."""
    x = side * BESIDE
    for order, found in enumerate(values(smooth, np.array([x]), 1)):
        exact: Any = sympy.lambdify(X, elementary(derivative(smooth, order)), "mpmath")
        with mpmath.workdps(DIGITS):
            value = exact(mpmath.mpf(x))
            if abs(value - float(found[0])) > LOST * abs(value):
                return True
    return False


def _rise(smooth: Any, start: Any) -> Callable[[Any], Any] | None:
    """u -> f(u) - c without cancellation, or None where that is not found."""
    rise = smooth - start
    if rise.is_polynomial(X) or not (_cancels(rise, 1) or _cancels(rise, -1)):
        return lambda u: rise.subs(X, u)
    order = zero_order(rise, sympy.S.Zero, HIGHEST)
    divided = quotient(rise, order) if 0 < order < HIGHEST else None
    return None if divided is None else lambda u: u**order * divided(u)
