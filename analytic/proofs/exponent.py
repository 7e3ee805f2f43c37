r"""Orders that bound exp(u) for large x, exact where u is a quadratic polynomial.

For the rest of u the bounds C x^p of its size are used: with x >= START, x^p is at most
START^(p - 1) x for p <= 1 and at least that for p >= 1, and the same with x^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy

from analytic.expressions import START, Order, Tail, X, fraction

__all__ = ["exponential"]


def exponential(u: Any, visit: Callable[[Any], Tail]) -> tuple[Order | None, Order | None]:
    """Bounds of exp(u): exact for quadratic polynomials, by those of u for the rest."""
    polynomial, rest = _split(u)
    b, a, c = polynomial
    found: list[Order | None] = []
    for up in (True, False):
        scale = c + (1e-15 if up else -1e-15) * (1 + abs(c))
        own = Order(scale, Fraction(0), _exact(b, up), _exact(a, up))
        other = Order() if rest == 0 else _exponential_of(visit(rest), up)
        found.append(None if other is None else own * other)
    return found[0], found[1]


def _exact(number: Any, up: bool) -> Fraction:
    if number.is_Rational:
        return Fraction(int(number.p), int(number.q))
    return Fraction(float(number)) if number.is_Float else fraction(float(number), up)


def _split(u: Any) -> tuple[tuple[Any, Any, float], Any]:
    """The coefficients of x, x^2 and 1 in u, and what is left."""
    terms = sympy.expand(u)
    b, a = terms.coeff(X, 1), terms.coeff(X, 2)
    b, a = (k if not k.free_symbols else sympy.S.Zero for k in (b, a))
    rest = terms - b * X - a * X**2
    c, rest = rest.as_independent(X, as_Add=True)
    return (b, a, float(c)), rest


def _exponential_of(u: Tail, up: bool) -> Order | None:
    """A bound of exp(u) from one of u: above if ``up``, else below."""
    bounded = u.high if up else u.low
    flat = (
        Order(bounded + (1e-15 if up else -1e-15) * abs(bounded))
        if math.isfinite(bounded)
        else None
    )
    if u.low >= 0:
        steep = _steep(u.above, 1, up=True) if up else _steep(u.below, 1, up=False)
    elif u.high <= 0:
        steep = _steep(u.below, -1, up=False) if up else _steep(u.above, -1, up=True)
    else:
        return flat
    return steep if flat is None or (steep is not None and steep.rank != flat.rank) else flat


def _steep(order: Order | None, sign: int, up: bool) -> Order | None:
    """exp(sign C x^p) by exp(b x) or exp(a x^2), for an upper bound C x^p or a lower one."""
    if order is None:
        return None
    if order.rate > 0 and not up:  # at least x^2, whatever the power
        share = Order(power=Fraction(2)).ratio(order)
        return Order(curvature=Fraction(sign)) if share is not None and share <= 0 else None
    if order.curvature != 0 or order.rate != 0 or order.scale > 600:
        return None
    p = order.power
    for degree, name in ((1, "rate"), (2, "curvature")):
        fits = p <= degree if up else p >= degree and not (degree == 1 and p >= 2)
        if fits:
            steepness = min(order.scale + float(p - degree) * math.log(START), 600.0)
            return replace(Order(), **{name: sign * Fraction(math.exp(steepness))})
    return None
