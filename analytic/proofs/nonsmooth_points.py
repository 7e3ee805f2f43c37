r"""Where an activation is not smooth: |u|, sign(u), step(u) and max(u, v) at u = 0, u = v.

On either side of such a place the expression is another, smooth one (its branch). The
derivative of order k jumps there if those of the two branches differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import sympy

from analytic.expressions import SWITCHES, X, elementary, transform
from analytic.proofs.signs import Zeros, zeros

__all__ = ["Jump", "Kinks", "branch", "first_jump", "jump", "jumps", "kinks"]

MOST = 12
"""Most places that are looked at, those nearest to 0."""


class Kinks(NamedTuple):
    """The places where an expression may fail to be smooth.

    ``complete`` says whether it is proved that there are no others.
    """

    places: tuple[Any, ...]
    complete: bool


class Jump(NamedTuple):
    """One-sided values of a derivative at a place where they differ.

    ``sure`` is False if they differ by no more than rounding explains.
    """

    place: Any
    left: Any
    right: Any
    sure: bool


@lru_cache(maxsize=512)
def kinks(expression: Any) -> Kinks:
    """The places at which a kinked function in the expression switches.

    Example:
        >>> kinks(sympy.Abs(X - 1) + sympy.tanh(X))
        Kinks(places=(1,), complete=True)
    """
    found = [_zeros(switch) for switch in _switches(expression)]
    places = sorted({place for one in found for place in one.places}, key=lambda p: abs(float(p)))
    complete = all(one.complete for one in found) and len(places) <= MOST
    return Kinks(tuple(places[:MOST]), complete)


def _zeros(switch: Any) -> Zeros:
    """The zeros of a switch, piece by piece where it has kinks of its own."""
    inner = kinks(switch) if switch.has(*SWITCHES) else None
    if inner is None or not inner.complete or not inner.places:
        return zeros(switch)
    places = sorted(inner.places, key=float)
    sides = [(places[0], -1), *((place, 1) for place in places)]
    ends = [-math.inf, *map(float, places), math.inf]
    found: set[Any] = set()
    complete = True
    for (place, side), low, high in zip(sides, ends, ends[1:], strict=False):
        piece = branch(switch, place, side)
        if piece == 0:  # its ends are places already
            continue
        here = zeros(piece)
        found |= {zero for zero in here.places if low <= float(zero) <= high}
        complete = complete and here.complete
    return Zeros(tuple(sorted(found, key=float)), complete)


def _switches(expression: Any) -> Iterator[Any]:
    for node in expression.atoms(*SWITCHES):
        if isinstance(node, sympy.Max | sympy.Min):
            yield from (a - b for a, b in combinations(node.args, 2))
        else:
            yield node.args[0]


@lru_cache(maxsize=512)
def jump(expression: Any, place: Any, order: int) -> Jump | None:
    """The jump of the derivative of the given order at a place, or None if it is continuous.

    Example:
        >>> jump(sympy.Max(X, 0), sympy.S.Zero, 1)
        Jump(place=0, left=0, right=1, sure=True)
        >>> jump(sympy.Abs(X) ** 3, sympy.S.Zero, 2) is None
        True
    """
    left, right = (
        sympy.diff(branch(expression, place, side), X, order).subs(X, place) for side in (-1, 1)
    )
    gap = left - right
    if gap == 0:
        return None
    size = abs(sympy.N(elementary(gap), 40))
    if not place.has(sympy.Float) and not gap.has(sympy.Float):
        sure = bool(size > 1e-25)
        return Jump(place, left, right, sure) if sure or gap.equals(0) is not True else None
    size /= 1 + abs(sympy.N(elementary(left), 40))
    return Jump(place, left, right, bool(size > 1e-8)) if size > 1e-12 else None


@lru_cache(maxsize=512)
def jumps(expression: Any) -> tuple[Jump, ...]:
    """Where the expression itself jumps.

    Example:
        >>> jumps(sympy.sign(X)), jumps(sympy.Abs(X))
        ((Jump(place=0, left=-1, right=1, sure=True),), ())
    """
    if not expression.has(sympy.Heaviside, sympy.sign):
        return ()
    found = (jump(expression, place, 0) for place in kinks(expression).places)
    return tuple(one for one in found if one is not None)


def first_jump(expression: Any, most: int) -> str | None:
    """The jump of w or of its lowest derivative that has one, up to the order ``most``, in words.

    Example:
        >>> first_jump(sympy.Max(X, 0), 3)
        "w' jumps from 0 to 1 at x = 0"
        >>> first_jump(X * sympy.Abs(X), 1) is None
        True
    """
    for order in range(most + 1):
        for place in kinks(expression).places:
            gap = jump(expression, place, order)
            if gap is not None:
                primes = "'" * order
                return f"w{primes} jumps from {gap.left} to {gap.right} at x = {gap.place}"
    return None


def branch(expression: Any, place: Any, side: int) -> Any:
    """The smooth expression that agrees with this one just beside the place."""

    def rule(node: Any) -> Any:
        if not isinstance(node, SWITCHES) or not node.free_symbols:
            return node
        if isinstance(node, sympy.Max | sympy.Min):
            return _leading(node, place, side)
        u = node.args[0]
        positive = _sign_beside(u, place, side)
        if isinstance(node, sympy.Abs):
            return positive * u
        if isinstance(node, sympy.sign):
            return sympy.Integer(positive)
        return sympy.Integer(positive > 0)

    return transform(expression, rule)


def _leading(node: Any, place: Any, side: int) -> Any:
    best, *others = node.args
    wanted = 1 if isinstance(node, sympy.Max) else -1
    for other in others:
        if _sign_beside(other - best, place, side) == wanted:
            best = other
    return best


def _sign_beside(u: Any, place: Any, side: int) -> int:
    """The sign of a smooth u just beside a place: that of its first derivative that is not 0."""
    for order in range(6):
        value = sympy.N(elementary(sympy.diff(u, X, order).subs(X, place)), 40)
        if abs(value) > (1e-9 if place.has(sympy.Float) else 1e-25):
            return int(sympy.sign(value)) * side**order
    return 0
