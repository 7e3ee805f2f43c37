"""Smooth functions as polynomials on short pieces, to rounding.

A piece is a polynomial in (x - start)/length: of degree EXACT at most where the function is one,
else of degree ``DEGREE`` on pieces so short that interpolation agrees with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from analytic.expressions import X, values
from analytic.machine import UNIT, Array

__all__ = ["DEGREE", "EXACT", "Piece", "pieces_of"]

DEGREE = 10
"""Of the polynomials that stand for a piece that is none."""
EXACT = 3
"""Largest degree of a polynomial piece that is kept as it is."""
FURTHEST = 2.0**13
"""Up to where other pieces are cut into short ones; beyond, the last one goes on."""
SHORTEST = 2.0**-6
"""Half of the shortest piece."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A polynomial in (x - start)/length from ``low`` on."""

    low: float
    start: float
    length: float
    powers: Array


def pieces_of(smooth: Any, low: float, high: float) -> Iterator[Piece]:
    """The pieces of a smooth function on [low, high], from left to right."""
    start = 0.0 if low < 0 < high else low if np.isfinite(low) else high  # small values are exact
    polynomial = sympy.Poly(smooth, X) if smooth.is_polynomial(X) else None
    if polynomial is not None and polynomial.degree() <= EXACT:
        moved = sympy.Poly(smooth.subs(X, X + sympy.Rational(start)), X).all_coeffs()[::-1]
        powers = np.zeros(DEGREE + 1)
        powers[: len(moved)] = [float(value) for value in moved]
        yield Piece(low, start, 1.0, powers)
        return
    found = _halved(smooth, max(low, -FURTHEST), min(high, FURTHEST))
    yield replace(next(found), low=low)
    yield from found


def _halved(smooth: Any, low: float, high: float) -> Iterator[Piece]:
    """Pieces on which interpolation agrees with the function, from left to right."""
    near, far = sorted((abs(low), abs(high)))
    if low < 0 < high and far > 2:
        yield from _halved(smooth, low, 0.0)
        yield from _halved(smooth, 0.0, high)
        return
    if far > 4 * max(near, 1.0):  # the error of a piece is relative to its largest value
        middle = math.copysign(math.sqrt(far * max(near, 1.0)), low + high)
        yield from _halved(smooth, low, middle)
        yield from _halved(smooth, middle, high)
        return
    middle, half = (low + high) / 2, (high - low) / 2
    k = np.arange(DEGREE + 1)
    phase = np.pi * (k + 0.5) / (DEGREE + 1)
    series = np.cos(k[:, None] * phase) @ values(smooth, middle + half * np.cos(phase), 0)[0]
    series *= np.where(k > 0, 2.0, 1.0) / (DEGREE + 1)
    fit: Any = np.polynomial.Chebyshev(series)
    probe = np.linspace(-0.97, 0.99, 15)
    exact = values(smooth, middle + half * probe, 0)[0]
    off = np.abs(fit(probe) - exact).max()
    if off > 32 * UNIT * np.abs(exact).max() and half > SHORTEST:
        yield from _halved(smooth, low, middle)
        yield from _halved(smooth, middle, high)
        return
    powers = np.zeros(DEGREE + 1)
    converted = fit.convert(kind=np.polynomial.Polynomial).coef
    powers[: converted.size] = converted
    yield Piece(low, middle, half, powers)
