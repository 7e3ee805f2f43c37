"""The table of an activation on one octave of s, made once and kept.

Moments and coefficients are functions of the standard deviation s alone, analytic for
Re s > 0: Chebyshev interpolation in s converges geometrically on every octave.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.bounded_tables import bounded_segment
from analytic.expectations.estimated_tables import estimated_segment
from analytic.expectations.germs import SMALL, Germ, germ
from analytic.expectations.node_tables import check_overflow, kinked
from analytic.expectations.segments import Segment
from analytic.expectations.small_deviations import LOWEST, Origin, origin
from analytic.machine import Array

__all__ = [
    "MOST_TERMS",
    "MOST_TERMS_KINKED",
    "MOST_TERMS_PIECES",
    "MOST_TERMS_WHOLE",
    "by_octaves",
    "segment",
]

MOST_TERMS = 1024
"""Longest table of most kernels; pairs that would need more are left out."""
MOST_TERMS_WHOLE = 4096
"""Longest table where no pair can be left out, or many would be."""
MOST_TERMS_KINKED = 256
"""Longest table where w has a kink at 0: its coefficients decay like a power of their order."""
MOST_TERMS_PIECES = 128
"""The same of an activation by pieces, whose coefficients are summed for every input."""


def segment(
    activation: Activation,
    octave: int,
    least: int = 0,
    most: int = MOST_TERMS,
    *,
    proved: bool = False,
) -> Segment | Origin | Germ:
    """The table for s in [2^octave, 2^(octave + 1)], or at 0: below 2^LOWEST, 2^SMALL at kinks.

    Args:
        activation: w.
        octave: which one.
        least: the smallest number of terms; without it as many as are above rounding.
        most: the largest number of terms.
        proved: whether more than MOST_TERMS are wanted only if their errors are bounded.
    """
    if kinked(activation):
        most = min(most, MOST_TERMS_KINKED)
        if octave < SMALL and (cubics := germ(activation)) is not None:
            return cubics
    if octave < LOWEST and not kinked(activation) and (expansion := origin(activation)) is not None:
        return expansion
    found = _segment(activation, octave, 32, min(most, MOST_TERMS))
    if max(most, least) > MOST_TERMS and not found.complete:
        found = _longer(activation, octave, found, proved)
    if found.size >= least:
        return found
    return _segment(activation, octave, 1 << (least - 1).bit_length(), max(least, MOST_TERMS))


def _longer(activation: Activation, octave: int, usual: Segment, proved: bool) -> Segment:
    """The longest table, if its errors are bounded or no larger than those of the usual one.

    Its rule may be too coarse for so many terms: softplus lost eight digits at s = 32.
    """
    if (bounded := _bounded(activation, octave)) is not None:
        return bounded
    if proved and usual.noise.certified:
        return usual
    longest = _segment(activation, octave, 2 * MOST_TERMS, MOST_TERMS_WHOLE)
    return longest if longest.noise.square <= 4 * usual.noise.square else usual


@lru_cache(maxsize=512)
def _bounded(activation: Activation, octave: int) -> Segment | None:
    return bounded_segment(activation, 2.0**octave, 2 * MOST_TERMS, MOST_TERMS_WHOLE)


@lru_cache(maxsize=512)
def _segment(activation: Activation, octave: int, terms: int, most: int) -> Segment:
    if octave < LOWEST and not kinked(activation):
        return estimated_segment(activation, 0.0, 2.0**LOWEST, terms, most)
    low = 2.0**octave
    check_overflow(activation, low)
    found = bounded_segment(activation, low, terms, most)
    return found or estimated_segment(activation, low, 2 * low, terms, most)


def by_octaves(activation: Activation, s: Array) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The octaves of s, and which inputs they hold; 0 counts as below 2^LOWEST."""
    least = 2.0 ** (LOWEST - 1)
    seen = np.where(s > 0, s, least) if kinked(activation) else np.maximum(s, least)
    octaves = np.frexp(seen)[1] - 1
    low = int(octaves.min(initial=0))
    for octave in map(int, np.flatnonzero(np.bincount(octaves - low)) + low):
        yield octave, np.flatnonzero(octaves == octave)
