r"""Pairs of a piecewise linear activation at small angles, for many of them, compiled.

With the slope m at 0 and the bends beta at x = +-|x_p|, a = |x_p|/s,

    w(x) = w_0 + m x + sum_p beta_p (+-x - |x_p|)_+,
    E (z - a)_+ (z' - b)_+ = Q(M) (rho + a b) - min(a, b) phi(M) + bent(a, b),    M = max(a, b),
    P(z > a, z' > b) = Q(M) - once(a, b),

and bent(a, -b), once(a, -b) for bends on two sides of 0, where (``plackett``)

    once = theta/(2 pi) exp(-P^2/2 - A B/2 - (A - B)^2/6) sum_k e_k m_k,    P = |A - B|/theta,
    m_k = exp(P^2/2) int_0^1 exp(-P^2/(2 x^2)) x^(2 k) dx,    (2 k + 1) m_k = 1 - P^2 m_(k - 1).

e_k are Taylor's coefficients in x^2 of what is left of the integrand, which is nearly constant.
All is exact to some roundings of the size of its terms.

Legend: room has rows of TOGETHER lanes; bits is the same memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.angle_coefficients import (
    COSECANT,
    COSINE,
    DEGREES,
    ERROR,
    FALLING,
    LOST,
    MOST,
    POWERS,
    TANGENT,
)
from analytic.expectations.exponential_lanes import exponentials
from analytic.expectations.inverse_sine import arcsine_excess

__all__ = ["CLOSE_LINES", "FARTHEST_LINES", "OWN", "TOGETHER", "line_sums"]

TOGETHER = 64
"""Pairs that are taken in step: the loops are long enough, and the room stays in cache."""
FARTHEST_LINES = 0.3
"""The largest 1 - |rho|: theta^2 = 0.64."""
OWN = 3
"""Numbers asked of an input beside three for each place: s, and two sums over its bends."""
GONE = 9.0
"""From this P on nothing is left."""
FALLEN = 30.0
"""What is fallen by exp(-FALLEN) needs the fewest terms."""
LEAST, HALF_LN2 = 4, 0.35
"""The least degree of the exponential, and its largest argument."""
_P, _BOTH, _Y, _POWER, _THETA, _V, _ONCE, _BENT, _SIZE = range(
    2 * MOST + FALLING + 2, 2 * MOST + FALLING + 11
)
"""Rows of the room behind those of e_k and m_k."""
CLOSE_LINES = _SIZE + 1, TOGETHER


@compiled
def _remains(room: Any, n: int, terms: int) -> None:
    """e_k in the first rows: exp(-sum_k c_k xi^k) by k e_k = -sum_l l c_l e_(k - l)."""
    c = MOST + 1
    for i in range(n):
        room[0, i] = 1.0
        room[_ONCE, i] = room[_V, i]
    for k in range(1, terms + 1):
        tangent, cosecant, inverse = TANGENT[k], COSECANT[k], -1.0 / k
        for i in range(n):
            v, p = room[_V, i], room[_P, i]
            room[c + k, i] = (tangent * room[_BOTH, i] + cosecant * (p * p * v)) * room[_ONCE, i]
            room[_ONCE, i] *= v
        for i in range(n):
            room[k, i] = room[c + k, i] * inverse
        for m in range(1, k - 1, 2):
            for i in range(n):
                room[k, i] += inverse * (
                    room[c + m, i] * room[k - m, i] + room[c + m + 1, i] * room[k - m - 1, i]
                )
        if k % 2 == 0:
            for i in range(n):
                room[k, i] += inverse * (room[c + k - 1, i] * room[1, i])


@compiled
def _moments(room: Any, n: int, count: int, level: int) -> None:
    """m_k for k < count, in the rows behind those of e_k."""
    first = MOST + 1
    degree = DEGREES[level]
    for i in range(n):
        room[first + 1, i] = (room[_P, i] - 3.0) / (room[_P, i] + 3.0)
        room[first, i] = ERROR[level, degree]
    for k in range(degree - 1, -1, -1):
        coefficient = ERROR[level, k]
        for i in range(n):
            room[first, i] = room[first, i] * room[first + 1, i] + coefficient
    for k in range(1, count):
        inverse = 1.0 / (2 * k + 1)
        for i in range(n):
            square = room[_P, i] * room[_P, i]
            room[first + k, i] = (1.0 - square * room[first + k - 1, i]) * inverse


@compiled
def _lengths(room: Any, n: int, sharp: float) -> tuple[int, int, int]:
    """How many coefficients serve: of the integrand, an odd number, and of the cosine.

    What they leave out is below ``sharp`` with the factor exp(-y), as 1/(2 k + 1) bounds m_k. The
    last one is the degree of the exponential.
    """
    least, x, largest = FALLEN, 0.0, 0.0
    for i in range(n):
        v, p, y = room[_V, i], room[_P, i], room[_Y, i]
        first = abs(TANGENT[1] * room[_BOTH, i]) + COSECANT[1] * p * p * v
        least = y if y < least else least
        x = first if first > x else x
        largest = v if v > largest else largest
    allowed, far = sharp * np.exp(least), largest / 9.0
    x = x * largest + far
    terms, power, apart = 1, x, 1.0  # x^k/k!, far^(k - 1)
    while terms < MOST and max(power * x / (terms + 1), x * apart * far) > allowed * (
        2 * terms + 3
    ):
        power *= x * x / ((terms + 1) * (terms + 2))
        apart *= far * far
        terms += 2
    falls, term = 1, 0.5 * largest
    while falls < FALLING and term > 8.0 * allowed:
        falls += 1
        term *= largest / ((2 * falls - 1) * (2 * falls))
    degree = LEAST
    while degree < len(POWERS) - 1 and POWERS[degree] * HALF_LN2 ** (degree + 1) > allowed:
        degree += 1
    return terms, falls, degree


@compiled
def _level(a: Any, b: Any, sign: float, room: Any, n: int, sharp: float) -> int:
    """The number of a series for m_0, what it leaves out being below ``sharp``.

    P^(2 k)/(2 k + 1)!! of it is in m_k: in ``once`` half of Q(min(a, b)) - Q(max(a, b)) over P,
    in all, times exp(-P^2/2). On two sides of 0 the signs of e_k are lost, which costs exp(2 a b).
    """
    least = FALLEN
    for i in range(n):
        low = a[i] if a[i] < b[i] else b[i]
        p, square = room[_P, i], low * low if sign > 0.0 else -2.0 * a[i] * b[i]
        fallen = 0.5 * (p * p + square)
        least = fallen if fallen < least else least
    level, allowed = 0, sharp * np.exp(least)
    while level < len(DEGREES) - 1 and LOST[level] > allowed:
        level += 1
    return level


@compiled
def _angle_sums(a: Any, b: Any, sign: float, room: Any, bits: Any, n: int, sharp: float) -> None:
    """once(a, sign b) and bent(a, sign b), in rows of the room."""
    for i in range(n):
        gap = a[i] - sign * b[i]
        wide = abs(gap) / room[_THETA, i]
        p = wide if wide < GONE else GONE
        room[_P, i] = p
        room[_BOTH, i] = sign * a[i] * b[i]
        fallen = 0.5 * (p * p + sign * a[i] * b[i] + gap * gap / 3.0)
        room[_Y, i] = fallen if fallen < 700.0 else 700.0
    terms, falls, degree = _lengths(room, n, sharp)
    level = _level(a, b, sign, room, n, sharp)
    exponentials(room[_Y], room[_POWER], bits[_POWER], room[0], n, degree)
    _remains(room, n, terms)
    _moments(room, n, terms + falls + 1, level)
    _bend(room, n, terms, falls)
    for i in range(n):
        size = room[_THETA, i] * room[_POWER, i] * (0.5 / np.pi)
        room[_ONCE, i] *= size
        room[_BENT, i] *= size


@compiled
def _bend(room: Any, n: int, terms: int, falls: int) -> None:
    """The sums of e_k m_k, and with cos t - cos theta by its series in xi = x^2."""
    m = MOST + 1
    for i in range(n):
        room[_ONCE, i] = room[m, i]
        room[_BENT, i] = 0.0
        room[_Y, i] = room[_V, i]
    for k in range(1, terms + 1):
        for i in range(n):
            room[_ONCE, i] += room[k, i] * room[m + k, i]
    for f in range(1, falls + 1):
        factor = COSINE[f]
        for i in range(n):
            room[_BOTH, i] = -room[_ONCE, i]
        for k in range(0, terms, 2):
            for i in range(n):
                room[_BOTH, i] += (
                    room[k, i] * room[m + k + f, i] + room[k + 1, i] * room[m + k + f + 1, i]
                )
        for i in range(n):
            room[_BENT, i] += factor * room[_Y, i] * room[_BOTH, i]
            room[_Y, i] *= room[_V, i]


@compiled
def _straight(
    lines: Any, sign: float, asked: Any, phi: Any, small: Any, room: Any, e: Any, d: Any
) -> None:
    """What the line and the means are without pairs of bends."""
    mean, m = lines[0], lines[1]
    for i in range(small.size):
        half = 0.5 * small[i]
        z = np.sqrt(half)
        angle = 2.0 * (z + z * arcsine_excess(half))
        angle = angle if angle > 1e-150 else 1e-150
        room[_THETA, i] = angle
        room[_V, i] = angle * angle
    for i in range(small.size):
        d[i] = m * (m + asked[2, i] + phi[2, i])
        e[i] = sign * d[i] * (1.0 - small[i]) * (asked[0, i] * phi[0, i])
        e[i] += mean * (mean + asked[1, i] + phi[1, i])


@compiled
def _same_side(
    asked: Any, phi: Any, weight: float, sign: float, small: Any, s: Any, room: Any, e: Any, d: Any
) -> None:
    """Add a pair of bends on one side of 0; asked and phi have a, phi and Q of their places."""
    for i in range(small.size):
        a, b = asked[0, i], phi[0, i]
        far = a >= b
        low = b if far else a
        high = asked[1, i] if far else phi[1, i]
        q = asked[2, i] if far else phi[2, i]
        value = q * ((1.0 - small[i]) + a * b) - low * high + room[_BENT, i]
        e[i] += weight * s[i] * value
        d[i] += sign * weight * (q - room[_ONCE, i])


@compiled
def _reach(a: Any, b: Any, room: Any) -> bool:
    """Whether bends on two sides of 0 see each other."""
    count = 0
    for i in range(a.size):
        count += a[i] + b[i] < GONE * room[_THETA, i]
    return count > 0


@compiled
def line_sums(
    lines: Any, side: int, places: int, asked: Any, phi: Any, small: Any, room: Any, bits: Any,
    e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of n <= TOGETHER pairs.

    Args:
        lines: w_0, m, what may be left out, and the weights of places on one side of 0 and on two.
        side: 0 for rho > 0, 1 for rho < 0.
        places: how many |x_p| there are.
        asked: numbers of the first inputs, (OWN + 3 places, n): then a, phi and Q at each place.
        phi: the same of the second ones.
        small: 1 - |rho|, (n,).
        room: ``CLOSE_LINES``.
        bits: the same memory.
        e: where E goes, (n,).
        d: where D goes.
    """
    sign, n, sharp, first = 1.0 - 2.0 * side, small.size, lines[2], 3
    _straight(lines, sign, asked, phi, small, room, e, d)
    both, widest = room[_SIZE], 0.0
    for i in range(n):
        both[i] = asked[0, i] * phi[0, i]
        widest = room[_V, i] if room[_V, i] > widest else widest
    sharp *= 2.0 * np.pi / np.sqrt(max(widest, 1e-300))  # all integrals have theta/(2 pi)
    for p in range(places):
        own = asked[OWN + 3 * p : OWN + 3 * p + 3]
        for q in range(places):
            part = phi[OWN + 3 * q : OWN + 3 * q + 3]
            at = first + p * places + q
            same = lines[at + side * places * places]
            other = lines[at + (1 - side) * places * places]
            if same != 0.0:
                _angle_sums(own[0], part[0], 1.0, room, bits, n, sharp)
                _same_side(own, part, same, sign, small, both, room, e, d)
            if other != 0.0 and _reach(own[0], part[0], room):
                _angle_sums(own[0], part[0], -1.0, room, bits, n, sharp)
                for i in range(n):
                    e[i] += other * both[i] * room[_BENT, i]
                    d[i] -= sign * other * room[_ONCE, i]
