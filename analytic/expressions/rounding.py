r"""Values in extended precision, and how far they may be from the true ones.

Running error analysis: with u the unit roundoff and d the error of each argument (Wilkinson
1963; Higham 2002, section 3.3), to first order

    a + b:  d_a + d_b + u |a + b|          a b:  |a| d_b + |b| d_a + u |a b|
    f(a):   |f'(a)| d_a + 4u |f(a)|

where 4u, two units in the last place, is what is granted to an elementary function; a sum
of m terms and a power n get the roundings of any order of evaluation, (m - 1) u times the
sum of the sizes and (n - 1) u. What is made of two elementary functions is granted twice
that. erf and the normal distribution function are those of ``extended_functions``, granted
ERF_ROUNDINGS u; the latter x^2 u more for x < 0, where it enters as exp(-x^2/2).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.expressions.evaluation import sech, softplus_of, values
from analytic.expressions.extended_functions import ERF_ROUNDINGS, extended_erf, extended_normal_cdf
from analytic.expressions.removed_zeros import DividedFunction
from analytic.expressions.rewrite import derivative, stable
from analytic.expressions.sine_quotients import ORDERS, cardinal_sine_error, values_of
from analytic.expressions.vocabulary import X, normal_cdf, sigmoid, softplus
from analytic.machine import EXTENDED, UNIT, Array

__all__ = ["extended_values"]

Extended = NDArray[np.longdouble]


class _Value(NamedTuple):
    """Values and bounds of their errors."""

    value: Any
    error: Any


def extended_values(
    expression: Any, x: Extended, order: int = 0, roundings: int = 2
) -> tuple[Extended, Array]:
    r"""Values of a derivative in extended precision, and a bound of their errors.

    The arguments are known to so many roundings. What overflows on the way is computed again by
    ``values``, in 50 digits, and is as good as rounded to float64.

    Example:
        >>> value, error = extended_values(sympy.exp(-(X**2)), np.array([0, 3], np.longdouble))
        >>> bool(abs(float(value[1]) - np.exp(-9.0)) < 1e-19 and error[1] < 1e-19)
        True
    """
    seen: dict[Any, _Value] = {X: _Value(x, roundings * EXTENDED * np.abs(x))}
    with np.errstate(all="ignore"):
        found = _visit(_derivative(expression, order), seen)
        value = np.asarray(found.value + np.zeros_like(x))
        error = np.asarray((found.error + np.zeros_like(x)).astype(np.float64))
    lost = ~np.isfinite(value)
    if lost.any():
        again = values(expression, x.astype(np.float64)[lost], order)[order]
        value[lost], error[lost] = again, 8 * UNIT * np.abs(again)
    return value, np.where(np.isnan(error), np.inf, error)


@lru_cache(maxsize=1024)
def _derivative(expression: Any, order: int) -> Any:
    """The derivative, whose numbers are products of those of w, which float64 would round."""
    numbers: Any = expression.atoms(sympy.Float)
    return derivative(expression.xreplace({a: sympy.Rational(a) for a in numbers}), order)


def _visit(node: Any, seen: dict[Any, _Value]) -> _Value:
    if node not in seen:
        seen[node] = _node(node, seen)
    return seen[node]


def _node(node: Any, seen: dict[Any, _Value]) -> _Value:
    if not node.free_symbols:
        return _constant(node)
    if node.is_Pow:
        return _power(_visit(node.base, seen), node.exp)
    parts = [_visit(argument, seen) for argument in node.args]
    if node.is_Add:
        return _sum(parts)
    if node.is_Mul:
        return _product(parts)
    if node.func in _SWITCHING:
        return _SWITCHING[node.func](*parts)
    if isinstance(node, DividedFunction):
        return _divided(node.func, parts[0])
    return _function(node.func, parts[0])


def _divided(function: Any, part: _Value) -> _Value:
    """By the series near 0, else as the quotient that it is."""
    u = np.asarray(part.value)
    near = np.abs(u) < function.series.radius
    inside, outside = np.where(near, u, 0), np.where(near, u.dtype.type(2), u)
    far = _visit(stable(function.far()), {X: _Value(outside, np.where(near, 0.0, part.error))})
    slope = function.slope().near(inside.astype(np.float64))
    error = _size(slope) * part.error + function.near_error(inside)
    return _Value(
        np.where(near, function.near(inside), far.value), np.where(near, error, far.error)
    )


@lru_cache(maxsize=4096)
def _constant(node: Any) -> _Value:
    if node.is_Float:
        return _Value(np.longdouble(float(node)), 0.0)
    if node.is_Rational and max(abs(node.p), node.q) < 2**53:
        value = np.longdouble(int(node.p)) / np.longdouble(int(node.q))
        return _Value(value, 0.0 if node.q == 1 else EXTENDED * abs(float(value)))
    value = np.longdouble(str(node.evalf(25)))
    return _Value(value, 2 * EXTENDED * abs(float(value)))


def _size(value: Any) -> Any:
    return np.abs(np.asarray(value, dtype=np.float64))


def _function(function: Any, part: _Value) -> _Value:
    x = part.value
    evaluate, slope = _FUNCTIONS[function]
    value = evaluate(x)
    size = _size(value)
    own = 4 * EXTENDED * size * (2 if function in _COMPOSED else 1)
    if function in ORDERS:
        own = cardinal_sine_error(x, function.order)
    elif function is not softplus:  # the others are rational at 0, where the library is exact
        own = np.where(x == 0, 0.0, own)
    if function in (sympy.erf, normal_cdf):
        own = ERF_ROUNDINGS * EXTENDED * size
    if function is normal_cdf:
        own = own + np.minimum(_size(x) * (x < 0), 1e150) ** 2 * EXTENDED * size
    return _Value(value, _size(slope(x.astype(np.float64), value)) * part.error + own)


def _sum(parts: list[_Value]) -> _Value:
    sizes = sum(_size(part.value) for part in parts)
    return _Value(
        sum(part.value for part in parts),
        sum(part.error for part in parts) + (len(parts) - 1) * EXTENDED * sizes,
    )


def _product(parts: list[_Value]) -> _Value:
    value, error = parts[0]
    for part in parts[1:]:
        error = _size(value) * part.error + _size(part.value) * error
        value = value * part.value
    return _Value(value, error + (len(parts) - 1) * EXTENDED * _size(value))


def _power(base: _Value, exponent: Any) -> _Value:
    """Powers of integers and halves as products; the others by the library."""
    size, p = _size(base.value), float(exponent)
    slope = abs(p) * size ** (p - 1)
    if exponent.is_Integer and abs(p) <= HIGHEST:
        value, own = base.value ** int(exponent), (abs(p) + 1) * EXTENDED
    elif exponent == sympy.S.Half:
        value, own = np.sqrt(base.value), EXTENDED
    else:
        value = base.value ** (np.longdouble(int(exponent.p)) / np.longdouble(int(exponent.q)))
        own = (4 + abs(p) * np.abs(np.log(size))) * EXTENDED
    return _Value(value, slope * base.error + own * _size(value))


HIGHEST = 64
"""Highest integer power that counts as a product."""


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


def _absolute(part: _Value) -> _Value:
    return _Value(np.abs(part.value), part.error)


_SWITCHING: dict[Any, Callable[..., _Value]] = {
    sympy.Abs: _absolute,
    sympy.Heaviside: _switch(lambda x: np.heaviside(x, 0.0)),
    sympy.Max: _extreme(np.maximum),
    sympy.Min: _extreme(np.minimum),
    sympy.sign: _switch(np.sign),
}

_COMPOSED = (sigmoid, softplus, sympy.sech)
"""Functions that are made of two calls of the library."""


def _logistic(x: Any) -> Any:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, decay) / (1 + decay)


def _normal_density(x: Any, _value: Any) -> Any:
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def _slope(order: int) -> Callable[[Any, Any], Any]:
    return lambda x, y: values_of(order + 1)(x)


_FUNCTIONS: dict[Any, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    sympy.asinh: (np.arcsinh, lambda x, y: 1 / np.hypot(1, x)),
    sympy.atan: (np.arctan, lambda x, y: 1 / (1 + x**2)),
    sympy.cos: (np.cos, lambda x, y: np.sin(x)),
    sympy.cosh: (np.cosh, lambda x, y: np.sinh(x)),
    sympy.erf: (extended_erf, lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
    sympy.exp: (np.exp, lambda x, y: y),
    sympy.log: (np.log, lambda x, y: 1 / x),
    sympy.sech: (sech, lambda x, y: y),
    sympy.sin: (np.sin, lambda x, y: np.cos(x)),
    sympy.sinh: (np.sinh, lambda x, y: np.cosh(x)),
    sympy.tan: (np.tan, lambda x, y: 1 + y**2),
    sympy.tanh: (np.tanh, lambda x, y: sech(x) ** 2),
    normal_cdf: (extended_normal_cdf, _normal_density),
    sigmoid: (_logistic, lambda x, y: y * _logistic(-x)),
    softplus: (softplus_of, lambda x, y: _logistic(x)),
    **{function: (values_of(k), _slope(k)) for k, function in enumerate(ORDERS)},
}
"""Every function with its slope, by the argument x in float64 and the value y."""
