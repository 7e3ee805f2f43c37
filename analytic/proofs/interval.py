r"""Interval arithmetic: enclosures of the range of an expression, never samples.

An interval [low, high] stands for all real numbers between its ends; an end may be
infinite. For every operation the result contains f(x) for every x in the arguments (Moore
1966): sums and products are rounded outward by one unit in the last place, the elementary
functions of numpy and of the C library by 2^-46 of the value, sixty times their known
errors. What has no value somewhere in the interval (the logarithm of a negative
number, 1/0) is left out, and an infinite end takes its place.

Intervals are arrays: one pass over the expression encloses it on thousands of boxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sympy

from analytic.expressions import X, normal_cdf, sigmoid, softplus
from analytic.machine import Array

__all__ = [
    "FUNCTIONS",
    "Interval",
    "absolute",
    "constant",
    "enclose",
    "function",
    "outward",
    "reciprocal",
    "times",
]

SLACK = 2.0**-46
"""Relative error granted to an elementary function."""
TINY = 2.0**-1000
"""Absolute error granted to one, where its value underflows."""


class Interval(NamedTuple):
    """All numbers between two ends, elementwise."""

    low: Array
    high: Array


_ERF, _ERFC = np.frompyfunc(math.erf, 1, 1), np.frompyfunc(math.erfc, 1, 1)
"""The C library's, since loading scipy's takes longer than refusing a bad expression may."""
HUGE = float(np.finfo(np.float64).max)


def outward(low: Any, high: Any) -> Interval:
    """Rounded outward by one unit; a sum that is not a number has no bound."""
    low = np.where(np.isnan(low), -np.inf, np.nextafter(low, -np.inf))
    return Interval(low, np.where(np.isnan(high), np.inf, np.nextafter(high, np.inf)))


def widened(low: Any, high: Any, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Rounded outward by the error of an elementary function, within the function's range.

    What overflowed is beyond the largest number, not infinite.
    """
    low, high = np.minimum(low, HUGE), np.maximum(high, -HUGE)
    low, high = low - (np.abs(low) * SLACK + TINY), high + (np.abs(high) * SLACK + TINY)
    return Interval(np.clip(low, least, most), np.clip(high, least, most))


def enclose(expression: Any, box: Interval) -> Interval:
    """An interval that contains the expression for every x in the box.

    Example:
        >>> box = Interval(np.array(-1.0), np.array(2.0))
        >>> low, high = enclose(sympy.exp(-(X**2)), box)
        >>> bool(low <= np.exp(-4) and high >= 1.0 and high - low < 0.99)
        True
    """
    seen: dict[Any, Interval] = {X: box}

    def visit(node: Any) -> Interval:
        if node not in seen:
            if not node.free_symbols:
                seen[node] = constant(node)
            else:
                seen[node] = function(node, [visit(argument) for argument in node.args])
        return seen[node]

    with np.errstate(all="ignore"):
        return visit(expression)


@lru_cache(maxsize=4096)
def constant(number: Any) -> Interval:
    """The two float64 neighbours of a number, or the number itself if it is one of them."""
    value = float(number.evalf(30)) if not number.is_Rational else float(number)
    if number.is_Float or (number.is_Rational and Fraction(value) == Fraction(number.p, number.q)):
        return Interval(np.asarray(value), np.asarray(value))
    return outward(value, value)


def function(node: Any, arguments: list[Interval]) -> Interval:
    """One node of an expression, from the intervals of its arguments."""
    if node.is_Add:
        total = arguments[0]
        for term in arguments[1:]:
            total = outward(total.low + term.low, total.high + term.high)
        return total
    if node.is_Mul:
        product = arguments[0]
        for factor in arguments[1:]:
            product = times(product, factor)
        return product
    if node.is_Pow:
        return _power(arguments[0], node.exp)
    return FUNCTIONS[node.func](*arguments)


def times(a: Interval, b: Interval) -> Interval:
    """The product, rounded outward."""
    ends = [_end(p, q) for p in a for q in b]
    low, high = ends[0]
    for below, above in ends[1:]:
        low, high = np.minimum(low, below), np.maximum(high, above)
    return Interval(low, high)


def _end(p: Array, q: Array) -> Interval:
    """p q rounded both ways; an infinite end is never attained, so that 0 times it is 0."""
    product = np.where((p == 0) | (q == 0), 0.0, p * q)
    sure = (p == 0) | (q == 0) | (np.abs(p) == 1) | (np.abs(q) == 1)
    return Interval(
        np.where(sure, product, np.nextafter(product, -np.inf)),
        np.where(sure, product, np.nextafter(product, np.inf)),
    )


def _power(base: Interval, exponent: Any) -> Interval:
    if not exponent.is_Integer:
        return _positive_power(base, float(exponent))
    n = int(exponent)
    if n == 1:
        return base
    if n < 0:
        return reciprocal(_power(base, sympy.Integer(-n)))
    if n % 2 == 0:
        size = absolute(base)
        return widened(size.low**n, size.high**n, least=0.0)
    return _signed(base, widened(base.low**n, base.high**n))


def _signed(a: Interval, value: Interval) -> Interval:
    """The value of a function that has the sign of its argument."""
    low = np.where(a.low >= 0, np.maximum(value.low, 0.0), value.low)
    return Interval(low, np.where(a.high <= 0, np.minimum(value.high, 0.0), value.high))


def _positive_power(base: Interval, p: float) -> Interval:
    """x^p with x >= 0; negative x have no such power and are left out."""
    low, high = np.maximum(base.low, 0.0), np.maximum(base.high, 0.0)
    ends = (low**p, high**p) if p > 0 else (high**p, low**p)
    return widened(*ends, least=0.0)


def reciprocal(a: Interval) -> Interval:
    """1/x; what reaches 0 from one side has no bound there."""
    low, high = outward(1 / a.high, 1 / a.low)
    low, high = np.where(a.low >= 0, np.maximum(low, 0.0), low), np.where(a.low == 0, np.inf, high)
    low, high = (
        np.where(a.high == 0, -np.inf, low),
        np.where(a.high <= 0, np.minimum(high, 0), high),
    )
    inside = (a.low < 0) & (a.high > 0)
    return Interval(np.where(inside, -np.inf, low), np.where(inside, np.inf, high))


def _increasing(
    f: Callable[[Any], Any], least: float = -math.inf, most: float = math.inf
) -> Callable[[Interval], Interval]:
    return lambda a: widened(f(a.low), f(a.high), least, most)


def _odd(f: Callable[[Any], Any], most: float = math.inf) -> Callable[[Interval], Interval]:
    return lambda a: _signed(a, widened(f(a.low), f(a.high), -most, most))


def _erf(x: Any) -> Any:
    return np.asarray(_ERF(x), dtype=np.float64)


def _half_erfc(x: Any) -> Any:
    """The probability of a standard normal number above x."""
    return np.asarray(_ERFC(x / math.sqrt(2)), dtype=np.float64) / 2


def _logistic(x: Any) -> Any:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, decay) / (1 + decay)


def _normal_cdf(a: Interval) -> Interval:
    """Its relative error grows like x^2 far below 0: that of a slightly moved argument."""
    low, high = a.low - np.abs(a.low) * 2.0**-50, a.high + np.abs(a.high) * 2.0**-50
    return widened(_half_erfc(-low), _half_erfc(-high), 0.0, 1.0)


def _cosine(a: Interval) -> Interval:
    return _wave(np.cos, a, 0.0)


def _sine(a: Interval) -> Interval:
    return _wave(np.sin, a, math.pi / 2)


def _wave(f: Callable[[Any], Any], a: Interval, crest: float) -> Interval:
    """sin or cos, whose crests lie at crest + 2 pi k and troughs half a period further."""
    guard = 1e-14 * (2 + np.maximum(np.abs(a.low), np.abs(a.high)))
    low, high = a.low - guard, a.high + guard
    wide = ~(np.maximum(np.abs(low), np.abs(high)) < 2.0**30) | ~(high - low < 2 * math.pi)
    turn = 2 * math.pi

    def contains(point: float) -> Any:
        return wide | (np.floor((high - point) / turn) >= np.ceil((low - point) / turn))

    ends = np.where(wide, 1.0, f(a.low)), np.where(wide, -1.0, f(a.high))
    slack = 2.0**-50
    smallest = np.where(contains(crest + math.pi), -1.0, np.minimum(*ends) - slack)
    largest = np.where(contains(crest), 1.0, np.maximum(*ends) + slack)
    return Interval(np.maximum(smallest, -1.0), np.minimum(largest, 1.0))


def _tangent(a: Interval) -> Interval:
    cosine = _cosine(a)
    defined = (cosine.low > 0) | (cosine.high < 0)
    low, high = widened(np.tan(a.low), np.tan(a.high))
    return Interval(np.where(defined, low, -np.inf), np.where(defined, high, np.inf))


def _logarithm(a: Interval) -> Interval:
    return widened(np.log(np.maximum(a.low, 0.0)), np.log(np.maximum(a.high, 0.0)))


def _hyperbolic_cosine(a: Interval) -> Interval:
    size = absolute(a)
    return widened(np.cosh(size.low), np.cosh(size.high), least=1.0)


def _hyperbolic_secant(a: Interval) -> Interval:
    size = absolute(a)
    return widened(1 / np.cosh(size.high), 1 / np.cosh(size.low), least=0.0, most=1.0)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def absolute(a: Interval) -> Interval:
    """The sizes of its members."""
    inside = (a.low <= 0) & (a.high >= 0)
    ends = np.abs(a.low), np.abs(a.high)
    return Interval(np.where(inside, 0.0, np.minimum(*ends)), np.maximum(*ends))


def _sign(a: Interval) -> Interval:
    return Interval(np.sign(a.low), np.sign(a.high))


def _step(a: Interval, _at_zero: Any = None) -> Interval:
    return Interval(np.heaviside(a.low, 0.0), np.heaviside(a.high, 1.0))


def _largest(*a: Interval) -> Interval:
    low, high = a[0]
    for b in a[1:]:
        low, high = np.maximum(low, b.low), np.maximum(high, b.high)
    return Interval(low, high)


def _smallest(*a: Interval) -> Interval:
    low, high = a[0]
    for b in a[1:]:
        low, high = np.minimum(low, b.low), np.minimum(high, b.high)
    return Interval(low, high)


FUNCTIONS: dict[Any, Callable[..., Interval]] = {
    sympy.Abs: absolute,
    sympy.Heaviside: _step,
    sympy.Max: _largest,
    sympy.Min: _smallest,
    sympy.asinh: _odd(np.arcsinh),
    sympy.atan: _odd(np.arctan),
    sympy.cos: _cosine,
    sympy.cosh: _hyperbolic_cosine,
    sympy.erf: _odd(_erf, 1.0),
    sympy.exp: _increasing(np.exp, 0.0),
    sympy.log: _logarithm,
    sympy.sech: _hyperbolic_secant,
    sympy.sign: _sign,
    sympy.sin: _sine,
    sympy.sinh: _odd(np.sinh),
    sympy.tan: _tangent,
    sympy.tanh: _odd(np.tanh, 1.0),
    normal_cdf: _normal_cdf,
    sigmoid: _increasing(_logistic, 0.0, 1.0),
    softplus: _increasing(_softplus, 0.0),
}
