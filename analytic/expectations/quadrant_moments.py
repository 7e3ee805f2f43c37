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

Legend: room has rows of TOGETHER lanes; bits is the same memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.angle_coefficients import MILLS, MILLS_WIDTH
from analytic.expectations.angle_integrals import (
    ANGLE_ROWS,
    DENSITY,
    ONCE,
    SQUARE,
    TOGETHER,
    angles_of,
    are_in_reach,
    density_and_once,
)

__all__ = ["CLOSE_POWERS", "DEGREES_OF_JUMPS", "OWN_POWERS", "QUADRANTS", "quadrant_sums"]

QUADRANTS = 4
"""The kind of these sums, beside those of tables and of lines."""
DEGREES_OF_JUMPS = 3
"""The largest m."""
OWN_POWERS = 9
"""Numbers asked of an input beside three for each place: s, P_k and T_k."""
_SIDE, _OTHER, _TAIL, _TAIL_, _WORK, _BOTH = range(ANGLE_ROWS, ANGLE_ROWS + 6)
"""Rows behind those of the integrals: b - r a, a - r b, F_(-1)0, F_0(-1), s s'."""
CLOSE_POWERS = _BOTH + 1, TOGETHER


@compiled
def _polynomials(sign: float, asked: Any, phi: Any, small: Any, room: Any, e: Any, d: Any) -> None:
    """What has to do with the polynomial; of k > 0 coefficients of w', so that nothing is lost."""
    for i in range(small.size):
        rho = sign * (1.0 - small[i])
        g1 = asked[2, i] * (phi[2, i] + phi[6, i]) + asked[6, i] * phi[2, i]
        g2 = asked[3, i] * (phi[3, i] + phi[7, i]) + asked[7, i] * phi[3, i]
        g3 = asked[4, i] * (phi[4, i] + phi[8, i]) + asked[8, i] * phi[4, i]
        room[_BOTH, i] = asked[0, i] * phi[0, i]
        e[i] = asked[1, i] * (phi[1, i] + phi[5, i]) + asked[5, i] * phi[1, i]
        e[i] += room[_BOTH, i] * rho * (g1 + rho * (0.5 * g2 + rho * (g3 * (1.0 / 3.0))))
        d[i] = g1 + rho * (g2 + rho * g3)


@compiled
def _tails(own: Any, part: Any, sign: float, small: Any, room: Any, n: int) -> None:
    """phi(a) Q(h) and phi(b) Q(h'); b - r a and a - r b, from one difference."""
    for i in range(n):
        near = small[i]
        gap = part[0, i] - sign * own[0, i]
        room[_SIDE, i] = gap + sign * near * own[0, i]
        room[_OTHER, i] = sign * (near * part[0, i] - gap)
        room[_WORK, i] = 1.0 / np.sqrt(near * (2.0 - near) + 1e-300)
    _tail(own[1], _SIDE, _TAIL, room, n)
    _tail(part[1], _OTHER, _TAIL_, room, n)


@compiled
def _tail(density: Any, side: int, out: int, room: Any, n: int) -> None:
    """phi(a) Q(h) from phi(a) phi(h) and Mills's ratio at |h|; room[0] is work."""
    for i in range(n):
        h = abs(room[side, i]) * room[_WORK, i]
        h = h if h < 1e100 else 1e100
        room[0, i] = (h - MILLS_WIDTH) / (h + MILLS_WIDTH)
        room[out, i] = MILLS[len(MILLS) - 1]
    for k in range(len(MILLS) - 2, -1, -1):
        coefficient = MILLS[k]
        for i in range(n):
            room[out, i] = room[out, i] * room[0, i] + coefficient
    for i in range(n):
        tail = room[out, i] * room[DENSITY, i]
        room[out, i] = tail if room[side, i] >= 0.0 else density[i] - tail


@compiled
def _both_tails(own: Any, part: Any, sign: float, room: Any, i: int) -> Any:
    """P(z > a, +-z' > b), from once."""
    q = own[2, i] if own[0, i] >= part[0, i] else part[2, i]
    return q - room[ONCE, i] if sign > 0.0 else room[ONCE, i]


@compiled
def _add_squares(
    own: Any, part: Any, sign: float, w: Any, scales: Any, small: Any, room: Any, e: Any, d: Any
) -> None:
    """Add F_mn up to m, n = 2 with their weights; scales are s and s', and the sign of D."""
    s, s_, signed = scales
    w11, w12, w21, w22 = w[0], w[1], w[3], w[4]
    for i in range(small.size):
        a, b, near = own[0, i], part[0, i], small[i]
        r, f = sign * (1.0 - near), _both_tails(own, part, sign, room, i)
        z = np.sqrt(near * (2.0 - near)) * room[DENSITY, i]
        c, c_ = room[_TAIL, i], room[_TAIL_, i]
        f10, f01 = c + r * c_ - a * f, c_ + r * c - b * f
        edge = z - room[_SIDE, i] * c
        f11 = edge + r * f - a * f01
        f12, f21 = 0.5 * (f10 + r * f01 - b * f11), 0.5 * (f01 + r * f10 - a * f11)
        f22 = 0.5 * (0.5 * (f + r * edge - b * f01) + r * f11 - a * f12)
        x, y = s[i], s_[i]
        e[i] += x * y * (w11 * f11 + y * (w12 * f12) + x * (w21 * f21 + y * (w22 * f22)))
        d[i] += signed * (w11 * f + y * (w12 * f01) + x * (w21 * f10 + y * (w22 * f11)))


@compiled
def _add_cubes(
    own: Any, part: Any, sign: float, w: Any, scales: Any, small: Any, room: Any, e: Any, d: Any
) -> None:
    """Add what has m = 3 or n = 3."""
    s, s_, signed = scales
    w13, w23, w31, w32, w33 = w[2], w[5], w[6], w[7], w[8]
    for i in range(small.size):
        a, b, near = own[0, i], part[0, i], small[i]
        r, f = sign * (1.0 - near), _both_tails(own, part, sign, room, i)
        z = np.sqrt(near * (2.0 - near)) * room[DENSITY, i]
        c, c_ = room[_TAIL, i], room[_TAIL_, i]
        f10, f01 = c + r * c_ - a * f, c_ + r * c - b * f
        edge, edge_ = z - room[_SIDE, i] * c, z - room[_OTHER, i] * c_
        f11 = edge + r * f - a * f01
        f02, f20 = 0.5 * (f + r * edge - b * f01), 0.5 * (f + r * edge_ - a * f10)
        f12, f21 = 0.5 * (f10 + r * f01 - b * f11), 0.5 * (f01 + r * f10 - a * f11)
        f22, third = 0.5 * (f02 + r * f11 - a * f12), 1.0 / 3.0
        f13, f31 = third * (f11 + r * f02 - b * f12), third * (f11 + r * f20 - a * f21)
        f23, f32 = third * (f21 + r * f12 - b * f22), third * (f12 + r * f21 - a * f22)
        f33 = third * (f13 + r * f22 - a * f23)
        x, y = s[i], s_[i]
        e[i] += x * y * y * y * (w13 * f13 + x * (w23 * f23 + x * (w33 * f33)))
        e[i] += x * x * x * y * (w31 * f31 + y * (w32 * f32))
        d[i] += signed * (y * y * (w13 * f02 + x * (w23 * f12 + x * (w33 * f22))))
        d[i] += signed * (x * x * (w31 * f20 + y * (w32 * f21)))


@compiled
def quadrant_sums(
    powers: Any, side: int, places: int, asked: Any, phi: Any, small: Any, room: Any, bits: Any,
    e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of n <= TOGETHER pairs.

    Args:
        powers: what may be left out, the largest m, and nine products of beta for each pair of
            places on one side of 0 and on two, (2, places, places, 9).
        side: 0 for rho > 0, 1 for rho < 0.
        places: how many |x_p| there are.
        asked: numbers of the first inputs, (OWN_POWERS + 3 places, n): then a, phi and Q.
        phi: the same of the second ones.
        small: 1 - |rho|, (n,).
        room: ``CLOSE_POWERS``.
        bits: the same memory.
        e: where E goes, (n,).
        d: where D goes.
    """
    signed, n, sharp = 1.0 - 2.0 * side, small.size, powers[0]
    angles_of(small, room)
    _polynomials(signed, asked, phi, small, room, e, d)
    widest = 1e-300
    for i in range(n):
        widest = room[SQUARE, i] if room[SQUARE, i] > widest else widest
    limits, scales = (sharp, sharp * 2.0 * np.pi / np.sqrt(widest)), (asked[0], phi[0])
    for p in range(places):
        own = asked[OWN_POWERS + 3 * p : OWN_POWERS + 3 * p + 3]
        for q in range(places):
            part = phi[OWN_POWERS + 3 * q : OWN_POWERS + 3 * q + 3]
            for two in range(2):
                at = 2 + 9 * (((two + side) % 2 * places + p) * places + q)
                w, sign = powers[at : at + 9], 1.0 - 2.0 * two
                some = np.abs(w).sum() > 0.0
                if not some or (two == 1 and not are_in_reach(own[0], part[0], room)):
                    continue
                density_and_once(own[0], part[0], sign, room, bits, n, limits)
                _tails(own, part, sign, small, room, n)
                signs = scales[0], scales[1], sign * signed
                if powers[1] > 1.0:
                    _add_squares(own, part, sign, w, signs, small, room, e, d)
                if powers[1] > 2.0:
                    _add_cubes(own, part, sign, w, signs, small, room, e, d)
