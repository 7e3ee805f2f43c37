r"""Exact suprema: an expression is largest at a zero of its derivative or at infinity.

The zeros are found where the derivative, after factoring, is made of functions without
zeros and of polynomials with rational coefficients in one of

    x,    t = tanh(a x + b) in (-1, 1),    s = sigmoid(a x + b) in (0, 1).

Everything else is left to ``analytic.proofs.extrema``.
"""

from __future__ import annotations

from typing import Any

import sympy

from analytic.expressions import SWITCHES, X, derivative, normal_cdf, sigmoid, softplus, transform
from analytic.proofs.asymptotics import tail

__all__ = ["exact_supremum", "slope_of"]

MOST_OPERATIONS = 120
"""Most operations of a derivative that is factored."""
HIGHEST_DEGREE = 12
"""Highest degree of a polynomial whose roots are taken."""


def exact_supremum(expression: Any) -> Any:
    """The supremum of |expression| over the real line as a sympy number, or None.

    Example:
        >>> exact_supremum(derivative(sympy.tanh(X), 2))
        4*sqrt(3)/9
    """
    expression = _rational(expression)
    if not expression.free_symbols:
        return abs(expression)
    if expression.has(*SWITCHES):
        return None
    wave = _wave(expression)
    if wave is not None:
        return wave
    points = _zeros(derivative(expression, 1))
    if points is None:
        return None
    found = [abs(value) for value in (_value(expression, point) for point in points)]
    return _largest(found, [tail(expression, side) for side in (1, -1)])


def _largest(found: list[Any], tails: list[Any]) -> Any:
    """The largest of the values at critical points and of the limits."""
    limits = [abs(end.limit) for end in tails if end.limit is not None]
    best = max(found + limits, key=lambda value: sympy.N(value, 40), default=None)
    if best is None or best == sympy.oo:
        return best
    size = float(best)
    unknown = [end.size for end in tails if end.limit is None]
    return best if all(end < size * (1 - 1e-12) for end in unknown) else None


def _rational(expression: Any) -> Any:
    """Floats as the rational numbers they are."""
    floats = {number: sympy.Rational(float(number)) for number in expression.atoms(sympy.Float)}
    return expression.xreplace(floats)


def slope_of(u: Any) -> Any:
    """The number a if u = a x + b, otherwise None."""
    a = sympy.diff(u, X)
    return None if a.free_symbols else a


def _wave(expression: Any) -> Any:
    """C + A sin(u) + B cos(u) with u = a x + b is at most |C| + sqrt(A^2 + B^2)."""
    c, rest = expression.as_coeff_Add()
    squares, arguments = sympy.S.Zero, set[Any]()
    kinds: list[Any] = []
    for term in sympy.Add.make_args(rest):
        amplitude, factor = term.as_independent(X, as_Add=False)
        if not isinstance(factor, sympy.sin | sympy.cos):
            return None
        squares += amplitude**2
        arguments.add(factor.args[0])
        kinds.append(factor.func)
    (u, *others) = arguments
    if others or len(set(kinds)) < len(kinds) or not slope_of(u):
        return None
    return abs(c) + sympy.sqrt(squares)


def _canonical(expression: Any) -> Any:
    """sech^2 by tanh and sigmoid(-u) by sigmoid(u), so that one generator is left."""

    def rule(node: Any) -> Any:
        if isinstance(node, sigmoid) and node.args[0].could_extract_minus_sign():
            return 1 - sigmoid(-node.args[0])
        if node.is_Pow and isinstance(node.base, sympy.sech) and node.exp.is_Integer:
            u, n = node.base.args[0], int(node.exp)
            return (1 - sympy.tanh(u) ** 2) ** (n // 2) * sympy.sech(u) ** (n % 2)
        return node

    return transform(expression, rule)


def _zeros(expression: Any) -> list[Any] | None:
    """The real zeros, each as (generator, value of the generator), or None."""
    expression = _canonical(expression)
    if sympy.count_ops(expression) > MOST_OPERATIONS or not _is_separable(expression):
        return None
    zeros: list[Any] = []
    # sympy would factor exp(1.7 x) as a power of exp(x/2^52)
    names = {f: sympy.Dummy() for f in expression.atoms(sympy.exp, sympy.sech) if f.has(X)}
    back = {name: f for f, name in names.items()}
    for factor in sympy.Mul.make_args(sympy.factor(sympy.together(expression.xreplace(names)))):
        found = _zeros_of_factor(factor.xreplace(back))
        if found is None:
            return None
        zeros += found
    return zeros


def _is_separable(expression: Any) -> bool:
    """Whether at most one generator and one function without zeros occur in it.

    Factoring polynomials in more of them may take minutes, and rarely helps.
    """
    functions = {f for f in expression.atoms(sympy.Function) if f.free_symbols}
    without = {f for f in functions if isinstance(f, sympy.exp | sympy.sech)}
    bare = expression.xreplace({f: sympy.Dummy() for f in functions}).has(X)
    return len(functions - without) + bare <= 1 and len(without) <= 1


_POSITIVE = (sympy.exp, sympy.sech, sympy.cosh, sigmoid, normal_cdf, softplus)


def _zeros_of_factor(factor: Any) -> list[Any] | None:
    if factor.is_Pow and factor.exp.is_Rational:
        return [] if factor.exp < 0 else _zeros_of_factor(factor.base)
    if not factor.free_symbols or isinstance(factor, _POSITIVE):
        return []
    functions = {f for f in factor.atoms(sympy.Function) if f.free_symbols}
    if not functions:
        return _roots(factor, X, -sympy.oo, sympy.oo)
    if len(functions) > 1 or factor.subs(generator := functions.pop(), 1).free_symbols:
        return None
    low = {sympy.tanh: -1, sigmoid: 0}.get(generator.func)
    if low is None or not slope_of(generator.args[0]):
        return None
    return _roots(factor, generator, low, 1)


def _roots(polynomial: Any, generator: Any, low: Any, high: Any) -> list[Any] | None:
    """The roots between low and high, if the coefficients are rational up to a factor."""
    try:
        poly = sympy.Poly(polynomial, generator).monic()
    except sympy.PolynomialError:
        return None
    if not (poly.domain.is_ZZ or poly.domain.is_QQ) or poly.degree() > HIGHEST_DEGREE:
        return None
    return [(generator, root) for root in set(sympy.real_roots(poly)) if low < root < high]


def _value(expression: Any, point: tuple[Any, Any]) -> Any:
    """The expression where the generator has the given value."""
    generator, root = point
    if generator == X:
        return expression.subs(X, root)
    (u,) = generator.args
    inverse = (
        sympy.atanh(root) if isinstance(generator, sympy.tanh) else sympy.log(root / (1 - root))
    )
    place = (inverse - u.subs(X, 0)) / slope_of(u)
    value = _canonical(expression).subs(generator, root)
    return sympy.radsimp(sympy.expand(value.subs(X, place)))
