r"""Plackett's integrals of two units with kinks, for many pairs in step, compiled.

By ``angle_integrals``, to a relative error: P comes from x/s - x'/s' without cancellation. Where
the jumps of a unit sum up to 0 and all kinks are within one deviation, it is 1 - exp(-Q) that is
integrated: with z = A B/2 + (A - B)^2/6, X = exp(-P^2/2) and R = sqrt(pi/2) erfcx(P/sqrt 2)

    once = theta/(2 pi) L_0,    bent = theta/(2 pi) sum_f (-1)^f theta^(2 f)/(2 f)! (L_f - L_0),
    L_f = int_0^1 (1 - exp(-Q)) x^(2 f) dx
        = l_f + X m_f (1 - exp(-z)) - exp(-z) X sum_(k > 0) e_k m_(k + f),
    l_0 = 1 - X + X P R,    (2 f + 1) l_f = 1 - X + P^2 X m_(f - 1),    m_0 = 1 - P R.

Legend: as in ``angle_integrals``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import (
    COSECANT,
    COSINE,
    MILLS,
    MILLS_WIDTH,
    POWERS,
    TANGENT,
)
from analytic.expectations.angle_integrals import (
    ANGLE_ROWS,
    BENT,
    BOTH_LINE,
    DENSITY,
    FIRST_MOMENT,
    GONE,
    ONCE,
    P_LINE,
    SQUARE,
    THETA,
    TOGETHER,
    Y_LINE,
    add_bends,
    begin_angles,
    expand,
    further_moments,
    integrand,
)
from analytic.expectations.exponential_lanes import exponentials
from analytic.expectations.lengths_of_angles import largest_of, lengths_of_sums
from analytic.expectations.parallel_stretches import difference_of_ends
from analytic.late_binding import late
from analytic.machine import UNIT

__all__ = ["KINK_ROWS", "integrals_in_step"]

KINK_ROWS = ANGLE_ROWS + 15
"""Rows of room."""
(_S, _OTHER_S, _WIDER, _GAP, _ALIVE, _SUM, _BENT_SUM, _SIZE_SUM, _SIZE, _Z, _FALL, _FLAT, _MILLS,
 _FIRST, _TERM) = ((ANGLE_ROWS + k) * TOGETHER for k in range(15))  # fmt: skip
"""Where lines begin: s, s', 1/max(s, s'), 1/s - 1/s', whether anything is left, the sums over pairs
of kinks, a size, z, 1 - X, 1 - exp(-z), P R, L_0, and a sum over k."""
EXPONENTIAL = 15
"""The degree of 1 - exp(-y), y <= 1/2."""
SHARP = UNIT / 8
"""What is left out of a sum, relative to it."""


@elementwise
def _angle_between(x: float, y: float, line: Any, n: int) -> bool:
    """P, A B, z and what tells the lengths of sums; whether anything is left of any pair."""
    any_left = False
    for i in range(n):
        s, s_, theta = line[_S + i], line[_OTHER_S + i], line[THETA + i]
        gap = difference_of_ends(x, y, line[_WIDER + i], line[_GAP + i])
        wide = abs(gap) / theta
        alive = wide < GONE
        p, both = wide if alive else 0.0, (x / s) * (y / s_) if alive else 0.0
        bend = gap * gap if alive else 0.0
        line[_ALIVE + i] = 1.0 if alive else 0.0
        line[P_LINE + i], line[BOTH_LINE + i] = p, both
        line[_Z + i] = 0.5 * both + bend / 6.0
        line[ONCE + i] = abs(TANGENT[1] * both) + COSECANT[1] * bend
        line[i] = line[DENSITY + i] = 0.0
    for i in range(n):
        any_left |= line[_ALIVE + i] > 0.0
    return any_left


@elementwise
def _whole(room: Any, line: Any, bits: Any, n: int) -> None:
    """once and bent over theta/(2 pi), and the size of once, which is once."""
    for i in range(n):
        p = line[P_LINE + i]
        y = 0.5 * (p * p) + line[_Z + i]
        line[Y_LINE + i] = y if y < 700.0 else 700.0
    terms, falls = expand(room, bits, n, (SHARP, SHARP, 0.0))
    add_bends(room, n, terms, falls)
    for i in range(n):
        share = line[_ALIVE + i] * line[DENSITY + i]
        line[ONCE + i] *= share
        line[BENT + i] *= share
        line[_SIZE + i] = line[ONCE + i]


@elementwise
def _falls(room: Any, line: Any, bits: Any, n: int) -> None:
    """X, 1 - X, 1 - exp(-z) and P R."""
    for i in range(n):
        p = line[P_LINE + i]
        line[Y_LINE + i] = 0.5 * (p * p)
        line[BENT + i] = (p - MILLS_WIDTH) / (p + MILLS_WIDTH)
        line[_MILLS + i], line[_FALL + i], line[_FLAT + i] = MILLS[-1], 0.0, 0.0
    for k in range(len(MILLS) - 2, -1, -1):
        coefficient = MILLS[k]
        for i in range(n):
            line[_MILLS + i] = line[_MILLS + i] * line[BENT + i] + coefficient
    for k in range(EXPONENTIAL, 0, -1):
        inverse = 1.0 / k
        for i in range(n):
            y, z = line[Y_LINE + i], line[_Z + i]
            line[_FALL + i] = (1.0 - line[_FALL + i]) * (y * inverse)
            line[_FLAT + i] = (1.0 - line[_FLAT + i]) * (z * inverse)
    exponentials(room, bits, (Y_LINE // TOGETHER, DENSITY // TOGETHER, 0), n, len(POWERS) - 1)
    for i in range(n):
        x = line[_ALIVE + i] * line[DENSITY + i]
        line[DENSITY + i], line[_MILLS + i] = x, line[P_LINE + i] * line[_MILLS + i]
        line[_FALL + i] = line[_FALL + i] if x > 0.61 else 1.0 - x


@elementwise
def _lack(room: Any, line: Any, bits: Any, n: int) -> None:
    """The same of 1 - exp(-Q), with a size of its own."""
    for i in range(n):
        line[i] = line[SQUARE + i]
    widest, steep = largest_of(room, 0, n), largest_of(room, ONCE // TOGETHER, n)
    terms, falls, _ = lengths_of_sums(steep, widest, SHARP, True)
    _falls(room, line, bits, n)
    integrand(room, n, terms)
    for i in range(n):
        room[FIRST_MOMENT, i] = 1.0 - line[_MILLS + i]
    further_moments(room, n, terms + falls + 1)
    for i in range(n):
        line[BENT + i], line[Y_LINE + i] = 0.0, line[SQUARE + i]
    for f in range(falls + 1):
        _rest(f, terms, room, line, n)
        factor = COSINE[f]
        for i in range(n):
            x, p, flat = line[DENSITY + i], line[P_LINE + i], line[_FLAT + i]
            before = line[_MILLS + i] if f == 0 else p * p * room[FIRST_MOMENT + f - 1, i]
            own = (line[_FALL + i] + x * before) / (2 * f + 1) + x * room[
                FIRST_MOMENT + f, i
            ] * flat
            term = (1.0 - flat) * x * line[_TERM + i]
            if f == 0:
                line[_FIRST + i], line[_SIZE + i] = own - term, own + abs(term)
            else:
                line[BENT + i] += factor * line[Y_LINE + i] * (own - term - line[_FIRST + i])
                line[Y_LINE + i] *= line[SQUARE + i]
    for i in range(n):
        line[ONCE + i] = line[_FIRST + i]


@elementwise
def _rest(f: int, terms: int, room: Any, line: Any, n: int) -> None:
    """sum_(k > 0) e_k m_(k + f)."""
    for i in range(n):
        line[_TERM + i] = 0.0
    for k in range(1, terms + 1):
        for i in range(n):
            line[_TERM + i] += room[k, i] * room[FIRST_MOMENT + k + f, i]


_whole_integrals: Any = late(_whole)
_lacking_integrals: Any = late(_lack)


@elementwise
def _begin_kinks(pairs: Any, start: int, room: Any, line: Any, n: int) -> None:
    """What is asked of the pairs."""
    for i in range(n):
        s, s_ = pairs[0, start + i], pairs[1, start + i]
        line[_S + i], line[_OTHER_S + i] = s, s_
        line[_WIDER + i], line[_GAP + i] = 1.0 / max(s, s_), (s_ - s) / s / s_
        line[_SUM + i] = line[_BENT_SUM + i] = line[_SIZE_SUM + i] = 0.0
        room[0, i] = pairs[2, start + i]
    begin_angles(room, n, room, line)


@elementwise
def integrals_in_step(
    kinks: Any, lacking: bool, pairs: Any, room: Any, line: Any, bits: Any, out: Any
) -> None:
    """The sums over pairs of kinks of once and bent, and a size, (3, pairs).

    Args:
        kinks: x, x' and the product of their jumps, (pairs of kinks, 3).
        lacking: whether 1 - exp(-Q) is integrated, whose sum over the kinks is the negative.
        pairs: s, s' and 1 - rho, (3, pairs).
        room: KINK_ROWS rows of TOGETHER numbers.
        line: the same memory.
        bits: the same memory.
        out: where to.
    """
    for start in range(0, pairs.shape[1], TOGETHER):
        n = min(TOGETHER, pairs.shape[1] - start)
        _begin_kinks(pairs, start, room, line, n)
        for k in range(kinks.shape[0]):
            jump = kinks[k, 2]
            left = _angle_between(kinks[k, 0], kinks[k, 1], line, n)
            if lacking:
                jump = -jump
                _lacking_integrals(room, line, bits, n)
            elif left:
                _whole_integrals(room, line, bits, n)
            else:
                continue
            for i in range(n):
                line[_SUM + i] += jump * line[ONCE + i]
                line[_BENT_SUM + i] += jump * line[BENT + i]
                line[_SIZE_SUM + i] += abs(jump) * line[_SIZE + i]
        for i in range(n):
            share = line[THETA + i] * (0.5 / np.pi)
            out[0, start + i] = share * line[_SUM + i]
            out[1, start + i] = share * line[_BENT_SUM + i]
            out[2, start + i] = share * line[_SIZE_SUM + i]
