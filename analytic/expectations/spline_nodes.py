"""Pieces that are no cubics seen through a normal law, compiled: the narrower the fewer.

A law that sees one piece turns its polynomial into another, one that sees few of them, none with a
kink, is summed by a rule for all of it. Else

    W = E w(y + tau b) = sum_q p_q phi((x_q - y)/tau)/tau w(x_q)

at nodes x_q that all places y share: panels between kinks, shorter than the law is wide, each of
which may hold several pieces. At a node w is looked at once, and what is left for each place is an
exponential.

Legend: as in ``spline_lanes``.
"""

from __future__ import annotations

import math
from typing import Any

from analytic.compilation import elementwise
from analytic.expectations.polynomial_pieces import DEGREE, SPARE
from analytic.expectations.spline_lanes import (
    COEFFICIENTS,
    END,
    EXPONENT,
    HIGH,
    HIGH_E,
    INVERSE,
    KINK,
    MEAN,
    NODES,
    OWN,
    PLACE,
    PLACES,
    POWER,
    POWERS,
    REACH,
    RISE,
    SLOPE,
    SQUARE,
    START,
    VALUE,
    fallen,
    piece_values,
)

__all__ = [
    "are_alike",
    "by_nodes",
    "by_own_piece",
    "by_whole_law",
    "enter_own",
    "is_alone",
    "piece_length",
]

LONGEST = 3.0
"""The longest panel, in units of tau."""
TOGETHER = 4.0
"""Lengths of the shortest piece of a panel that it may have: what a polynomial of degree DEGREE has
to rounding on a piece, INNER nodes have on so many."""


@elementwise
def _values(spl: Any, first: int, last: int, line: Any) -> None:
    """w and w' at PLACES in some pieces, each by its own: at HIGH and HIGH_E, else not in use."""
    for k in range(first, last + 1):
        piece_values(spl, k, line)
        start = spl[k - 1, END] if k > first else -math.inf
        for i in range(NODES):
            within = line[PLACES + i] >= start
            line[HIGH + i] = line[VALUE + i] if within else line[HIGH + i]
            line[HIGH_E + i] = line[SLOPE + i] if within else line[HIGH_E + i]


@elementwise
def enter_own(spl: Any, first: int, last: int, line: Any) -> None:
    """w and w' at places that lie in some pieces, to start with; no mean square."""
    for i in range(NODES):
        line[PLACES + i] = line[PLACE + i]
        line[MEAN + i] = line[SQUARE + i] = 0.0
    _values(spl, first, last, line)
    for i in range(NODES):
        line[OWN + i], line[RISE + i] = line[HIGH + i], line[HIGH_E + i]


@elementwise
def piece_length(spl: Any, k: int) -> float:
    """That of a piece; the outer ones have no end."""
    inner = 0 < k < spl.shape[0] - 1
    return spl[k, END] - spl[k - 1, END] if inner else math.inf


@elementwise
def is_alone(spl: Any, k: int, low: float, high: float) -> bool:
    """Whether piece k is the function from low to high, a little beyond its own ends."""
    spare = SPARE * piece_length(spl, k)
    if k > 0 and low < spl[k - 1, END] - (0.0 if spl[k - 1, KINK] > 0.0 else spare):
        return False
    return high <= spl[k, END] + (0.0 if spl[k, KINK] > 0.0 else spare)


@elementwise
def are_alike(spl: Any, first: int, last: int, length: float) -> bool:
    """Whether there is no kink between pieces and all are so long: one polynomial would do."""
    for k in range(first, last + 1):
        if (k < last and spl[k, KINK] > 0.0) or piece_length(spl, k) < length:
            return False
    return True


@elementwise
def by_whole_law(spl: Any, first: int, last: int, tau: float, whole: Any, line: Any) -> None:
    """W - OWN, its square and W' by a rule for all of the law, which sees some pieces."""
    for i in range(NODES):
        line[RISE + i] = 0.0
    for q in range(whole.shape[1]):
        for i in range(NODES):
            line[PLACES + i] = line[PLACE + i] + tau * whole[0, q]
        _values(spl, first, last, line)
        for i in range(NODES):
            apart = line[HIGH + i] - line[OWN + i]
            line[MEAN + i] += whole[1, q] * apart
            line[SQUARE + i] += whole[1, q] * (apart * apart)
            line[RISE + i] += whole[1, q] * line[HIGH_E + i]


@elementwise
def by_own_piece(spl: Any, k: int, tau: float, line: Any) -> None:
    """W - OWN, W' and the mean square of piece k where tau is small, from P = E p(y + tau b).

    P is a polynomial, and the variance sum_(j > 0) tau^(2 j) (P^(j))^2/j!; four terms count.
    """
    start, inverse, h = spl[k, START], spl[k, INVERSE], (tau * spl[k, INVERSE]) ** 2
    for d in range(DEGREE + 1):
        total, factor = 0.0, 1.0
        for j in range((DEGREE - d) // 2 + 1):
            total += factor * spl[k, POWERS + d + 2 * j]
            factor *= h * (d + 2 * j + 1) * (d + 2 * j + 2) / (2 * j + 2)
        line[COEFFICIENTS + d] = total
    for i in range(NODES):
        t, d0, d1, d2, d3, d4 = (line[PLACE + i] - start) * inverse, 0.0, 0.0, 0.0, 0.0, 0.0
        for d in range(DEGREE, -1, -1):
            d4, d3, d2 = d4 * t + d3, d3 * t + d2, d2 * t + d1
            d1, d0 = d1 * t + d0, d0 * t + line[COEFFICIENTS + d]
        # d_j = P^(j) length^j/j!
        square = h * (d1 * d1 + h * (2 * d2 * d2 + h * (6 * d3 * d3 + h * 24 * d4 * d4)))
        mean = d0 - line[OWN + i]
        line[MEAN + i], line[RISE + i], line[SQUARE + i] = mean, d1 * inverse, square + mean * mean


@elementwise
def _joint(spl: Any, k: int, begin: float, longest: float, most: float) -> Any:
    """Where a panel ends that begins in piece k: the end, and the piece after it.

    At a kink, or where it would be longer than ``longest``, or than ``most`` of its pieces.
    """
    shortest = piece_length(spl, k)
    while k < spl.shape[0] - 1 and spl[k, END] < begin + longest:
        after = piece_length(spl, k + 1)
        shortest = min(shortest, after)
        end = min(begin + longest, spl[k + 1, END])
        if spl[k, KINK] > 0.0 or end - begin > most * shortest:
            return spl[k, END], k + 1
        k += 1
    return begin + longest, k


@elementwise
def _look(spl: Any, k: int, x: float) -> Any:
    """w and w' at a node in piece k."""
    t, value, slope = (x - spl[k, START]) * spl[k, INVERSE], 0.0, 0.0
    for d in range(DEGREE, -1, -1):
        slope, value = slope * t + value, value * t + spl[k, POWERS + d]
    return value, slope * spl[k, INVERSE]


@elementwise
def by_nodes(
    spl: Any, first: int, low: float, high: float, tau: float, rule: Any, line: Any, bits: Any
) -> None:  # fmt: skip
    """Add up W - OWN, its square and W' at places between ``low`` and ``high``."""
    begin, stop, k, inverse = low - REACH * tau, high + REACH * tau, first, 1.0 / tau
    for i in range(NODES):
        line[RISE + i] = 0.0
    while begin < stop:
        end, after = _joint(spl, k, begin, min(LONGEST * tau, stop - begin), TOGETHER)
        middle, half = 0.5 * (begin + end), 0.5 * (end - begin)
        for q in range(rule.shape[1]):
            x, weight = middle + half * rule[0, q], half * inverse * rule[1, q]
            while k < after and spl[k, END] < x:
                k += 1
            value, slope = _look(spl, k, x)
            for i in range(NODES):
                b = (x - line[PLACE + i]) * inverse
                line[EXPONENT + i] = 0.5 * b * b
            fallen(line, bits)
            for i in range(NODES):
                p, apart = weight * line[POWER + i], value - line[OWN + i]
                line[MEAN + i] += p * apart
                line[SQUARE + i] += p * (apart * apart)
                line[RISE + i] += p * slope
        begin, k = end, after
