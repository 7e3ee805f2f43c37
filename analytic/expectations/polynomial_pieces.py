"""Smooth functions as polynomials on short pieces, to rounding.

A piece is a polynomial in (x - start)/length: of degree EXACT at most where the function is one,
else of degree ``DEGREE`` on pieces so short that interpolation agrees with it, as far as these
reach: beyond stands its asymptote where it has one, and 0 where it has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from analytic.expressions import X, values
from analytic.machine import UNIT, Array

__all__ = ["DEGREE", "EXACT", "SPARE", "Piece", "asymptote", "goes_on", "pieces_of"]

DEGREE = 10
"""Of the polynomials that stand for a piece that is none."""
EXACT = 3
"""Largest degree of a polynomial piece that is kept as it is."""
ON_LINE = 2**3 * UNIT
"""How far from its asymptote a function may be to stand for it, relative to its size."""
OCTAVES = 40
"""As far beyond the last piece it is looked at."""
SHORTEST = 2.0**-6
"""Half of the shortest piece."""
SPARE = 0.125
"""How far beyond its ends a piece still is the function, in lengths, where no kink is there."""
ENOUGH = 2**5 * UNIT
"""How far interpolation may be away."""
TINY = 2.0**-960
"""Values below have lost digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A polynomial in (x - start)/length from ``low`` on, and how far it is ``off``, relatively."""

    low: float
    start: float
    length: float
    powers: Array
    off: float = 0.0


def pieces_of(
    smooth: Any, low: float, high: float, reach: float, size: Callable[[float], float]
) -> Iterator[Piece]:
    """The pieces of a smooth function on [low, high], from left to right.

    Args:
        smooth: the function, an expression in x.
        low: where it begins, or -inf.
        high: where it ends, or inf.
        reach: up to where pieces are short.
        size: a mean of the activation between -x and x, which no normal law sees less of than of
            what lies at x: errors are relative to the larger one of that and the piece itself.
    """
    start = 0.0 if low < 0 < high else low if np.isfinite(low) else high  # small values are exact
    if _is_short(smooth):
        moved = sympy.Poly(smooth.subs(X, X + sympy.Rational(start)), X).all_coeffs()[::-1]
        yield _piece(low, start, [float(value) for value in moved])
        return
    if np.isinf(low):
        yield _piece(low, 0.0, asymptote(smooth, -reach) or (0.0, 0.0))
    ends = max(low, -reach), min(high, reach)
    yield from _halved(smooth, *ends, ends, size)
    if np.isinf(high):
        yield _piece(reach, 0.0, asymptote(smooth, reach) or (0.0, 0.0))


def _is_short(smooth: Any) -> bool:
    """Whether it is a polynomial of degree EXACT at most."""
    return bool(smooth.is_polynomial(X) and sympy.Poly(smooth, X).degree() <= EXACT)


def _piece(low: float, start: float, powers: Sequence[float]) -> Piece:
    padded = np.zeros(DEGREE + 1)
    padded[: len(powers)] = powers
    return Piece(low, start, 1.0, padded)


def goes_on(smooth: Any, end: float) -> bool:
    """Whether the piece beyond the end is the function to rounding, however far away."""
    return _is_short(smooth) or asymptote(smooth, end) is not None


@lru_cache(maxsize=256)
def asymptote(smooth: Any, end: float) -> tuple[float, float] | None:
    """a and b with f(x) = a + b x to rounding from the end on, or None."""
    x = end * 2.0 ** np.arange(OCTAVES, dtype=np.float64)
    value, slope = values(smooth, x, 1)
    if not np.isfinite(value).all():
        return None
    b = float(slope[-1])
    a = float(value[0] - b * end)
    off = np.abs(value - (a + b * x))
    return (a, b) if np.all(off <= ON_LINE * np.abs(value)) else None


def _halved(
    smooth: Any, low: float, high: float, ends: tuple[float, float], size: Callable[[float], float]
) -> Iterator[Piece]:
    """Pieces on which interpolation agrees with the function, from left to right."""
    near, far = sorted((abs(low), abs(high)))
    middle, half = (low + high) / 2, (high - low) / 2
    if low < 0 < high and far > 2:
        middle = 0.0
    elif far > 4 * max(near, 1.0):  # the error of a piece is relative to its size
        middle = math.copysign(math.sqrt(far * max(near, 1.0)), low + high)
    else:
        begin, end = max(low - SPARE * 2 * half, ends[0]), min(high + SPARE * 2 * half, ends[1])
        powers, off, agrees = _interpolated(smooth, begin, end, size(near))
        if agrees or half <= SHORTEST:
            yield Piece(low, (begin + end) / 2, (end - begin) / 2, powers, off)
            return
    yield from _halved(smooth, low, middle, ends, size)
    yield from _halved(smooth, middle, high, ends, size)


def _interpolated(smooth: Any, low: float, high: float, size: float) -> tuple[Array, float, bool]:
    """The polynomial through values at Chebyshev points, how far off it is, and if it agrees.

    It is not asked for more than the digits of x allow.
    """
    middle, half = (low + high) / 2, (high - low) / 2
    k = np.arange(DEGREE + 1)
    phase = np.pi * (k + 0.5) / (DEGREE + 1)
    series = np.cos(k[:, None] * phase) @ values(smooth, middle + half * np.cos(phase), 0)[0]
    series *= np.where(k > 0, 2.0, 1.0) / (DEGREE + 1)
    fit: Any = np.polynomial.Chebyshev(series)
    probe = np.linspace(-0.97, 0.99, 15)
    exact, slope = values(smooth, middle + half * probe, 1)
    largest = max(float(np.abs(exact).max()), size, TINY)
    off = float(np.abs(fit(probe) - exact).max()) / largest
    rounded = UNIT * max(abs(low), abs(high)) * float(np.abs(slope).max()) / largest
    powers = np.zeros(DEGREE + 1)
    converted = fit.convert(kind=np.polynomial.Polynomial).coef
    powers[: converted.size] = converted
    return powers, off, off <= ENOUGH + rounded
