"""What ``small_angles`` asks of a piecewise linear activation and of each of its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic.activation import Activation
from analytic.expectations.kink_places import MOST_PLACES, KinkPlaces
from analytic.expectations.polylines import Polyline, polyline
from analytic.expectations.small_angles import LINES
from analytic.machine import Array

__all__ = ["KinkLines", "kink_lines"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KinkLines(KinkPlaces):
    """A piecewise linear activation and its bends.

    Attributes:
        bends: jumps of the slope at x_p and at -x_p, (2, places).
        mean: w(0).
        slope: m.
    """

    bends: Array
    mean: float
    slope: float

    kind = LINES

    @property
    def numbers(self) -> Array:
        """What is asked of the activation."""
        one, other = self.bends
        same = np.outer(one, one) + np.outer(other, other)
        two = np.outer(one, other) + np.outer(other, one)
        return np.concatenate([[self.mean, self.slope, self.sharp], same.ravel(), two.ravel()])

    def of_inputs(self, s: Array, r: Array, slope: Array) -> Array:
        """What is asked of each input, (asked, n)."""
        a, density, tail = self.seen(s)
        even, odd = self.bends.sum(axis=0), self.bends[0] - self.bends[1]
        own = np.stack([s, s * (even @ (density - a * tail)), odd @ tail])
        return self.with_places(own, s, r**2, slope, (a, density, tail))

    def sizes(self, s: Array) -> tuple[Array, Array]:
        """Of the terms of E and D at x = x', (n,) each."""
        a, density, tail = self.seen(s)
        weights = np.abs(self.bends).sum(axis=0)
        both = np.sum(weights) * (weights @ (a * density + tail * (1 + a * a)))
        once = weights @ tail
        m, mean = abs(self.slope), abs(self.mean)
        first = s * (weights @ (density + a * tail))
        e = mean * (mean + 2 * first) + s**2 * (m * (m + 2 * once) + both)
        return e, m * (m + 2 * once) + np.sum(weights) * once

    def spread(self, s: Array) -> tuple[Array, Array]:
        """What an error of the integrals makes of E and D at x = x'."""
        weights = np.abs(self.bends).sum() ** 2
        return weights * s**2, np.full(s.size, weights)


def kink_lines(
    activation: Activation,
    s: Array,
    second: Array,
    slope: Array,
    allowed: float = 0.0,
    most: float = np.inf,
) -> KinkLines | None:
    """The bends of a piecewise linear activation, or None if it is none or has too many.

    Args:
        activation: w.
        s: positive deviations, for the error.
        second: E w^2 there.
        slope: E w'^2 there.
        allowed: an error, relative to norms, that may be spent on shorter sums.
        most: the largest error of a unit, if others are not to be left out.
    """
    line = polyline(activation)
    found = None if line is None else _bends(line)
    if found is None or found.rank > MOST_PLACES:
        return None
    return found.fitted(s, second, slope, allowed, most)


def _bends(line: Polyline) -> KinkLines:
    x, jumps = line.places[line.jumps != 0], line.jumps[line.jumps != 0]
    places = np.unique(np.abs(x))
    bends = np.zeros((2, places.size))
    for place, jump in zip(x.tolist(), jumps.tolist(), strict=True):
        bends[int(place < 0), np.searchsorted(places, abs(place))] = jump
    value, _ = line.at(np.zeros(1))
    inner = line.slopes[int(np.count_nonzero(line.places < 0))]
    return KinkLines(places=places, bends=bends, mean=float(value[0]), slope=float(inner))
