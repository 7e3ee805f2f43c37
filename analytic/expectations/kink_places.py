"""What closed forms at small angles have in common: places of kinks, and how units see them."""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import ndtr

from analytic.expectations.small_angles import FARTHEST_LINES
from analytic.machine import UNIT, Array

__all__ = ["MOST_PLACES", "KinkPlaces"]

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

BETTER, SERVED = 1 / 16, 0.5
"""The share of the largest error that units may have where others exceed it, and of such units."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KinkPlaces:
    """An activation with kinks, of which pairs of units have a closed form.

    Attributes:
        places: distances |x_p| of the kinks from 0.
        error: of E and of D, relative to norms, of the units that are served.
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

    @abstractmethod
    def sizes(self, s: Array) -> tuple[Array, Array]:
        """Of the terms of E and D at x = x', (n,) each."""

    @abstractmethod
    def spread(self, s: Array) -> tuple[Array, Array]:
        """What an error of the integrals makes of E and D at x = x', (n,) each."""

    def errors(self, s: Array, second: Array, slope: Array) -> Array:
        """What roundings cost a unit, and what is left out of the integrals, by that, (2, n)."""
        found = np.empty((2, s.size))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for row, (e, d) in zip(found, (self.sizes(s), self.spread(s)), strict=True):
                row[:] = np.maximum(e / second, d / slope)
        return found * [[ROUNDED], [PARTS]]

    def fitted(
        self, s: Array, second: Array, slope: Array, allowed: float, most: float
    ) -> Self | None:
        """The same with its error; see ``kink_lines``.

        Where some units are known too badly others need not be at the edge of that: the largest
        error counts for all. None where few are known better.
        """
        rounded, size = self.errors(s, second, slope)
        served = rounded + SHARPEST * size <= most
        if not served.all():
            served = rounded + SHARPEST * size <= most * BETTER
        if served.mean() < SERVED:
            return None
        largest = size[served].max()
        sharp = max(allowed / largest, SHARPEST) if largest > 0 else SHARPEST
        return replace(self, error=float((rounded + sharp * size)[served].max()), sharp=sharp)

    def with_places(
        self, own: Array, s: Array, second: Array, slope: Array, seen: tuple[Array, Array, Array]
    ) -> Array:
        """Numbers of each input, the three of each place, and 1 where it is served, (asked, n)."""
        rounded, size = self.errors(s, second, slope)
        served = rounded + self.sharp * size <= self.error * (1 + 1e-9)
        return np.concatenate([own, np.stack(seen, axis=1).reshape(-1, s.size), served[None]])
