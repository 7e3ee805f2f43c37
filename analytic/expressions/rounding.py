r"""How far a value computed in float64 may be from the true one: running error analysis.

With u the unit roundoff and d the error of each argument (Wilkinson 1963; Higham 2002,
section 3.3), to first order

    a + b:  d_a + d_b + u |a + b|          a b:  |a| d_b + |b| d_a + u |a b|
    f(a):   |f'(a)| d_a + 4u |f(a)|

where 4u, two units in the last place, is what is granted to an elementary function; a sum
of m terms and a power n get the roundings of any order of evaluation, (m - 1) u times the
sum of the sizes and (n - 1) u. What is made of two elementary functions is granted twice
that, and the distribution function of the normal law x^2 u more for x < 0, where its argument
enters as exp(-x^2/2).
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy
import sympy
from numpy.typing import NDArray

from analytic.expressions.evaluation import sech, softplus_of
from analytic.expressions.rewrite import derivative
from analytic.expressions.vocabulary import X, normal_cdf, sigmoid, softplus

__all__ = ["rounding_error"]

Array = NDArray[np.float64]

U = 2.0**-53
LIBRARY = 4 * U
"""Relative error granted to an elementary function."""


class _Value(NamedTuple):
    """Values and bounds of their errors."""

    value: Any
    error: Any


def rounding_error(expression: Any, x: Array, order: int, value: Array) -> Array:
    r"""A bound of the error of each ``value`` of a derivative, for arguments known to 2u \|x\|.

    What overflows on the way has been computed again in 50 digits and is as good as rounded.

    Example:
        >>> x = np.array([0.0, 3.0])
        >>> bound = rounding_error(sympy.exp(-X**2), x, 0, np.exp(-x**2))
        >>> bool(bound[0] <= 2**-49 and 2**-60 < bound[1] < 2**-58)
        True
    """
    seen: dict[Any, _Value] = {X: _Value(x, 2 * U * np.abs(x))}
    with np.errstate(all="ignore"):
        found = _visit(derivative(expression, order), seen)
        error = found.error + U * np.abs(found.value) + np.zeros_like(x)
        error = np.where(np.isfinite(found.value), error, 4 * U * np.abs(value))
    return np.where(np.isnan(error), np.inf, error)


def _visit(node: Any, seen: dict[Any, _Value]) -> _Value:
    if node not in seen:
        seen[node] = _node(node, seen)
    return seen[node]


def _node(node: Any, seen: dict[Any, _Value]) -> _Value:
    if not node.free_symbols:
        number = float(node)
        exact = (node.is_Integer and abs(number) < 2**53) or node.is_Float
        return _Value(number, 0.0 if exact else U * abs(number))
    if node.is_Pow:
        return _power(_visit(node.base, seen), node.exp)
    parts = [_visit(argument, seen) for argument in node.args]
    if node.is_Add:
        return _sum(parts)
    if node.is_Mul:
        return _product(parts)
    if node.func in _SWITCHING:
        return _SWITCHING[node.func](*parts)
    (part, *_) = parts
    function, slope = _FUNCTIONS[node.func]
    value = function(part.value)
    own = LIBRARY * np.abs(value)
    if node.func is not softplus:  # the others are rational at 0, where the library is exact
        own = np.where(part.value == 0, 0.0, own)
    error = np.abs(slope(part.value, value)) * part.error + own
    if node.func in _COMPOSED:
        error = error + own
    if node.func is normal_cdf:
        error = error + U * np.minimum(part.value, 0.0) ** 2 * value
    return _Value(value, error)


def _sum(parts: list[_Value]) -> _Value:
    sizes = sum(np.abs(part.value) for part in parts)
    return _Value(
        sum(part.value for part in parts),
        sum(part.error for part in parts) + (len(parts) - 1) * U * sizes,
    )


def _product(parts: list[_Value]) -> _Value:
    value, error = parts[0]
    for part in parts[1:]:
        error = np.abs(value) * part.error + np.abs(part.value) * error
        value = value * part.value
    return _Value(value, error + (len(parts) - 1) * U * np.abs(value))


def _power(base: _Value, exponent: Any) -> _Value:
    p = float(exponent)
    value = base.value ** (int(exponent) if exponent.is_Integer else p)
    slope = np.abs(p) * np.abs(base.value) ** (p - 1)
    own = (abs(p) + 1) * U if exponent.is_Integer and abs(p) <= 8 else LIBRARY
    return _Value(value, slope * base.error + own * np.abs(value))


def _extreme(choose: Callable[[Any, Any], Any]) -> Callable[..., _Value]:
    def rule(*parts: _Value) -> _Value:
        value, error = parts[0]
        for part in parts[1:]:
            value, error = choose(value, part.value), np.maximum(error, part.error)
        return _Value(value, error)

    return rule


def _switch(function: Callable[[Any], Any]) -> Callable[..., _Value]:
    """A step is exact, or wrong by its height where its argument may have the other sign."""

    def rule(part: _Value, *_: Any) -> _Value:
        return _Value(function(part.value), np.where(np.abs(part.value) < part.error, 2.0, 0.0))

    return rule


_SWITCHING: dict[Any, Callable[..., _Value]] = {
    sympy.Abs: lambda part: _Value(np.abs(part.value), part.error),
    sympy.Heaviside: _switch(lambda x: np.heaviside(x, 0.0)),
    sympy.Max: _extreme(np.maximum),
    sympy.Min: _extreme(np.minimum),
    sympy.sign: _switch(np.sign),
}

_COMPOSED = (normal_cdf, sigmoid, softplus, sympy.sech)
"""Functions that are made of two calls of the library."""

_ROOT_PI = float(np.sqrt(np.pi))

_FUNCTIONS: dict[Any, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    sympy.asinh: (np.arcsinh, lambda x, y: 1 / np.hypot(1, x)),
    sympy.atan: (np.arctan, lambda x, y: 1 / (1 + x**2)),
    sympy.cos: (np.cos, lambda x, y: np.sin(x)),
    sympy.cosh: (np.cosh, lambda x, y: np.sinh(x)),
    sympy.erf: (scipy.special.erf, lambda x, y: 2 / _ROOT_PI * np.exp(-(x**2))),
    sympy.exp: (np.exp, lambda x, y: y),
    sympy.log: (np.log, lambda x, y: 1 / x),
    sympy.sech: (sech, lambda x, y: y),
    sympy.sin: (np.sin, lambda x, y: np.cos(x)),
    sympy.sinh: (np.sinh, lambda x, y: np.cosh(x)),
    sympy.tan: (np.tan, lambda x, y: 1 + y**2),
    sympy.tanh: (np.tanh, lambda x, y: sech(x) ** 2),
    normal_cdf: (
        scipy.special.ndtr,
        lambda x, y: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    ),
    sigmoid: (scipy.special.expit, lambda x, y: y * scipy.special.expit(-x)),
    softplus: (softplus_of, lambda x, y: scipy.special.expit(x)),
}
"""Every function with its slope, by the argument x and the value y."""
