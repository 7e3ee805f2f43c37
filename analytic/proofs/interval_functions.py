"""The elementary functions of intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from analytic.expressions import ORDERS, cardinal_sine, normal_cdf, sigmoid, softplus
from analytic.proofs.interval_arithmetic import Interval, absolute, signed, widened

__all__ = ["FUNCTIONS"]

_ERF, _ERFC = np.frompyfunc(math.erf, 1, 1), np.frompyfunc(math.erfc, 1, 1)
"""The C library's, since loading scipy's takes longer than refusing a bad expression may."""


def _increasing(
    f: Callable[[Any], Any], least: float = -math.inf, most: float = math.inf
) -> Callable[[Interval], Interval]:
    return lambda a: widened(f(a.low), f(a.high), least, most)


def _odd(f: Callable[[Any], Any], most: float = math.inf) -> Callable[[Interval], Interval]:
    return lambda a: signed(a, widened(f(a.low), f(a.high), -most, most))


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


def _cardinal_sine(order: int) -> Callable[[Interval], Interval]:
    """From the middle, with a slope of at most 1/(k + 2) and 2/|x|; in size it has such bounds too.

    Its error is 60 units of roundoff, relative to x where the function is odd and x small.
    """

    def enclosure(a: Interval) -> Interval:
        finite = np.isfinite(a.low) & np.isfinite(a.high)
        middle = np.where(finite, a.low / 2 + a.high / 2, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            least = absolute(a).low
            far = (2 if order else 1) / least
            radius = np.maximum(a.high - middle, middle - a.low) * np.minimum(
                1 / (order + 2), 2 / least
            )
        radius = np.where(finite, radius, 1.0)
        size = np.minimum(np.abs(middle) + radius, 1.0) if order % 2 else 1.0
        most = np.minimum(1 / (order + 1), far) * (1 + 2.0**-50)
        value, slack = cardinal_sine(middle, order), radius * (1 + 2.0**-50) + 1e-14 * size
        return Interval(np.maximum(value - slack, -most), np.minimum(value + slack, most))

    return enclosure


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
    **{function: _cardinal_sine(k) for k, function in enumerate(ORDERS)},
}
