r"""What the theory asks of an activation: Assumption 3.1, and what governs the numerics.

Assumption 3.1 (Bowman and Montufar 2022): w is twice continuously differentiable and w and
w' are Lipschitz. The Lipschitz constants are sup |w'| and sup |w''|.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import sympy

from analytic.expressions import (
    ORDERS,
    SWITCHES,
    DividedFunction,
    Order,
    X,
    derivative,
    normal_cdf,
    sigmoid,
    softplus,
    stable,
    transform,
)
from analytic.proofs.asymptotics import tail
from analytic.proofs.critical import slope_of
from analytic.proofs.extrema import Bound, supremum
from analytic.proofs.nonsmooth_points import Jump, jump, kinks

__all__ = ["Answer", "assumption", "growth", "lipschitz", "parity", "strip"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its reason.

    Attributes:
        verdict: "holds", "fails" or "unknown".
        reason: the constants, the place of the failure, or what could not be decided.
    """

    verdict: Literal["holds", "fails", "unknown"]
    reason: str

    @property
    def holds(self) -> bool | None:
        """True, False, or None if it could not be decided."""
        return {"holds": True, "fails": False, "unknown": None}[self.verdict]

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}"


_NAMES = ("w", "w'", "w''")


@lru_cache(maxsize=512)
def assumption(expression: Any) -> Answer:
    """Whether an activation satisfies Assumption 3.1, and why.

    Example:
        >>> print(assumption(sympy.Max(X, 0)))
        fails: w' jumps from 0 to 1 at x = 0
        >>> print(assumption(sympy.tanh(X)))
        holds: |w'| <= 1, |w''| <= 4*sqrt(3)/9 = 0.7698
    """
    broken, doubtful, complete = _jumps(expression)
    if broken is not None:
        return Answer("fails", broken)
    constants = [lipschitz(expression, order) for order in (0, 1)]
    for order, bound in enumerate(constants):
        if bound.is_finite is False:
            slope = _NAMES[order + 1]
            return Answer(
                "fails", f"{_NAMES[order]} is not Lipschitz: {slope} {_escape(expression, order)}"
            )
    open_questions = [
        f"whether {_NAMES[order + 1]} is bounded (it reaches {bound.low:.6g})"
        for order, bound in enumerate(constants)
        if bound.is_finite is None
    ]
    if doubtful:
        open_questions.append(doubtful)
    if not complete:
        open_questions.append("whether all places were found where a part of it switches")
    if open_questions:
        return Answer("unknown", f"could not decide {' and '.join(open_questions)}")
    values = [f"|{_NAMES[k + 1]}| {_relation(bound)}" for k, bound in enumerate(constants)]
    return Answer("holds", ", ".join(values))


def _relation(bound: Bound) -> str:
    if bound.exact is None and bound.high - bound.low > 1e-6 * bound.high:
        return f"<= {bound.high:.6g} (and reaches {bound.low:.6g})"
    return f"<= {bound}"


def _jumps(expression: Any) -> tuple[str | None, str | None, bool]:
    """The first jump of w, w' or w'', a doubtful one, and whether all places are known."""
    found = kinks(expression)
    doubtful = None
    for place in found.places:
        for order in (0, 1, 2):
            gap = jump(expression, place, order)
            if gap is not None and gap.sure:
                return _in_words(_NAMES[order], gap), None, True
            if gap is not None:
                doubtful = f"whether {_NAMES[order]} jumps at x = {place}"
    return None, doubtful, found.complete


def _in_words(name: str, gap: Jump) -> str:
    return f"{name} jumps from {gap.left} to {gap.right} at x = {gap.place}"


def _escape(expression: Any, order: int) -> str:
    """Where and how a derivative is unbounded."""
    for side, where in ((1, "oo"), (-1, "-oo")):
        below = tail(derivative(expression, order + 1), side).below
        if below is not None and below.grows:
            return f"grows like {below} as x -> {where}"
    return "is unbounded"


def lipschitz(expression: Any, order: int = 0) -> Bound:
    """The Lipschitz constant of the derivative of the given order, 0 or 1.

    Example:
        >>> print(lipschitz(sympy.exp(-(X**2))))
        sqrt(2)*exp(-1/2) = 0.857764
    """
    for place in kinks(expression).places:
        gaps = (jump(expression, place, lower) for lower in range(order + 1))
        if any(gap is not None and gap.sure for gap in gaps):
            return Bound(math.inf, math.inf, sympy.oo)
    return supremum(derivative(expression, order + 1))


def growth(expression: Any) -> tuple[Order | None, Order | None]:
    """Orders that bound |w| for x -> -oo and for x -> oo."""
    return tail(expression, -1).above, tail(expression, 1).above


@lru_cache(maxsize=512)
def parity(expression: Any) -> Literal["even", "odd"] | None:
    """Whether w(-x) = w(x) or -w(x) by an identity.

    Example:
        >>> parity(sigmoid(X) - sympy.Rational(1, 2))
        'odd'
    """
    here = _one_sided(stable(expression))
    there = _one_sided(stable(expression.subs(X, -X)))
    if sympy.expand(here - there) == 0:
        return "even"
    return "odd" if sympy.expand(here + there) == 0 else None


def _one_sided(expression: Any) -> Any:
    """Functions of -u by those of u."""

    def rule(node: Any) -> Any:
        if not isinstance(node, sigmoid | softplus | normal_cdf):
            return node
        (u,) = node.args
        if not u.could_extract_minus_sign():
            return node
        return softplus(-u) + u if isinstance(node, softplus) else 1 - node.func(-u)

    return transform(expression, rule)


_POLES: dict[Any, Any] = {
    sigmoid: sympy.pi,
    softplus: sympy.pi,
    sympy.sech: sympy.pi / 2,
    sympy.tanh: sympy.pi / 2,
}
"""Distance of the singularities of f(x) from the real line."""

_ENTIRE = (sympy.cos, sympy.cosh, sympy.erf, sympy.exp, sympy.sin, sympy.sinh, normal_cdf, *ORDERS)


@lru_cache(maxsize=2048)
def strip(expression: Any) -> Any:
    """A number d such that w is analytic for |Im x| < d, or None if none was found.

    It is the largest one for the activations that have names; 0 says that w is not
    analytic on the real line.

    Example:
        >>> strip(sympy.tanh(2 * X) + sympy.exp(-(X**2)))
        pi/4
    """
    if expression.has(*SWITCHES) and (kinks(expression).places or not kinks(expression).complete):
        return sympy.S.Zero
    return _strip(stable(expression))


def _strip(node: Any) -> Any:
    if not node.free_symbols or node == X:
        return sympy.oo
    inner = [_strip(argument) for argument in node.args]
    if any(width is None for width in inner):
        return None
    least = sympy.Min(*inner)
    if node.is_Add or node.is_Mul or isinstance(node, _ENTIRE):
        return least
    if node.is_Pow:
        own = sympy.oo if node.exp.is_Integer and node.exp > 0 else _distance(node.base)
    elif isinstance(node, DividedFunction):
        own = _of_slope(strip(node.numerator), node.args[0])
    elif node.func in _POLES:
        own = _of_slope(_POLES[node.func], node.args[0])
    elif isinstance(node, sympy.atan | sympy.asinh):
        own = _distance(node.args[0] ** 2 + 1)
    else:
        own = _distance(node.args[0]) if isinstance(node, sympy.log) else None
    return None if own is None else sympy.Min(least, own)


def _of_slope(width: Any, u: Any) -> Any:
    """The strip of f(a x + b) from that of f, or None."""
    if width is None or width == sympy.oo:
        return width
    slope = slope_of(u)
    return None if slope is None else width / abs(slope)


def _distance(polynomial: Any) -> Any:
    """The distance of the roots of a polynomial from the real line, or None."""
    if not polynomial.is_polynomial(X):
        return None
    poly = sympy.Poly(polynomial, X)
    if poly.degree() == 0:
        return sympy.oo
    if poly.degree() == 2:
        return min((abs(sympy.im(root)) for root in sympy.roots(poly)), key=float, default=None)
    return min((abs(sympy.im(root)) for root in poly.nroots(maxsteps=200)), key=float)
