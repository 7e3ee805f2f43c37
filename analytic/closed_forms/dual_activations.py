r"""Closed forms of the dual activations E[w(u) w(v)], where the Gaussian integral closes.

Legend: (u, v) ~ N(0, Lambda) with the covariances Lambda_11, Lambda_12, Lambda_22.

The activation is written as a sum of terms c x^k exp(l x - b x^2) S(x) with S = 1, erf(a x)
or sign(x); ``analytic.closed_forms`` integrates every pair of them. That covers polynomials,
sin, cos, exp, the gaussian, erf, gelu, relu, |x|, the step, and their sums and products.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy

from analytic.activation import Activation
from analytic.closed_forms.gaussian_moments import (
    SIGN,
    Factor,
    Law,
    OpenFormError,
    expectation,
    sole_expectation,
)
from analytic.expressions import FUNCTIONS, MANY, X, elementary, expression_of

__all__ = ["COVARIANCES", "dual", "dual_mean", "dual_obstacle"]

COVARIANCES: tuple[Any, Any, Any] = (
    sympy.Symbol("Lambda_11", positive=True),
    sympy.Symbol("Lambda_12", real=True),
    sympy.Symbol("Lambda_22", positive=True),
)
"""The symbols of the answers."""

TERMS = 60
"""Most terms of an activation."""
HIGHEST_FACTOR = 24
"""Highest power of x in a term."""

Sum = dict[Factor, Any]


def dual(activation: Any) -> Any:
    r"""The dual activation E[w(u) w(v)] in closed form.

    Args:
        activation: an ``Activation``, a string in ``x`` or a sympy expression in one symbol;
            unlike an activation it may jump, so that ``dual("step(x)")`` and the dual of a
            slope, E[w'(u) w'(v)], can be asked for.

    Returns:
        a sympy expression in ``COVARIANCES``, the covariances Lambda_11, Lambda_12 and
        Lambda_22 of (u, v); None where no closed form is known (``dual_obstacle`` says why).

    References:
        Williams (1997) for erf; Cho and Saul (2009) for relu and the step; the derivation
        stands in docs/theory/symbolic.md.

    Example:
        >>> dual("erf(x)")
        2*asin(2*Lambda_12/(sqrt(2*Lambda_11 + 1)*sqrt(2*Lambda_22 + 1)))/pi
        >>> dual("x**2")
        Lambda_11*Lambda_22 + 2*Lambda_12**2
        >>> dual("tanh(x)") is None
        True
    """
    try:
        return _dual(_expression(activation))
    except OpenFormError:
        return None


def dual_obstacle(activation: Any) -> str | None:
    """Why there is no closed form of the dual, or None if there is one.

    Example:
        >>> dual_obstacle("tanh(x)")
        'tanh(x) is not a sum of x^k exp(l x - b x^2) times erf(a x) or sign(x)'
    """
    try:
        _dual(_expression(activation))
    except OpenFormError as error:
        return str(error)
    return None


def dual_mean(activation: Any) -> Any:
    """The mean E[w(u)] in closed form, in Lambda_11, or None.

    Example:
        >>> dual_mean("relu")
        sqrt(2)*sqrt(Lambda_11)/(2*sqrt(pi))
    """
    try:
        terms = _terms(elementary(_expression(activation)))
        zero, variance = sympy.S.Zero, COVARIANCES[0]
        return _tidy([c * sole_expectation(zero, variance, f) for f, c in terms.items()])
    except OpenFormError:
        return None


@lru_cache(maxsize=256)
def _dual(expression: Any) -> Any:
    terms = _terms(elementary(expression))
    p, c, q = COVARIANCES
    law = Law(sympy.S.Zero, sympy.S.Zero, p, c, q)
    return _tidy(
        [a * b * expectation(law, f, g) for f, a in terms.items() for g, b in terms.items()]
    )


def _tidy(parts: list[Any]) -> Any:
    """The sum of the parts, without the imaginary ones that sin and cos bring in; they cancel."""
    terms = sympy.Add.make_args(sympy.Add(*map(_multiplied_out, parts)))
    real = [term for term in terms if not term.has(sympy.I)]
    others = [term.as_real_imag()[0] for term in terms if term.has(sympy.I)]
    value = sympy.Add(*real, *others)
    return sympy.expand(value) if value.is_polynomial(*COVARIANCES) else value


def _multiplied_out(part: Any) -> Any:
    return sympy.expand_mul(part, deep=False) if part.has(sympy.I) else part


def _expression(activation: Any) -> Any:
    if isinstance(activation, Activation):
        return activation.expression
    if isinstance(activation, str):
        name = activation in FUNCTIONS and activation not in MANY
        return FUNCTIONS[activation](X) if name else expression_of(activation)
    if isinstance(activation, sympy.Expr) and len(activation.free_symbols) <= 1:
        return activation.subs({symbol: X for symbol in activation.free_symbols})
    raise TypeError(
        "expected an Activation, a string in x or a sympy expression in one symbol, got"
        f" {activation!r}; write for example dual('erf(x)')"
    )


def _terms(node: Any) -> Sum:
    """An expression as a sum of factors with their coefficients."""
    if not node.free_symbols:
        return {Factor(): node}
    if node == X:
        return {Factor(power=1): sympy.S.One}
    if node.is_Add:
        return _merged([_terms(term) for term in node.args])
    if node.is_Mul:
        product: Sum = {Factor(): sympy.S.One}
        for factor in node.args:
            product = _times(product, _terms(factor))
        return product
    if node.is_Pow and node.exp.is_Integer and node.exp > HIGHEST_FACTOR:
        raise OpenFormError(f"it has powers above {HIGHEST_FACTOR}")
    if node.is_Pow and node.exp.is_Integer and node.exp > 0:
        product = base = _terms(node.base)
        for _ in range(int(node.exp) - 1):
            product = _times(product, base)
        return product
    return _function(node)


def _merged(parts: list[Sum]) -> Sum:
    total: Sum = {}
    for part in parts:
        for factor, c in part.items():
            total[factor] = total.get(factor, sympy.S.Zero) + c
    total = {factor: c for factor, c in total.items() if c != 0}
    if len(total) > TERMS or any(factor.power > HIGHEST_FACTOR for factor in total):
        raise OpenFormError(f"it has more than {TERMS} terms or powers above {HIGHEST_FACTOR}")
    return total


def _times(a: Sum, b: Sum) -> Sum:
    return _merged([{_product(f, g): c * d} for f, c in a.items() for g, d in b.items()])


def _product(f: Factor, g: Factor) -> Factor:
    slope = f.slope if g.slope == 0 else g.slope
    if f.slope != 0 and g.slope != 0:
        if f.slope != SIGN or g.slope != SIGN:
            raise OpenFormError("products of error functions of the same variable do not close")
        slope = sympy.S.Zero  # sign(x)^2 = 1
    return Factor(f.power + g.power, f.linear + g.linear, f.square + g.square, slope)


def _function(node: Any) -> Sum:
    (u, *_) = node.args
    if isinstance(node, sympy.Max | sympy.Min):
        sign = 1 if isinstance(node, sympy.Max) else -1
        a, b = node.args[0], node.func(*node.args[1:])
        return _terms((a + b) / 2 + sign * sympy.Abs(a - b) / 2)
    if isinstance(node, sympy.Abs):
        return _times(_terms(u), _switch(u, node))
    if isinstance(node, sympy.Heaviside):
        return _merged(
            [{Factor(): sympy.S.Half}, _times({Factor(): sympy.S.Half}, _switch(u, node))]
        )
    if isinstance(node, sympy.sign):
        return _switch(u, node)
    if isinstance(node, sympy.erf | sympy.erfc):
        slope = _slope(u, node)
        odd = {Factor(slope=abs(slope)): sympy.sign(slope)}
        return (
            odd
            if isinstance(node, sympy.erf)
            else _merged([{Factor(): 1}, _times(odd, {Factor(): -1})])
        )
    return _exponentials(node, u)


def _slope(u: Any, node: Any) -> Any:
    """The number a if u = a x."""
    a = sympy.diff(u, X)
    if a.free_symbols or sympy.expand(u - a * X) != 0:
        raise OpenFormError(f"{node} has an argument that is no multiple of x")
    return a


def _switch(u: Any, node: Any) -> Sum:
    return {Factor(slope=SIGN): sympy.sign(_slope(u, node))}


_WAVES: dict[Any, list[tuple[Any, Any]]] = {
    sympy.exp: [(1, 1)],
    sympy.sin: [(sympy.I, -sympy.I / 2), (-sympy.I, sympy.I / 2)],
    sympy.cos: [(sympy.I, sympy.S.Half), (-sympy.I, sympy.S.Half)],
    sympy.sinh: [(1, sympy.S.Half), (-1, -sympy.S.Half)],
    sympy.cosh: [(1, sympy.S.Half), (-1, sympy.S.Half)],
}
"""Functions as sums of c exp(k u), as pairs (k, c)."""


def _exponentials(node: Any, u: Any) -> Sum:
    degree = 2 if isinstance(node, sympy.exp) else 1
    if node.func not in _WAVES or not u.is_polynomial(X) or sympy.degree(u, X) > degree:
        raise OpenFormError(
            f"{node} is not a sum of x^k exp(l x - b x^2) times erf(a x) or sign(x)"
        )
    a, b, c = (u.expand().coeff(X, k) for k in (0, 1, 2))
    if c.is_negative is False and c != 0:
        raise OpenFormError(f"{node} grows too fast for a Gaussian integral")
    return _merged(
        [
            {Factor(linear=k * b, square=-k * c): amplitude * sympy.exp(k * a)}
            for k, amplitude in _WAVES[node.func]
        ]
    )
