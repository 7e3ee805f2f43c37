"""Functions that are linear on either side of 0: a x + b |x|."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy

from analytic.expressions.vocabulary import SWITCHES, X

__all__ = ["bent_line"]


@lru_cache(maxsize=512)
def bent_line(expression: Any) -> tuple[float, float] | None:
    """(a, b) if the expression is a x + b |x| with b not 0, or None.

    Example:
        >>> bent_line(sympy.Max(X, 0))
        (0.5, 0.5)
    """
    if not expression.atoms(*SWITCHES):
        return None
    if not _looks_linear(expression):
        return None
    t = sympy.Symbol("t", positive=True)
    slopes = [sympy.simplify(sign * expression.subs(X, sign * t) / t) for sign in (1, -1)]
    if any(slope.free_symbols or not slope.is_real for slope in slopes):
        return None
    right, left = map(float, slopes)
    return None if right == left else ((right + left) / 2, (right - left) / 2)


def _looks_linear(expression: Any) -> bool:
    """Whether w(t)/t is the same at two t on either side, to 20 digits: quickly told."""
    for side in (1, -1):
        one, other = (
            sympy.N(expression.subs(X, side * t) / t, 30) for t in (1, sympy.Rational(7, 3))
        )
        if not abs(one - other) <= 1e-15 * (1 + abs(one)):
            return False
    return True
