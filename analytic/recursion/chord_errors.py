r"""The errors of kernels of a x + b |x| whose pairs carry 1 - cos instead of cos.

    chord(p, q) = sqrt(1 - Sigma(p, q)/(r_p r'_q))

is a distance of unit vectors, up to sqrt 2. Sums over what a filter reads are sums of its squares,
so that by Minkowski's inequality an error eta of all chords stays eta; behind an activation the
chord is a concave function of itself that begins at 0 with a slope of at most 1. The angle is
known to 2 eta wherever it is, and with it D: no root of a rounding is taken
(docs/theory/convolution.md, *Nearly parallel patches*).

Where branches are added (``analytic.images.defect_sums``) the product of the means takes at most
the share sqrt(k k') of the squared distance, k the largest share of the means in that of a branch.

An average of positions may leave chords with a large error where they are small. The error epsilon
of Sigma = r r' - Phi relative to r r' is carried as well: it neither grows there nor behind an
activation, where |dE| <= g'(rho) |dLambda| + (g - rho g') |d(s s')| and g' + |g - rho g'| <= 1, nor
is it anything but an average of itself behind an average.

Legend: sigma, theta the relative errors of Sigma and Theta at x = x', v that of the variances, mean
that of mu; an error of pairs is (eta, epsilon, theta), of shape (3, pairs); u the unit roundoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from analytic.machine import UNIT, Array
from analytic.network import fold
from analytic.recursion.averages import Average
from analytic.recursion.costs import Account
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.error_propagation import AVERAGING
from analytic.recursion.layer_errors import SUM, of_sum

__all__ = ["NOMINAL", "TRIED", "Boundary", "ChordErrors", "pixel_chord"]

NOMINAL = 2.0**-46
TRIED = ((NOMINAL, np.inf), (2**12 * NOMINAL, NOMINAL))
"""Errors of chords and of their squares for which it is known what an average makes of the chords
of one image. Behind it they grow no faster than in proportion."""
NORMS = 24 * UNIT
"""Of T = m m' - R R' behind an average: R^2 = m^2 - lost and t = lost/m^2 have 3 units of m^2 each,
the product of means and the quotient 8 units of T."""
PARTS = 10
"""Units of rounding by which the parts of two unit vectors move a chord: a part has those of
weight_std^2 (half of it counts), its root, r, s, 1/s and two products, 6.5 units of its size, and
|d(a - a')|/sqrt(2) <= 9.2; 1 - c changes by |a - a'| |d(a - a')| <= 18.4."""
ROUNDED = 32 * UNIT
"""Of the parts of a sum of branches: shares have 3 units, of which ``joined`` takes 6, and the sum
of the parts 8 units of these, which makes 12 of the chord."""
WIDE = 2 * np.sqrt(2)
"""1 - c changes by 2 chord eta <= 2 sqrt(2) eta, as 1 - c <= 2."""


def pixel_chord(channels: int) -> float:
    """The error of the chords of pixels: 2 units for a unit vector, and a sum."""
    return (8 + (channels + 2)) * UNIT


class Boundary(NamedTuple):
    """The average behind a stretch, before a layer.

    If it mixes positions ``apart`` (tried,) has what becomes of chords for each pair of ``TRIED``.
    """

    stretch: int
    layer: int
    positions: int
    apart: Array | None


class _Own(NamedTuple):
    """Errors at x = x', the odds k/(1 - k), and those of two positions of one input, (3, 1)."""

    sigma: float
    theta: float
    mean: float
    odds: float
    apart: Array


_State = tuple[_Own, Array]
"""Errors of an input with itself and of pairs."""


class ChordErrors:
    """The errors of a network.

    Args:
        layers: how each layer amplifies errors.
        boundaries: the averages before the layers, in order.
        readout: the averages before the readout.
        rounding: what the readout adds.
        chord: error of the chords of the pixels.
        widest: largest 1 - rho at pairs of one image, of every layer.

    Attributes:
        start: errors of pairs of pixels, (3, 1).
        error: the bound of the kernel of pairs that averages treat like those of one image.
        diagonal: the bound at x = x'.
        costs: what the operations make of the errors of pairs.
    """

    def __init__(
        self, layers: Sequence[Amplification], boundaries: Sequence[Boundary], readout: Average,
        rounding: float, chord: float, widest: Array,
    ) -> None:  # fmt: skip
        self.layers, self.boundaries = layers, boundaries
        self.start = np.array([[chord], [WIDE * chord + 2 * UNIT], [0.0]])
        self._own: list[tuple[float, Array, float]] = []  # before an average, and sigma behind it
        self._variance, self._added, self._widened = np.zeros((3, len(layers)))
        self._sums: dict[tuple[int, int], tuple[float, float, float]] = {}  # share left, added
        begin = _Own(2 * UNIT, 0.0, 0.0, 0.0, self.start), self.start
        seen = Account([layer.step for layer in layers], lambda state: float(state[1].max()))
        own, pair = fold(
            range(len(layers)), begin, seen.after(partial(self._after, widest)),
            seen.added(self._sum), step=seen.step, averaged=seen.averaged(self._before),
        )  # fmt: skip
        factors = np.array([[readout.sigma], [readout.theta]])
        alone = np.array([[own.sigma], [own.theta]])
        if readout.mixes:
            alone = np.maximum(alone, self.covariances(own.apart))
        ends = ((e + AVERAGING) * factors for e in (self.covariances(pair), alone))
        self.error, self.diagonal = (float(e.max()) + UNIT + rounding for e in ends)
        self.costs = seen.read((own, pair), (own, (self.covariances(pair) + AVERAGING) * factors))

    def _before(self, at: int, state: _State) -> _State:
        """Behind the averages before a layer."""
        before = [n for n, boundary in enumerate(self.boundaries) if boundary.layer == at]
        own, pair = state
        for number in before:
            own, pair = self._averaged(number, own, pair)
        theta = self.layers[at].average.theta * (pair[2] + AVERAGING * bool(before))
        return own, np.stack([*pair[:2], theta])

    def _after(self, widest: Array, at: int, state: _State) -> _State:
        """Behind a layer."""
        own, here = self._fixed(at, state[0], widest[at : at + 1]), widest[at : at + 1]
        return own, self.layer(at, state[1], here)

    def _sum(self, at: int, number: int, before: _State, branch: _State) -> _State:
        """Behind a sum of branches, of an input with itself; what it adds to chords of pairs."""
        (total, last), layer = (before[0], branch[0]), self.layers[at]
        _, of_sigma0, of_sigma, of_theta0, of_theta = map(float, layer.in_junctions[number])
        means = total.mean + last.mean  # of mu eta, which is not negative
        sigma = max(of_sum(total.sigma, last.sigma, of_sigma0, of_sigma), means) + SUM
        theta = of_sum(total.theta, last.theta, of_theta0, of_theta) + SUM
        odds, left = max(total.odds, last.odds), 1.0
        if layer.step.shares[number] is None:
            left = 1 - np.sqrt(_share(total.odds) * _share(last.odds))
            odds = total.odds + last.odds
        parts = max(total.sigma, last.sigma, 2 * total.mean, 2 * last.mean) + sigma
        self._sums[at, number] = left, parts, means
        apart = self.joined(at, number, total.apart, last.apart)
        own = _Own(sigma, theta, max(total.mean, last.mean) + UNIT, odds, apart)
        return own, self.joined(at, number, before[1], branch[1])

    def joined(self, at: int, number: int, before: Array, branch: Array) -> Array:
        """The errors behind a sum that ends at a layer, (3, pairs).

        Args:
            at: number of the layer.
            number: of the sum.
            before: errors of the branches before.
            branch: those of the last one.
        """
        _, *shares = map(float, self.layers[at].in_junctions[number])
        left, parts, means = self._sums[at, number]
        near = np.sqrt(_mixed(before[0] ** 2, branch[0] ** 2, *shares[:2]) / left)
        near += (3 * parts + ROUNDED) / np.sqrt(left)
        covariance = _mixed(before[1], branch[1], *shares[:2]) + means + 3 * ROUNDED
        return np.stack([near, covariance, _mixed(before[2], branch[2], *shares[2:]) + SUM])

    def _averaged(self, number: int, own: _Own, pair: Array) -> tuple[_Own, Array]:
        """Behind an average; the factors of all averages before a layer count at each."""
        boundary = self.boundaries[number]
        average, table = self.layers[boundary.layer].average, boundary.apart
        relative = own.sigma + AVERAGING + 8 * UNIT
        sigma = own.sigma + AVERAGING
        if table is not None:
            sigma = average.sigma * (max(own.sigma, float(own.apart[1, 0])) + AVERAGING)
        apart = own.apart[:2, 0] + [0.0, relative]
        self._own.append((relative, apart, sigma))
        theta = average.theta * (max(own.theta, float(own.apart[2, 0])) + AVERAGING)
        apart = own.apart.copy()
        apart[2] = average.theta * (apart[2] + AVERAGING)
        pair, both = pair.copy(), np.maximum(pair, own.apart)
        for error, given in ((apart, own.apart), (pair, both)):
            chord = given[0]
            if table is not None:
                chord = _chord_behind(table, given[0, 0], given[1, 0] + relative, relative)
            error[:2] = self.behind_average(boundary.stretch, given, chord)
        mean = own.mean + AVERAGING
        return _Own(sigma, theta, mean, own.odds if table is None else np.inf, apart), pair

    def _fixed(self, at: int, own: _Own, widest: Array) -> _Own:
        """What a layer does to an input with itself, and what it adds to the chords of pairs."""
        layer = self.layers[at]
        variance = layer.share * own.sigma + (2 + layer.reads) * UNIT  # weight_std^2 is rounded
        self._variance[at] = variance
        rounded, more = 0.75 * (layer.reads + 8) + PARTS, 2 * (layer.reads + 8) + 2 * PARTS
        self._added[at] = 1.5 * (own.sigma + variance) + rounded * UNIT
        self._widened[at] = (2 * (2 + layer.reads) + more) * UNIT
        learned, _, product, _ = map(float, layer.in_trained)
        trained = learned * own.sigma + (2 + layer.reads) * UNIT + product
        theta = of_sum(trained, own.theta, *map(float, layer.in_gamma))
        apart = self.layer(at, own.apart, widest)
        sigma = variance + 4 * UNIT + layer.noise.second
        theta += (layer.reads + 3) * UNIT + layer.noise.square
        if layer.step.passes:  # 1 - rate, its inverse and the product are rounded
            return _Own(sigma + 3 * UNIT, theta + 3 * UNIT, own.mean, own.odds, apart)
        of_mean = 2 / np.pi * layer.bend
        mean = 0.5 * variance + 2 * UNIT + layer.noise.mean
        return _Own(sigma, theta, mean, of_mean / (1 - of_mean), apart)

    def layer(self, at: int, error: Array, widest: Array) -> Array:
        """The errors behind a layer, (3, pairs).

        Args:
            at: its number.
            error: before it.
            widest: largest 1 - rho of each pair; 0 where the complement 1 + rho is known as well.
        """
        layer, added = self.layers[at], self._added[at]
        near = np.sqrt(layer.share) * error[0] + added
        covariance = layer.share * error[1] + self._widened[at]
        steep = np.zeros_like(widest)
        if layer.bend > 0:  # then the angle counts, and 1 + rho is 2 - (1 - rho)
            with np.errstate(divide="ignore"):
                steep = np.sqrt(widest / np.maximum(2 - widest, 0))
        near = np.maximum(steep, 1.0) * near
        d = (4 / np.pi * layer.bend * near if layer.bend > 0 else 0.0) + 8 * UNIT
        sigma = np.maximum(covariance, self._variance[at])
        _, _, rounding, whole = map(float, layer.in_trained)
        trained = whole * (covariance + 4 * UNIT)  # of rate Lambda and a shift
        trained = trained + 4 * rounding * max(whole, 1.0)
        of_trained, of_theta = map(float, layer.in_gamma)
        gamma = _mixed(trained, error[2], of_trained, of_theta)
        if (noise := layer.step.noise) > 1:  # 1 - c becomes 1 - 1/noise + (1 - c)/noise
            near = near / np.sqrt(noise) + np.sqrt(noise / (noise - 1)) * UNIT
            sigma = sigma / noise + 4 * UNIT
        return np.stack([near + 8 * UNIT, sigma + 12 * UNIT, d + gamma + 4 * UNIT])

    def covariances(self, error: Array) -> Array:
        """The errors of Sigma and Theta behind the last layer, (2, pairs)."""
        return np.stack([error[1] + 4 * UNIT, error[2]])

    def before_average(self, stretch: int, error: Array) -> Array:
        """What ``analytic.images.defect_averages.pooled`` is told behind a stretch, (5, pairs)."""
        relative, apart, _ = self._own[self._place(stretch)]
        rest = np.broadcast_to(np.append(apart, relative)[:, None], (3, error.shape[1]))
        given = error + np.array([[0.0], [relative]])  # of 1 - cos: that of Sigma and of the norms
        return np.concatenate([given, rest])

    def behind_average(self, stretch: int, given: Array, chord: Array) -> Array:
        """(eta, epsilon) behind the average of a stretch, (2, pairs).

        Args:
            stretch: its number.
            given: those before it.
            chord: eta that the average was found to leave.
        """
        (relative, _, sigma), boundary = self._own[self._place(stretch)], self._boundary(stretch)
        if boundary.apart is None:
            near = chord + 1.5 * (relative + sigma) + 0.75 * (boundary.positions + 12) * UNIT
            rounded = AVERAGING + 2 * (boundary.positions + 12 + PARTS) * UNIT
            return np.stack([near, np.maximum(given[1], sigma) + rounded])
        average = self.layers[boundary.layer].average
        mixed = average.sigma * (given[1] + AVERAGING + NORMS)
        return np.stack([chord + 0.75 * sigma, np.maximum(mixed, sigma)])

    def _boundary(self, stretch: int) -> Boundary:
        return self.boundaries[self._place(stretch)]

    def _place(self, stretch: int) -> int:
        return [boundary.stretch for boundary in self.boundaries].index(stretch)


def _mixed(a: Array, b: Array, share_a: float, share_b: float) -> Array:
    """``of_sum`` of the errors of pairs."""
    less, more = np.minimum(a, b), np.maximum(a, b)  # which may be infinite
    gap = np.subtract(more, less, out=np.zeros_like(more), where=more > less)
    share = np.where(b > a, share_b, share_a)
    return less + np.multiply(gap, share, out=np.zeros_like(gap), where=share > 0)


def _share(odds: float) -> float:
    """k of k/(1 - k)."""
    return 1 / (1 + 1 / odds) if odds > 0 else 0.0


def _chord_behind(table: Array, chord: float, gap: float, relative: float) -> Array:
    """The error of chords behind an average of positions of one image, (1,)."""
    first = max(chord, relative, NOMINAL)
    second = max(chord / 2**12, gap, relative, NOMINAL)
    return np.min(table * np.array([first, second]) / NOMINAL, keepdims=True)
