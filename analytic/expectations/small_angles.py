r"""Pairs of a piecewise linear activation at small angles, for many pairs of one row, compiled.

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

import math
from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.angle_coefficients import (
    COSECANT,
    COSINE,
    ERROR,
    FALLING,
    MOST,
    POWERS,
    TANGENT,
)
from analytic.expectations.inverse_sine import arcsine_excess

__all__ = ["CLOSE_LINES", "FARTHEST_LINES", "OWN", "TOGETHER", "line_sums"]

TOGETHER = 32
"""Lanes that are taken in step."""
FARTHEST_LINES = 0.3
"""The largest 1 - |rho|: theta^2 = 0.64."""
OWN = 3
"""Numbers asked of an input beside three for each place: s, and two sums over its bends."""
GONE = 9.0
"""From this P on nothing is left."""
TINY = 2.0**-56
"""What may be left out."""
_P, _BOTH, _Y, _POWER, _THETA, _V, _ONCE, _BENT = range(
    2 * MOST + FALLING + 2, 2 * MOST + FALLING + 10
)
"""Rows of the room behind those of e_k and m_k."""
CLOSE_LINES = _BENT + 1, TOGETHER


SHIFT = 1.5 * 2.0**52
LOG2, LN2_HIGH, LN2_LOW = 1 / math.log(2), 0.693147180369123816490, 1.90821492927058770002e-10


@compiled
def _exponential(y: Any, found: Any, bits: Any, room: Any) -> None:
    """exp(-y) for y in [0, 700], which is lost."""
    total = room[0]
    for i in range(TOGETHER):
        found[i] = SHIFT - y[i] * LOG2
    for i in range(TOGETHER):
        power = found[i] - SHIFT
        y[i] = (-y[i] - power * LN2_HIGH) - power * LN2_LOW
        total[i] = POWERS[13]
    for k in range(12, -1, -1):
        coefficient = POWERS[k]
        for i in range(TOGETHER):
            total[i] = total[i] * y[i] + coefficient
    for i in range(TOGETHER):
        bits[i] = (bits[i] + 1023) << 52
    for i in range(TOGETHER):
        found[i] *= total[i]


@compiled
def _remains(room: Any, terms: int) -> None:
    """e_k in the first rows: exp(-sum_k c_k xi^k) by k e_k = -sum_l l c_l e_(k - l)."""
    c, power, v, p, both = room[MOST + 1 :], room[_ONCE], room[_V], room[_P], room[_BOTH]
    for i in range(TOGETHER):
        room[0, i] = 1.0
        power[i] = v[i]
    for k in range(1, terms + 1):
        e, own, tangent, cosecant = room[k], c[k], TANGENT[k], COSECANT[k]
        for i in range(TOGETHER):
            own[i] = (tangent * both[i] + cosecant * (p[i] * p[i] * v[i])) * power[i]
            power[i] *= v[i]
            e[i] = 0.0
        if k % 2 == 1:
            other = room[0]
            for i in range(TOGETHER):
                e[i] = own[i] * other[i]
        for m in range(1, k, 2):
            one, other, two, another = c[m], room[k - m], c[m + 1], room[k - m - 1]
            for i in range(TOGETHER):
                e[i] += one[i] * other[i] + two[i] * another[i]
        inverse = -1.0 / k
        for i in range(TOGETHER):
            e[i] *= inverse


@compiled
def _moments(m: Any, p: Any, count: int) -> None:
    """m_k for k < count, in rows."""
    total, u = m[0], m[1]
    for i in range(TOGETHER):
        u[i] = (p[i] - 3.0) / (p[i] + 3.0)
        total[i] = ERROR[23]
    for k in range(22, -1, -1):
        coefficient = ERROR[k]
        for i in range(TOGETHER):
            total[i] = total[i] * u[i] + coefficient
    for k in range(1, count):
        row, before, inverse = m[k], m[k - 1], 1.0 / (2 * k + 1)
        for i in range(TOGETHER):
            row[i] = (1.0 - p[i] * p[i] * before[i]) * inverse


@compiled
def _lengths(room: Any) -> tuple[int, int]:
    """How many coefficients serve: of the integrand, an odd number, and of the cosine.

    What they leave out is below TINY with the factor exp(-y), as 1/(2 k + 1) bounds m_k.
    """
    p, both, y, v, least, x, largest = room[_P], room[_BOTH], room[_Y], room[_V], 30.0, 0.0, 0.0
    for i in range(TOGETHER):
        first = abs(TANGENT[1] * both[i]) + COSECANT[1] * p[i] * p[i] * v[i]
        least = y[i] if y[i] < least else least
        x = first if first > x else x
        largest = v[i] if v[i] > largest else largest
    allowed, far = TINY * np.exp(least), largest / 9.0
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
    return terms, falls


@compiled
def _angle_sums(a: float, b: Any, sign: float, room: Any, bits: Any) -> None:
    """once(a, sign b) and bent(a, sign b), in rows of the room."""
    p, both, y, theta = room[_P], room[_BOTH], room[_Y], room[_THETA]
    for i in range(TOGETHER):
        gap = a - sign * b[i]
        wide = abs(gap) / theta[i]
        p[i] = wide if wide < GONE else GONE
        both[i] = sign * a * b[i]
        fallen = 0.5 * (p[i] * p[i] + both[i] + gap * gap / 3.0)
        y[i] = fallen if fallen < 700.0 else 700.0
    terms, falls = _lengths(room)
    _exponential(y, room[_POWER], bits[_POWER], room)
    _remains(room, terms)
    m = room[MOST + 1 :]
    _moments(m, p, terms + falls + 1)
    _bend(room, m, terms, falls)
    once, bent, power = room[_ONCE], room[_BENT], room[_POWER]
    for i in range(TOGETHER):
        size = theta[i] * power[i] * (0.5 / np.pi)
        once[i] *= size
        bent[i] *= size


@compiled
def _bend(room: Any, m: Any, terms: int, falls: int) -> None:
    """The sums of e_k m_k, and with cos t - cos theta by its series in xi = x^2."""
    once, bent, both, y, v = room[_ONCE], room[_BENT], room[_BOTH], room[_Y], room[_V]
    for i in range(TOGETHER):
        once[i] = 0.0
        bent[i] = 0.0
        y[i] = v[i]
    for k in range(terms + 1):
        e, part = room[k], m[k]
        for i in range(TOGETHER):
            once[i] += e[i] * part[i]
    for f in range(1, falls + 1):
        factor = COSINE[f]
        for i in range(TOGETHER):
            both[i] = -once[i]
        for k in range(0, terms, 2):
            e, part, more, rest = room[k], m[k + f], room[k + 1], m[k + f + 1]
            for i in range(TOGETHER):
                both[i] += e[i] * part[i] + more[i] * rest[i]
        for i in range(TOGETHER):
            bent[i] += factor * y[i] * both[i]
            y[i] *= v[i]


@compiled
def _straight(
    lines: Any, sign: float, asked: Any, phi: Any, small: Any, room: Any, e: Any, d: Any
) -> float:
    """What the line and the means are without pairs of bends; the largest theta^2."""
    mean, m, s, bow, turn = lines[0], lines[1], phi[0], phi[1], phi[2]
    theta, v, largest = room[_THETA], room[_V], 0.0
    for i in range(TOGETHER):
        half = 0.5 * small[i]
        z = np.sqrt(half)
        angle = 2.0 * (z + z * arcsine_excess(half))
        theta[i] = angle if angle > 1e-150 else 1e-150
    for i in range(TOGETHER):
        v[i] = theta[i] * theta[i]
    for i in range(TOGETHER):
        d[i] = m * (m + asked[2] + turn[i])
    for i in range(TOGETHER):
        e[i] = sign * d[i] * (1.0 - small[i]) * (asked[0] * s[i])
    for i in range(TOGETHER):
        e[i] += mean * (mean + asked[1] + bow[i])
    for i in range(TOGETHER):
        largest = v[i] if v[i] > largest else largest
    return largest


@compiled
def _same_side(
    asked: Any, phi: Any, weight: float, sign: float, small: Any, s: Any, room: Any, e: Any, d: Any
) -> None:
    """Add a pair of bends on one side of 0; asked and phi have a, phi and Q of their places."""
    once, bent, b, densities, tails = room[_ONCE], room[_BENT], phi[0], phi[1], phi[2]
    a, density, tail, factor = asked[0], asked[1], asked[2], weight * asked[3]
    for i in range(TOGETHER):
        far = a >= b[i]
        low, high, q = (
            b[i] if far else a,
            density if far else densities[i],
            tail if far else tails[i],
        )
        value = q * ((1.0 - small[i]) + a * b[i]) - low * high + bent[i]
        e[i] += factor * s[i] * value
        d[i] += sign * weight * (q - once[i])


@compiled
def line_sums(
    lines: Any, side: int, places: int, asked: Any, phi: Any, small: Any, room: Any, bits: Any,
    e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of TOGETHER lanes.

    Args:
        lines: w_0, m, and the weights of pairs of places on one side of 0 and on two.
        side: 0 for rho > 0, 1 for rho < 0.
        places: how many |x_p| there are.
        asked: numbers of the row, (OWN + 3 places,): those, then a, phi and Q at each place.
        phi: the same of the lanes, (OWN + 3 places, lanes).
        small: 1 - |rho|, (lanes,).
        room: (ROOM, lanes).
        bits: the same memory.
        e: where E goes, (lanes,).
        d: where D goes.
    """
    sign, s = 1.0 - 2.0 * side, phi[0]
    v = _straight(lines, sign, asked, phi, small, room, e, d)
    wide, once, bent = GONE * np.sqrt(v), room[_ONCE], room[_BENT]
    for p in range(places):
        start = OWN + 3 * p
        a = asked[start]
        own = (a, asked[start + 1], asked[start + 2], asked[0])
        for q in range(places):
            at, part = 2 + p * places + q, phi[OWN + 3 * q : OWN + 3 * q + 3]
            same, other = (
                lines[at + side * places * places],
                lines[at + (1 - side) * places * places],
            )
            if same != 0.0:
                _angle_sums(a, part[0], 1.0, room, bits)
                _same_side(own, part, same, sign, small, s, room, e, d)
            if other != 0.0 and a + part[0].min() < wide:
                _angle_sums(a, part[0], -1.0, room, bits)
                for i in range(TOGETHER):
                    e[i] += other * asked[0] * s[i] * bent[i]
                    d[i] -= sign * other * once[i]
