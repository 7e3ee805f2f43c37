r"""A piecewise polynomial seen through a normal law at NODES places, compiled.

    W = E w(y + tau b),   W',   Var = E (w(y + tau b) - p(y))^2 - (W - p(y))^2

with a polynomial p near w around y. All are sums over the pieces within reach: of cubic
ones by moments of the law between two ends, of others, and of short ones, by Gauss-Legendre panels.
Both parts of Var are of the size of tau^2: little cancels.

Legend: as in ``spline_lanes``.
"""

from __future__ import annotations

import math
from typing import Any

from analytic.compilation import elementwise
from analytic.expectations.spline_lanes import (
    BEGIN,
    BEGIN_E,
    BEGIN_TAIL,
    EDGE,
    END,
    EXPONENT,
    HIGH,
    HIGH_E,
    HIGH_TAIL,
    INVERSE,
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
    is_cubic,
    mean_square,
    moved,
    piece_values,
    upper_end,
)
from analytic.expectations.spline_nodes import (
    are_alike,
    by_nodes,
    by_own_piece,
    by_whole_law,
    enter_own,
    is_alone,
)

__all__ = ["INNER", "WIDE", "smoothed_spline"]

INNER = 12
"""Nodes of an inner panel, whose length is 3 at most."""
SHORT = 1.0
"""A length in deviations below which nodes see a piece: its polynomial is large at y, far away, and
so are the terms that its moments would be made of."""
WIDE = 20.0
"""Up to where places are close beside tau: they share the nodes of an inner rule."""
NARROW = 2.0**-9
"""Up to this tau, in lengths of interpolation, the mean square is a short series."""
SEEN = 1 - 2.0**-20
"""Of the reach of a law: layers beside kinks are as wide."""
BESIDE = 2.0**-11
"""The share of a panel from its ends on that holds no node."""
WITHIN = 0.01
"""The share of a panel that is left behind the place whose piece is looked at."""


@elementwise
def _piece(spl: Any, x: float) -> int:
    """The piece that holds x."""
    low, high = 0, spl.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if spl[middle, END] <= x:
            low = middle + 1
        else:
            high = middle
    return low


@elementwise
def _last_end(line: Any) -> None:
    """The same where nothing ends within reach."""
    for i in range(NODES):
        line[HIGH + i], line[HIGH_E + i], line[HIGH_TAIL + i] = REACH, EDGE[0], EDGE[1]


@elementwise
def _cubic(spl: Any, k: int, tau: float, line: Any) -> None:
    """Add what piece k, of degree 3 at most, adds between two ends, by moments of b."""
    for i in range(NODES):
        q0, q1, q2, q3 = moved(spl, k, line[PLACE + i], tau)
        q0 -= line[OWN + i]
        low, e, tail = line[BEGIN + i], line[BEGIN_E + i], line[BEGIN_TAIL + i]
        high, e_, tail_ = line[HIGH + i], line[HIGH_E + i], line[HIGH_TAIL + i]
        m0 = tail - tail_ if low > 0 else (tail_ - tail if high < 0 else 1.0 - tail - tail_)
        m1 = e - e_
        e, e_ = e * low, e_ * high
        m2 = m0 + e - e_
        e, e_ = e * low, e_ * high
        m3 = 2 * m1 + e - e_
        e, e_ = e * low, e_ * high
        m4 = 3 * m2 + e - e_
        e, e_ = e * low, e_ * high
        m5 = 4 * m3 + e - e_
        m6 = 5 * m4 + e * low - e_ * high
        line[MEAN + i] += q0 * m0 + q1 * m1 + q2 * m2 + q3 * m3
        line[SQUARE + i] += mean_square((q0, q1, q2, q3), (m0, m1, m2, m3, m4, m5, m6))
        line[RISE + i] += (q1 * m0 + 2 * q2 * m1 + 3 * q3 * m2) / tau


@elementwise
def _by_panels(spl: Any, k: int, tau: float, rule: Any, line: Any, bits: Any) -> None:
    """The same for any piece, by Gauss-Legendre panels."""
    longest = 0.0
    for i in range(NODES):
        longest = max(longest, line[HIGH + i] - line[BEGIN + i])
    if not longest > 0.0:
        return
    panels = max(math.ceil(longest / 3.0), 1)
    for panel in range(panels):
        for q in range(rule.shape[1]):
            place, weight = (2 * panel + 1 + rule[0, q]) / (2 * panels), rule[1, q] / (2 * panels)
            for i in range(NODES):
                b = line[BEGIN + i] + place * (line[HIGH + i] - line[BEGIN + i])
                line[EXPONENT + i] = 0.5 * b * b
                line[PLACES + i] = line[PLACE + i] + tau * b
            fallen(line, bits)
            piece_values(spl, k, line)
            for i in range(NODES):
                p = weight * (line[HIGH + i] - line[BEGIN + i]) * line[POWER + i]
                apart = line[VALUE + i] - line[OWN + i]
                line[MEAN + i] += p * apart
                line[SQUARE + i] += p * (apart * apart)
                line[RISE + i] += p * line[SLOPE + i]


@elementwise
def _by_cubic(spl: Any, k: int, tau: float, line: Any) -> None:
    """The same of degree 3 at most, from y."""
    start, inverse, h = spl[k, START], spl[k, INVERSE], tau * spl[k, INVERSE]
    p0, p1, p2, p3 = spl[k, POWERS], spl[k, POWERS + 1], spl[k, POWERS + 2], spl[k, POWERS + 3]
    for i in range(NODES):
        t = (line[PLACE + i] - start) * inverse
        rise = p1 + t * (2 * p2 + t * (3 * p3)) + 3 * (h * h * p3)
        q2, q3 = h * h * (p2 + t * (3 * p3)), h * h * h * p3
        line[MEAN + i], line[RISE + i] = p0 + t * (p1 + t * (p2 + t * p3)) + q2, rise * inverse
        line[SQUARE + i] = h * h * (rise * rise) + 2 * q2 * q2 + 6 * q3 * q3


@elementwise
def _by_two(spl: Any, k: int, own: int, tau: float, line: Any, bits: Any) -> None:
    """The same where pieces k and k + 1 are seen: moments on either side of where they meet."""
    upper_end(spl[k, END], 1.0 / tau, line, bits)
    inverse = 1.0 / tau
    for i in range(NODES):
        y, b, within = line[PLACE + i], line[HIGH + i], abs(line[HIGH + i]) < REACH
        e, tail = (line[HIGH_E + i], line[HIGH_TAIL + i]) if within else (0.0, 0.0)
        p0, p1, p2, p3 = moved(spl, k, y, tau)
        q0, q1, q2, q3 = moved(spl, k + 1, y, tau)
        value = p0 if own == k else q0
        p0, q0 = p0 - value, q0 - value
        a0, b0 = (1.0 - tail, tail) if b > 0 else (tail, 1.0 - tail)
        a2, b2, e3, e5 = a0 - b * e, b0 + b * e, (2 + b * b) * e, (8 + b * b * (4 + b * b)) * e
        e4, e6 = b * b * b * e, b * b * b * b * b * e
        a4, b4 = 3 * a2 - e4, 3 * b2 + e4
        below, above = (a0, -e, a2, -e3, a4, -e5, 5 * a4 - e6), (b0, e, b2, e3, b4, e5, 5 * b4 + e6)
        mean = p0 * a0 - p1 * e + p2 * a2 - p3 * e3 + (q0 * b0 + q1 * e + q2 * b2 + q3 * e3)
        square = mean_square((p0, p1, p2, p3), below) + mean_square((q0, q1, q2, q3), above)
        rise = p1 * a0 - 2 * p2 * e + 3 * p3 * a2 + (q1 * b0 + 2 * q2 * e + 3 * q3 * b2)
        square -= mean * mean
        line[MEAN + i], line[RISE + i] = value + mean, rise * inverse
        line[SQUARE + i] = square if square > 0.0 else 0.0


@elementwise
def _are_long(spl: Any, first: int, last: int, tau: float) -> bool:
    """Whether some pieces are longer than SHORT deviations."""
    for k in range(max(first, 1), last + 1):
        if not spl[k, END] - spl[k - 1, END] > SHORT * tau:
            return False
    return True


@elementwise
def _begin(spl: Any, k: int, low: float, high: float, line: Any) -> None:
    """The polynomial of piece k, one of the last between low and high, stands for w.

    Where that begins behind the middle its value at the end does: all is near then.
    """
    alone = k == 0 or spl[k - 1, END] <= 0.5 * (low + high)
    for i in range(NODES):
        line[PLACES + i] = line[PLACE + i] if alone else high
        line[BEGIN + i], line[BEGIN_E + i], line[BEGIN_TAIL + i] = -REACH, EDGE[0], EDGE[1]
        line[MEAN + i] = line[SQUARE + i] = line[RISE + i] = 0.0
    piece_values(spl, k, line)
    for i in range(NODES):
        line[OWN + i] = line[VALUE + i]


@elementwise
def _by_pieces(
    spl: Any, first: int, last: int, tau: float, rule: Any, line: Any, bits: Any
) -> None:
    """The sums over some pieces."""
    inverse, cubic = 1.0 / tau, is_cubic(spl)
    for k in range(first, last + 1):
        if k < last:
            upper_end(spl[k, END], inverse, line, bits)
        else:
            _last_end(line)
        if cubic and _are_long(spl, k, k, tau):
            _cubic(spl, k, tau, line)
        else:
            _by_panels(spl, k, tau, rule, line, bits)
        for i in range(NODES):
            line[BEGIN + i], line[BEGIN_E + i] = line[HIGH + i], line[HIGH_E + i]
            line[BEGIN_TAIL + i] = line[HIGH_TAIL + i]


@elementwise
def _any_pieces(
    spl: Any, low: float, high: float, tau: float, whole: Any, rule: Any, line: Any, bits: Any
) -> None:
    """W, W' and the mean square where pieces are no cubics."""
    beside, far = BESIDE * (high - low), SEEN * REACH * tau
    at, to = _piece(spl, low + beside), _piece(spl, high - beside)
    enter_own(spl, at, to, line)
    if tau == 0.0:
        return
    first, last = _piece(spl, low - far), _piece(spl, high + far)
    if at == to and is_alone(spl, at, low - far, high + far):
        if tau * spl[at, INVERSE] < NARROW:
            by_own_piece(spl, at, tau, line)
            return
        first = last = at
    if are_alike(spl, first, last, 2 * far):
        by_whole_law(spl, first, last, tau, whole, line)
        return
    if high - low <= WIDE * tau:
        by_nodes(spl, first, low, high, tau, rule, line, bits)
        return
    for i in range(NODES):
        line[BEGIN + i], line[BEGIN_E + i], line[BEGIN_TAIL + i] = -REACH, EDGE[0], EDGE[1]
        line[RISE + i] = 0.0
    _by_pieces(spl, first, last, tau, rule, line, bits)


@elementwise
def smoothed_spline(
    spl: Any, tau: float, low: float, high: float, whole: Any, rule: Any, line: Any, bits: Any,
) -> None:  # fmt: skip
    """W, W' and Var at places between ``low`` and ``high``."""
    if not is_cubic(spl):
        _any_pieces(spl, low, high, tau, whole, rule, line, bits)
        _finish(line)
        return
    first = last = own = _piece(spl, high - WITHIN * (high - low))
    if tau > 0.0:
        first, last = _piece(spl, low - REACH * tau), _piece(spl, high + REACH * tau)
    if first == last:
        _by_cubic(spl, own, tau, line)
    elif last == first + 1 and _are_long(spl, first, last, tau):
        _by_two(spl, first, own, tau, line, bits)
    else:
        _begin(spl, own, low, high, line)
        _by_pieces(spl, first, last, tau, rule, line, bits)
        _finish(line)


@elementwise
def _finish(line: Any) -> None:
    """W and Var from the sums of what is apart from OWN."""
    for i in range(NODES):
        square = line[SQUARE + i] - line[MEAN + i] * line[MEAN + i]
        line[SQUARE + i] = square if square > 0.0 else 0.0
        line[MEAN + i] += line[OWN + i]
