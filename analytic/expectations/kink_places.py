"""What closed forms at small angles have in common: places of kinks, and how units see them."""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from analytic.expectations.small_angles import FARTHEST_LINES
from analytic.machine import UNIT, Array

__all__ = ["MOST_PLACES", "PARTS", "ROUNDED", "SHARPEST", "KinkPlaces", "with_places"]

MOST_PLACES = 4
"""Distances of kinks from 0, at most."""
GONE = 40.0
"""Deviations from which on a kink is not seen."""
ROUNDED = 2**6 * UNIT
"""Roundings of the sum, relative to the size of its terms."""
SHARPEST = 2.0**-56
"""What is left out of the integrals over the angle where nothing more is allowed."""
PARTS = 4
"""Series that are cut short: the integrand, the cosine, the exponential and m_0."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KinkPlaces:
    """An activation with kinks, of which pairs of units have a closed form.

    Attributes:
        places: distances |x_p| of the kinks from 0.
        error: of E and of D, relative to norms.
        sharp: what may be left out of the integrals over the angle.
    """

    places: Array
    error: float = 0.0
    sharp: float = SHARPEST

    farthest = FARTHEST_LINES
    scale = 0.0
    terms = 0

    @property
    def rank(self) -> int:
        """Numbers of places."""
        return self.places.size

    def seen(self, s: Array) -> tuple[Array, Array, Array]:
        """a = |x_p|/s, phi(a) and Q(a), (places, n) each."""
        a = np.minimum(self.places[:, None] / np.maximum(s, 1e-300), GONE)
        return a, np.exp(-(a**2) / 2) / math.sqrt(2 * math.pi), ndtr(-a)


def with_places(own: Array, seen: tuple[Array, Array, Array]) -> Array:
    """Numbers of each input, (numbers, n), and below them the three of each place."""
    return np.concatenate([own, np.stack(seen, axis=1).reshape(-1, own.shape[1])])
