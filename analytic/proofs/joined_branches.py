r"""Switches that only look like kinks: |u|, sign, max and min in a smooth function.

A careful program writes softplus as max(x, 0) + log(1 + exp(-|x|)), and tanh by sign and |x|. On
either side of a switch the expression is a smooth one, its branch; if all branches are one
and the same function, the expression is that function. This is proved, not sampled: two
analytic functions agree if their derivatives do and they meet at one point. It is the branch
that is analytic on all of the line, which another one need not be: atan(1/x) is pi/2 - atan(x) for
x > 0 only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import sympy

from analytic.expressions import SWITCHES, X, elementary, recognised, stable
from analytic.proofs.divided_zeros import without_zeros_below
from analytic.proofs.domain import check_expression
from analytic.proofs.nonsmooth_points import branch, kinks

__all__ = ["joined"]

LONGEST = 120
"""Most operations of a difference of branches that is simplified."""


def joined(expression: Any) -> Any:
    """The expression without its switches where its branches are the same function.

    Example:
        >>> joined(sympy.sign(X) * sympy.tanh(sympy.Abs(X)))
        tanh(x)
        >>> joined(sympy.Abs(X))
        Abs(x)
    """
    if not expression.has(*SWITCHES):
        return expression
    found = kinks(expression)
    if not found.places or not found.complete:
        return expression
    places = sorted(found.places, key=float)
    branches = [branch(expression, places[0], -1)]
    for place in places:
        if sympy.expand(branches[-1] - branch(expression, place, -1)) != 0:
            return expression
        branches.append(branch(expression, place, 1))
    if not all(_same(f, g, p) for (f, g), p in zip(pairwise(branches), places, strict=True)):
        return expression
    found = [b for b in (recognised(stable(b)) for b in branches) if _is_smooth(b)]
    return min(found, key=sympy.count_ops, default=expression)


def _is_smooth(branch: Any) -> bool:
    """Whether a branch is smooth beyond its own part of the line, too."""
    try:
        check_expression(without_zeros_below(branch))
    except ValueError:
        return False
    return True


def _same(f: Any, g: Any, place: Any) -> bool:
    """Whether two smooth expressions that meet at a place are one function, by proof."""
    if sympy.expand(stable(f) - stable(g)) == 0:
        return True
    gap = elementary(f - g)
    slope = sympy.diff(gap, X).rewrite(sympy.exp)
    points = (sympy.Rational(-7, 5), sympy.Rational(3, 10), sympy.Rational(11, 5))
    if sympy.count_ops(slope) > LONGEST or any(_is_large(slope, point) for point in points):
        return False
    if sympy.cancel(sympy.together(slope)) != 0 and sympy.simplify(slope) != 0:
        return False
    return gap.subs(X, place).equals(0) is True


def _is_large(expression: Any, point: Any) -> bool:
    return bool(abs(sympy.N(expression.subs(X, point), 30)) > 1e-20)
