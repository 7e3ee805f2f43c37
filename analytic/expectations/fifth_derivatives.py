"""A bound of the fifth derivative of an activation in the mean square.

It bounds what the coefficients that a table lacks have in the mean squares of the second and third
derivatives (``analytic.recursion.derivative_norms``), of which it only enters roots.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from analytic.activation import Activation
from analytic.expectations.majorants import majorant
from analytic.expectations.small_deviations import LOWEST
from analytic.expectations.splines import by_pieces
from analytic.expectations.waves import wave
from analytic.machine import Array

__all__ = ["fifth_mean_squares", "has_fifth", "has_formulas"]


def has_formulas(activation: Activation) -> bool:
    """Whether the mean squares of all derivatives have formulas, or are infinite."""
    if activation.bent_line is not None or activation.is_erf:
        return True
    return wave(activation) is not None or by_pieces(activation) is not None


def has_fifth(activation: Activation, octaves: Iterable[int]) -> bool:
    """Whether ``fifth_mean_squares`` has bounds for s in [2^octave, 2^(octave + 1)] of these."""
    return all(_on_octave(activation, at) is not None for at in octaves if at >= LOWEST)


def fifth_mean_squares(activation: Activation, s: Array) -> Array | None:
    """A bound of s^8 E w^(5)(s z)^2, shape (n,), or None if there is none.

    It is 0 below 2^LOWEST, where Taylor's formula has no fifth derivative.
    """
    octaves = np.frexp(s)[1] - 1
    found = np.zeros_like(s)
    for octave in np.unique(octaves[s >= 2.0**LOWEST]):
        size = _on_octave(activation, int(octave))
        if size is None:
            return None
        found[octaves == octave] = size
    return found


@lru_cache(maxsize=512)
def _on_octave(activation: Activation, octave: int) -> float | None:
    bound = majorant(activation.expression, 5)
    if bound is None:
        return None
    low, high = np.array([2.0**octave]), np.array([2.0 ** (octave + 1)])
    size = float(bound.log_tail(low, high, np.zeros(1), 2)[0]) + 8 * math.log(high[0])
    return math.exp(size) if size < 700 else math.inf
