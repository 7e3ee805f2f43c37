r"""A piecewise polynomial seen through a normal law at NODES places, compiled.

    W = E w(y + tau b),   W',   Var = E (w(y + tau b) - p(y))^2 - (W - p(y))^2

with a polynomial p near w around y. All are sums over the pieces within reach: of cubic
ones by moments of the law between two ends, of others, and of short ones, by Gauss-Legendre panels.
Both parts of Var are of the size of tau^2: little cancels.

Legend: ``line`` has NODES numbers for each quantity, ``bits`` is the same memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import MILLS, MILLS_WIDTH
from analytic.expectations.angle_coefficients import POWERS as POWERS_OF_EXP
from analytic.expectations.exponential_lanes import LN2_HIGH, LN2_LOW, LOG2, SHIFT
from analytic.expectations.polynomial_pieces import DEGREE as PIECE
from analytic.expectations.polynomial_pieces import EXACT
from analytic.expectations.splines import Spline
from analytic.machine import Array

__all__ = [
    "END",
    "EXPONENT",
    "INNER",
    "MEAN",
    "NODES",
    "PLACE",
    "POWER",
    "REACH",
    "RISE",
    "SQUARE",
    "TAKEN",
    "as_array",
    "fallen",
    "smoothed_spline",
]

NODES = 32
"""Places that are looked at together."""
REACH = 9.0
"""Where the normal law is cut."""
INNER = 12
"""Nodes of an inner panel, whose length is 3 at most."""
DENSITY = 1 / math.sqrt(2 * math.pi)
END, START, INVERSE, POWERS = range(4)
"""Columns of a spline as an array, a row for each piece; the coefficients begin at POWERS."""
EDGE = math.exp(-0.5 * REACH**2) * DENSITY, 0.5 * math.erfc(REACH * math.sqrt(0.5))
"""The density at REACH and the tail beyond it."""
SHORT = 1.0
"""A length in deviations below which nodes see a piece: its polynomial is large at y, far away, and
so are the terms that its moments would be made of."""
WITHIN = 0.01
"""The share of a panel that is left behind the place whose piece is looked at."""
TAKEN = 17
"""Lines that are taken here."""
(
    PLACE, MEAN, RISE, SQUARE, EXPONENT, POWER, _WORK, _OWN, _LOW, _LOW_E, _LOW_TAIL, _HIGH,
    _HIGH_E, _HIGH_TAIL, _T, _VALUE, _SLOPE,
) = (k * NODES for k in range(TAKEN))  # fmt: skip
"""Where lines begin: y; W, W' and Var; y^2/2 and exp(-y^2/2); room; p(y); b, the density and the
tail beyond |b| at both ends of a piece; places, values and slopes."""
DEGREE, _LAST = 13, len(MILLS) - 1
"""Degrees of the polynomials of an exponential, to all digits, and of Mills's ratio."""
_POWERS, _MILLS = np.array(POWERS_OF_EXP[: DEGREE + 1]), np.array(MILLS)


@elementwise
def fallen(line: Any, bits: Any) -> None:
    """exp(-y) at POWER, of what stands at EXPONENT, as in ``exponential_lanes``.

    The coefficients are in the loop: sums that pass through memory take four times as long.
    """
    for i in range(NODES):
        power = SHIFT - line[EXPONENT + i] * LOG2
        whole = power - SHIFT
        y, total = (-line[EXPONENT + i] - whole * LN2_HIGH) - whole * LN2_LOW, _POWERS[DEGREE]
        for k in range(DEGREE - 1, -1, -1):
            total = total * y + _POWERS[k]
        line[POWER + i], line[_WORK + i] = power, total
    for i in range(NODES):
        bits[POWER + i] = (bits[POWER + i] + 1023) << 52
    for i in range(NODES):
        line[POWER + i] *= line[_WORK + i]


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
def _values(spl: Any, k: int, line: Any) -> None:
    """The polynomial of piece k and its derivative at places."""
    start, inverse = spl[k, START], spl[k, INVERSE]
    p0, p1, p2, p3 = spl[k, POWERS], spl[k, POWERS + 1], spl[k, POWERS + 2], spl[k, POWERS + 3]
    if spl.shape[1] <= POWERS + EXACT + 1:
        for i in range(NODES):
            t = (line[_T + i] - start) * inverse
            line[_VALUE + i] = p0 + t * (p1 + t * (p2 + t * p3))
            line[_SLOPE + i] = (p1 + t * (2 * p2 + t * (3 * p3))) * inverse
        return
    for i in range(NODES):
        t, value, slope = (line[_T + i] - start) * inverse, 0.0, 0.0
        for d in range(PIECE, -1, -1):
            slope, value = slope * t + value, value * t + spl[k, POWERS + d]
        line[_VALUE + i], line[_SLOPE + i] = value, slope * inverse


@elementwise
def _end(end: float, inverse: float, line: Any, bits: Any) -> None:
    """b at the upper end of a piece, the density there and the tail beyond |b|."""
    for i in range(NODES):
        b = (end - line[PLACE + i]) * inverse
        b = b if b < REACH else REACH
        b = b if b > -REACH else -REACH
        line[_HIGH + i] = b
        line[EXPONENT + i] = 0.5 * b * b
    for i in range(NODES):
        size = abs(line[_HIGH + i])
        t, ratio = (size - MILLS_WIDTH) / (size + MILLS_WIDTH), _MILLS[_LAST]
        for k in range(_LAST - 1, -1, -1):
            ratio = ratio * t + _MILLS[k]
        line[_HIGH_TAIL + i] = ratio
    fallen(line, bits)
    for i in range(NODES):
        line[_HIGH_E + i] = DENSITY * line[POWER + i]
        line[_HIGH_TAIL + i] *= line[_HIGH_E + i]


@elementwise
def _last_end(line: Any) -> None:
    """The same where nothing ends within reach."""
    for i in range(NODES):
        line[_HIGH + i], line[_HIGH_E + i], line[_HIGH_TAIL + i] = REACH, EDGE[0], EDGE[1]


@elementwise
def _cubic(spl: Any, k: int, tau: float, line: Any) -> None:
    """Add what piece k, of degree 3 at most, adds between two ends, by moments of b."""
    start, inverse, h = spl[k, START], spl[k, INVERSE], tau * spl[k, INVERSE]
    p0, p1, p2, p3 = spl[k, POWERS], spl[k, POWERS + 1], spl[k, POWERS + 2], spl[k, POWERS + 3]
    for i in range(NODES):
        t = (line[PLACE + i] - start) * inverse
        q0 = p0 + t * (p1 + t * (p2 + t * p3)) - line[_OWN + i]
        q1 = h * (p1 + t * (2 * p2 + t * (3 * p3)))
        q2, q3 = h * h * (p2 + t * (3 * p3)), h * h * h * p3
        low, e, tail = line[_LOW + i], line[_LOW_E + i], line[_LOW_TAIL + i]
        high, e_, tail_ = line[_HIGH + i], line[_HIGH_E + i], line[_HIGH_TAIL + i]
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
        square = q0 * q0 * m0 + 2 * q0 * q1 * m1 + (q1 * q1 + 2 * q0 * q2) * m2
        square += 2 * (q0 * q3 + q1 * q2) * m3 + (q2 * q2 + 2 * q1 * q3) * m4
        line[SQUARE + i] += square + 2 * q2 * q3 * m5 + q3 * q3 * m6
        line[RISE + i] += (q1 * m0 + 2 * q2 * m1 + 3 * q3 * m2) / tau


@elementwise
def _by_panels(spl: Any, k: int, tau: float, rule: Any, line: Any, bits: Any) -> None:
    """The same for any piece, by Gauss-Legendre panels."""
    longest = 0.0
    for i in range(NODES):
        longest = max(longest, line[_HIGH + i] - line[_LOW + i])
    panels = max(math.ceil(longest / 3.0), 1)
    for panel in range(panels):
        for q in range(rule.shape[1]):
            place, weight = (2 * panel + 1 + rule[0, q]) / (2 * panels), rule[1, q] / (2 * panels)
            for i in range(NODES):
                b = line[_LOW + i] + place * (line[_HIGH + i] - line[_LOW + i])
                line[EXPONENT + i] = 0.5 * b * b
                line[_T + i] = line[PLACE + i] + tau * b
            fallen(line, bits)
            _values(spl, k, line)
            for i in range(NODES):
                p = weight * (line[_HIGH + i] - line[_LOW + i]) * line[POWER + i]
                apart = line[_VALUE + i] - line[_OWN + i]
                line[MEAN + i] += p * apart
                line[SQUARE + i] += p * (apart * apart)
                line[RISE + i] += p * line[_SLOPE + i]


@elementwise
def _by_one_piece(spl: Any, k: int, tau: float, whole: Any, line: Any) -> None:
    """W, W' and Var where piece k is all that is seen: its moments are sums."""
    for q in range(whole.shape[1]):
        for i in range(NODES):
            line[_T + i] = line[PLACE + i] + tau * whole[0, q]
        _values(spl, k, line)
        for i in range(NODES):
            apart = line[_VALUE + i] - line[_OWN + i]
            line[MEAN + i] += whole[1, q] * apart
            line[SQUARE + i] += whole[1, q] * (apart * apart)
            line[RISE + i] += whole[1, q] * line[_SLOPE + i]


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
def _begin(spl: Any, k: int, low: float, high: float, line: Any) -> None:
    """The polynomial of piece k, one of the last between low and high, stands for w.

    Where that begins behind the middle its value at the end does: all is near then.
    """
    alone = k == 0 or spl[k - 1, END] <= 0.5 * (low + high)
    for i in range(NODES):
        line[_T + i] = line[PLACE + i] if alone else high
        line[_LOW + i], line[_LOW_E + i], line[_LOW_TAIL + i] = -REACH, EDGE[0], EDGE[1]
        line[MEAN + i] = line[SQUARE + i] = line[RISE + i] = 0.0
    _values(spl, k, line)
    for i in range(NODES):
        line[_OWN + i] = line[_VALUE + i]


@elementwise
def _by_pieces(
    spl: Any, first: int, last: int, tau: float, rule: Any, line: Any, bits: Any
) -> None:
    """The sums over some pieces."""
    inverse, cubic = 1.0 / tau, spl.shape[1] <= POWERS + EXACT + 1
    for k in range(first, last + 1):
        if k < last:
            _end(spl[k, END], inverse, line, bits)
        else:
            _last_end(line)
        long = k == 0 or spl[k, END] - spl[k - 1, END] > SHORT * tau
        if cubic and long:
            _cubic(spl, k, tau, line)
        else:
            _by_panels(spl, k, tau, rule, line, bits)
        for i in range(NODES):
            line[_LOW + i], line[_LOW_E + i] = line[_HIGH + i], line[_HIGH_E + i]
            line[_LOW_TAIL + i] = line[_HIGH_TAIL + i]


@elementwise
def smoothed_spline(
    spl: Any, tau: float, low: float, high: float, whole: Any, rule: Any, line: Any, bits: Any,
) -> None:  # fmt: skip
    """W, W' and Var at places between ``low`` and ``high``."""
    first = last = own = _piece(spl, high - WITHIN * (high - low))
    if tau > 0.0:
        first, last = _piece(spl, low - REACH * tau), _piece(spl, high + REACH * tau)
    if first == last and spl.shape[1] <= POWERS + EXACT + 1:
        _by_cubic(spl, own, tau, line)
        return
    _begin(spl, own, low, high, line)
    if first < last:
        _by_pieces(spl, first, last, tau, rule, line, bits)
    else:
        _by_one_piece(spl, own, tau, whole, line)
    for i in range(NODES):
        square = line[SQUARE + i] - line[MEAN + i] * line[MEAN + i]
        line[SQUARE + i] = square if square > 0.0 else 0.0
        line[MEAN + i] += line[_OWN + i]


def as_array(line: Spline, degree: int) -> Array:
    """For each piece its upper end, a_k, 1/h_k and the coefficients of its powers."""
    powers = line.powers[:, : EXACT + 1] if degree <= EXACT else line.powers
    return np.column_stack([line.ends[1:], line.starts, 1 / line.lengths, powers])
