"""How long the sums of ``angle_integrals`` have to be, compiled."""

from __future__ import annotations

from typing import Any

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import DEGREES, FALLING, LOST, MOST, POWERS

__all__ = ["largest_of", "lengths_of_sums", "level_of_moment"]

EIGHT = 8
"""Numbers that are compared side by side."""
LEAST, HALF_LN2 = 4, 0.35
"""The least degree of the exponential, and its largest argument."""


@elementwise
def largest_of(room: Any, row: int, n: int) -> float:
    """The largest of n numbers, which are lost, in chains of EIGHT side by side."""
    whole = n - n % EIGHT
    for start in range(EIGHT, whole, EIGHT):
        for k in range(EIGHT):
            room[row, k] = max(room[row, k], room[row, start + k])
    largest = room[row, 0]
    for k in range(min(n, EIGHT)):
        largest = max(largest, room[row, k])
    for k in range(whole, n):
        largest = max(largest, room[row, k])
    return largest


@elementwise
def lengths_of_sums(
    x: float, largest: float, allowed: float, relative: bool = False
) -> tuple[int, int, int]:
    """How many coefficients serve: of the integrand, an odd number, and of the cosine.

    What they leave out is below ``allowed``, as 1/(2 k + 1) bounds m_k. The last one is the degree
    of the exponential.

    Args:
        x: the largest of c_1/theta^2.
        largest: that of theta^2.
        allowed: see above.
        relative: whether to the first coefficient instead of 1.
    """
    far = largest / 9.0
    x = x * largest + far
    first = 1.0 if relative else x
    terms, power, apart = 1, first, 1.0  # x^k/k!, far^(k - 1)
    while terms < MOST and max(power * x / (terms + 1), first * apart * far) > allowed * (
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


@elementwise
def level_of_moment(allowed: float) -> int:
    """The number of a series for m_0, what it leaves out being below ``allowed``."""
    level = 0
    while level < len(DEGREES) - 1 and LOST[level] > allowed:
        level += 1
    return level
