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
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from analytic.expressions import DividedFunction, X, derivative, stable
from analytic.proofs.interval_arithmetic import Interval, outward, power, times
from analytic.proofs.interval_functions import FUNCTIONS

__all__ = ["constant", "enclose", "function", "mean_of", "supremum_between"]


def enclose(expression: Any, box: Interval) -> Interval:
    """An interval that contains the expression for every x in the box.

    Example:
        >>> import sympy
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


def supremum_between(expression: Any, reach: float) -> float:
    """An upper bound of the size of an expression for |x| <= reach, infinite if none was found.

    Example:
        >>> import sympy
        >>> 1.0 <= supremum_between(sympy.cos(X), 0.1) < 1.01
        True
    """
    low, high = enclose(expression, Interval(np.array([-reach]), np.array([reach])))
    size = max(abs(float(np.min(low))), abs(float(np.max(high))))
    return size if size >= 0 else math.inf


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
        return power(arguments[0], node.exp)
    if isinstance(node, DividedFunction):
        return _divided(node.func, arguments[0])
    return FUNCTIONS[node.func](*arguments)


def _divided(function: Any, u: Interval) -> Interval:
    """A mean of values of a derivative of the numerator, within the plain quotient."""
    reaching = Interval(np.minimum(u.low, 0.0), np.maximum(u.high, 0.0))
    mean = enclose(mean_of(function), reaching)
    far = enclose(stable(function.far()), u)
    return Interval(np.fmax(mean.low, far.low), np.fmin(mean.high, far.high))


def mean_of(function: Any) -> Any:
    """k!/(n + k)! f^(n + k), of whose values between 0 and u the function is a mean at u."""
    order = function.power + function.order
    return derivative(function.numerator, order) / sympy.ff(order, function.power)
