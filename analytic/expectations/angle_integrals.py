r"""Plackett's integrals over the angle between two units, for many pairs in step, compiled.

For kinks at a and sign b deviations, a, b >= 0, and with P = |A - B|/theta (``plackett``)

    once = int_0^theta exp(-Q(t)) dt/(2 pi)
         = theta/(2 pi) exp(-P^2/2 - A B/2 - (A - B)^2/6) sum_k e_k m_k,
    m_k = exp(P^2/2) int_0^1 exp(-P^2/(2 x^2)) x^(2 k) dx,    (2 k + 1) m_k = 1 - P^2 m_(k - 1).

e_k are Taylor's coefficients in x^2 of what is left of the integrand, which is nearly constant.

Legend: room has rows of TOGETHER lanes; bits and line are the same memory. Lines of numbers at
known places of one array do not overlap, for all that compiled code knows; arrays may.
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

__all__ = [
    "ANGLE_ROWS",
    "BENT",
    "DENSITY",
    "ONCE",
    "TOGETHER",
    "are_in_reach",
    "begin_pairs",
    "copy_lines",
    "density_and_once",
    "once_and_bent",
]

TOGETHER = 64
"""Pairs that are taken in step: the loops are long enough, and the room stays in cache."""
GONE = 9.0
"""From this P on nothing is left."""
FALLEN = 30.0
"""What is fallen by exp(-FALLEN) needs the fewest terms."""
LEAST, HALF_LN2 = 4, 0.35
"""The least degree of the exponential, and its largest argument."""
_P, _BOTH, _Y, DENSITY, THETA, SQUARE, ONCE, BENT = range(
    2 * MOST + FALLING + 2, 2 * MOST + FALLING + 10
)
"""Rows of the room behind those of e_k and m_k; SQUARE is theta^2."""
ANGLE_ROWS = BENT + 1


@compiled
def _remains(room: Any, n: int, terms: int) -> None:
    """e_k in the first rows: exp(-sum_k c_k xi^k) by k e_k = -sum_l l c_l e_(k - l)."""
    c = MOST + 1
    for i in range(n):
        room[0, i] = 1.0
        room[ONCE, i] = room[SQUARE, i]
    for k in range(1, terms + 1):
        tangent, cosecant, inverse = TANGENT[k], COSECANT[k], -1.0 / k
        for i in range(n):
            v, p = room[SQUARE, i], room[_P, i]
            room[c + k, i] = (tangent * room[_BOTH, i] + cosecant * (p * p * v)) * room[ONCE, i]
            room[ONCE, i] *= v
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
def _lengths(room: Any, n: int, sharp: float, share: float) -> tuple[int, int, int]:
    """How many coefficients serve: of the integrand, an odd number, and of the cosine.

    What they leave out is below ``sharp`` with the factor exp(-share y), as 1/(2 k + 1) bounds m_k.
    The last one is the degree of the exponential.
    """
    least, x, largest = FALLEN, 0.0, 0.0
    for i in range(n):
        v, p, y = room[SQUARE, i], room[_P, i], room[_Y, i]
        first = abs(TANGENT[1] * room[_BOTH, i]) + COSECANT[1] * p * p * v
        least = y if y < least else least
        x = first if first > x else x
        largest = v if v > largest else largest
    allowed, far = sharp * np.exp(share * least), largest / 9.0
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
def _level(a: Any, b: Any, sign: float, room: Any, n: int, sharp: float, share: float) -> int:
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
    level, allowed = 0, sharp * np.exp(share * least)
    while level < len(DEGREES) - 1 and LOST[level] > allowed:
        level += 1
    return level


@compiled
def copy_lines(source: Any, first: int, count: int, line: Any, place: int) -> None:
    """Some rows of what is asked of inputs."""
    for k in range(count):
        for i in range(source.shape[1]):
            line[place + k * TOGETHER + i] = source[first + k, i]


@compiled
def _angles_of(small: Any, room: Any) -> None:
    """Theta and its square, of 1 - cos(theta)."""
    for i in range(small.size):
        half = 0.5 * small[i]
        z = np.sqrt(half)
        angle = 2.0 * (z + z * arcsine_excess(half))
        angle = angle if angle > 1e-150 else 1e-150
        room[THETA, i] = angle
        room[SQUARE, i] = angle * angle


@compiled
def begin_pairs(
    asked: Any, phi: Any, count: int, small: Any, room: Any, line: Any, places: tuple[int, int, int]
) -> float:
    """Their angles, and what is asked of both inputs, in lines at three places with 1 - |rho|.

    All integrals are theta/(2 pi) times what is left out of their sums: returns 1 over the largest.
    """
    widest = 1e-300
    _angles_of(small, room)
    copy_lines(asked, 0, count, line, places[0])
    copy_lines(phi, 0, count, line, places[1])
    for i in range(small.size):
        line[places[2] + i] = small[i]
        widest = room[SQUARE, i] if room[SQUARE, i] > widest else widest
    return 2.0 * np.pi / np.sqrt(widest)


@compiled
def _expand(
    a: Any, b: Any, sign: float, room: Any, bits: Any, n: int, allowed: tuple[float, float, float]
) -> tuple[int, int]:
    """e_k, m_k and their factor exp(-y); how many there are, and are of the cosine.

    ``allowed`` is what may be left out of the sum of e_k and of m_0, with which share of -y.
    """
    for i in range(n):
        gap = a[i] - sign * b[i]
        wide = abs(gap) / room[THETA, i]
        p = wide if wide < GONE else GONE
        room[_P, i] = p
        room[_BOTH, i] = sign * a[i] * b[i]
        fallen = 0.5 * (p * p + sign * a[i] * b[i] + gap * gap / 3.0)
        room[_Y, i] = fallen if fallen < 700.0 else 700.0
    terms, falls, degree = _lengths(room, n, allowed[0], allowed[2])
    level = _level(a, b, sign, room, n, allowed[1], allowed[2])
    exponentials(room[_Y], room[DENSITY], bits[DENSITY], room[0], n, degree)
    _remains(room, n, terms)
    _moments(room, n, terms + falls + 1, level)
    return terms, falls


@compiled
def are_in_reach(a: Any, b: Any, room: Any) -> bool:
    """Whether bends on two sides of 0 see each other."""
    count = 0
    for i in range(a.size):
        count += a[i] + b[i] < GONE * room[THETA, i]
    return count > 0


@compiled
def once_and_bent(a: Any, b: Any, sign: float, room: Any, bits: Any, n: int, sharp: float) -> None:
    """once(a, sign b), and bent with the factor cos t - cos theta, in rows of the room."""
    terms, falls = _expand(a, b, sign, room, bits, n, (sharp, sharp, 1.0))
    _bend(room, n, terms, falls)
    for i in range(n):
        size = room[THETA, i] * room[DENSITY, i] * (0.5 / np.pi)
        room[ONCE, i] *= size
        room[BENT, i] *= size


@compiled
def density_and_once(
    a: Any, b: Any, sign: float, room: Any, bits: Any, n: int, sharp: tuple[float, float]
) -> None:
    """exp(-Q(theta))/(2 pi), sin(theta) times the density of both units at a and b, and once.

    What is left out, ``sharp`` of the two, has the factor exp(-y/2), for powers of a and b multiply
    them. At its end the integrand has no m_k that make its last terms smaller.
    """
    allowed = min(sharp[1], sharp[0] / (2 * MOST + 3)), sharp[1], 0.5
    terms, _ = _expand(a, b, sign, room, bits, n, allowed)
    m = MOST + 1
    for i in range(n):
        room[ONCE, i], room[_Y, i] = room[m, i], 1.0
    for k in range(1, terms + 1):
        for i in range(n):
            room[ONCE, i] += room[k, i] * room[m + k, i]
            room[_Y, i] += room[k, i]
    for i in range(n):
        size = room[DENSITY, i] * (0.5 / np.pi)
        room[ONCE, i] *= room[THETA, i] * size
        room[DENSITY, i] = room[_Y, i] * size


@compiled
def _bend(room: Any, n: int, terms: int, falls: int) -> None:
    """The sums of e_k m_k, and with cos t - cos theta by its series in xi = x^2."""
    m = MOST + 1
    for i in range(n):
        room[ONCE, i] = room[m, i]
        room[BENT, i] = 0.0
        room[_Y, i] = room[SQUARE, i]
    for k in range(1, terms + 1):
        for i in range(n):
            room[ONCE, i] += room[k, i] * room[m + k, i]
    for f in range(1, falls + 1):
        factor = COSINE[f]
        for i in range(n):
            room[_BOTH, i] = -room[ONCE, i]
        for k in range(0, terms, 2):
            for i in range(n):
                room[_BOTH, i] += (
                    room[k, i] * room[m + k + f, i] + room[k + 1, i] * room[m + k + f + 1, i]
                )
        for i in range(n):
            room[BENT, i] += factor * room[_Y, i] * room[_BOTH, i]
            room[_Y, i] *= room[SQUARE, i]
