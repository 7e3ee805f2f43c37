r"""Pairs of a piecewise linear activation at small angles, for many of them, compiled.

With the slope m at 0 and the bends beta at x = +-|x_p|, a = |x_p|/s,

    w(x) = w_0 + m x + sum_p beta_p (+-x - |x_p|)_+,
    E (z - a)_+ (z' - b)_+ = Q(M) (rho + a b) - min(a, b) phi(M) + bent(a, b),    M = max(a, b),
    P(z > a, z' > b) = Q(M) - once(a, b),

and bent(a, -b), once(a, -b) for bends on two sides of 0 (``angle_integrals``).
All is exact to some roundings of the size of its terms.

Legend: room has rows of TOGETHER lanes; bits is the same memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.angle_integrals import (
    ANGLE_ROWS,
    BENT,
    ONCE,
    SQUARE,
    TOGETHER,
    angles_of,
    are_in_reach,
    once_and_bent,
)

__all__ = ["CLOSE_LINES", "FARTHEST_LINES", "LINES", "OWN", "line_sums"]

LINES = 2
"""The kind of these sums, beside those of tables and of ``quadrant_moments``."""
FARTHEST_LINES = 0.3
"""The largest 1 - |rho|: theta^2 = 0.64."""
OWN = 3
"""Numbers asked of an input beside three for each place: s, and two sums over its bends."""
_SIZE = ANGLE_ROWS
"""The row behind those of the integrals."""
CLOSE_LINES = _SIZE + 1, TOGETHER


@compiled
def _straight(
    lines: Any, sign: float, asked: Any, phi: Any, small: Any, room: Any, e: Any, d: Any
) -> None:
    """What the line and the means are without pairs of bends."""
    mean, m = lines[0], lines[1]
    angles_of(small, room)
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
        value = q * ((1.0 - small[i]) + a * b) - low * high + room[BENT, i]
        e[i] += weight * s[i] * value
        d[i] += sign * weight * (q - room[ONCE, i])


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
        widest = room[SQUARE, i] if room[SQUARE, i] > widest else widest
    sharp *= 2.0 * np.pi / np.sqrt(max(widest, 1e-300))  # all integrals have theta/(2 pi)
    for p in range(places):
        own = asked[OWN + 3 * p : OWN + 3 * p + 3]
        for q in range(places):
            part = phi[OWN + 3 * q : OWN + 3 * q + 3]
            at = first + p * places + q
            same = lines[at + side * places * places]
            other = lines[at + (1 - side) * places * places]
            if same != 0.0:
                once_and_bent(own[0], part[0], 1.0, room, bits, n, sharp)
                _same_side(own, part, same, sign, small, both, room, e, d)
            if other != 0.0 and are_in_reach(own[0], part[0], room):
                once_and_bent(own[0], part[0], -1.0, room, bits, n, sharp)
                for i in range(n):
                    e[i] += other * both[i] * room[BENT, i]
                    d[i] -= sign * other * room[ONCE, i]
