r"""Pairs of a piecewise linear activation at small angles, for many of them, compiled.

With the slope m at 0 and the bends beta at x = +-|x_p|, a = |x_p|/s,

    w(x) = w_0 + m x + sum_p beta_p (+-x - |x_p|)_+,
    E (z - a)_+ (z' - b)_+ = Q(M) (rho + a b) - min(a, b) phi(M) + bent(a, b),    M = max(a, b),
    P(z > a, z' > b) = Q(M) - once(a, b),

and bent(a, -b), once(a, -b) for bends on two sides of 0 (``angle_integrals``).
All is exact to some roundings of the size of its terms.

Legend: as in ``angle_integrals``.
"""

from __future__ import annotations

from typing import Any

from analytic.compilation import elementwise
from analytic.expectations.angle_integrals import (
    ANGLE_ROWS,
    BENT,
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
    once_and_bent,
)

__all__ = ["CLOSE_LINES", "FARTHEST_LINES", "LINES", "OWN", "line_sums"]

LINES = 2
"""The kind of these sums, beside those of tables and of ``quadrant_moments``."""
FARTHEST_LINES = 0.3
"""The largest 1 - |rho|: theta^2 = 0.64."""
OWN = 3
"""Numbers asked of an input beside three for each place: s, and two sums over its bends."""
CLOSE_LINES = ANGLE_ROWS + 3 + 2 * OWN, TOGETHER
"""Rows of room, and their length."""
_SIZE, _E, _D, _OWN = ((ANGLE_ROWS + k) * TOGETHER for k in range(4))
_PART = _OWN + OWN * TOGETHER
"""Where lines begin: s s', E, D; what is asked of the units beside places."""


@elementwise
def _straight(lines: Any, sign: float, line: Any, n: int) -> None:
    """What the line and the means are without pairs of bends."""
    mean, m, once, twice = lines[0], lines[1], TOGETHER, 2 * TOGETHER
    for i in range(n):
        d = m * (m + line[_OWN + twice + i] + line[_PART + twice + i])
        size = line[_OWN + i] * line[_PART + i]
        e = mean * (mean + line[_OWN + once + i] + line[_PART + once + i])
        line[_E + i] = e + sign * d * (1.0 - line[NEAR + i]) * size
        line[_D + i], line[_SIZE + i] = d, size


@elementwise
def _same_side(weight: float, sign: float, line: Any, n: int) -> None:
    """Add a pair of bends on one side of 0."""
    for i in range(n):
        a, b = line[PLACE_A + i], line[PLACE_B + i]
        far = a >= b
        low = b if far else a
        high = line[DENSITY_A + i] if far else line[DENSITY_B + i]
        q = line[TAIL_A + i] if far else line[TAIL_B + i]
        value = q * ((1.0 - line[NEAR + i]) + a * b) - low * high + line[BENT + i]
        line[_E + i] += weight * line[_SIZE + i] * value
        line[_D + i] += sign * weight * (q - line[ONCE + i])


@elementwise
def _two_sides(weight: float, sign: float, line: Any, n: int) -> None:
    """Add a pair of bends on two sides of 0."""
    for i in range(n):
        line[_E + i] += weight * line[_SIZE + i] * line[BENT + i]
        line[_D + i] -= sign * weight * line[ONCE + i]


@elementwise
def line_sums(
    lines: Any, side: int, places: int, pairs: Any, n: int, room: Any, line: Any, bits: Any
) -> None:
    """E w(u) w(v) and E w'(u) w'(v) of n <= TOGETHER pairs.

    Args:
        lines: w_0, m, what may be left out, and the weights of places on one side of 0 and on two.
        side: 0 for rho > 0, 1 for rho < 0.
        places: how many |x_p| there are.
        pairs: rows of numbers: 1 - |rho|; where E goes; where D goes; what is asked of the first
            inputs, OWN and a, phi and Q at each place; the same of the second ones.
        n: how many pairs there are.
        room: CLOSE_LINES of room.
        line: the same memory.
        bits: the same memory.
    """
    sign, first, at_a, at_b = 1.0 - 2.0 * side, 3, 3, 3 + OWN + 3 * places
    sharp = lines[2] * begin_angles(pairs, n, room, line)
    copy_lines(pairs, at_a, OWN, room, _OWN, n)
    copy_lines(pairs, at_b, OWN, room, _PART, n)
    _straight(lines, sign, line, n)
    for p in range(places):
        copy_lines(pairs, at_a + OWN + 3 * p, 3, room, PLACE_A, n)
        for q in range(places):
            at = first + p * places + q
            same = lines[at + side * places * places]
            other = lines[at + (1 - side) * places * places]
            copy_lines(pairs, at_b + OWN + 3 * q, 3, room, PLACE_B, n)
            if same != 0.0:
                once_and_bent(1.0, room, line, bits, n, sharp)
                _same_side(same, sign, line, n)
            if other != 0.0 and are_in_reach(room, line, n):
                once_and_bent(-1.0, room, line, bits, n, sharp)
                _two_sides(other, sign, line, n)
    for i in range(n):
        pairs[1, i], pairs[2, i] = line[_E + i], line[_D + i]
