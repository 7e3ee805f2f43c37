r"""Quotients that are 0/0 at a point where they have a limit: the zero is divided out.

In N/D^m, where D has a zero of order p at x = a and N one of order m p or higher, both are divided
by (x - a)^(m p); a power of a linear D goes as a whole. That the zeros have these orders
is proved by exact derivatives, and that N and D are analytic around a by complex
enclosures on a square, which bound the Taylor series as well.
"""

# mpmath has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import Any

import mpmath
import numpy as np
import sympy

from analytic.expressions import (
    SWITCHES,
    Series,
    X,
    divided_function,
    elementary,
    stable,
    transform,
)
from analytic.proofs.complex_enclosure import modulus
from analytic.proofs.complex_rectangles import Rectangle

__all__ = ["quotient", "without_zeros_below", "zero_order"]

TERMS, SAMPLES, DIGITS = 96, 128, 50
"""Length of a Taylor series, points on the circle it is computed on, and their digits."""
RADII = 2.0 ** (np.arange(8, -80, -1) / 2)
"""Half widths of the squares that are tried, the largest first."""
GROWTH = 64.0
"""How much larger f may be on the square than on half of it, so that the series does not cancel."""
MOST_OPERATIONS = 200
"""Most operations of a numerator whose derivatives are taken."""


def without_zeros_below(expression: Any) -> Any:
    """The expression with the zeros of denominators divided out where numerators have them too.

    Example:
        >>> found = without_zeros_below(sympy.tanh(X) / X)
        >>> found, found.subs(X, 0)
        (tanh(x)/x, 1)
    """
    return transform(expression, lambda node: _divided(node) if node.is_Mul else node)


def _divided(product: Any) -> Any:
    for bottom in product.args:
        if bottom.is_Pow and bottom.exp.is_Integer and bottom.exp < 0 and bottom.free_symbols:
            found = _composed(product, bottom.base, -int(bottom.exp))
            if found is not None:
                return _divided(found) if found.is_Mul else found
            for place in _places(bottom.base):
                found = _divided_at(product, bottom.base, -int(bottom.exp), place)
                if found is not None:
                    return _divided(found) if found.is_Mul else found
    return product


def _composed(product: Any, bottom: Any, power: int) -> Any:
    """f(D)/D^m as one function of D, or None where no factors are such an f."""
    u = sympy.Dummy("u", real=True)
    rest, factors, found = product * bottom**power, list[Any](), 0
    for factor in product.args if bottom != X else ():
        inner = factor.subs(bottom, u)
        if found < power and not inner.has(X) and not _is_inverse(factor):
            own = zero_order(inner.subs(u, X), sympy.S.Zero, power - found)
            factors += [inner.subs(u, X)] * (own > 0)
            rest, found = (rest / factor, found + own) if own else (rest, found)
    if found < power:
        return None
    coefficient, top = sympy.Mul(*factors).as_coeff_Mul()
    divided = quotient(top, power)
    return None if divided is None else rest * coefficient * divided(bottom)


def _places(bottom: Any) -> list[Any]:
    """Where a denominator may be 0: the zeros of its linear parts."""
    lines = (p for p in sympy.preorder_traversal(bottom) if p.has(X) and _is_line(p))
    roots = (sympy.solve(_exact(line), X)[0] for line in lines)
    return list(dict.fromkeys(chain(roots, [sympy.S.Zero])))


def _is_line(expression: Any) -> bool:
    slope = sympy.diff(expression, X)
    return bool(slope.is_Number and slope != 0)


def _divided_at(product: Any, bottom: Any, power: int, place: Any) -> Any:
    """The product without this zero of its denominator, or None if nothing is proved."""
    order = zero_order(bottom, place, 8)
    if not order:
        return None
    factors, found = list[Any](), 0
    for factor in product.args:
        if found < order * power and factor != bottom**-power and not _is_inverse(factor):
            own = zero_order(factor, place, order * power - found)
            factors += [factor] * (own > 0)
            found += own
    if found < order * power:
        return None
    coefficient, top = sympy.Mul(*factors).as_coeff_Mul()
    rest = product / sympy.Mul(*factors) * bottom**power * coefficient
    above = quotient(top.subs(X, X + place), order * power)
    below = quotient(bottom.subs(X, X + place), order)
    if above is None or below is None:
        return None
    return rest * above(X - place) / below(X - place) ** power


def _is_inverse(factor: Any) -> bool:
    return bool(factor.is_Pow and factor.exp.is_negative)


def _exact(expression: Any) -> Any:
    numbers = {f: sympy.Rational(float(f)) for f in expression.atoms(sympy.Float)}
    return expression.xreplace(numbers)


@lru_cache(maxsize=512)
def zero_order(expression: Any, place: Any, most: int) -> int:
    """The order of a zero at a place, by exact derivatives; at most so many are taken."""
    if not expression.has(X) or expression.has(*SWITCHES):
        return 0
    if sympy.count_ops(expression) > MOST_OPERATIONS:
        return 0
    slope = _exact(expression)
    for order in range(most):
        value = slope.subs(X, place)
        if value != 0 and elementary(value).equals(0) is not True:
            return order
        slope = sympy.diff(slope, X)
    return most


def quotient(top: Any, power: int) -> Callable[[Any], Any] | None:
    """top/x^power as a function, or None where it is not seen to be analytic around 0."""
    if top.is_polynomial(X):
        polynomial = sympy.cancel(sympy.expand(top) / X**power)
        return lambda u: polynomial.subs(X, u)
    series = _series(top, power)
    return None if series is None else divided_function(top, power, series)


@lru_cache(maxsize=256)
def _series(numerator: Any, power: int) -> Series | None:
    r"""The Taylor series of f(u)/u^n, or None if f is not seen to be analytic around 0.

    The coefficients are means over points of the circle |u| = rho/2, which alias by less than
    2^-SAMPLES of M/rho^j, at DIGITS digits.
    """
    on_circle = sympy.lambdify(X, elementary(numerator), "mpmath")
    for rho in map(float, RADII):
        with np.errstate(all="ignore"):
            size = float(np.max(modulus(stable(numerator), _square(rho))))
        if not np.isfinite(size):
            continue
        with mpmath.workdps(DIGITS):
            turns: list[Any] = [mpmath.expjpi(mpmath.mpf(2 * k) / SAMPLES) for k in range(SAMPLES)]
            half: list[Any] = [on_circle(rho / 2 * turn) for turn in turns[: SAMPLES // 2 + 1]]
            if size > GROWTH * max(abs(value) for value in half):
                continue
            coefficients = [_mean(half, turns, power + j, rho) for j in range(TERMS)]
            high = [float(c) for c in coefficients]
            low = [float(c - h) for c, h in zip(coefficients, high, strict=True)]
        return Series(tuple(high), tuple(low), rho / 2, size / rho**power * (1 + 1e-12))
    return None


def _mean(half: list[Any], turns: list[Any], j: int, rho: float) -> Any:
    """f_j, from the values on the upper half of the circle: f(conj u) = conj f(u)."""
    inner = sum((v * turns[-k * j % SAMPLES]).real for k, v in enumerate(half[1:-1], start=1))
    ends = half[0].real + half[-1].real * (-1) ** j
    return (2 * inner + ends) / SAMPLES / (half[0] * 0 + rho / 2).real ** j


def _square(rho: float) -> Rectangle:
    """Boxes that cover the upper half of the square."""
    x, y = np.linspace(-rho, rho, 25), np.linspace(0, rho, 13)
    left, bottom = np.meshgrid(x[:-1], y[:-1])
    right, top = np.meshgrid(x[1:], y[1:])
    return Rectangle.of(left.ravel(), right.ravel(), bottom.ravel(), top.ravel())
