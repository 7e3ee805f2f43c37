r"""Pairs of images whose positions go through a network one by one, by the angles between them.

What a series cannot tell, pre-activations of large deviation that are nearly parallel, the rules
for two units can (``analytic.pairs.unit_moments``), at some microseconds each. They ask for
1 - rho and 1 + rho to full relative accuracy, and between two layers these are

    minus = weight sum_k r r' minus_k/(s s') + |a - a'|^2/2,
    plus = weight sum_k r r' plus_k/(s s') + |a - a'|^2/2 + 2 bias/(s s')

with the unit vectors a = (weight^(1/2) r_k, bias^(1/2))/s of ``analytic.images.defects``: sums of
parts that are not negative.

Legend: r the norms sqrt(Sigma) of the units that a layer reads, s those of its pre-activations; the
positions of a pair of images are (p, p) or, where the readout mixes them, all (p, q). Errors of
Theta are absolute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import Angle, moments
from analytic.images.shifts import Index
from analytic.machine import UNIT, Array
from analytic.network import Network
from analytic.pairs import Close, angle_of_inputs, unit_moments
from analytic.recursion import Diagonal, Stage, own_preactivation

__all__ = ["Ends", "Reading", "Walk", "image_ends"]

ROUNDED = 8 * UNIT
"""Of a part of a unit vector: weight_std^2 (half of it), its root, r, s, 1/s and two products."""


Mask = NDArray[np.bool_]


class Reading(NamedTuple):
    """What a layer reads: positions (filters, P'), -1 outside, each with a share of its own."""

    source: Index
    share: float


class Ends(NamedTuple):
    """The recursion at x = x': its stages, and Sigma and Theta that every layer reads, (n, P)."""

    diagonal: Diagonal
    sigma: list[Array]
    theta: list[Array]


def image_ends(network: Network, readings: Sequence[Reading], x: Array) -> Ends:
    """Run the recursion at equal positions of images (n, P, channels).

    ``sigma`` and ``theta`` have one entry more than there are layers: those at the readout.
    """
    sigma = np.mean(np.square(x, dtype=np.longdouble), axis=2).astype(np.float64)
    theta, stages = np.zeros_like(sigma), list[Stage]()
    known = [sigma], [theta]
    for step, reading in zip(network.steps, readings, strict=True):
        both, own = (_read_own(reading, values).ravel() for values in (sigma, theta))
        none = np.zeros_like(both)
        variance, trained, gamma = own_preactivation(step, (both, own, none))
        table = moments(step.layer.activation, np.sqrt(variance))
        proved = step.layer.activation.bent_line is not None or step.layer.activation.jump
        if not proved:  # the rules for two units are estimated
            table = replace(table, noise=table.noise._replace(certified=False))
        reads = len(reading.source)
        stages.append(Stage(step, both, own, variance, trained, gamma, table, none, reads))
        sigma, theta = (part.reshape(len(x), -1) for part in stages[-1].end[:2])
        known[0].append(sigma)
        known[1].append(theta)
    ends = Diagonal(
        tuple(stages), sigma.mean(axis=1), theta.mean(axis=1), output=network.output.coefficients
    )
    return Ends(ends, *known)


def _read_own(reading: Reading, values: Array) -> Array:
    """Sums over what is read, (n, P')."""
    around = np.concatenate([values, np.zeros((len(values), 1))], axis=1)
    return reading.share * around[:, reading.source].sum(axis=1)


class _Fields(NamedTuple):
    """Pairs of positions of pairs of images: angles, Theta and its error, (pairs, *grid) each.

    ``same`` says which are known to be equal: no rounding moves the angle of what is one unit.
    """

    minus: Array
    plus: Array
    error: Array
    theta: Array
    wrong: Array
    same: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """The way of pairs of images through a network.

    Attributes:
        close: the network, and what its layers see of all positions of all images.
        ends: the recursion at x = x'.
        readings: what the layers read.
        mixes: whether the readout wants all pairs of positions.
    """

    close: Close
    ends: Ends
    readings: tuple[Reading, ...]
    mixes: bool

    def kernels(self, x: Array, y: Array, i: Index, j: Index) -> Array:
        """Sigma and Theta at the readout and the errors of both, (4, pairs).

        Args:
            x: the first images of the pairs, (pairs, P, channels).
            y: the second ones.
            i: their places among all images.
            j: those of the second ones.
        """
        fields = self._start(x, y)
        for at in range(len(self.readings)):
            fields = self._layer(at, i, j, fields)
        norms = self._outer(np.sqrt(self.ends.sigma[-1]), i, j)
        axes = tuple(range(1, norms.ndim))
        variation = self.close.variations[-1]
        sums = 4 * UNIT  # in extended precision
        values = norms * Angle(*fields[:3]).cosine, fields.theta
        found = [part.mean(axis=axes, dtype=np.longdouble).astype(np.float64) for part in values]
        sizes = (self._outer(np.sqrt(part[-1]), i, j) for part in self.ends[1:])
        wrongs = norms * (fields.error + variation), fields.wrong
        errors = [
            (wrong + (sums + 4 * UNIT) * size).mean(axis=axes)
            for wrong, size in zip(wrongs, sizes, strict=True)
        ]
        return np.stack([*found, *errors])

    def _start(self, x: Array, y: Array) -> _Fields:
        """The pixels."""
        pairs, positions, channels = x.shape
        grid = (pairs, positions, positions) if self.mixes else (pairs, positions)
        if self.mixes:
            x, y = np.broadcast_arrays(x[:, :, None], y[:, None])
        angle = angle_of_inputs(x.reshape(-1, channels), y.reshape(-1, channels))
        none = np.zeros(grid)
        same = np.all(x == y, axis=-1)
        minus, plus, error = (part.reshape(grid) for part in angle)
        return _Fields(minus, plus, error, none, none, same)

    def _layer(self, at: int, i: Index, j: Index, old: _Fields) -> _Fields:
        """Behind a layer."""
        stage, reading = self.close.ends.stages[at], self.readings[at]
        weight, _, rate, bias_rate = stage.step.coefficients
        n = len(self.ends.sigma[at])
        s, slope, gamma = (
            np.sqrt(part).reshape(n, -1)
            for part in (stage.variance, stage.moments.slope, stage.gamma)
        )
        inner = self._outer(np.sqrt(self.ends.sigma[at]), i, j)
        both, sizes = self._outer(s, i, j), self._outer(gamma, i, j)
        same = self._are_same(reading, old.same)
        angle = _pinned(self._angle(at, i, j, old, inner, both), same)
        first, second = (
            np.broadcast_to(part, both.shape).ravel().astype(np.int64)
            for part in self._pair(np.arange(float(s.size)).reshape(n, -1), i, j)
        )
        found = unit_moments(self.close, at, angle, first, second)
        cosine = Angle(*old[:3]).cosine
        given = rate * weight * self._read(reading, inner * cosine) + bias_rate
        given = given + weight * self._read(reading, old.theta)
        variation = self.close.variations[at]
        lost = rate * weight * self._read(reading, inner * (old.error + variation))
        lost += weight * self._read(reading, old.wrong) + (4 + stage.reads) * UNIT * sizes
        d, wrong = (part.reshape(both.shape) for part in (found.d, found.error))
        most = self._outer(slope, i, j)
        wrong = np.multiply(most, wrong, out=np.zeros_like(wrong), where=wrong > 0)
        minus, plus, error = (part.reshape(both.shape) for part in _pinned(found.angle, same))
        wrong = wrong * sizes + np.abs(d) * (lost + 2 * UNIT * sizes)
        return _Fields(minus, plus, error, d * given, wrong, same)

    def _angle(self, at: int, i: Index, j: Index, old: _Fields, inner: Array, both: Array) -> Angle:
        """1 - rho, 1 + rho of the pre-activations, with the error of the smaller one; flat."""
        stage, reading = self.close.ends.stages[at], self.readings[at]
        weight, bias, *_ = stage.step.coefficients
        alive = both > 0
        share = np.where(alive, 1 / np.where(alive, both, 1.0), 0.0)
        near, far, wrong = (weight * self._read(reading, inner * part) * share for part in old[:3])
        apart = self._apart(at, i, j, weight * reading.share, bias)
        gap, norms = np.sqrt(2 * apart), 2 * (self.close.variations[at] + ROUNDED)
        minus = np.where(alive, near + apart, 1.0)
        plus = np.where(alive, far + apart + 2 * bias * share, 1.0)
        scaled = np.where(minus < plus, near, far + 2 * bias * share)
        error = wrong + norms * (gap + norms + scaled)
        error += (stage.reads + 8) * UNIT * np.minimum(minus, plus)
        return Angle.of(*(part.ravel() for part in (minus, plus, np.where(alive, error, 0.0))))

    def _are_same(self, reading: Reading, same: Mask) -> Mask:
        """Whether all that is read is the same; so it is outside of both images."""
        around = np.pad(same, ((0, 0), *((0, 1),) * (same.ndim - 1)))
        around[(slice(None), *(-1,) * (same.ndim - 1))] = True
        parts = (around[(slice(None), *self._where(source))] for source in reading.source)
        return np.logical_and.reduce(list(parts))

    def _apart(self, at: int, i: Index, j: Index, weight: float, bias: float) -> Array:
        """|a - a'|^2/2."""
        n = len(self.ends.sigma[at])
        s = np.sqrt(self.close.ends.stages[at].variance).reshape(n, -1)
        inverse = np.where(s > 0, 1 / np.where(s > 0, s, 1.0), 0.0)
        r = np.sqrt(weight * self.ends.sigma[at])
        around = np.concatenate([r, np.zeros((n, 1))], axis=1)
        total = np.zeros(())
        for source in self.readings[at].source:
            a, b = self._pair(around[:, source] * inverse, i, j)
            total = total + (a - b) ** 2
        a, b = self._pair(np.sqrt(bias) * inverse, i, j)
        return (total + (a - b) ** 2) / 2

    def _pair(self, values: Array, i: Index, j: Index) -> tuple[Array, Array]:
        """Numbers of both images, (pairs, P, 1) and (pairs, 1, P), or (pairs, P)."""
        if self.mixes:
            return values[i][:, :, None], values[j][:, None]
        return values[i], values[j]

    def _outer(self, values: Array, i: Index, j: Index) -> Array:
        a, b = self._pair(values, i, j)
        return a * b

    def _read(self, reading: Reading, values: Array) -> Array:
        """Sums over what is read at both positions."""
        around = np.pad(values, ((0, 0), *((0, 1),) * (values.ndim - 1)))
        total = np.zeros(())
        for source in reading.source:
            total = total + around[(slice(None), *self._where(source))]
        return reading.share * total

    def _where(self, source: Index) -> tuple[Index, ...]:
        """The places of pairs of positions that are read."""
        return (source[:, None], source[None]) if self.mixes else (source,)


def _pinned(angle: Angle, same: Mask) -> Angle:
    one = same.ravel()
    minus, plus, error = (
        np.where(one, exact, part) for part, exact in zip(angle, (0.0, 2.0, 0.0), strict=True)
    )
    return Angle(minus, plus, error)
