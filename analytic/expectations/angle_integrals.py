r"""Plackett's integrals over the angle between two units, for many pairs in step, compiled.

For kinks at a and sign b deviations, a, b >= 0, and with P = |A - B|/theta (``plackett``)

    once = int_0^theta exp(-Q(t)) dt/(2 pi)
         = theta/(2 pi) exp(-P^2/2 - A B/2 - (A - B)^2/6) sum_k e_k m_k,
    m_k = exp(P^2/2) int_0^1 exp(-P^2/(2 x^2)) x^(2 k) dx,    (2 k + 1) m_k = 1 - P^2 m_(k - 1).

e_k are Taylor's coefficients in x^2 of what is left of the integrand, which is nearly constant.

Legend: ``room`` has a row of TOGETHER numbers for each quantity; ``line`` and ``bits`` are the same
memory. Lines of numbers at known places of one array do not overlap, for all that compiled code
knows; where places are not known, it asks for rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import (
    COSECANT,
    COSINE,
    DEGREES,
    ERROR,
    FALLING,
    MOST,
    TANGENT,
)
from analytic.expectations.exponential_lanes import exponentials
from analytic.expectations.inverse_sine import arcsine_excess
from analytic.expectations.lengths_of_angles import largest_of, lengths_of_sums, level_of_moment

__all__ = [
    "ANGLE_ROWS",
    "BENT",
    "BOTH_LINE",
    "DENSITY",
    "DENSITY_A",
    "DENSITY_B",
    "FIRST_MOMENT",
    "GONE",
    "NEAR",
    "ONCE",
    "PLACE_A",
    "PLACE_B",
    "P_LINE",
    "SQUARE",
    "TAIL_A",
    "TAIL_B",
    "THETA",
    "TOGETHER",
    "Y_LINE",
    "add_bends",
    "are_in_reach",
    "begin_angles",
    "copy_lines",
    "density_and_once",
    "expand",
    "further_moments",
    "integrand",
    "once_and_bent",
]

TOGETHER = 64
"""Pairs that are taken in step: the loops are long enough, and the room stays in cache."""
GONE = 9.0
"""From this P on nothing is left."""
FALLEN = 30.0
"""What is fallen by exp(-FALLEN) needs the fewest terms."""
ANGLE_ROWS = 2 * MOST + FALLING + 18
"""Rows that are taken here: the first are e_k, and then come m_k."""
FIRST_MOMENT, _A, _WIDEST, _P, _BOTH, _Y, _POWER, _ONCE, _BENT = (
    MOST + 1,
    2 * MOST + FALLING + 2,
    *range(2 * MOST + FALLING + 11, ANGLE_ROWS),
)
"""The first number of row _WIDEST is the largest theta^2."""
PLACE_A, DENSITY_A, TAIL_A, PLACE_B, DENSITY_B, TAIL_B, NEAR, THETA, SQUARE = (
    (_A + k) * TOGETHER for k in range(9)
)
"""Where the lines of a place of two units begin, a, phi(a) and Q(a); 1 - |rho|, theta and its
square."""
P_LINE, BOTH_LINE, Y_LINE, DENSITY, ONCE, BENT = (
    row * TOGETHER for row in (_P, _BOTH, _Y, _POWER, _ONCE, _BENT)
)
_SQUARE = SQUARE // TOGETHER


@elementwise
def integrand(room: Any, n: int, terms: int) -> None:
    """e_k in the first rows: exp(-sum_k c_k xi^k) by k e_k = -sum_l l c_l e_(k - l)."""
    for i in range(n):
        room[0, i] = 1.0
        room[_ONCE, i] = room[_SQUARE, i]
    for k in range(1, terms + 1):
        tangent, cosecant, inverse = TANGENT[k], COSECANT[k], -1.0 / k
        for i in range(n):
            v, p = room[_SQUARE, i], room[_P, i]
            room[FIRST_MOMENT + k, i] = (tangent * room[_BOTH, i] + cosecant * (p * p * v)) * room[
                _ONCE, i
            ]
            room[_ONCE, i] *= v
        for i in range(n):
            room[k, i] = room[FIRST_MOMENT + k, i] * inverse
        for m in range(1, k - 1, 2):
            for i in range(n):
                room[k, i] += inverse * (
                    room[FIRST_MOMENT + m, i] * room[k - m, i]
                    + room[FIRST_MOMENT + m + 1, i] * room[k - m - 1, i]
                )
        if k % 2 == 0:
            for i in range(n):
                room[k, i] += inverse * (room[FIRST_MOMENT + k - 1, i] * room[1, i])


@elementwise
def _first_moment(room: Any, n: int, level: int) -> None:
    """m_0, in the row behind those of e_k."""
    degree = DEGREES[level]
    for i in range(n):
        room[FIRST_MOMENT + 1, i] = (room[_P, i] - 3.0) / (room[_P, i] + 3.0)
        room[FIRST_MOMENT, i] = ERROR[level, degree]
    for k in range(degree - 1, -1, -1):
        coefficient = ERROR[level, k]
        for i in range(n):
            room[FIRST_MOMENT, i] = room[FIRST_MOMENT, i] * room[FIRST_MOMENT + 1, i] + coefficient


@elementwise
def further_moments(room: Any, n: int, count: int) -> None:
    """m_k for 0 < k < count, in the rows behind that of m_0."""
    for k in range(1, count):
        inverse = 1.0 / (2 * k + 1)
        for i in range(n):
            square = room[_P, i] * room[_P, i]
            room[FIRST_MOMENT + k, i] = (1.0 - square * room[FIRST_MOMENT + k - 1, i]) * inverse


@elementwise
def copy_lines(pairs: Any, first: int, count: int, room: Any, place: int, n: int) -> None:
    """Some rows of what is asked of inputs, to where a line begins."""
    for k in range(count):
        for i in range(n):
            room[place // TOGETHER + k, i] = pairs[first + k, i]


@elementwise
def begin_angles(pairs: Any, n: int, room: Any, line: Any) -> float:
    """1 - |rho|, theta and its square.

    All integrals are theta/(2 pi) times what is left out of their sums: returns 1 over the largest.
    """
    for i in range(n):
        line[NEAR + i] = pairs[0, i]
    for i in range(n):
        half = 0.5 * line[NEAR + i]
        z = np.sqrt(half)
        angle = 2.0 * (z + z * arcsine_excess(half))
        angle = angle if angle > 1e-150 else 1e-150
        line[THETA + i], line[SQUARE + i], line[ONCE + i] = angle, angle * angle, angle * angle
    widest = largest_of(room, _ONCE, n)
    room[_WIDEST, 0] = widest
    return 2.0 * np.pi / np.sqrt(max(widest, 1e-300))


@elementwise
def _widths(sign: float, line: Any, n: int) -> None:
    """P, A B, y and what tells the lengths of sums, for ``expand``."""
    for i in range(n):
        a, b, v = line[PLACE_A + i], line[PLACE_B + i], line[SQUARE + i]
        gap, both = a - sign * b, sign * a * b
        wide = abs(gap) / line[THETA + i]
        p = wide if wide < GONE else GONE
        fallen = 0.5 * (p * p + both + gap * gap / 3.0)
        fallen = fallen if fallen < 700.0 else 700.0
        line[P_LINE + i], line[BOTH_LINE + i], line[Y_LINE + i] = p, both, fallen
        line[i], line[ONCE + i] = -fallen, abs(TANGENT[1] * both) + COSECANT[1] * p * p * v
        # P^(2 k)/(2 k + 1)!! of m_0 is in m_k: in ``once`` half of Q(min(a, b)) - Q(max(a, b)) over
        # P, in all, times exp(-P^2/2). On two sides the signs of e_k are lost: exp(2 a b)
        low = a if a < b else b
        line[DENSITY + i] = -0.5 * (p * p + (low * low if sign > 0.0 else 2.0 * both))


@elementwise
def expand(room: Any, bits: Any, n: int, allowed: tuple[float, float, float]) -> tuple[int, int]:
    """e_k, m_k and their factor exp(-y); how many there are, and are of the cosine.

    None where exp(-y), which is more than the integrand, is less than what may be left out.
    ``allowed`` is what may be left out of the sum of e_k and of m_0, with which share of -y.
    """
    least = largest_of(room, 0, n)
    if np.exp(allowed[2] * least) <= min(allowed[0], allowed[1]):
        return 0, 0
    least = max(least, -FALLEN)
    lost = max(largest_of(room, _POWER, n), -FALLEN)
    steep, widest = largest_of(room, _ONCE, n), room[_WIDEST, 0]
    terms, falls, degree = lengths_of_sums(steep, widest, allowed[0] * np.exp(-allowed[2] * least))
    level = level_of_moment(allowed[1] * np.exp(-allowed[2] * lost))
    exponentials(room, bits, (_Y, _POWER, 0), n, degree)
    integrand(room, n, terms)
    _first_moment(room, n, level)
    further_moments(room, n, terms + falls + 1)
    return terms, falls


@elementwise
def are_in_reach(room: Any, line: Any, n: int) -> bool:
    """Whether places on two sides of 0 see each other."""
    for i in range(n):
        line[i] = GONE * line[THETA + i] - (line[PLACE_A + i] + line[PLACE_B + i])
    return largest_of(room, 0, n) > 0.0


@elementwise
def once_and_bent(sign: float, room: Any, line: Any, bits: Any, n: int, sharp: float) -> None:
    """once(a, sign b), and bent with the factor cos t - cos theta."""
    if line[PLACE_A] + line[PLACE_B] == 0.0:  # these are kinks at 0, of all units
        for i in range(n):
            near, theta = line[NEAR + i], line[THETA + i]
            sine = np.sqrt(near * (2.0 - near))
            line[ONCE + i] = theta * (0.5 / np.pi)
            line[BENT + i] = (sine - theta * (1.0 - near)) * (0.5 / np.pi)
        return
    _widths(sign, line, n)
    terms, falls = expand(room, bits, n, (sharp, sharp, 1.0))
    if terms == 0:
        for i in range(n):
            line[ONCE + i] = line[BENT + i] = 0.0
        return
    add_bends(room, n, terms, falls)
    for i in range(n):
        size = line[THETA + i] * line[DENSITY + i] * (0.5 / np.pi)
        line[ONCE + i] *= size
        line[BENT + i] *= size


@elementwise
def density_and_once(
    sign: float, room: Any, line: Any, bits: Any, n: int, sharp: tuple[float, float]
) -> None:
    """exp(-Q(theta))/(2 pi), sin(theta) times the density of both units at a and b, and once.

    What is left out, ``sharp`` of the two, has the factor exp(-y/2), for powers of a and b multiply
    them. At its end the integrand has no m_k that make its last terms smaller.
    """
    if line[PLACE_A] + line[PLACE_B] == 0.0:
        for i in range(n):
            line[ONCE + i], line[DENSITY + i] = line[THETA + i] * (0.5 / np.pi), 0.5 / np.pi
        return
    allowed = min(sharp[1], sharp[0] / (2 * MOST + 3)), sharp[1], 0.5
    _widths(sign, line, n)
    terms, _ = expand(room, bits, n, allowed)
    if terms == 0:
        for i in range(n):
            line[ONCE + i] = line[DENSITY + i] = 0.0
        return
    for i in range(n):
        room[_ONCE, i], room[_Y, i] = room[FIRST_MOMENT, i], 1.0
    for k in range(1, terms + 1):
        for i in range(n):
            room[_ONCE, i] += room[k, i] * room[FIRST_MOMENT + k, i]
            room[_Y, i] += room[k, i]
    for i in range(n):
        size = line[DENSITY + i] * (0.5 / np.pi)
        line[ONCE + i] *= line[THETA + i] * size
        line[DENSITY + i] = line[Y_LINE + i] * size


@elementwise
def add_bends(room: Any, n: int, terms: int, falls: int) -> None:
    """The sums of e_k m_k, and with cos t - cos theta by its series in xi = x^2."""
    for i in range(n):
        room[_ONCE, i] = room[FIRST_MOMENT, i]
        room[_BENT, i] = 0.0
        room[_Y, i] = room[_SQUARE, i]
    for k in range(1, terms + 1):
        for i in range(n):
            room[_ONCE, i] += room[k, i] * room[FIRST_MOMENT + k, i]
    for f in range(1, falls + 1):
        factor, m = COSINE[f], FIRST_MOMENT + f
        for i in range(n):
            room[_BOTH, i] = -room[_ONCE, i]
        for k in range(0, terms, 2):
            for i in range(n):
                room[_BOTH, i] += room[k, i] * room[m + k, i] + room[k + 1, i] * room[m + k + 1, i]
        for i in range(n):
            room[_BENT, i] += factor * room[_Y, i] * room[_BOTH, i]
            room[_Y, i] *= room[_SQUARE, i]
