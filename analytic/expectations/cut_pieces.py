"""Where an activation is cut into pieces, between its kinks and as far as few of them reach."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.polynomial_pieces import Piece, goes_on, pieces_of
from analytic.proofs import branch

__all__ = ["CutPieces", "cut_between", "is_steep"]

MOST_PIECES = 400
"""Most pieces."""
REACHES = tuple(2.0**k for k in (20, 8, 7, 6, 5, 4))
"""Up to where w is cut into pieces: the first that few suffice for. The first is not tried where w
grows faster than a power."""
_POLYNOMIAL = (Fraction(0), Fraction(0), Fraction(10**6))


class CutPieces(NamedTuple):
    """Pieces from left to right, and how far they are those of w on either side; inf for ever."""

    pieces: list[Piece]
    far: tuple[float, float]


def cut_between(activation: Activation, places: list[Any]) -> CutPieces | None:
    """The pieces of an activation with kinks at these places, or None where few do not suffice.

    Example:
        >>> import sympy
        >>> found = cut_between(Activation("sin(x)*abs(x - 1)"), [sympy.Integer(1)])
        >>> found.far
        (64.0, 64.0)
    """
    size, sides = _running_mean(activation), [(places[0], -1), *((place, 1) for place in places)]
    branches = [branch(activation.expression, *side) for side in sides]
    for reach in REACHES[int(is_steep(activation)) :]:
        if reach > 2 * max(abs(float(place)) for place in places):
            pieces = _pieces(branches, [float(place) for place in places], reach, size)
            if len(pieces) <= MOST_PIECES:
                left = np.inf if goes_on(branches[0], -reach) else reach
                right = np.inf if goes_on(branches[-1], reach) else reach
                return CutPieces(pieces, (left, right))
    return None


def is_steep(activation: Activation) -> bool:
    """Whether it grows faster than a power."""
    return any(order is not None and order.rank > _POLYNOMIAL for order in activation.growth)


def _running_mean(activation: Activation) -> Callable[[float], float]:
    """x -> the mean of |w| between -x and x.

    Errors that are relative to it are so to the norm of w, twice, under any law that decreases in
    |x| (Hardy's inequality).
    """
    x = np.geomspace(2.0**-20, 2.0**21, 2**9)
    with np.errstate(over="ignore", invalid="ignore"):
        both = np.abs(activation(np.stack([x, -x]))).sum(axis=0)
        steps = np.diff(x, prepend=0.0)
        means = np.cumsum(np.minimum(both, np.append(both[0], both[:-1])) * steps) / (2 * x)
    means = np.where(np.isfinite(means), means, 0.0)  # of what grows so, the piece is larger
    return lambda at: float(np.interp(at, x, means))


def _pieces(
    branches: list[Any], places: list[float], reach: float, size: Callable[[float], float]
) -> list[Piece]:
    """Those between kinks, from left to right; no more than one too many."""
    pieces: list[Piece] = []
    ends = [-np.inf, *places, np.inf]
    for smooth, low, high in zip(branches, ends, ends[1:], strict=False):
        cut = pieces_of(smooth, low, high, reach, size)
        pieces += islice(cut, MOST_PIECES + 1 - len(pieces))
    return pieces
