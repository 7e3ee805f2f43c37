r"""Pairs of wide deviations, compiled: E w(u) w(v) and E w'(u) w'(v) from tables.

With w = h + r (``broken_lines``), s >= s' >= NARROWEST, c = rho s'/s and tau = s' sin(angle),

    E f(u) f(v) = E h(u) h(v) + E h(u) r(v) + M(c, tau, 1/s^2)/s        (f = w or w')

where the first has a closed form in the angle, the second is made of functions of tau/rho and
1/s'^2, and M = s E r(u) f(v) is smooth: r sees only |u| of the size of the bend, and the density of
u is nearly flat there. Chebyshev series in all variables, on cells: quarters of the octaves of tau,
some intervals of c, and one of 1/s^2 for each of these.

Legend: small = 1 - rho <= FARTHEST; the number of a cell is 4 times that of tau, and that of c.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import elementwise
from analytic.expectations.inverse_sine import arcsine_excess
from analytic.expectations.series_lanes import TOGETHER, chebyshev_lanes
from analytic.machine import Array, aligned

__all__ = [
    "EDGES",
    "FARTHEST",
    "FLAT",
    "LEAST",
    "LINES",
    "NARROWEST",
    "OCTAVES",
    "PLACES",
    "QUARTERS",
    "SLOPES",
    "TERMS",
    "WideArrays",
    "WideRoom",
    "cell_of",
    "wide_moments",
]

NARROWEST = 32.0
"""The smallest deviation."""
TERMS, SLOPES, FLAT = 8, 10, 4
"""Coefficients in tau, in c and in 1/s^2."""
PLACES = (0.125, 0.25, 0.5, 0.75, 1.0)
"""Ends of the intervals of c."""
OCTAVES = (-2, 8)
"""tau from 2^-2 to 2^8."""
QUARTERS = 4 * (OCTAVES[1] - OCTAVES[0])
LINES = QUARTERS + 4
"""Cells of tau/rho, which is up to twice as large."""
_EXPONENT = 1023 + OCTAVES[0]
_MANTISSA, _ONE = 2**52 - 1, 1023 << 52
EDGES = tuple(2.0 ** (k / 4) for k in range(5))
"""Ends of the quarters of [1, 2]."""
_E1, _E2, _E3 = EDGES[1:4]
_I1, _I2, _I3 = 1 / _E1, 1 / _E2, 1 / _E3
FARTHEST = 0.125
"""The largest 1 - rho."""
LEAST = tuple((1 - FARTHEST) * NARROWEST / end for end in PLACES[1:])
"""The smallest s of each interval of c, as s' = c s/rho."""
_P0, _P1, _P2, _P3 = PLACES[:4]


class WideArrays(NamedTuple):
    """What the pairs of an activation are summed from.

    Attributes:
        coefficients: of M of w and of w', shape (cells, FLAT, SLOPES * 2 * TERMS): for each
            term in c those in tau of w, and those of w'.
        seen: of E h(u) r(v), shape (3, LINES, FLAT * TERMS): of h_0 and h_1 of w, and of w'.
        starts: the inverse of the least tau of each quarter of an octave.
        places: 2/length, the middle and the smallest s of each interval of c, (4, 3).
        line: p^2 and 2 q^2/pi of h_0, of h_1 and of h of w'; and q p' and p q' of h_0 and h_1 times
            the root of 2/pi.
    """

    coefficients: Array
    seen: Array
    starts: Array
    places: Array
    line: Array


@elementwise
def cell_of(s: float, s_: float, small: float) -> int:
    """The cell of a pair, or -1 where there is none."""
    high, low, rho = max(s, s_), min(s, s_), 1.0 - small
    if not (low >= NARROWEST and 0.0 < small <= FARTHEST):
        return -1
    tau, c = low * math.sqrt(small * (1.0 + rho)), rho * low / high
    if not (2.0 ** OCTAVES[0] <= tau < 2.0 ** OCTAVES[1] and c >= _P0):
        return -1
    half, exponent = math.frexp(tau)
    m = 2.0 * half
    quarter = 4 * (exponent - 1 - OCTAVES[0]) + int(m >= _E1) + int(m >= _E2) + int(m >= _E3)
    return 4 * quarter + int(c >= _P1) + int(c >= _P2) + int(c >= _P3)


class WideRoom(NamedTuple):
    """Numbers of the pairs of a cell taken together, rows of TOGETHER one after the other.

    Attributes:
        pair: s >= s' and small.
        e: E w(u) w(v).
        d: E w'(u) w'(v).
        x: a coordinate in [-1, 1].
        slope: that of c.
        closest: that of 1/s^2.
        ratio: tau/rho.
        bits: the same memory as integers.
        line: the cells of tau/rho.
        closed: E h(u) h(v) of w and of w'.
        scale: 1/s, 1/s', and what E h_1(u) r(v) is multiplied by.
        t: Chebyshev polynomials in tau.
        c: those in c.
        flat: those in 1/s^2.
        t_: in tau/rho.
        flat_: in 1/s'^2.
        rest: M of w and of w'.
        sum: what is summed of a pair.
    """

    pair: Array
    e: Array
    d: Array
    x: Array
    slope: Array
    closest: Array
    ratio: Array
    bits: NDArray[np.int64]
    line: NDArray[np.int64]
    closed: Array
    scale: Array
    t: Array
    c: Array
    flat: Array
    t_: Array
    flat_: Array
    rest: Array
    sum: Array

    @classmethod
    def new(cls) -> WideRoom:
        rows = (3, 1, 1, 1, 1, 1, 1, 2, 3, TERMS, SLOPES, FLAT, TERMS, FLAT, 2, 1)
        whole = np.split(aligned(sum(rows) * TOGETHER), np.cumsum(rows)[:-1] * TOGETHER)
        pair, e, d, x, slope, closest, ratio, closed, scale, *rest = whole
        line = np.zeros(TOGETHER, dtype=np.int64)
        of_line = ratio, ratio.view(np.int64), line, closed, scale
        return cls(pair, e, d, x, slope, closest, *of_line, *rest)


@elementwise
def _closed_forms(o: WideRoom, line: Any) -> None:
    """E h(u) h(v) of w and of w', and the scales."""
    n = TOGETHER
    for i in range(n):
        high, low, small = o.pair[i], o.pair[n + i], o.pair[2 * n + i]
        rho, half = 1.0 - small, 0.5 * small
        root = np.sqrt(half)
        angle = 2.0 * (root + root * arcsine_excess(half))
        asin, sine = np.pi / 2 - angle, np.sqrt(small * (1.0 + rho))
        bent = high * low * (line[2] * rho + line[3] * (sine + rho * asin))
        bent += (line[6] * rho + line[7]) * (high + low)
        o.closed[i] = bent + (line[0] + line[1] * asin)
        o.closed[n + i] = line[4] + line[5] * asin
        inverse = 1.0 / low
        o.scale[i], o.scale[n + i] = 1.0 / high, inverse
        o.scale[2 * n + i] = high * sine * inverse
        o.ratio[i] = low * sine / rho


@elementwise
def _polynomials_of_line(o: WideRoom) -> None:
    """Those in tau/rho, whose quarter of an octave is read from its bits, and in 1/s'^2."""
    n = TOGETHER
    for i in range(n):
        o.line[i] = 4 * ((o.bits[i] >> 52) - _EXPONENT)
        o.bits[i] = (o.bits[i] & _MANTISSA) | _ONE
    ratio, line, x = o.ratio, o.line, o.x
    for i in range(n):
        m = ratio[i]
        line[i] += (1 if m >= _E1 else 0) + (1 if m >= _E2 else 0) + (1 if m >= _E3 else 0)
    for i in range(n):
        m, inverse = ratio[i], 1.0
        inverse = _I1 if m >= _E1 else inverse
        inverse = _I2 if m >= _E2 else inverse
        inverse = _I3 if m >= _E3 else inverse
        x[i] = (m * inverse - 1.0) * (2.0 / (EDGES[1] - 1.0)) - 1.0
    chebyshev_lanes(o.x, o.t_, TERMS)
    for i in range(n):
        flat = NARROWEST * o.scale[n + i]
        o.x[i] = 2.0 * (flat * flat) - 1.0
    chebyshev_lanes(o.x, o.flat_, FLAT)


@elementwise
def _polynomials(o: WideRoom, a: WideArrays, cell: int) -> None:
    """Those in tau, c and 1/s^2."""
    n, start, place = TOGETHER, a.starts[cell >> 2], a.places[cell & 3]
    stretch, middle, least = place[0], place[1], place[2]
    pair, scale, x, slope, closest = o.pair, o.scale, o.x, o.slope, o.closest
    for i in range(n):  # short loops: of many arrays the compiler does not see that they are apart
        tau = pair[n + i] * np.sqrt(pair[2 * n + i] * (2.0 - pair[2 * n + i]))
        x[i] = (tau * start - 1.0) * (2.0 / (EDGES[1] - 1.0)) - 1.0
    for i in range(n):
        slope[i] = stretch * ((1.0 - pair[2 * n + i]) * pair[n + i] * scale[i] - middle)
    for i in range(n):
        flat = least * scale[i]
        closest[i] = 2.0 * (flat * flat) - 1.0
    chebyshev_lanes(o.x, o.t, TERMS)
    chebyshev_lanes(o.slope, o.c, SLOPES)
    chebyshev_lanes(o.closest, o.flat, FLAT)


@elementwise
def _in_c(c: Any, a: Any, k: int, i: int) -> Any:
    """A coefficient in tau (k < 8 of w, then of w') of a lane, from those in c."""
    n = TOGETHER
    low = (c[i] * a[k] + c[n + i] * a[16 + k]) + (
        c[2 * n + i] * a[32 + k] + c[3 * n + i] * a[48 + k]
    )
    high = c[4 * n + i] * a[64 + k] + c[5 * n + i] * a[80 + k]
    high += c[6 * n + i] * a[96 + k] + c[7 * n + i] * a[112 + k]
    return (low + high) + (c[8 * n + i] * a[128 + k] + c[9 * n + i] * a[144 + k])


@elementwise
def _sum_of_rest(block: Any, o: WideRoom) -> None:
    """M of w and of w', from the coefficients of a cell: 2 TERMS FLAT SLOPES multiply-adds."""
    n, c, flat = TOGETHER, o.c, o.flat
    o.rest[:] = 0.0
    for k in range(2 * TERMS):
        power, rest = k % TERMS * n, o.rest[k // TERMS * n : (k // TERMS + 1) * n]
        for i in range(n):
            near = _in_c(c, block[0], k, i) + flat[n + i] * _in_c(c, block[1], k, i)
            far = flat[2 * n + i] * _in_c(c, block[2], k, i)
            far += flat[3 * n + i] * _in_c(c, block[3], k, i)
            rest[i] += o.t[power + i] * (near + far)


@elementwise
def _sum_of_line(a: Any, o: WideRoom, lane: int) -> float:
    """E h(u) r(v) but for its scale, from the coefficients of a cell of tau/rho."""
    n, v, t = TOGETHER, o.sum, o.t_[lane::TOGETHER]
    f1, f2, f3 = o.flat_[n + lane], o.flat_[2 * n + lane], o.flat_[3 * n + lane]
    for k in range(TERMS):
        v[k] = (a[k] + f1 * a[8 + k]) + (f2 * a[16 + k] + f3 * a[24 + k])
    low = (t[0] * v[0] + t[1] * v[1]) + (t[2] * v[2] + t[3] * v[3])
    return low + ((t[4] * v[4] + t[5] * v[5]) + (t[6] * v[6] + t[7] * v[7]))


@elementwise
def wide_moments(a: WideArrays, o: WideRoom, cell: int) -> None:
    """E w(u) w(v) and E w'(u) w'(v), in ``e`` and ``d``, of pairs that have been written there.

    All are of one cell, which has coefficients; where they are fewer than there is room for, the
    rest of it is filled with any of them.
    """
    n, line = TOGETHER, a.line
    _closed_forms(o, line)
    _polynomials_of_line(o)
    _polynomials(o, a, cell)
    _sum_of_rest(a.coefficients[cell], o)
    for lane in range(n):
        o.e[lane] = o.rest[lane] * o.scale[lane]
        o.d[lane] = o.rest[n + lane] * o.scale[lane]
    if line[0] != 0.0 or line[1] != 0.0:
        for lane in range(n):
            o.e[lane] += _sum_of_line(a.seen[0, o.line[lane]], o, lane) * o.scale[n + lane]
    if line[2] != 0.0 or line[3] != 0.0:
        for lane in range(n):
            o.e[lane] += _sum_of_line(a.seen[1, o.line[lane]], o, lane) * o.scale[2 * n + lane]
    if line[4] != 0.0 or line[5] != 0.0:
        for lane in range(n):
            o.d[lane] += _sum_of_line(a.seen[2, o.line[lane]], o, lane) * o.scale[n + lane]
    for lane in range(n):
        o.e[lane] += o.closed[lane]
        o.d[lane] += o.closed[n + lane]
