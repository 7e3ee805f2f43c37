"""Quotients whose numerator is 0 where their denominator is, with the zero divided out."""

from __future__ import annotations

from typing import Any

import sympy

from analytic.expressions.sine_quotients import sinc

__all__ = ["without_zeros"]


def without_zeros(product: Any) -> Any:
    """The product with sin(c u)/u and (1 - cos(c u))/u^2 written by sinc, which is 1 at 0.

    Example:
        >>> x = sympy.Symbol("x", real=True)
        >>> without_zeros((1 - sympy.cos(x)) / x**2)
        sinc(x/2)**2/2
    """
    for bottom in product.args if product.is_Mul else ():
        if bottom.is_Pow and bottom.exp.is_Integer and bottom.exp < 0 and bottom.free_symbols:
            for factor in product.args:
                found = _divided(factor, bottom.base)
                if found is not None:
                    return without_zeros(product / factor * bottom.base * found)
    return product


def _divided(factor: Any, u: Any) -> Any:
    """sin(c u)^n/u or (a - a cos(c u))/u without the division, or None."""
    base, power = factor.as_base_exp()
    if isinstance(base, sympy.sin) and power.is_Integer and power > 0:
        c: Any = sympy.cancel(base.args[0] / u)
        return c * sinc(base.args[0]) * base ** (power - 1) if c.is_number else None
    constant, rest = factor.as_coeff_Add()
    d, cosine = rest.as_coeff_Mul()
    if constant != 0 and d == -constant and isinstance(cosine, sympy.cos):
        c = sympy.cancel(cosine.args[0] / u)
        root: Any = sinc(cosine.args[0] / 2)
        return constant * c**2 * u / 2 * root**2 if c.is_number else None
    return None
