r"""Two parallel piecewise linear units on a half of the line, for many pairs in step, compiled.

With u = s z, v = s' z, A_m = x_m/s and B_n = x_n/s', w has piece m and v has piece n on the stretch

    lo = max(A_m, B_n),    length = min(A_(m + 1), B_(n + 1)) - lo,

if that is positive. There the difference f of both is f(lo) + q (z - lo), and E f^2 has the moments

    M_k = int (z - lo)^k phi(z) dz = T_k(lo) - sum_j binom(k, j) length^(k - j) T_j(hi),
    T_k(a) = int_a^inf (z - a)^k phi(z) dz = phi(a) R_k(a),

which cancel on short stretches: those are expanded about their middle c, y = z - c,

    phi(z) = phi(c) exp(-c y - y^2/2),    phi(c) = sqrt(phi(lo) phi(hi)) exp(length^2/8).

A_m - B_n is the sum of a difference of places over the larger s and of a place times 1/s - 1/s', so
that nothing cancels however near s and s' are.

Legend: as in ``angle_integrals``; an end has the rows a, phi(a) and T_k(a).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import elementwise, fused
from analytic.expectations.angle_coefficients import POWERS
from analytic.expectations.angle_integrals import TOGETHER
from analytic.expectations.exponential_lanes import exponentials
from analytic.expectations.lengths_of_angles import largest_of
from analytic.machine import UNIT

__all__ = ["CENTRE", "END_ROWS", "FAR", "FIRST_END", "difference_of_ends", "half_line"]

CENTRE = 3.0
"""R_k(a) (a + CENTRE)^(k + 1) is a polynomial in (a - CENTRE)/(a + CENTRE)."""
CUT = 36.0
"""Nothing is left of the normal law from here on."""
FAR = 1e60
"""Stands for the end of the last piece."""
ORDER = 20
"""Coefficients of the density on the longest of the short stretches."""
END_ROWS, FIRST_END = 5, 23
"""Rows of an end, and how many rows come before those of the first one, at 0."""
(_Y, _POWER, _WORK, _S, _OTHER_S, _UNIT, _OTHER_UNIT, _GAP, _PLACE, _LOW, _LENGTH, _FIRST, _SECOND,
 _RISE, _OTHER_RISE, _M0, _M1, _M2, _DENSITY, _ALPHA, _BETA, _OLD, _OLDER) = (
    row * TOGETHER for row in range(FIRST_END)
)  # fmt: skip
"""Where lines begin: for the exponential; of the pairs, ``_GAP`` is (s' - s)/(s s'); of a stretch,
both functions and their slopes in z, over r and r', and the moments; of its series."""


@elementwise
def _density(
    place: float, deviation: int, end: int, room: Any, line: Any, bits: Any, n: int
) -> None:
    """a = place/s and phi(a) in the rows of an end; of a^2/2 and of a no rounding is left."""
    for i in range(n):
        s = line[deviation + i]
        a = place / s
        a = a if a < CUT else CUT
        square = a * a
        line[_PLACE + i] = a * (fused(-a, s, place) / s) + 0.5 * fused(a, a, -square)
        line[_Y + i] = 0.5 * square
        room[end, i] = a
    exponentials(room, bits, (0, 1, 2), n, len(POWERS) - 1)
    for i in range(n):
        phi = line[_POWER + i] * (1.0 - line[_PLACE + i]) * (1.0 / math.sqrt(2.0 * math.pi))
        room[end + 1, i] = phi if room[end, i] < CUT else 0.0


@elementwise
def _tails(coefficients: Any, end: int, room: Any, line: Any, n: int) -> None:
    """T_k(a), k < 3, from a and phi(a)."""
    degree = coefficients.shape[1] - 1
    for i in range(n):
        line[_PLACE + i] = (room[end, i] - CENTRE) / (room[end, i] + CENTRE)
        line[_M0 + i] = coefficients[0, degree]
        line[_M1 + i] = coefficients[1, degree]
        line[_M2 + i] = coefficients[2, degree]
    for k in range(degree - 1, -1, -1):
        c0, c1, c2 = coefficients[0, k], coefficients[1, k], coefficients[2, k]
        for i in range(n):
            x = line[_PLACE + i]
            line[_M0 + i] = line[_M0 + i] * x + c0
            line[_M1 + i] = line[_M1 + i] * x + c1
            line[_M2 + i] = line[_M2 + i] * x + c2
    for i in range(n):
        inverse = 1.0 / (room[end, i] + CENTRE)
        share = room[end + 1, i] * inverse
        room[end + 2, i] = line[_M0 + i] * share
        room[end + 3, i] = line[_M1 + i] * (share * inverse)
        room[end + 4, i] = line[_M2 + i] * (share * inverse * inverse)


@elementwise
def difference_of_ends(x: float, y: float, inverse: float, gap: float) -> float:
    """x/s - y/s' from 1/max(s, s') and 1/s - 1/s': both parts are exact, and both are small."""
    return (x - y) * inverse + (y if gap <= 0.0 else x) * gap


@elementwise
def _stretch(
    own: Any, other: Any, m: int, k: int, ends: tuple[int, int, int, int], room: Any, line: Any,
    n: int,
) -> None:  # fmt: skip
    """Where a stretch begins and how long it is; w and v there, and their slopes."""
    x, value, slope, wide = own[0, m], own[1, m], own[2, m], own[0, m + 1] - own[0, m]
    y, value_, slope_, wide_ = other[0, k], other[1, k], other[2, k], other[0, k + 1] - other[0, k]
    x1, y1, low, low_ = own[0, m + 1], other[0, k + 1], ends[0], ends[1]
    for i in range(n):
        s, s_, gap = line[_S + i], line[_OTHER_S + i], line[_GAP + i]
        inverse = 1.0 / max(s, s_)
        here = difference_of_ends(x, y, inverse, gap)
        up, up_ = difference_of_ends(x1, y, inverse, gap), -difference_of_ends(x, y1, inverse, gap)
        line[_BETA + i] = difference_of_ends(x1, y1, inverse, gap)  # which end is farther
        line[_LOW + i] = room[low, i] if here > 0.0 else room[low_, i]
        line[_LENGTH + i] = min(min(wide / s, wide_ / s_), min(up, up_))
        line[_RISE + i] = slope * s * line[_UNIT + i]
        line[_OTHER_RISE + i] = slope_ * s_ * line[_OTHER_UNIT + i]
        behind, ahead = min(max(-here, 0.0), CUT), min(max(here, 0.0), CUT)
        line[_FIRST + i] = value * line[_UNIT + i] + line[_RISE + i] * behind
        line[_SECOND + i] = value_ * line[_OTHER_UNIT + i] + line[_OTHER_RISE + i] * ahead


@elementwise
def _long(ends: tuple[int, int, int, int], room: Any, line: Any, n: int) -> None:
    """M_k, and phi(lo) phi(hi); 0 where the stretch is none."""
    low, low_, high, high_ = ends
    for i in range(n):
        own, nearer = line[_LOW + i] == room[low, i], line[_BETA + i] <= 0.0
        length = line[_LENGTH + i]
        kept = 1.0 if length > 0.0 else 0.0
        h = min(max(length, 0.0), 2.0 * CUT)
        t0 = room[high + 2, i] if nearer else room[high_ + 2, i]
        t1 = room[high + 3, i] if nearer else room[high_ + 3, i]
        t2 = room[high + 4, i] if nearer else room[high_ + 4, i]
        l0 = room[low + 2, i] if own else room[low_ + 2, i]
        l1 = room[low + 3, i] if own else room[low_ + 3, i]
        l2 = room[low + 4, i] if own else room[low_ + 4, i]
        line[_M0 + i] = kept * (l0 - t0)
        line[_M1 + i] = kept * (l1 - (t1 + h * t0))
        line[_M2 + i] = kept * (l2 - (t2 + h * (2.0 * t1 + h * t0)))
        phi = room[low + 1, i] if own else room[low_ + 1, i]
        phi_ = room[high + 1, i] if nearer else room[high_ + 1, i]
        line[_DENSITY + i] = phi * phi_


@elementwise
def _middles(room: Any, line: Any, n: int) -> int:
    """The numbers of the series about the middles of short stretches; how many coefficients.

    With y = t length/2 the coefficients have (k + 1) d_(k + 1) = -(alpha d_k + beta d_(k - 1)).
    """
    for i in range(n):
        h = line[_LENGTH + i]
        middle = line[_LOW + i] + 0.5 * h
        short = (h > 0.0) & (h <= 1.0) & (middle * h <= 2.0)
        line[_ALPHA + i] = 0.5 * middle * h if short else 0.0
        line[_BETA + i] = 0.25 * h * h if short else 0.0
        line[_OLD + i], line[_OLDER + i] = line[_ALPHA + i], line[_BETA + i]
    alpha = largest_of(room, _OLD // TOGETHER, n)
    beta = largest_of(room, _OLDER // TOGETHER, n)
    if beta == 0.0:
        return 0
    count, older, old = 1, 1.0, alpha
    while count < ORDER and max(older, old) > UNIT / 64:
        older, old = old, (alpha * old + beta * older) / (count + 1)
        count += 1
    return count + count % 2


@elementwise
def _short(count: int, line: Any, n: int) -> None:
    """M_k and both functions about the middle, where ``_middles`` has set it."""
    for i in range(n):
        line[_Y + i], line[_POWER + i], line[_WORK + i] = 1.0, 0.0, 1.0 / 3.0
        line[_OLDER + i], line[_OLD + i] = 1.0, -line[_ALPHA + i]
    for k in range(1, count, 2):
        inverse, before, behind = 1.0 / (k + 2), 1.0 / (k + 1), 1.0 / (k + 4)
        for i in range(n):
            alpha, beta, old = line[_ALPHA + i], line[_BETA + i], line[_OLD + i]
            even = -(alpha * old + beta * line[_OLDER + i]) * before
            line[_POWER + i] += old * inverse
            line[_Y + i] += even * inverse
            line[_WORK + i] += even * behind
            line[_OLDER + i], line[_OLD + i] = even, -(alpha * even + beta * old) * inverse
    for i in range(n):
        h, beta = line[_LENGTH + i], line[_BETA + i]
        x, bump = 0.5 * beta, POWERS[10]
        for k in range(9, -1, -1):
            bump = bump * x + POWERS[k]
        size, short = bump * np.sqrt(line[_DENSITY + i]) * h, beta > 0.0
        half = 0.5 * h
        line[_M0 + i] = size * line[_Y + i] if short else line[_M0 + i]
        line[_M1 + i] = size * half * line[_POWER + i] if short else line[_M1 + i]
        line[_M2 + i] = size * beta * line[_WORK + i] if short else line[_M2 + i]
        line[_FIRST + i] += line[_RISE + i] * half if short else 0.0
        line[_SECOND + i] += line[_OTHER_RISE + i] * half if short else 0.0


@elementwise
def _add(weight: float, slopes: float, line: Any, out: Any, start: int, n: int) -> None:
    for i in range(n):
        m0, m1, m2 = line[_M0 + i], 2.0 * line[_M1 + i], line[_M2 + i]
        f, q = line[_FIRST + i] - line[_SECOND + i], line[_RISE + i] - line[_OTHER_RISE + i]
        g, p = line[_FIRST + i] + line[_SECOND + i], line[_RISE + i] + line[_OTHER_RISE + i]
        out[0, start + i] += weight * (f * f * m0 + q * (f * m1 + q * m2))
        out[1, start + i] += weight * (g * g * m0 + p * (g * m1 + p * m2))
        out[2, start + i] += weight * (slopes * m0)


@elementwise
def half_line(
    own: Any, other: Any, weight: float, pairs: Any, coefficients: Any, room: Any, line: Any,
    bits: Any, out: Any,
) -> None:  # fmt: skip
    """Add E (w/r - v/r')^2, E (w/r + v/r')^2 and E w' v' of a half of the line, (3, pairs).

    Args:
        own: places, values and slopes behind them, (3, places + 1); the first place is 0, the last
            is FAR.
        other: those of v.
        weight: 2 where the other half has the same.
        pairs: s, s', 1/r and 1/r', (4, pairs).
        coefficients: of the polynomials, (3, degree + 1).
        room: rows of TOGETHER numbers, END_ROWS for each place but 0 and FAR of v, and FIRST_END.
        line: the same memory.
        bits: the same memory.
        out: where to.
    """
    places, places_ = own.shape[1] - 1, other.shape[1] - 1
    last = places + places_ - 1
    for start in range(0, pairs.shape[1], TOGETHER):
        n = min(TOGETHER, pairs.shape[1] - start)
        _begin(pairs, start, room, line, FIRST_END + END_ROWS * last, n)
        for e in range(last):
            place = own[0, e] if e < places else other[0, e - places + 1]
            deviation, end = _S if e < places else _OTHER_S, FIRST_END + END_ROWS * e
            _density(place, deviation, end, room, line, bits, n)
            _tails(coefficients, end, room, line, n)
        for m in range(places):
            for k in range(places_):
                flat = own[2, m] == 0.0 and other[2, k] == 0.0
                if flat and own[1, m] == 0.0 and other[1, k] == 0.0:
                    continue
                ends = _rows_of_ends(m, k, places, last)
                _stretch(own, other, m, k, ends, room, line, n)
                if not _is_there(line, n):
                    continue
                _long(ends, room, line, n)
                count = _middles(room, line, n)
                if count > 0:
                    _short(count, line, n)
                _add(weight, own[2, m] * other[2, k], line, out, start, n)


@elementwise
def _begin(pairs: Any, start: int, room: Any, line: Any, far: int, n: int) -> None:
    """What is asked of the pairs, and the end of the last piece."""
    for i in range(n):
        s, s_ = pairs[0, start + i], pairs[1, start + i]
        line[_S + i], line[_OTHER_S + i] = s, s_
        line[_UNIT + i], line[_OTHER_UNIT + i] = pairs[2, start + i], pairs[3, start + i]
        line[_GAP + i] = (s_ - s) / s / s_
    for i in range(n):
        room[far, i] = 4.0 * CUT
        room[far + 1, i] = room[far + 2, i] = room[far + 3, i] = room[far + 4, i] = 0.0


@elementwise
def _rows_of_ends(m: int, k: int, places: int, last: int) -> tuple[int, int, int, int]:
    """Those of A_m, B_k, A_(m + 1) and B_(k + 1); both pieces begin at the same 0."""
    next_ = m + 1 if m + 1 < places else last
    before = 0 if k == 0 else places + k - 1
    rows = (m, before, next_, places + k)
    return (
        FIRST_END + END_ROWS * rows[0], FIRST_END + END_ROWS * rows[1],
        FIRST_END + END_ROWS * rows[2], FIRST_END + END_ROWS * rows[3],
    )  # fmt: skip


@elementwise
def _is_there(line: Any, n: int) -> bool:
    """Whether a stretch is one of any pair."""
    for i in range(n):
        if line[_LENGTH + i] > 0.0:
            return True
    return False
