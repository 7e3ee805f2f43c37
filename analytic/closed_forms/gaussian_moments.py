r"""Closed forms of bivariate Gaussian integrals.

The integrals E[f(u) g(v)] over (u, v) ~ N(m, C) are done for functions of the form

    x^k exp(l x - b x^2) S(x),    S = 1, erf(a x) or sign(x).

The exponential tilts the normal law into another one; Stein's lemma

    E[u g(u, v)] = m_1 E[g] + C_11 E[dg/du] + C_12 E[dg/dv]

lowers the powers, with S' another Gaussian factor (or a Dirac delta, for sign); and

    E[S(u)] = erf(r_1 m_1 / sqrt(2)),    E[S(u) S(v)] = (2/pi) asin(r_1 r_2 C_12)  at m = 0

with r^2 = 2 a^2/(1 + 2 a^2 C_11) for erf and 1/C_11 for sign (Williams 1997). Two factors S
of a law with m != 0 have no elementary integral (Owen 1956).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import sympy

__all__ = ["Factor", "Law", "OpenFormError", "expectation", "sole_expectation"]

SIGN = sympy.oo
"""The slope a for which erf(a x) is sign(x)."""


class OpenFormError(ValueError):
    """The integral has no closed form that is known here; the message says why."""


class Factor(NamedTuple):
    """The function x^power exp(linear x - square x^2) S(x).

    ``slope`` is 0 for S = 1, a for erf(a x), and ``oo`` for sign(x).
    """

    power: int = 0
    linear: Any = sympy.S.Zero
    square: Any = sympy.S.Zero
    slope: Any = sympy.S.Zero


class Law(NamedTuple):
    """The normal law of (u, v) with means m1, m2 and covariances c11, c12, c22."""

    m1: Any
    m2: Any
    c11: Any
    c12: Any
    c22: Any

    @property
    def swapped(self) -> Law:
        """The law of (v, u)."""
        return Law(self.m2, self.m1, self.c22, self.c12, self.c11)


@lru_cache(maxsize=4096)
def expectation(law: Law, f: Factor, g: Factor) -> Any:
    """E[f(u) g(v)].

    Raises:
        OpenFormError: two factors S meet a law whose mean is not 0.

    Example:
        >>> p, c, q = sympy.symbols("p c q", positive=True)
        >>> expectation(Law(0, 0, p, c, q), Factor(power=2), Factor(power=2))
        2*c**2 + p*q
    """
    if f.linear != 0 or g.linear != 0 or f.square != 0 or g.square != 0:
        weight, tilted = _tilted(law, f, g)
        return weight * expectation(tilted, _bare(f), _bare(g))
    if f.power > 0:
        return _stein(law, f, g)
    if g.power > 0:
        return _stein(law.swapped, g, f)
    if f.slope != 0 and g.slope != 0:
        if law.m1 != 0 or law.m2 != 0:
            raise OpenFormError(
                "the product of two error functions or steps under a shifted normal law has no"
                " elementary integral"
            )
        sine = _ratio(f.slope, law.c11) * _ratio(g.slope, law.c22) * law.c12
        return 2 / sympy.pi * sympy.asin(sine)
    if f.slope != 0:
        return _error_function(_ratio(f.slope, law.c11) * law.m1 / sympy.sqrt(2))
    return sympy.S.One if g.slope == 0 else expectation(law.swapped, g, f)


def sole_expectation(mean: Any, variance: Any, f: Factor) -> Any:
    """E[f(u)] for u ~ N(mean, variance).

    Example:
        >>> q = sympy.Symbol("q", positive=True)
        >>> sole_expectation(0, q, Factor(power=1, slope=sympy.oo))  # E|u|
        sqrt(2)*sqrt(q)/sqrt(pi)
    """
    return expectation(Law(mean, sympy.S.Zero, variance, sympy.S.Zero, sympy.S.One), f, Factor())


def _error_function(z: Any) -> Any:
    """erf(z), or i erfi(y) for z = i y."""
    y = z.as_real_imag()[1]
    return (
        sympy.I * sympy.erfi(y) if y != 0 and sympy.expand(z - sympy.I * y) == 0 else sympy.erf(z)
    )


def _bare(f: Factor) -> Factor:
    return Factor(f.power, slope=f.slope)


def _ratio(slope: Any, variance: Any) -> Any:
    """The r of the legend."""
    if slope == SIGN:
        return 1 / sympy.sqrt(variance)
    return sympy.sqrt(2) * slope / sympy.sqrt(1 + 2 * slope**2 * variance)


def _tilted(law: Law, f: Factor, g: Factor) -> tuple[Any, Law]:
    """The total mass and the normalised law of exp(l z - z B z/2) N(m, C), B = 2 diag(b)."""
    b1, b2 = 2 * f.square, 2 * g.square
    gram = law.c11 * law.c22 - law.c12**2
    det = sympy.cancel(1 + b1 * law.c11 + b2 * law.c22 + b1 * b2 * gram)
    c11, c12, c22 = map(
        sympy.cancel, ((law.c11 + b2 * gram) / det, law.c12 / det, (law.c22 + b1 * gram) / det)
    )
    n1 = ((1 + b2 * law.c22) * law.m1 - b2 * law.c12 * law.m2) / det  # (1 + C B)^-1 m
    n2 = ((1 + b1 * law.c11) * law.m2 - b1 * law.c12 * law.m1) / det
    l1, l2 = f.linear, g.linear
    exponent = (
        l1 * n1 + l2 * n2 + (l1**2 * c11 + 2 * l1 * l2 * c12 + l2**2 * c22) / 2
        - (b1 * law.m1 * n1 + b2 * law.m2 * n2) / 2
    )  # fmt: skip
    means = n1 + c11 * l1 + c12 * l2, n2 + c12 * l1 + c22 * l2
    return sympy.exp(_gathered(exponent)) / sympy.sqrt(det), Law(*means, c11, c12, c22)


def _gathered(exponent: Any) -> Any:
    return sympy.expand(exponent) if exponent.is_polynomial() else sympy.factor(exponent)


def _stein(law: Law, f: Factor, g: Factor) -> Any:
    """E[u f(u) g(v)] by Stein's lemma, f with one power less."""
    f = f._replace(power=f.power - 1)
    slope_u = _expectation_of_slope(law, f, g)
    slope_v = _expectation_of_slope(law.swapped, g, f)
    value = law.m1 * expectation(law, f, g) + law.c11 * slope_u + law.c12 * slope_v
    return sympy.expand(value) if value.is_polynomial() else value


def _expectation_of_slope(law: Law, f: Factor, g: Factor) -> Any:
    """E[f'(u) g(v)] for f without an exponential."""
    total = sympy.S.Zero
    if f.power > 0:
        total += f.power * expectation(law, f._replace(power=f.power - 1), g)
    if f.slope == SIGN:
        return total + (2 * _at_zero(law, g) if f.power == 0 else 0)
    if f.slope != 0:
        bump = Factor(f.power, square=f.slope**2)
        total += 2 * f.slope / sympy.sqrt(sympy.pi) * expectation(law, bump, g)
    return total


def _at_zero(law: Law, g: Factor) -> Any:
    """E[delta(u) g(v)]: the density of u at 0 times the mean of g given u = 0."""
    density = sympy.exp(-(law.m1**2) / (2 * law.c11)) / sympy.sqrt(2 * sympy.pi * law.c11)
    mean = law.m2 - law.c12 * law.m1 / law.c11
    return density * sole_expectation(mean, law.c22 - law.c12**2 / law.c11, g)
