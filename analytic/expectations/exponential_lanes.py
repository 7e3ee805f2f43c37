"""exp(-y) of many numbers in step, to as many digits as are asked for, compiled.

exp(-y) = 2^k exp(r) with |r| <= log(2)/2, and the polynomial of Taylor for the latter.
"""

from __future__ import annotations

import math
from typing import Any

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import POWERS

__all__ = ["LN2_HIGH", "LN2_LOW", "LOG2", "SHIFT", "exponentials"]

SHIFT = 1.5 * 2.0**52
"""A number beside it is rounded to an integer, which stands in its last bits."""
LOG2, LN2_HIGH, LN2_LOW = 1 / math.log(2), 0.693147180369123816490, 1.90821492927058770002e-10
"""1/log 2, and log 2 in two parts, the first of which has few bits."""


@elementwise
def exponentials(room: Any, bits: Any, rows: tuple[int, int, int], count: int, degree: int) -> None:
    """Write exp(-y) of ``count`` numbers.

    Args:
        room: rows of numbers.
        bits: the same memory.
        rows: that of y, in [0, 700], which are lost; where the powers go; one to work in.
        count: how many.
        degree: of the polynomial.
    """
    y, power, work = rows
    for i in range(count):
        room[power, i] = SHIFT - room[y, i] * LOG2
    for i in range(count):
        whole = room[power, i] - SHIFT
        room[y, i] = (-room[y, i] - whole * LN2_HIGH) - whole * LN2_LOW
        room[work, i] = POWERS[degree]
    for k in range(degree - 1, -1, -1):
        coefficient = POWERS[k]
        for i in range(count):
            room[work, i] = room[work, i] * room[y, i] + coefficient
    for i in range(count):
        bits[power, i] = (bits[power, i] + 1023) << 52
    for i in range(count):
        room[power, i] *= room[work, i]
