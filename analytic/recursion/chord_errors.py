r"""The errors of kernels of a x + b |x| whose pairs carry 1 - cos instead of cos.

    chord(p, q) = sqrt(1 - Sigma(p, q)/(r_p r'_q))

is a distance of unit vectors, up to sqrt 2. Sums over what a filter reads are sums of its squares,
so that by Minkowski's inequality an error eta of all chords stays eta; behind an activation the
chord is a concave function of itself that begins at 0 with a slope of at most 1. The angle is
known to 2 eta wherever it is, and with it D: no root of a rounding is taken
(docs/theory/convolution.md, *Nearly parallel patches*).

Legend: sigma, theta the relative errors of Sigma and Theta at x = x', v that of the variances;
eta the error of all chords; u the unit roundoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analytic.machine import UNIT, Array
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.error_propagation import AVERAGING
from analytic.recursion.layer_equations import Average
from analytic.recursion.layer_errors import of_sum

__all__ = ["LEVELS", "Boundary", "ChordErrors", "pixel_chord"]

LEVELS = 2.0**-48 * 8.0 ** np.arange(6)
"""Errors eta for which it is known what an average makes of them at pairs of one image."""
WIDE = 2 * np.sqrt(2)
"""1 - c changes by 2 chord eta <= 2 sqrt(2) eta, as 1 - c <= 2."""


def pixel_chord(channels: int) -> float:
    """The error of the chords of pixels: 2 units for a unit vector, and a sum."""
    return (8 + (channels + 2)) * UNIT


class Boundary(NamedTuple):
    """The average behind a stretch, before a layer; ``chords`` if it mixes positions, else None."""

    stretch: int
    layer: int
    positions: int
    chords: Array | None


class _Own(NamedTuple):
    """Errors at x = x', and of the chords and Theta at two positions of one input."""

    sigma: float
    theta: float
    chord: float
    apart: float


class ChordErrors:
    """The errors of a network.

    Args:
        layers: how each layer amplifies errors.
        boundaries: the averages before the layers, in order.
        readout: the averages before the readout.
        start: error of the chords of the pixels.
        widest: largest 1 - rho at pairs of one image, of every layer.

    Attributes:
        error: the bound of the kernel of pairs that averages treat like those of one image.
        diagonal: the bound at x = x'.
        own: (3, boundaries): sigma and eta of one image before each average, and sigma behind it.
    """

    def __init__(
        self, layers: Sequence[Amplification], boundaries: Sequence[Boundary], readout: Average,
        start: float, widest: Array,
    ) -> None:  # fmt: skip
        self.layers, self.boundaries, self.start = layers, boundaries, start
        self.own = np.zeros((3, len(boundaries)))
        self._variance, self._added = np.zeros((2, len(layers)))
        own, pair = _Own(2 * UNIT, 0.0, start, 0.0), np.array([[start], [0.0]])
        for at, layer in enumerate(layers):
            for number, boundary in enumerate(boundaries):
                if boundary.layer == at:
                    own, chord = self._averaged(number, own, float(pair[0, 0]))
                    pair[0] = chord
            averaged = any(boundary.layer == at for boundary in boundaries)
            pair[1] = layer.average.theta * (pair[1] + AVERAGING * averaged)
            own = self._fixed(at, own, widest)
            pair = self.layer(at, pair, widest[at : at + 1])
        self._sigma = own.sigma
        error, apart = (
            self.covariances(pair),
            self.covariances(np.array([[own.chord], [own.apart]])),
        )
        factors = np.array([[readout.sigma], [readout.theta]])
        alone = np.array([[own.sigma], [own.theta]])
        if readout != Average():
            alone = np.maximum(alone, apart)
        error, alone = ((e + AVERAGING) * factors for e in (error, alone))
        self.error, self.diagonal = (float(e.max()) + UNIT for e in (error, alone))

    def _averaged(self, number: int, own: _Own, chord: float) -> tuple[_Own, float]:
        """Behind an average; the factors of all averages before a layer count at each."""
        boundary = self.boundaries[number]
        average = self.layers[boundary.layer].average
        relative = own.sigma + AVERAGING + 8 * UNIT
        sigma = average.sigma * (own.sigma + WIDE * own.chord + AVERAGING)
        self.own[:, number] = relative, own.chord, sigma
        if boundary.chords is None:
            sigma = own.sigma + AVERAGING
            self.own[2, number] = sigma
            more = self._flattening(number)
            return _Own(sigma, own.theta + AVERAGING, own.chord + more, own.apart), chord + more
        found = [
            behind(boundary.chords, max(error, own.chord, relative)) + 2 * sigma
            for error in (own.chord, chord)
        ]
        theta = average.theta * (max(own.theta, own.apart) + AVERAGING)
        apart = average.theta * (own.apart + AVERAGING)
        return _Own(sigma, theta, found[0], apart), found[1]

    def _flattening(self, number: int) -> float:
        relative, _, sigma = self.own[:, number]
        return 1.5 * (relative + sigma) + 0.75 * (self.boundaries[number].positions + 12) * UNIT

    def _fixed(self, at: int, own: _Own, widest: Array) -> _Own:
        """What a layer does to an input with itself, and what it adds to the chords of pairs."""
        layer = self.layers[at]
        variance = layer.share * own.sigma + (1 + layer.reads) * UNIT
        self._variance[at] = variance
        self._added[at] = 1.5 * (own.sigma + variance) + (0.75 * (layer.reads + 8) + 4) * UNIT
        theta = of_sum(variance, own.theta, *map(float, layer.in_gamma))
        pair = self.layer(at, np.array([[own.chord], [own.apart]]), widest[at : at + 1])
        sigma = variance + 4 * UNIT
        return _Own(sigma, theta + (layer.reads + 3) * UNIT, *map(float, pair[:, 0]))

    def layer(self, at: int, error: Array, widest: Array) -> Array:
        """The errors of chords and of Theta behind a layer, (2, pairs).

        Args:
            at: its number.
            error: before it.
            widest: largest 1 - rho of each pair; 0 where the complement 1 + rho is known as well.
        """
        layer = self.layers[at]
        near = np.sqrt(layer.share) * error[0] + self._added[at]
        with np.errstate(divide="ignore"):  # 1 + rho is 2 - (1 - rho) there
            steep = np.sqrt(widest / np.maximum(2 - widest, 0))
        near_turn = np.maximum(steep, 1.0) * near
        d = 4 / np.pi * layer.bend * near_turn + 8 * UNIT
        covariance = self._variance[at] + WIDE * near + 4 * UNIT
        of_lambda, of_theta = map(float, layer.in_gamma)
        more = np.where(error[1] > covariance, of_theta, of_lambda)
        gamma = np.minimum(covariance, error[1]) + np.abs(error[1] - covariance) * more
        return np.stack([near_turn + 8 * UNIT, d + gamma + 4 * UNIT])

    def covariances(self, error: Array) -> Array:
        """The errors of Sigma and Theta from those of chords and Theta behind the last layer."""
        return np.stack([self._sigma + WIDE * error[0] + 4 * UNIT, error[1]])

    def before_average(self, number: int, chord: Array) -> Array:
        """What ``analytic.images.defects.pooled`` is told behind a stretch, (3, pairs)."""
        relative, own, _ = self.own[:, self._place(number)]
        return np.stack([chord, np.full_like(chord, own), np.full_like(chord, relative)])

    def behind_average(self, number: int, chord: Array) -> Array:
        """The errors of chords behind the average of a stretch, from those it has found."""
        place = self._place(number)
        if self.boundaries[place].chords is None:
            return chord + self._flattening(place)
        return chord + 2 * self.own[2, place]

    def _place(self, stretch: int) -> int:
        """That of the boundary behind a stretch."""
        return [boundary.stretch for boundary in self.boundaries].index(stretch)


def behind(chords: Array, error: float) -> float:
    """The error of the chords behind an average of positions of one image."""
    level = int(np.searchsorted(LEVELS, error))
    return float(chords[level]) if level < LEVELS.size else np.inf
