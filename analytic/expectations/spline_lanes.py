"""Lines of numbers for the places at which a piecewise polynomial is looked at, compiled.

Legend: ``line`` has NODES numbers for each quantity, ``bits`` is the same memory. Coefficients
stand in the loops over the numbers: sums that pass through memory take four times as long.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.angle_coefficients import MILLS, MILLS_WIDTH
from analytic.expectations.angle_coefficients import POWERS as POWERS_OF_EXP
from analytic.expectations.exponential_lanes import LN2_HIGH, LN2_LOW, LOG2, SHIFT
from analytic.expectations.polynomial_pieces import DEGREE as PIECE
from analytic.expectations.polynomial_pieces import EXACT
from analytic.expectations.splines import Spline
from analytic.machine import Array

__all__ = [
    "BEGIN",
    "BEGIN_E",
    "BEGIN_TAIL",
    "COEFFICIENTS",
    "EDGE",
    "END",
    "EXPONENT",
    "HIGH",
    "HIGH_E",
    "HIGH_TAIL",
    "INVERSE",
    "KINK",
    "MEAN",
    "NODES",
    "OWN",
    "PLACE",
    "PLACES",
    "POWER",
    "POWERS",
    "REACH",
    "RISE",
    "SLOPE",
    "SQUARE",
    "START",
    "TAKEN",
    "VALUE",
    "as_array",
    "fallen",
    "is_cubic",
    "mean_square",
    "moved",
    "piece_values",
    "upper_end",
]

NODES = 32
"""Places that are looked at together."""
REACH = 9.0
"""Where the normal law is cut."""
DENSITY = 1 / math.sqrt(2 * math.pi)
END, START, INVERSE, KINK, POWERS = range(5)
"""Columns of a spline as an array, a row for each piece; KINK says whether w is not smooth at its
upper end, the coefficients begin at POWERS."""
EDGE = math.exp(-0.5 * REACH**2) * DENSITY, 0.5 * math.erfc(REACH * math.sqrt(0.5))
"""The density at REACH and the tail beyond it."""
TAKEN = 18
"""Lines that are taken here."""
(
    PLACE, MEAN, RISE, SQUARE, EXPONENT, POWER, _WORK, OWN, BEGIN, BEGIN_E, BEGIN_TAIL, HIGH,
    HIGH_E, HIGH_TAIL, PLACES, VALUE, SLOPE, COEFFICIENTS,
) = (k * NODES for k in range(TAKEN))  # fmt: skip
"""Where lines begin: y; W, W' and Var; y^2/2 and exp(-y^2/2); room; p(y); b, the density and the
tail beyond |b| at both ends of a piece; places, values and slopes; a polynomial."""
DEGREE, _LAST = 13, len(MILLS) - 1
"""Degrees of the polynomials of an exponential, to all digits, and of Mills's ratio."""
_POWERS, _MILLS = np.array(POWERS_OF_EXP[: DEGREE + 1]), np.array(MILLS)


@elementwise
def fallen(line: Any, bits: Any) -> None:
    """exp(-y) at POWER, of what stands at EXPONENT, as in ``exponential_lanes``."""
    for i in range(NODES):
        power = SHIFT - line[EXPONENT + i] * LOG2
        whole = power - SHIFT
        y, total = (-line[EXPONENT + i] - whole * LN2_HIGH) - whole * LN2_LOW, _POWERS[DEGREE]
        for k in range(DEGREE - 1, -1, -1):
            total = total * y + _POWERS[k]
        line[POWER + i], line[_WORK + i] = power, total
    for i in range(NODES):
        bits[POWER + i] = (bits[POWER + i] + 1023) << 52
    for i in range(NODES):
        line[POWER + i] *= line[_WORK + i]


@elementwise
def piece_values(spl: Any, k: int, line: Any) -> None:
    """The polynomial of piece k and its derivative at places."""
    start, inverse = spl[k, START], spl[k, INVERSE]
    p0, p1, p2, p3 = spl[k, POWERS], spl[k, POWERS + 1], spl[k, POWERS + 2], spl[k, POWERS + 3]
    if is_cubic(spl):
        for i in range(NODES):
            t = (line[PLACES + i] - start) * inverse
            line[VALUE + i] = p0 + t * (p1 + t * (p2 + t * p3))
            line[SLOPE + i] = (p1 + t * (2 * p2 + t * (3 * p3))) * inverse
        return
    for i in range(NODES):
        t, value, slope = (line[PLACES + i] - start) * inverse, 0.0, 0.0
        for d in range(PIECE, -1, -1):
            slope, value = slope * t + value, value * t + spl[k, POWERS + d]
        line[VALUE + i], line[SLOPE + i] = value, slope * inverse


@elementwise
def moved(spl: Any, k: int, y: float, tau: float) -> Any:
    """Piece k, of degree 3 at most, as a polynomial in b = (x - y)/tau."""
    t, h = (y - spl[k, START]) * spl[k, INVERSE], tau * spl[k, INVERSE]
    p1, p2, p3 = spl[k, POWERS + 1], spl[k, POWERS + 2], spl[k, POWERS + 3]
    q0 = spl[k, POWERS] + t * (p1 + t * (p2 + t * p3))
    q1 = h * (p1 + t * (2 * p2 + t * (3 * p3)))
    return q0, q1, h * h * (p2 + t * (3 * p3)), h * h * h * p3


@elementwise
def mean_square(q: Any, m: Any) -> float:
    """The mean of the square of a polynomial, from moments."""
    (q0, q1, q2, q3), (m0, m1, m2, m3, m4, m5, m6) = q, m
    even = q0 * q0 * m0 + (q1 * q1 + 2 * q0 * q2) * m2 + (q2 * q2 + 2 * q1 * q3) * m4
    odd = 2 * q0 * q1 * m1 + 2 * (q0 * q3 + q1 * q2) * m3 + 2 * q2 * q3 * m5
    return even + odd + q3 * q3 * m6


@elementwise
def upper_end(end: float, inverse: float, line: Any, bits: Any) -> None:
    """b at the upper end of a piece, the density there and the tail beyond |b|."""
    for i in range(NODES):
        b = (end - line[PLACE + i]) * inverse
        b = b if b < REACH else REACH
        b = b if b > -REACH else -REACH
        line[HIGH + i] = b
        line[EXPONENT + i] = 0.5 * b * b
    for i in range(NODES):
        size = abs(line[HIGH + i])
        t, ratio = (size - MILLS_WIDTH) / (size + MILLS_WIDTH), _MILLS[_LAST]
        for k in range(_LAST - 1, -1, -1):
            ratio = ratio * t + _MILLS[k]
        line[HIGH_TAIL + i] = ratio
    fallen(line, bits)
    for i in range(NODES):
        line[HIGH_E + i] = DENSITY * line[POWER + i]
        line[HIGH_TAIL + i] *= line[HIGH_E + i]


def as_array(line: Spline, degree: int) -> Array:
    """For each piece its upper end, a_k, 1/h_k, whether a kink is there, and its coefficients."""
    powers = line.powers[:, : EXACT + 1] if degree <= EXACT else line.powers
    bent = np.isin(line.ends[1:], [*line.kinks, line.ends[1], line.ends[-2]])  # w may end there
    bent = bent.astype(np.float64)
    return np.column_stack([line.ends[1:], line.starts, 1 / line.lengths, bent, powers])


@elementwise
def is_cubic(spl: Any) -> bool:
    """Whether all pieces are of degree 3 at most."""
    return spl.shape[1] <= POWERS + EXACT + 1
