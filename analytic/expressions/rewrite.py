r"""Expressions in a form that neither overflows nor cancels far from the origin.

The same function has many expressions, and most lose digits or overflow somewhere:
1 - tanh(x)^2 is 0 at x = 20 and 1/(1 + exp(-x)) divides by infinity at x = -800. Every
expression and derivative is rewritten by the rules below before it is evaluated or
enclosed. With c a number and u any expression,

    c - c tanh(u)^2  ->  c sech(u)^2           c + c tanh(u)    ->  2c sigmoid(2u)
    c - c sigmoid(u) ->  c sigmoid(-u)         c + c erf(u)     ->  2c normal_cdf(sqrt(2) u)
    c exp(u) + c exp(-u)  ->  2c cosh(u)       c exp(u) - c exp(-u)  ->  2c sinh(u)
    (1 + exp(u))^-n  ->  sigmoid(-u)^n         exp(u) sigmoid(-u)  ->  sigmoid(u)
    cosh(u)^-n       ->  sech(u)^n             sinh(u) sech(u)  ->  tanh(u)
    log(1 + exp(u))  ->  softplus(u)           log(sigmoid(u))  ->  -softplus(-u)
    log(c cosh(u))   ->  softplus(2u) - u + log(c/2)

A few more are recognised when an expression is read:

    log(u + sqrt(u^2 + 1)) -> asinh(u)         (c - c exp(-u)) sigmoid(u)  ->  c tanh(u/2)
    1/(sqrt(a) + b)  ->  (sqrt(a) - b)/(a - b^2)    where a - b^2 is a number
    sin(c u)/u -> c sinc(c u)              (1 - cos(c u))/u^n -> c^2 u^(2 - n)/2 sinc(c u/2)^2
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy

from analytic.expressions.removable_zeros import without_zeros
from analytic.expressions.removed_zeros import DividedFunction, plain
from analytic.expressions.sine_quotients import sinc
from analytic.expressions.vocabulary import X, normal_cdf, sigmoid, softplus

__all__ = ["derivative", "elementary", "recognised", "stable", "transform"]


def transform(expression: Any, rule: Callable[[Any], Any]) -> Any:
    """Apply a rule to every part of an expression, the innermost first."""
    seen: dict[Any, Any] = {}

    def visit(node: Any) -> Any:
        if not node.args:
            return rule(node)
        if node not in seen:
            arguments = tuple(visit(argument) for argument in node.args)
            seen[node] = rule(node if arguments == node.args else node.func(*arguments))
        return seen[node]

    return visit(expression)


@lru_cache(maxsize=1024)
def stable(expression: Any) -> Any:
    """The stable form of an expression.

    Example:
        >>> stable(1 - sympy.tanh(X) ** 2)
        sech(x)**2
        >>> stable(sympy.exp(X) / (1 + sympy.exp(X)))
        sigmoid(x)
    """
    return transform(expression, _stable_node)


def recognised(expression: Any) -> Any:
    """The expression with sigmoid, softplus, tanh and asinh recognised in what was written out.

    Example:
        >>> recognised(sympy.log(1 + sympy.exp(2 * X)) / (1 + sympy.exp(-X)))
        sigmoid(x)*softplus(2*x)
    """

    def rule(node: Any) -> Any:
        if node.is_Pow:
            return _recognised_power(node)
        if node.is_Mul:
            return _recognised_product(node)
        if isinstance(node, sympy.log):
            return _recognised_log(node)
        return node

    return transform(expression, rule)


def _recognised_power(node: Any) -> Any:
    if _one_plus_exp(node.base) is not None:
        return _stable_power(node)
    root = _root_and_rest(node.base) if node.exp == -1 else None
    if root is not None:  # 1/(sqrt(a) + b) = (sqrt(a) - b)/(a - b^2)
        bottom = sympy.expand(root[0] ** 2 - root[1] ** 2)
        if bottom.is_number and bottom != 0:
            return (root[0] - root[1]) / bottom
    return node


def _recognised_product(node: Any) -> Any:
    """(1 - exp(-u)) sigmoid(u) is tanh(u/2); quotients of sin and 1 - cos by their argument."""
    if (divided := without_zeros(node)) is not node:
        return divided
    for factor in node.args:
        if isinstance(factor, sigmoid):
            (u,) = factor.args
            for other in node.args:
                c, rest = other.as_coeff_Add()
                if c != 0 and sympy.expand(rest + c * sympy.exp(-u)) == 0:
                    return node / factor / other * c * sympy.tanh(u / 2)
    return node


def _recognised_log(node: Any) -> Any:
    """log(1 + exp(u)) is softplus(u), and log(u + sqrt(u^2 + 1)) is asinh(u)."""
    if _is_log_one_plus_exp(node):
        return _stable_log(node)
    root = _root_and_rest(node.args[0])
    if root is not None and sympy.expand(root[0] ** 2 - root[1] ** 2 - 1) == 0:
        return sympy.asinh(root[1])
    return node


def _root_and_rest(node: Any) -> tuple[Any, Any] | None:
    """sqrt(a) and b of a sum c sqrt(a) + b with c > 0."""
    for term in node.args if node.is_Add else ():
        c, factor = term.as_coeff_Mul()
        if factor.is_Pow and factor.exp == sympy.S.Half and factor.free_symbols and c > 0:
            return term, node - term
    return None


@lru_cache(maxsize=1024)
def derivative(expression: Any, order: int = 1) -> Any:
    """The derivative in a stable form; jumps of kinked functions are left out of it.

    The derivative of a jump is a Dirac delta, which is 0 wherever a value is asked for;
    ``analytic.proofs.smoothness`` accounts for the jumps themselves.
    """
    if order == 0:
        return stable(expression)
    slope = sympy.diff(derivative(expression, order - 1), X)
    return stable(slope.replace(sympy.DiracDelta, _nothing))


def _nothing(*_: Any) -> Any:
    return sympy.S.Zero


def elementary(expression: Any) -> Any:
    """The expression in functions that every computer algebra system has."""

    def rule(node: Any) -> Any:
        if isinstance(node, sigmoid | softplus):
            return node.rewrite(sympy.exp, deep=False)
        if isinstance(node, sinc):
            return node.rewrite(sympy.sin, deep=False)
        if isinstance(node, DividedFunction):
            return elementary(plain(node))
        return node.rewrite(sympy.erf, deep=False) if isinstance(node, normal_cdf) else node

    return transform(expression, rule)


def _stable_node(node: Any) -> Any:
    if node.is_Add:
        return _stable_sum(node)
    if node.is_Mul:
        return _stable_product(node)
    if node.is_Pow:
        return _stable_power(node)
    if isinstance(node, sympy.Heaviside):
        u = node.args[0].as_coeff_Mul()[1] * sympy.sign(node.args[0].as_coeff_Mul()[0])
        return 1 - sympy.Heaviside(-u) if u.could_extract_minus_sign() else sympy.Heaviside(u)
    if isinstance(node, sympy.erfc):
        return 2 * normal_cdf(-sympy.sqrt(2) * node.args[0])
    return _stable_log(node) if isinstance(node, sympy.log) else node


_PARTNERS: dict[Any, Callable[[Any, Any, Any], Any]] = {
    sigmoid: lambda c, d, u: c * sigmoid(-u) if d == -c else None,
    sympy.tanh: lambda c, d, u: 2 * c * sigmoid(2 * d / c * u) if abs(d) == abs(c) else None,
    sympy.erf: lambda c, d, u: (
        2 * c * normal_cdf(sympy.sqrt(2) * d / c * u) if abs(d) == abs(c) else None
    ),
    normal_cdf: lambda c, d, u: c * normal_cdf(-u) if d == -c else None,
}
"""What the number c and the term d f(u) make together, for every f."""


def _stable_sum(node: Any) -> Any:
    c, rest = node.as_coeff_Add()
    terms = [term.as_coeff_Mul() for term in sympy.Add.make_args(rest)]
    for place, (d, factor) in enumerate(terms):
        others = sympy.Add(*(a * b for k, (a, b) in enumerate(terms) if k != place))
        if c != 0 and factor.func in _PARTNERS:
            together = _PARTNERS[factor.func](c, d, factor.args[0])
            if together is not None:
                return together + others
        if c != 0 and d == -c and factor.is_Pow and factor.exp == 2:
            if isinstance(factor.base, sympy.tanh):
                return c * sympy.sech(factor.base.args[0]) ** 2 + others
    return _stable_exponentials(node, terms) if c == 0 else node


def _stable_exponentials(node: Any, terms: list[Any]) -> Any:
    found = {b.args[0]: a for a, b in terms if isinstance(b, sympy.exp)}
    for u, a in found.items():
        if not u.could_extract_minus_sign() and abs(found.get(-u, 0)) == abs(a):
            pair = 2 * (sympy.cosh(u) if found[-u] == a else sympy.sinh(u))
            return _stable_sum(node - a * sympy.exp(u) - found[-u] * sympy.exp(-u)) + a * pair
    return node


def _one_plus_exp(expression: Any) -> Any:
    """The exponent u if the expression is 1 + exp(u), otherwise None."""
    if expression.is_Add and len(expression.args) == 2 and sympy.S.One in expression.args:
        rest = expression - 1
        return rest.args[0] if isinstance(rest, sympy.exp) else None
    return None


def _is_log_one_plus_exp(node: Any) -> bool:
    return isinstance(node, sympy.log) and _one_plus_exp(node.args[0]) is not None


def _stable_power(node: Any) -> Any:
    if not (node.exp.is_Integer and node.exp.is_negative):
        return node
    u = _one_plus_exp(node.base)
    if u is not None:
        return sigmoid(-u) ** (-node.exp)
    coefficient, factor = node.base.as_coeff_Mul()
    if isinstance(factor, sympy.cosh):
        return coefficient**node.exp * sympy.sech(factor.args[0]) ** (-node.exp)
    return node


def _stable_product(node: Any) -> Any:
    """Apply the rules for two factors until none fits; each removes a factor."""
    node = sympy.Mul(*(_stable_power(f) if f.is_Pow else f for f in node.args))
    changed = node
    while changed is not None and changed.is_Mul:
        node, powers = changed, {factor: factor.as_base_exp() for factor in changed.args}
        pairs = ((factor, *powers[factor]) for factor in node.args)
        changed = next(
            (new for factor, base, k in pairs if (new := _merged(node, factor, base, k, powers))),
            None,
        )
    return node if changed is None else changed


def _merged(node: Any, factor: Any, base: Any, k: Any, powers: dict[Any, Any]) -> Any:
    if isinstance(factor, sympy.exp):
        return _absorbed(node, factor, powers)
    if isinstance(base, sympy.sinh) and k.is_Integer and k.is_positive:
        return _quotient(node, factor, k, powers)
    return None


def _absorbed(node: Any, factor: Any, powers: dict[Any, Any]) -> Any:
    """exp(u) sigmoid(-u) is sigmoid(u), also m times."""
    for other, (base, k) in powers.items():
        if isinstance(base, sigmoid) and k.is_Integer:
            w = base.args[0]
            m = sympy.cancel(-factor.args[0] / w) if w != 0 else sympy.S.Zero
            if m.is_Integer and 1 <= m <= k:
                return node / factor / other * sigmoid(-w) ** m * sigmoid(w) ** (k - m)
    return None


def _quotient(node: Any, factor: Any, k: Any, powers: dict[Any, Any]) -> Any:
    """sinh(u) sech(u) is tanh(u), also m times."""
    (u,) = (factor.base if factor.is_Pow else factor).args
    for other, (base, n) in powers.items():
        if isinstance(base, sympy.sech) and base.args[0] == u and n.is_Integer and n > 0:
            m = min(k, n)
            rest = sympy.sinh(u) ** (k - m) * sympy.sech(u) ** (n - m)
            return node / factor / other * sympy.tanh(u) ** m * rest
    return None


def _stable_log(node: Any) -> Any:
    (argument,) = node.args
    u = _one_plus_exp(argument)
    if u is not None:
        return softplus(u)
    if isinstance(argument, sigmoid):
        return sympy.Mul(-1, softplus(-argument.args[0]))
    c, factor = argument.as_coeff_Mul()
    if isinstance(factor, sympy.cosh) and c.is_positive:
        u = factor.args[0]
        return softplus(2 * u) - u + sympy.log(c / 2)
    return node
