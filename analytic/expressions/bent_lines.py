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
    t = sympy.Symbol("t", positive=True)
    slopes = [sympy.simplify(sign * expression.subs(X, sign * t) / t) for sign in (1, -1)]
    if any(slope.free_symbols or not slope.is_real for slope in slopes):
        return None
    right, left = map(float, slopes)
    return None if right == left else ((right + left) / 2, (right - left) / 2)
