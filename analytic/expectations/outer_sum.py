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

from analytic.compilation import elementwise
from analytic.expectations.heat_tables import DEGREES
from analytic.expectations.series_lanes import TOGETHER, chebyshev_lanes, evaluate_lanes
from analytic.machine import Array, aligned

__all__ = ["CHAIN", "OUTER", "OuterRoom", "pair_sums"]

OUTER = 9.0
"""Where the outer law is cut."""
CHAIN = 4
"""Nodes that are summed one after the other; these sums are added with what a sum loses."""
SIGMA, TAU_1, TAU_2, KAPPA, INVERSE_R, INVERSE_R_, REACH = range(7)
"""Rows of the numbers of pairs: those of ``Split``, 1/r and 1/r', and the last node, from 0 on."""

MAGIC = 1.5 * 2.0**52
_MAGIC_BITS = int(np.float64(MAGIC).view(np.int64))
_LOG2E = 1 / math.log(2)
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_F3, _F4, _F5, _F6, _F7, _F8, _F9, _F10, _F11, _F12, _F13 = (
    1.0 / math.factorial(k) for k in range(3, 14)
)

_X, _POWER, _P, _RATE, _DENSITY, _REACH, _F, _G = (k * TOGETHER for k in range(8))
"""Rows of the room: places of the tau within their segments; 2^n of an exponential; the weights of
a node; -1/(2 sigma^2) and 1/(sigma sqrt(2 pi)); the last node of each pair, counted from 0; 1/r
and 1/r'."""
_A, _B, _T, _T_ = 8, 11, 29, 29 + DEGREES
"""Where rows begin: W, W', V of the first units at a node, and of the second ones; Chebyshev
polynomials at tau_1, and at tau_2."""
_PART, _TOTAL, _LOST = (k * TOGETHER for k in (14, 19, 24))
"""Sums over CHAIN nodes, sums of these, and what the latter have too much."""


class OuterRoom(NamedTuple):
    """Numbers of the pairs that are taken together, all in one memory.

    Attributes:
        room: a row of TOGETHER numbers for each quantity.
        line: the same as one line: of rows at fixed places the compiler sees that they are apart.
        bits: the same as integers.
        t: from the Chebyshev polynomials at tau_1 on.
        t_: from those at tau_2 on.
    """

    room: Array
    line: Array
    bits: NDArray[np.int64]
    t: Array
    t_: Array

    @classmethod
    def new(cls) -> OuterRoom:
        line = aligned((_T_ + DEGREES) * TOGETHER)
        starts = (line[k * TOGETHER :] for k in (_T, _T_))
        return cls(line.reshape(-1, TOGETHER), line, line.view(np.int64), *starts)


@elementwise
def _weights(o: Any, bits: Any, y: float, length: float, far: int) -> None:
    """p = density of N(0, sigma^2) at y times the length; 0 beyond the reach of a pair.

    exp(-x) = 2^n exp(r), with n read from the bits of a sum: loops without a branch.
    """
    square = y * y
    for i in range(TOGETHER):
        x = square * o[_RATE + i]
        o[_POWER + i] = x * _LOG2E + MAGIC
        n = o[_POWER + i] - MAGIC
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        r2 = r * r
        r4 = r2 * r2
        low = (1.0 + r) + r2 * (0.5 + _F3 * r)
        middle = (_F4 + _F5 * r) + r2 * (_F6 + _F7 * r)
        high = ((_F8 + _F9 * r) + r2 * (_F10 + _F11 * r)) + r4 * (_F12 + _F13 * r)
        o[_P + i] = (low + r4 * (middle + r4 * high)) * (length * o[_DENSITY + i])
    for i in range(TOGETHER):
        bits[_POWER + i] = (bits[_POWER + i] - _MAGIC_BITS + 1023) << 52
    for i in range(TOGETHER):
        value = o[_P + i] * o[_POWER + i]
        o[_P + i] = value if far <= o[_REACH + i] else 0.0


@elementwise
def _place(tau: float, lowest: int, k: int) -> float:
    """Where tau lies within its segment k, in [-1, 1]."""
    if k > 0:  # x = -1 and 1 at the ends of half an octave
        mantissa, exponent = math.frexp(tau)
        x = 4 * math.log2(2 * mantissa) + (4 * (exponent - 1 - lowest) - 2 * (k - 1) - 1)
        return max(x, -1.0)  # where the lowest segment stands for all below
    ratio = math.ldexp(tau, -lowest)
    return 2 * ratio * ratio - 1


@elementwise
def _add_up(o: Any, sign: float) -> None:
    """Add p (A f - B g)^2, p (A f + B g)^2, p A'B', p V_1 and p V_2 to the part sums.

    ``sign`` is 1, or the one of W(-y) = sign W(y); W' turns with its opposite.
    """
    n, a, b = TOGETHER, _A * TOGETHER, _B * TOGETHER
    turn = 1.0 if sign == 0.0 else -sign
    keep = 1.0 if sign == 0.0 else sign
    for i in range(TOGETHER):
        p, x, y = o[_P + i], o[a + i] * o[_F + i], keep * (o[b + i] * o[_G + i])
        o[_PART + i] += p * ((x - y) * (x - y))
        o[_PART + n + i] += p * ((x + y) * (x + y))
        o[_PART + 2 * n + i] += p * (o[a + n + i] * (turn * o[b + n + i]))
        o[_PART + 3 * n + i] += p * o[a + 2 * n + i]
        o[_PART + 4 * n + i] += p * o[b + 2 * n + i]


@elementwise
def _enter(
    room: Any, o: Any, t: Any, t_: Any, pairs: Any, start: int, stop: int, lowest: int, first: int,
    second: int,
) -> int:  # fmt: skip
    """Write pairs into the room, the last of them as often as there is place; the reach."""
    furthest = 0
    for lane in range(TOGETHER):
        i = min(start + lane, stop - 1)
        sigma = pairs[SIGMA, i]
        o[_REACH + lane] = pairs[REACH, i]
        furthest = max(furthest, int(pairs[REACH, i]))
        o[_RATE + lane] = -0.5 / (sigma * sigma)
        o[_DENSITY + lane] = 1.0 / (sigma * math.sqrt(2 * math.pi))
        o[_F + lane], o[_G + lane] = pairs[INVERSE_R, i], pairs[INVERSE_R_, i]
        o[_X + lane] = _place(pairs[TAU_2, i], lowest, second)
    chebyshev_lanes(o, t_, DEGREES)  # x stands first
    for lane in range(TOGETHER):
        i = min(start + lane, stop - 1)
        tau, kappa = pairs[TAU_1, i], pairs[KAPPA, i]
        o[_X + lane] = _place(tau, lowest, first) if first >= 0 else _place(kappa, 0, -first)
    chebyshev_lanes(o, t, DEGREES)
    for i in range(TOGETHER):
        room[_A + 2, i] = 0.0  # V where tau_1 = 0
    for i in range(_PART, _T * TOGETHER):
        o[i] = 0.0
    return furthest


@elementwise
def _flush(o: Any) -> None:
    """Add the part sums to the totals, and what the last addition lost (Kahan 1965)."""
    for i in range(5 * TOGETHER):
        added = o[_PART + i] - o[_LOST + i]
        whole = o[_TOTAL + i] + added
        o[_LOST + i] = (whole - o[_TOTAL + i]) - added
        o[_TOTAL + i] = whole
        o[_PART + i] = 0.0


@elementwise
def _leave(o: Any, pairs: Any, start: int, stop: int, out: Any) -> None:
    """Write what the sums of pairs come to."""
    for i in range(start, stop):
        lane = _TOTAL + i - start
        minus, plus = o[lane], o[lane + TOGETHER]
        inner = (pairs[TAU_1, i] * pairs[INVERSE_R, i]) ** 2 * o[lane + 3 * TOGETHER]
        inner += (pairs[TAU_2, i] * pairs[INVERSE_R_, i]) ** 2 * o[lane + 4 * TOGETHER]
        out[0, i] = (minus + inner) / 2
        out[1, i] = (plus + inner) / 2
        out[2, i] = o[lane + 2 * TOGETHER]
        out[3, i] = min(minus, plus) / 2


@elementwise
def pair_sums(
    y: Any, lengths: Any, parity: int, lowest: int, table: Any,
    degrees: Any, narrowed: Any, degrees_narrowed: Any, pairs: Any, first: Any, second: Any,
    flip: Any, starts: Any, room: Any, o: Any, bits: Any, t: Any, t_: Any, out: Any,
) -> None:  # fmt: skip
    """For each pair (minus, plus, d, the part of the means): see ``conditional``.

    ``first`` and ``second`` are the segments of tau_1 and tau_2; where tau_1 = 0, -1 - first
    is the half octave of kappa. Those from one of ``starts`` to the next, at most TOGETHER,
    share them and ``flip``: one load of a coefficient serves them all, and no number depends
    on the others of the group. Before ``out`` stands an ``OuterRoom``.
    """
    middle = 0 if parity != 0 else y.size // 2
    for group in range(starts.size - 1):
        start, stop = starts[group], starts[group + 1]
        one, two, flips = first[start], second[start], flip[start]
        furthest = _enter(room, o, t, t_, pairs, start, stop, lowest, one, two)
        sign = float(parity) if flips else 0.0
        for q in range(middle - furthest if parity == 0 else 0, middle + furthest + 1):
            _weights(o, bits, y[q], lengths[q], abs(q - middle))
            turned = 2 * middle - q if flips and parity == 0 else q
            evaluate_lanes(table, degrees, two, turned, room, t_, _T_, _B)
            if one >= 0:
                evaluate_lanes(table, degrees, one, q, room, t, _T, _A)
            else:
                evaluate_lanes(narrowed, degrees_narrowed, -1 - one, q, room, t, _T, _A)
            _add_up(o, sign)
            if (q - middle) % CHAIN == 0:
                _flush(o)
        _flush(o)
        _leave(o, pairs, start, stop, out)
