r"""Values of an expression and its derivatives as numpy arrays.

The stable form of an expression is compiled once. What is still not a number or infinite
after that (a quotient of two exponentials that the rules of ``analytic.expressions.rewrite`` do not
know) is computed again in mpmath, whose exponents have no bounds.
"""

# mpmath and scipy have no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import mpmath
import numpy as np
import scipy  # its special functions are loaded at their first use
import sympy
from sympy.codegen.cfunctions import expm1
from sympy.codegen.rewriting import ReplaceOptim, create_expand_pow_optimization, expm1_opt

from analytic.expressions.removed_zeros import divided_functions
from analytic.expressions.rewrite import derivative, elementary, stable
from analytic.expressions.sine_quotients import ORDERS, values_of
from analytic.expressions.vocabulary import X
from analytic.machine import Array

__all__ = ["sech", "softplus_of", "values"]


def values(expression: Any, x: Array, order: int) -> list[Array]:
    """Values of the expression and its derivatives up to the given order, of the shape of x."""
    with np.errstate(all="ignore"):
        found = _compiled(expression, order)(x)
        return [_finished(expression, k, np.asarray(v), x) for k, v in enumerate(found)]


def _finished(expression: Any, order: int, value: Array, x: Array) -> Array:
    if value.shape != x.shape:
        value = np.broadcast_to(value, x.shape)
    if np.isfinite(np.sum(value)) or np.isfinite(value).all():
        return value
    value = np.array(value)
    for place in map(tuple, np.argwhere(~np.isfinite(value) & np.isfinite(x))):
        value[place] = _exact(expression, order)(float(x[place]))
    return value


@lru_cache(maxsize=1024)
def _exact(expression: Any, order: int) -> Callable[[float], float]:
    """The derivative by mpmath at 50 digits; infinite where float64 has no such number."""
    turns = {"sin": _turned(mpmath.sin), "cos": _turned(mpmath.cos)}
    exact = elementary(derivative(expression, order))
    function = sympy.lambdify(X, exact, modules=[turns, "mpmath"])

    @lru_cache(maxsize=4096)
    def value(x: float) -> float:
        with mpmath.workdps(50):
            return float(function(mpmath.mpf(x)))

    return value


def _turned(function: Any) -> Callable[[Any], Any]:
    """sin or cos; of what float64 cannot hold any number of the size, since x says nothing of it.

    To reduce exp(5000) by pi takes mpmath milliseconds.
    """

    def value(x: Any) -> Any:
        return function(x) if abs(x) < HELD else 1

    return value


HELD = 2.0**1023
"""What float64 can hold."""


@lru_cache(maxsize=256)
def _compiled(expression: Any, order: int) -> Callable[[Any], list[Any]]:
    derivatives = [_with_expm1(derivative(expression, k)) for k in range(order + 1)]
    functions = {
        "Heaviside": _heaviside,
        "erf": scipy.special.erf,
        "normal_cdf": scipy.special.ndtr,
        "sech": sech,
        "sigmoid": scipy.special.expit,
        "softplus": softplus_of,
        **{function.__name__: values_of(k) for k, function in enumerate(ORDERS)},
    }
    for function in divided_functions(sympy.Tuple(*derivatives)):
        functions[function.__name__] = _divided(function)
    return sympy.lambdify(X, derivatives, modules=[functions, "numpy"], cse=_shared)


def _shared(expressions: Any) -> Any:
    """Common parts, with small powers as products, which numpy multiplies ten times faster."""
    parts, rest = sympy.cse(expressions, list=False)
    names = sympy.numbered_symbols("inner", real=True)
    named: list[tuple[Any, Any]] = []
    for name, part in parts:
        named.append((name, _expand_powers(_with_names(part, names, named))))
    return named, [_expand_powers(_with_names(part, names, named)) for part in rest]


def _with_names(expression: Any, names: Iterator[Any], named: list[tuple[Any, Any]]) -> Any:
    """Arguments of Max and Min that hold powers get names: sympy compares no products for them."""

    def named_arguments(extreme: Any) -> Any:
        arguments = []
        for argument in extreme.args:
            if argument.has(sympy.Pow):
                named.append((next(names), _expand_powers(argument)))
                argument = named[-1][0]
            arguments.append(argument)
        return extreme.func(*arguments)

    return expression.replace(_is_extreme, named_arguments)  # the inner ones first


def _is_extreme(node: Any) -> bool:
    return isinstance(node, (sympy.Max, sympy.Min))


def _with_expm1(expression: Any) -> Any:
    """The expression with exp(u) - 1 recognised, also after common factors are taken out.

    A polynomial in few functions is factored. Beyond that only what all terms share is taken
    out: sympy factors polynomials of many unknowns at points chosen at random, which has taken
    minutes, and exp(-10000 x^2) as a polynomial of degree 10000. Where there is no exp(u) - 1 all
    stays as it was: sympy takes exp(-(60 x - 60)^2) for exp(-3600) exp(7200 x) exp(-3600 x^2).
    """
    numbers = (node.args[0].as_coeff_Mul()[0] for node in expression.atoms(sympy.exp))
    small = all(not n.is_Rational or max(abs(n.p), n.q) <= HIGHEST_FACTORED for n in numbers)
    few = len(expression.atoms(sympy.Function)) <= MOST_FACTORED
    product = sympy.factor(expression) if small and few else sympy.factor_terms(expression)
    found = expm1_opt.cheapest(*map(_as_they_stand, (expression, product)))
    return found if found.has(expm1) else expression


_as_they_stand = partial(ReplaceOptim.__call__, expm1_opt)

HIGHEST_FACTORED = 64
"""Largest power of an exponential that is factored."""
MOST_FACTORED = 2
"""Most functions in an expression that is factored."""


def _divided(function: Any) -> Callable[[Any], Any]:
    """A divided function: its series near 0, else the plain quotient."""
    far = _compiled(stable(function.far()), 0)

    radius: float = function.series.radius

    def value(u: Array) -> Array:
        near = np.abs(u) < radius
        zero = np.zeros_like(u)
        beside: Array = far(np.where(near, zero + radius, u))[0]
        return np.where(near, function.near(np.where(near, u, zero)), beside)

    return value


_is_symbol: Callable[[Any], bool] = lambda base: base.is_Symbol  # noqa: E731
_expand_powers = create_expand_pow_optimization(8, base_req=_is_symbol)


def sech(x: Any) -> Any:
    """1/cosh(x), which does not overflow on the way."""
    decay = np.exp(-np.abs(x))
    return 2 * decay / (1 + decay * decay)


def softplus_of(x: Any) -> Any:
    """log(1 + exp(x)), which does not overflow on the way."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _heaviside(x: Any, _at_zero: float = 0.0) -> Any:
    """The step with value 0 at 0, as torch has it for the derivative of relu."""
    return np.heaviside(x, 0.0)
