r"""Pairs of an activation of cubic pieces at small angles, for many of them, compiled.

With a = |x_p|/s, b = |x_q|/s', r = +-rho for places on one side of 0 or on two, and the truncated
powers G_m(z; a) = (z - a)_+^m/m!, G_(-1) the point mass,

    w(x) = sum_(k <= 3) c_k x^k + sum_(p, m <= 3) beta_pm G_m(+-x; |x_p|),
    F_mn = E G_m(z; a) G_n(z'; b),      dF_mn/dr = F_(m-1)(n-1),
    F_00 = Q(max(a, b)) - once(a, b),   once(a, -b) on two sides  (``angle_integrals``),
    F_(-1)0 = phi(a) Q(h),              h = (b - r a)/sqrt(1 - r^2),
    (n + 1) F_(-1)(n+1) = (1 - r^2) F_(-1)(n-1) - (b - r a) F_(-1)n,
    (m + 1) F_(m+1)n = F_(m-1)n + r F_m(n-1) - a F_mn,

by parts. What a polynomial has to do with w is a sum of four Hermite coefficients:
sum_k rho^k (P_k (P'_k + T_k') + T_k P'_k) with those of sum c_k x^k and of the others.

Legend: as in ``angle_integrals``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import MILLS, MILLS_WIDTH
from analytic.expectations.angle_integrals import (
    ANGLE_ROWS,
    DENSITY,
    DENSITY_A,
    DENSITY_B,
    NEAR,
    ONCE,
    PLACE_A,
    PLACE_B,
    TAIL_A,
    TAIL_B,
    TOGETHER,
    are_in_reach,
    begin_angles,
    copy_lines,
    density_and_once,
)

__all__ = ["CLOSE_POWERS", "DEGREES_OF_JUMPS", "OWN_POWERS", "QUADRANTS", "quadrant_sums"]

QUADRANTS = 4
"""The kind of these sums, beside those of tables and of lines."""
DEGREES_OF_JUMPS = 3
"""The largest m."""
OWN_POWERS = 9
"""Numbers asked of an input beside three for each place: s, P_k and T_k."""
CLOSE_POWERS = ANGLE_ROWS + 8 + 2 * OWN_POWERS, TOGETHER
"""Rows of room, and their length."""
_SIDE, _OTHER, _TAIL, _TAIL_, _F, _E, _D, _WORK, _OWN = (
    (ANGLE_ROWS + k) * TOGETHER for k in range(9)
)
_PART = _OWN + OWN_POWERS * TOGETHER
"""Where lines begin: b - r a, a - r b, F_(-1)0, F_0(-1), F_00, E and D; what is asked of the units
beside places."""


@elementwise
def _polynomials(sign: float, line: Any, n: int) -> None:
    """What has to do with the polynomial; of k > 0 coefficients of w', so that nothing is lost."""
    p, q, step = _OWN + TOGETHER, _PART + TOGETHER, 4 * TOGETHER
    for i in range(n):
        rho = sign * (1.0 - line[NEAR + i])
        first = line[p + i] * (line[q + i] + line[q + step + i]) + line[p + step + i] * line[q + i]
        line[_E + i] = first
        line[_D + i] = 0.0
        line[_WORK + i] = rho * (line[_OWN + i] * line[_PART + i])
    for k in range(1, 4):
        p, q, inverse = p + TOGETHER, q + TOGETHER, 1.0 / k
        for i in range(n):
            g = line[p + i] * (line[q + i] + line[q + step + i]) + line[p + step + i] * line[q + i]
            rho = sign * (1.0 - line[NEAR + i])
            power = 1.0 if k == 1 else (rho if k == 2 else rho * rho)
            line[_E + i] += inverse * (line[_WORK + i] * power * g)
            line[_D + i] += power * g


@elementwise
def _tails(sign: float, line: Any, n: int) -> None:
    """F_00, phi(a) Q(h) and phi(b) Q(h'); b - r a and a - r b, from one difference."""
    for i in range(n):
        a, b, near = line[PLACE_A + i], line[PLACE_B + i], line[NEAR + i]
        line[_SIDE + i] = (b - sign * a) + sign * near * a
        line[_OTHER + i] = sign * (near * b - (b - sign * a))
        line[_WORK + i] = 1.0 / np.sqrt(near * (2.0 - near) + 1e-300)
        q = line[TAIL_A + i] if a >= b else line[TAIL_B + i]
        line[_F + i] = q - line[ONCE + i] if sign > 0.0 else line[ONCE + i]
    _tail(DENSITY_A, _SIDE, _TAIL, line, n)
    _tail(DENSITY_B, _OTHER, _TAIL_, line, n)


@elementwise
def _tail(density: int, side: int, out: int, line: Any, n: int) -> None:
    """phi(a) Q(h) from phi(a) phi(h) and Mills's ratio at |h|; the first line is work."""
    for i in range(n):
        h = abs(line[side + i]) * line[_WORK + i]
        h = h if h < 1e100 else 1e100
        line[i] = (h - MILLS_WIDTH) / (h + MILLS_WIDTH)
        line[out + i] = MILLS[len(MILLS) - 1]
    for k in range(len(MILLS) - 2, -1, -1):
        coefficient = MILLS[k]
        for i in range(n):
            line[out + i] = line[out + i] * line[i] + coefficient
    for i in range(n):
        tail = line[out + i] * line[DENSITY + i]
        line[out + i] = tail if line[side + i] >= 0.0 else line[density + i] - tail


@elementwise
def _add_squares(sign: float, signed: float, w: Any, at: int, line: Any, n: int) -> None:
    """Add F_mn up to m, n = 2 with their weights."""
    w11, w12, w21, w22 = w[at], w[at + 1], w[at + 3], w[at + 4]
    for i in range(n):
        a, b, near, f = line[PLACE_A + i], line[PLACE_B + i], line[NEAR + i], line[_F + i]
        r, c, c_ = sign * (1.0 - near), line[_TAIL + i], line[_TAIL_ + i]
        z = np.sqrt(near * (2.0 - near)) * line[DENSITY + i]
        f10, f01 = c + r * c_ - a * f, c_ + r * c - b * f
        edge = z - line[_SIDE + i] * c
        f11 = edge + r * f - a * f01
        f12, f21 = 0.5 * (f10 + r * f01 - b * f11), 0.5 * (f01 + r * f10 - a * f11)
        f22 = 0.5 * (0.5 * (f + r * edge - b * f01) + r * f11 - a * f12)
        x, y = line[_OWN + i], line[_PART + i]
        line[_E + i] += x * y * (w11 * f11 + y * (w12 * f12) + x * (w21 * f21 + y * (w22 * f22)))
        line[_D + i] += signed * (w11 * f + y * (w12 * f01) + x * (w21 * f10 + y * (w22 * f11)))


@elementwise
def _add_cubes(sign: float, signed: float, w: Any, at: int, line: Any, n: int) -> None:
    """Add what has m = 3 or n = 3."""
    w13, w23, w31, w32, w33 = w[at + 2], w[at + 5], w[at + 6], w[at + 7], w[at + 8]
    for i in range(n):
        a, b, near, f = line[PLACE_A + i], line[PLACE_B + i], line[NEAR + i], line[_F + i]
        r, c, c_ = sign * (1.0 - near), line[_TAIL + i], line[_TAIL_ + i]
        z = np.sqrt(near * (2.0 - near)) * line[DENSITY + i]
        f10, f01 = c + r * c_ - a * f, c_ + r * c - b * f
        edge, edge_ = z - line[_SIDE + i] * c, z - line[_OTHER + i] * c_
        f11 = edge + r * f - a * f01
        f02, f20 = 0.5 * (f + r * edge - b * f01), 0.5 * (f + r * edge_ - a * f10)
        f12, f21 = 0.5 * (f10 + r * f01 - b * f11), 0.5 * (f01 + r * f10 - a * f11)
        f22, third = 0.5 * (f02 + r * f11 - a * f12), 1.0 / 3.0
        f13, f31 = third * (f11 + r * f02 - b * f12), third * (f11 + r * f20 - a * f21)
        f23, f32 = third * (f21 + r * f12 - b * f22), third * (f12 + r * f21 - a * f22)
        f33 = third * (f13 + r * f22 - a * f23)
        x, y = line[_OWN + i], line[_PART + i]
        line[_E + i] += x * y * y * y * (w13 * f13 + x * (w23 * f23 + x * (w33 * f33)))
        line[_E + i] += x * x * x * y * (w31 * f31 + y * (w32 * f32))
        line[_D + i] += signed * (y * y * (w13 * f02 + x * (w23 * f12 + x * (w33 * f22))))
        line[_D + i] += signed * (x * x * (w31 * f20 + y * (w32 * f21)))


@elementwise
def quadrant_sums(
    powers: Any, side: int, places: int, pairs: Any, n: int, room: Any, line: Any, bits: Any
) -> None:
    """E w(u) w(v) and E w'(u) w'(v) of n <= TOGETHER pairs.

    Args:
        powers: what may be left out, the largest m, and nine products of beta for each pair of
            places on one side of 0 and on two, (2, places, places, 9).
        side: 0 for rho > 0, 1 for rho < 0.
        places: how many |x_p| there are.
        pairs: rows of numbers: 1 - |rho|; where E goes; where D goes; what is asked of the first
            inputs, OWN_POWERS and a, phi and Q at each place; the same of the second ones.
        n: how many pairs there are.
        room: CLOSE_POWERS of room.
        line: the same memory.
        bits: the same memory.
    """
    signed, sharp, at_a, at_b = 1.0 - 2.0 * side, powers[0], 3, 3 + OWN_POWERS + 3 * places
    limits = sharp, sharp * begin_angles(pairs, n, room, line)
    copy_lines(pairs, at_a, OWN_POWERS, room, _OWN, n)
    copy_lines(pairs, at_b, OWN_POWERS, room, _PART, n)
    _polynomials(signed, line, n)
    for p in range(places):
        copy_lines(pairs, at_a + OWN_POWERS + 3 * p, 3, room, PLACE_A, n)
        for q in range(places):
            copy_lines(pairs, at_b + OWN_POWERS + 3 * q, 3, room, PLACE_B, n)
            for two in range(2):
                at = 2 + 9 * (((two + side) % 2 * places + p) * places + q)
                if not _count(powers, at) or (two == 1 and not are_in_reach(room, line, n)):
                    continue
                sign = 1.0 - 2.0 * two
                density_and_once(sign, room, line, bits, n, limits)
                _tails(sign, line, n)
                _add_squares(sign, sign * signed, powers, at, line, n)
                if powers[1] > 2.0:
                    _add_cubes(sign, sign * signed, powers, at, line, n)
    for i in range(n):
        pairs[1, i], pairs[2, i] = line[_E + i], line[_D + i]


@elementwise
def _count(powers: Any, at: int) -> bool:
    """Whether two places have weights."""
    total = 0.0
    for k in range(at, at + 9):
        total += abs(powers[k])
    return total > 0.0
