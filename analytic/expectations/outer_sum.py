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

__all__ = ["CHAIN", "OUTER", "TOGETHER", "Room", "pair_sums"]

OUTER = 9.0
"""Where the outer law is cut."""
TOGETHER = 32
"""Pairs whose sums run in step: the length of the loops."""
CHAIN = 8
"""Nodes that are summed one after the other; then these sums."""


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
        k[i] = (square * rate[i]) * _LOG2E + MAGIC
    for i in range(TOGETHER):
        n = k[i] - MAGIC
        r = (square * rate[i] - n * _LN2_HIGH) - n * _LN2_LOW
        e = _F13
        e = e * r + _F12
        e = e * r + _F11
        e = e * r + _F10
        e = e * r + _F9
        e = e * r + _F8
        e = e * r + _F7
        e = e * r + _F6
        e = e * r + _F5
        e = e * r + _F4
        e = e * r + _F3
        e = e * r + 0.5
        e = e * r + 1.0
        e = e * r + 1.0
        p[i] = e * (length * unit[i])
    for i in range(TOGETHER):
        bits[i] = (bits[i] - _MAGIC_BITS + 1023) << 52
    for i in range(TOGETHER):
        value = p[i] * k[i]
        p[i] = value if far <= reach[i] else 0.0


@compiled
def _chebyshev(tau: float, lowest: int, k: int, t: Any, i: int) -> None:
    """t[j, i] = T_j at tau within its segment k."""
    if k > 0:  # x = -1 and 1 at the ends of half an octave
        mantissa, exponent = math.frexp(tau)
        x = 4 * math.log2(2 * mantissa) + (4 * (exponent - 1 - lowest) - 2 * (k - 1) - 1)
        x = max(x, -1.0)  # where the lowest segment stands for all below
    else:
        ratio = math.ldexp(tau, -lowest)
        x = 2 * ratio * ratio - 1
    t[0, i] = 1.0
    t[1, i] = x
    for j in range(2, t.shape[0]):
        t[j, i] = 2 * x * t[j - 1, i] - t[j - 2, i]


@compiled
def _evaluate(table: Any, degrees: Any, t: Any, q: int, out: Any) -> None:
    """out[c] = sum_j t[j] table[c, j, q]: at one node, for the pairs taken together."""
    for c in range(table.shape[0]):
        row, a = out[c], table[c]
        j = 0
        while j + 8 <= degrees[c]:
            _add_eight(a, t, j, q, row)
            j += 8
        if j < degrees[c]:
            _add_four(a, t, j, q, row)
        if degrees[c] == 0:
            row[:] = 0.0


@compiled
def _add_eight(a: Any, t: Any, j: int, q: int, row: Any) -> None:
    """Add eight terms of the series at a node; j = 0 begins it."""
    a0, a1, a2, a3 = a[j, q], a[j + 1, q], a[j + 2, q], a[j + 3, q]
    a4, a5, a6, a7 = a[j + 4, q], a[j + 5, q], a[j + 6, q], a[j + 7, q]
    t0, t1, t2, t3 = t[j], t[j + 1], t[j + 2], t[j + 3]
    t4, t5, t6, t7 = t[j + 4], t[j + 5], t[j + 6], t[j + 7]
    for i in range(TOGETHER):
        value = 0.0 if j == 0 else row[i]
        value += t0[i] * a0 + t1[i] * a1 + t2[i] * a2 + t3[i] * a3
        row[i] = value + (t4[i] * a4 + t5[i] * a5 + t6[i] * a6 + t7[i] * a7)


@compiled
def _add_four(a: Any, t: Any, j: int, q: int, row: Any) -> None:
    a0, a1, a2, a3 = a[j, q], a[j + 1, q], a[j + 2, q], a[j + 3, q]
    t0, t1, t2, t3 = t[j], t[j + 1], t[j + 2], t[j + 3]
    for i in range(TOGETHER):
        value = 0.0 if j == 0 else row[i]
        row[i] = value + (t0[i] * a0 + t1[i] * a1 + t2[i] * a2 + t3[i] * a3)


@compiled
def _add_up(o: Any, sign: float) -> None:
    """Add p (A f - B g)^2, p (A f + B g)^2, p A'B', p V_1 and p V_2 to the part sums.

    ``sign`` is 1, or the one of W(-y) = sign W(y); W' turns with its opposite.
    """
    p, a, b, f, g, part = o.p, o.a, o.b, o.f, o.g, o.part
    turn = 1.0 if sign == 0.0 else -sign
    keep = 1.0 if sign == 0.0 else sign
    for i in range(TOGETHER):
        x, y = a[0, i] * f[i], keep * (b[0, i] * g[i])
        part[0, i] += p[i] * ((x - y) * (x - y))
        part[1, i] += p[i] * ((x + y) * (x + y))
    for i in range(TOGETHER):
        part[2, i] += p[i] * (a[1, i] * (turn * b[1, i]))
    for i in range(TOGETHER):
        part[3, i] += p[i] * a[2, i]
        part[4, i] += p[i] * b[2, i]


class Room(NamedTuple):
    """Numbers of the pairs that are taken together, one column each.

    Attributes:
        k: room for the exponential.
        bits: the same memory as integers.
        p: the weights of a node.
        rate: -1/(2 sigma^2).
        unit: 1/(sigma sqrt(2 pi)).
        reach: the last node of each pair, counted from 0.
        t: Chebyshev polynomials at tau_1.
        t_: those at tau_2.
        a: W, W', V of the first units at a node.
        b: those of the second ones.
        f: 1/r.
        g: 1/r'.
        part: sums over CHAIN nodes.
        total: sums of these.
    """

    k: Array
    bits: NDArray[np.int64]
    p: Array
    rate: Array
    unit: Array
    reach: NDArray[np.int64]
    t: Array
    t_: Array
    a: Array
    b: Array
    f: Array
    g: Array
    part: Array
    total: Array

    @classmethod
    def new(cls) -> Room:
        k = aligned(TOGETHER)
        return cls(
            k, k.view(np.int64), aligned(TOGETHER), aligned(TOGETHER), aligned(TOGETHER),
            aligned(TOGETHER, dtype=np.int64), aligned(DEGREES, TOGETHER),
            aligned(DEGREES, TOGETHER), aligned(3, TOGETHER), aligned(3, TOGETHER),
            aligned(TOGETHER), aligned(TOGETHER), aligned(5, TOGETHER), aligned(5, TOGETHER),
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
        _chebyshev(split.tau_2[i], lowest, second, o.t_, lane)
        if first >= 0:
            _chebyshev(split.tau_1[i], lowest, first, o.t, lane)
        else:
            _chebyshev(split.kappa[i], 0, -first, o.t, lane)
    o.part[:] = 0.0
    o.total[:] = 0.0
    o.a[2] = 0.0  # where tau_1 = 0
    return furthest


@compiled
def _flush(o: Room) -> None:
    """Add the part sums to the totals."""
    for c in range(5):
        part, total = o.part[c], o.total[c]
        for i in range(TOGETHER):
            total[i] += part[i]
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
            _evaluate(table[two], degrees[two], o.t_, turned, o.b)
            if one >= 0:
                _evaluate(table[one], degrees[one], o.t, q, o.a)
            else:
                _evaluate(narrowed[-1 - one], degrees_narrowed[-1 - one], o.t, q, o.a)
            _add_up(o, sign)
            if (q - middle) % CHAIN == 0:
                _flush(o)
        _flush(o)
        for i in range(start, stop):
            less, more, d, v1, v2 = (
                o.total[0, i - start], o.total[1, i - start], o.total[2, i - start],
                o.total[3, i - start], o.total[4, i - start],
            )  # fmt: skip
            inner = (split.tau_1[i] * unit[i]) ** 2 * v1 + (split.tau_2[i] * unit_[i]) ** 2 * v2
            out[0, i] = (less + inner) / 2
            out[1, i] = (more + inner) / 2
            out[2, i] = d
            out[3, i] = min(less, more) / 2
