r"""The outer sum of conditioning, compiled: pairs that share tables run in step.

For every pair, with the nodes y_q and the densities p_q of N(0, sigma^2) there times the length,

    sum_q p_q (W_1 f - W_2 g)^2,  sum_q p_q (W_1 f + W_2 g)^2,  sum_q p_q W'_1 W'_2,
    sum_q p_q V_1,  sum_q p_q V_2

where W, W', V at a node are Chebyshev series in tau, see ``heat_tables``.

Legend: f = 1/r, g = 1/r'; a and b stand for the first and the second units.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.expectations.heat_tables import DEGREES
from analytic.machine import Array, aligned

__all__ = ["CHAIN", "OUTER", "TOGETHER", "Room", "chebyshev_lanes", "pair_sums"]

OUTER = 9.0
"""Where the outer law is cut."""
TOGETHER = 32
"""Pairs whose sums run in step: the length of the loops."""
CHAIN = 4
"""Nodes that are summed one after the other; these sums are added with what a sum loses."""


MAGIC = 1.5 * 2.0**52
_MAGIC_BITS = int(np.float64(MAGIC).view(np.int64))
_LOG2E = 1 / math.log(2)
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_F3, _F4, _F5, _F6, _F7, _F8, _F9, _F10, _F11, _F12, _F13 = (
    1.0 / math.factorial(k) for k in range(3, 14)
)


@compiled
def _weights(y: float, length: float, far: int, o: Any) -> None:
    """p = density of N(0, sigma^2) at y times the length; 0 beyond the reach of a pair.

    exp(-x) = 2^n exp(r), with n read from the bits of a sum: loops without a branch.
    """
    k, bits, p, rate, unit, reach = o.k, o.bits, o.p, o.rate, o.unit, o.reach
    square = y * y
    for i in range(TOGETHER):
        x = square * rate[i]
        k[i] = x * _LOG2E + MAGIC
        n = k[i] - MAGIC
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        r2 = r * r
        r4 = r2 * r2
        low = (1.0 + r) + r2 * (0.5 + _F3 * r)
        middle = (_F4 + _F5 * r) + r2 * (_F6 + _F7 * r)
        high = ((_F8 + _F9 * r) + r2 * (_F10 + _F11 * r)) + r4 * (_F12 + _F13 * r)
        p[i] = (low + r4 * (middle + r4 * high)) * (length * unit[i])
    for i in range(TOGETHER):
        bits[i] = (bits[i] - _MAGIC_BITS + 1023) << 52
    for i in range(TOGETHER):
        value = p[i] * k[i]
        p[i] = value if far <= reach[i] else 0.0


@compiled
def _place(tau: float, lowest: int, k: int) -> float:
    """Where tau lies within its segment k, in [-1, 1]."""
    if k > 0:  # x = -1 and 1 at the ends of half an octave
        mantissa, exponent = math.frexp(tau)
        x = 4 * math.log2(2 * mantissa) + (4 * (exponent - 1 - lowest) - 2 * (k - 1) - 1)
        return max(x, -1.0)  # where the lowest segment stands for all below
    ratio = math.ldexp(tau, -lowest)
    return 2 * ratio * ratio - 1


@compiled
def chebyshev_lanes(x: Any, t: Any, terms: int) -> None:
    """t[j] = T_j at the x of every lane, j < terms, rows of TOGETHER one after the other."""
    for i in range(TOGETHER):
        t[i] = 1.0
        t[TOGETHER + i] = x[i]
    for j in range(2, terms):
        one, two = (j - 1) * TOGETHER, (j - 2) * TOGETHER
        for i in range(TOGETHER):
            t[j * TOGETHER + i] = 2 * x[i] * t[one + i] - t[two + i]


@compiled
def _evaluate(table: Any, degrees: Any, t: Any, out: Any) -> None:
    """out[c] = sum_j t[j] table[c, j] at one node, for the pairs taken together."""
    for c in range(table.shape[0]):
        a, row, count = table[c], out[c * TOGETHER : (c + 1) * TOGETHER], degrees[c]
        if count > 12:
            _sixteen(a, t, row)
        elif count > 4:
            _eight(a, t, row)
        else:
            for i in range(TOGETHER):
                row[i] = 0.0
        if count % 8 != 0:
            _add_four(a[count - 4 :], t[(count - 4) * TOGETHER :], row)


@compiled
def _sixteen(a: Any, t: Any, row: Any) -> None:
    """The first sixteen terms of the series at a node."""
    a0, a1, a2, a3, a4, a5, a6, a7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    b0, b1, b2, b3, b4, b5, b6, b7 = a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]
    n = TOGETHER
    for i in range(TOGETHER):
        low = (t[i] * a0 + t[n + i] * a1 + t[2 * n + i] * a2 + t[3 * n + i] * a3) + (
            t[4 * n + i] * a4 + t[5 * n + i] * a5 + t[6 * n + i] * a6 + t[7 * n + i] * a7
        )
        high = (t[8 * n + i] * b0 + t[9 * n + i] * b1 + t[10 * n + i] * b2 + t[11 * n + i] * b3) + (
            t[12 * n + i] * b4 + t[13 * n + i] * b5 + t[14 * n + i] * b6 + t[15 * n + i] * b7
        )
        row[i] = low + high


@compiled
def _eight(a: Any, t: Any, row: Any) -> None:
    """The first eight."""
    a0, a1, a2, a3, a4, a5, a6, a7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    n = TOGETHER
    for i in range(TOGETHER):
        row[i] = (t[i] * a0 + t[n + i] * a1 + t[2 * n + i] * a2 + t[3 * n + i] * a3) + (
            t[4 * n + i] * a4 + t[5 * n + i] * a5 + t[6 * n + i] * a6 + t[7 * n + i] * a7
        )


@compiled
def _add_four(a: Any, t: Any, row: Any) -> None:
    """Add four terms."""
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    n = TOGETHER
    for i in range(TOGETHER):
        row[i] += t[i] * a0 + t[n + i] * a1 + t[2 * n + i] * a2 + t[3 * n + i] * a3


@compiled
def _add_up(o: Any, sign: float) -> None:
    """Add p (A f - B g)^2, p (A f + B g)^2, p A'B', p V_1 and p V_2 to the part sums.

    ``sign`` is 1, or the one of W(-y) = sign W(y); W' turns with its opposite.
    """
    p, a, b, f, g, part, n = o.p, o.a, o.b, o.f, o.g, o.part, TOGETHER
    turn = 1.0 if sign == 0.0 else -sign
    keep = 1.0 if sign == 0.0 else sign
    for i in range(TOGETHER):
        x, y = a[i] * f[i], keep * (b[i] * g[i])
        part[i] += p[i] * ((x - y) * (x - y))
        part[n + i] += p[i] * ((x + y) * (x + y))
        part[2 * n + i] += p[i] * (a[n + i] * (turn * b[n + i]))
        part[3 * n + i] += p[i] * a[2 * n + i]
        part[4 * n + i] += p[i] * b[2 * n + i]


class Room(NamedTuple):
    """Numbers of the pairs that are taken together, rows of TOGETHER one after the other.

    One array for all rows of a kind: loops need not ask whether they overlap.

    Attributes:
        k: room for the exponential.
        bits: the same memory as integers.
        p: the weights of a node.
        rate: -1/(2 sigma^2).
        unit: 1/(sigma sqrt(2 pi)).
        reach: the last node of each pair, counted from 0.
        x: places of the tau within their segments.
        t: Chebyshev polynomials at tau_1.
        t_: those at tau_2.
        a: W, W', V of the first units at a node.
        b: those of the second ones.
        f: 1/r.
        g: 1/r'.
        part: sums over CHAIN nodes.
        total: sums of these.
        lost: what the sums have too much.
    """

    k: Array
    bits: NDArray[np.int64]
    p: Array
    rate: Array
    unit: Array
    reach: NDArray[np.int64]
    x: Array
    t: Array
    t_: Array
    a: Array
    b: Array
    f: Array
    g: Array
    part: Array
    total: Array
    lost: Array

    @classmethod
    def new(cls) -> Room:
        k = aligned(TOGETHER)
        return cls(
            k, k.view(np.int64), aligned(TOGETHER), aligned(TOGETHER), aligned(TOGETHER),
            aligned(TOGETHER, dtype=np.int64), aligned(TOGETHER), aligned(DEGREES * TOGETHER),
            aligned(DEGREES * TOGETHER), aligned(3 * TOGETHER), aligned(3 * TOGETHER),
            aligned(TOGETHER), aligned(TOGETHER), aligned(5 * TOGETHER), aligned(5 * TOGETHER),
            aligned(5 * TOGETHER),
        )  # fmt: skip


@compiled
def _enter(
    o: Room, split: Any, start: int, stop: int, scale: float, step: float, most: int,
    lowest: int, first: int, second: int, unit: Any, unit_: Any,
) -> int:  # fmt: skip
    """Write pairs into the room, the last of them as often as there is place; the reach."""
    furthest = 0
    for lane in range(TOGETHER):
        i = min(start + lane, stop - 1)
        sigma = split.sigma[i]
        reach = min(int(math.asinh(OUTER * sigma / scale) / step) + 1, most)
        o.reach[lane] = reach
        furthest = max(furthest, reach)
        o.rate[lane] = -0.5 / (sigma * sigma)
        o.unit[lane] = 1.0 / (sigma * math.sqrt(2 * math.pi))
        o.f[lane], o.g[lane] = unit[i], unit_[i]
        o.x[lane] = _place(split.tau_2[i], lowest, second)
    chebyshev_lanes(o.x, o.t_, DEGREES)
    for lane in range(TOGETHER):
        i = min(start + lane, stop - 1)
        tau, kappa = split.tau_1[i], split.kappa[i]
        o.x[lane] = _place(tau, lowest, first) if first >= 0 else _place(kappa, 0, -first)
    chebyshev_lanes(o.x, o.t, DEGREES)
    o.part[:] = 0.0
    o.total[:] = 0.0
    o.lost[:] = 0.0
    o.a[2 * TOGETHER :] = 0.0  # where tau_1 = 0
    return furthest


@compiled
def _flush(o: Room) -> None:
    """Add the part sums to the totals, and what the last addition lost (Kahan 1965)."""
    part, total, lost = o.part, o.total, o.lost
    for i in range(5 * TOGETHER):
        added = part[i] - lost[i]
        whole = total[i] + added
        lost[i] = (whole - total[i]) - added
        total[i] = whole
        part[i] = 0.0


@compiled
def pair_sums(
    y: Any, lengths: Any, step: float, scale: float, parity: int, lowest: int, table: Any,
    degrees: Any, narrowed: Any, degrees_narrowed: Any, split: Any, first: Any, second: Any,
    flip: Any, unit: Any, unit_: Any, starts: Any, o: Room, out: Any,
) -> None:  # fmt: skip
    """For each pair (minus, plus, d, the part of the means): see ``conditional``.

    ``first`` and ``second`` are the segments of tau_1 and tau_2; where tau_1 = 0, -1 - first
    is the half octave of kappa. Those from one of ``starts`` to the next, at most TOGETHER,
    share them and ``flip``: one load of a coefficient serves them all, and no number depends
    on the others of the group.
    """
    middle = 0 if parity != 0 else y.size // 2
    for group in range(starts.size - 1):
        start, stop = starts[group], starts[group + 1]
        one, two, flips = first[start], second[start], flip[start]
        furthest = _enter(
            o, split, start, stop, scale, step, y.size - 1 - middle, lowest, one, two, unit, unit_
        )
        sign = float(parity) if flips else 0.0
        for q in range(middle - furthest if parity == 0 else 0, middle + furthest + 1):
            _weights(y[q], lengths[q], abs(q - middle), o)
            turned = 2 * middle - q if flips and parity == 0 else q
            _evaluate(table[two, turned], degrees[two, turned], o.t_, o.b)
            if one >= 0:
                _evaluate(table[one, q], degrees[one, q], o.t, o.a)
            else:
                _evaluate(narrowed[-1 - one, q], degrees_narrowed[-1 - one, q], o.t, o.a)
            _add_up(o, sign)
            if (q - middle) % CHAIN == 0:
                _flush(o)
        _flush(o)
        for i in range(start, stop):
            sums = o.total[i - start :: TOGETHER]
            inner = (split.tau_1[i] * unit[i]) ** 2 * sums[3]
            inner += (split.tau_2[i] * unit_[i]) ** 2 * sums[4]
            out[0, i] = (sums[0] + inner) / 2
            out[1, i] = (sums[1] + inner) / 2
            out[2, i] = sums[2]
            out[3, i] = min(sums[0], sums[1]) / 2
