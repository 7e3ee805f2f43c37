r"""Pairs of images whose positions go through a network one by one, by the angles between them.

What a series cannot tell, pre-activations of large deviation that are nearly parallel, the rules
for two units can (``analytic.pairs.unit_moments``), at some microseconds each. They ask for
1 - rho and 1 + rho to full relative accuracy, and between two layers these are

    minus = weight sum_k r r' minus_k/(s s') + |a - a'|^2/2,
    plus = weight sum_k r r' plus_k/(s s') + |a - a'|^2/2 + 2 bias/(s s')

with the unit vectors a = (weight^(1/2) r_k, bias^(1/2))/s of ``analytic.images.defects``: sums of
parts that are not negative. Behind an average that mixes positions they are differences, of the
means of r r' minus and of what the norms make of them (docs/theory/convolution.md, *Averages*).

Legend: r the norms sqrt(Sigma) of the units that a layer reads, s those of its pre-activations; the
positions of a pair of images are (p, p) or, where the network mixes them, all (p, q). Errors of
Theta are absolute. A relative error v of the norms turns a unit by v, and so moves 1 - c by what it
turns both, times their distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analytic.expectations import Angle
from analytic.images.position_grids import PositionPairs
from analytic.images.position_norms import OF_SUMS, AverageNorms, LayerNorms, SumNorms
from analytic.images.position_readings import Reading, Window
from analytic.images.shifts import Index
from analytic.machine import UNIT, Array
from analytic.pairs import (
    angle_of_inputs,
    angle_of_sum,
    normalized_angle,
    share_or_zero,
    unit_moments,
)

__all__ = ["Fields", "behind_average", "behind_layer", "behind_sum", "pixels"]

ROUNDED = 8 * UNIT
"""Of a part of a unit vector: weight_std^2 (half of it), its root, r, s, 1/s and two products."""


class Fields(NamedTuple):
    """Pairs of positions of pairs of images: angles, Theta and its error, (pairs, *grid) each."""

    minus: Array
    plus: Array
    error: Array
    theta: Array
    wrong: Array

    @property
    def angle(self) -> Angle:
        """The angles, with their grid."""
        return Angle(*self[:3])

    @property
    def flat(self) -> Angle:
        """The same, (pairs of positions,)."""
        return Angle(*(part.ravel() for part in self[:3]))


def pixels(pairs: PositionPairs, x: Array, labels: Index) -> Fields:
    """Those of the pixels of images (n, P, channels)."""
    first, second = x[pairs.i], x[pairs.j]
    if pairs.mixes:
        first, second = np.broadcast_arrays(first[:, :, None], second[:, None])
    grid, channels = first.shape[:-1], x.shape[-1]
    angle = angle_of_inputs(first.reshape(-1, channels), second.reshape(-1, channels))
    none = np.zeros(grid)
    return _pinned(pairs, labels, angle, none, none)


def behind_layer(
    pairs: PositionPairs, known: LayerNorms, reading: Reading, labels: Index, old: Fields
) -> Fields:
    """Behind a layer.

    Args:
        pairs: the pairs of images.
        known: what the layer sees of all of them.
        reading: what it reads.
        labels: of the units behind it.
        old: before it.
    """
    step = known.stage.step
    if step.passes:
        angle = old.flat.thinned(1 / step.noise) if step.noise > 1 else old.flat
        noise = pairs.same(labels) * (step.noise - 1) + 1
        return _pinned(pairs, labels, angle, noise * old.theta, noise * old.wrong)
    if step.normalizes:
        return _normalized(pairs, known, labels, old)
    return _activated(pairs, known, reading, labels, old)


def _normalized(pairs: PositionPairs, known: LayerNorms, labels: Index, old: Fields) -> Fields:
    stage, n = known.stage, len(known.norms)
    angle, v = old.flat, known.variation
    if not stage.step.over_positions:
        places = pairs.places(n, old.minus.shape)
        angle = _without_mean(known, *places, angle)
    inverse = pairs.outer(1 / np.sqrt(stage.variance).reshape(n, -1))
    wrong = (old.wrong + (v + 4 * UNIT) * np.abs(old.theta)) * inverse
    return _pinned(pairs, labels, angle, old.theta * inverse, wrong)


def _without_mean(known: LayerNorms, i: Index, j: Index, angle: Angle) -> Angle:
    """The angle of what units have beside their means, flat.

    With mu = r cos(alpha), t = cot(alpha) and c' the cosine that is wanted, c = cos(alpha)
    cos(alpha') + c' sin(alpha) sin(alpha'): alpha moves c' by t' - c' t, and errors v of r^2 and w
    of the mean move alpha by v t/2 + w/sin(alpha).
    """
    stage, (v, w) = known.stage, known.before
    t = share_or_zero(stage.mu, np.sqrt(stage.trained))
    found = normalized_angle(stage, 0.0, i, j, angle)
    turned = v / 2 * np.abs(t) + w * np.hypot(1, t)
    wrong = 2 * (1 + t[i] ** 2 + t[j] ** 2) * (turned[i] + turned[j]) ** 2
    for a, b in ((i, j), (j, i)):
        near = np.abs(t[b] - t[a]) + np.abs(t[a]) * found.minus
        far = np.abs(t[b] + t[a]) + np.abs(t[a]) * found.plus
        wrong += turned[a] * np.minimum(near, far)
    return found._replace(error=found.error + wrong)


def _moved(angle: Angle, v: float) -> Angle:
    """With the error of units that are turned by v each."""
    gap = np.sqrt(2 * angle.small)
    return angle._replace(error=angle.error + 2 * v * (gap + 2 * v))


def _activated(
    pairs: PositionPairs, known: LayerNorms, reading: Reading, labels: Index, old: Fields
) -> Fields:
    stage, n, source = known.stage, len(known.norms), reading.source
    weight, _, rate, bias_rate = stage.step.coefficients
    slope, gamma = (np.sqrt(part).reshape(n, -1) for part in (stage.moments.slope, stage.gamma))
    inner, sizes = pairs.outer(known.norms), pairs.outer(gamma)
    angle = _exact(pairs, labels, _preactivation(pairs, known, source, old))
    behind, d, wrong = _moments(pairs, known, labels, angle)
    given = rate * weight * pairs.read(source, inner * old.angle.cosine) + bias_rate
    given = given + weight * pairs.read(source, old.theta)
    lost = rate * weight * pairs.read(source, inner * (old.error + known.variation))
    lost += weight * pairs.read(source, old.wrong) + (4 + stage.reads) * UNIT * sizes
    most = pairs.outer(slope)
    wrong = np.multiply(most, wrong, out=np.zeros_like(wrong), where=wrong > 0)
    wrong = wrong * sizes + np.abs(d) * (lost + 2 * UNIT * sizes)
    return _pinned(pairs, labels, behind, d * given, wrong)


def _moments(
    pairs: PositionPairs, known: LayerNorms, labels: Index, angle: Angle
) -> tuple[Angle, Array, Array]:
    """The angle behind an activation, flat, D and the error of D; equal pairs are taken once."""
    grid = angle.minus.shape
    places = pairs.places(len(known.norms), grid)
    first, copies = pairs.different(labels)
    chosen = Angle(*(part.ravel()[first] for part in angle))
    one, other = (part[first] for part in places)
    found = unit_moments(known.close, 0, chosen, one, other)
    d, wrong = (part[copies].reshape(grid) for part in (found.d, found.error))
    return found.angle.take(copies), d, wrong


def _preactivation(pairs: PositionPairs, known: LayerNorms, source: Index, old: Fields) -> Angle:
    """1 - rho, 1 + rho of the pre-activations, with the error of the smaller one; flat."""
    stage, n = known.stage, len(known.norms)
    weight, bias, *_ = stage.step.coefficients
    s = np.sqrt(stage.variance).reshape(n, -1)
    return _combined(pairs, known.norms, s, (weight, bias), source, known.variation, old)


def _combined(
    pairs: PositionPairs, r: Array, s: Array, coefficients: tuple[float, float], source: Index,
    variation: float, old: Fields,
) -> Angle:  # fmt: skip
    """Of vectors of norm s that are made of those of norm r, and of a bias; flat."""
    weight, bias = coefficients
    inner, both = pairs.outer(r), pairs.outer(s)
    alive = both > 0
    share = np.where(alive, 1 / np.where(alive, both, 1.0), 0.0)
    near, far, wrong = (weight * pairs.read(source, inner * part) * share for part in old[:3])
    apart = _apart(pairs, r, s, coefficients, source)
    gap, norms = np.sqrt(2 * apart), 2 * (variation + ROUNDED)
    minus = np.where(alive, near + apart, 1.0)
    plus = np.where(alive, far + apart + 2 * bias * share, 1.0)
    scaled = np.where(minus < plus, near, far + 2 * bias * share)
    error = wrong + norms * (gap + norms + scaled)
    error += (len(source) + 8) * UNIT * np.minimum(minus, plus)
    return Angle.of(*(part.ravel() for part in (minus, plus, np.where(alive, error, 0.0))))


def _apart(
    pairs: PositionPairs, r: Array, s: Array, coefficients: tuple[float, float], source: Index
) -> Array:
    """|a - a'|^2/2."""
    weight, bias = coefficients
    inverse = np.where(s > 0, 1 / np.where(s > 0, s, 1.0), 0.0)
    around = np.concatenate([np.sqrt(weight) * r, np.zeros((len(r), 1))], axis=1)
    total = np.zeros(())
    for places in source:
        a, b = pairs.both(around[:, places] * inverse)
        total = total + (a - b) ** 2
    a, b = pairs.both(np.sqrt(bias) * inverse)
    return (total + (a - b) ** 2) / 2


def behind_average(
    pairs: PositionPairs, known: AverageNorms, window: Window, labels: Index, old: Fields
) -> Fields:
    """Behind an average; the arguments are those of ``behind_layer``."""
    if window.mixes:
        theta, wrong = (pairs.mean(window, part) for part in (old.theta, old.wrong))
        angle = _mixed(pairs, known, window, old)
    else:
        one = 1 / len(window.source), 0.0
        s = known.behind
        angle = _combined(pairs, known.norms, s, one, window.source, known.variation, old)
        theta, wrong = (pairs.read(window.source, part) * one[0] for part in old[3:])
    return _pinned(pairs, labels, angle, theta, wrong + OF_SUMS * (np.abs(theta) + wrong))


def _mixed(pairs: PositionPairs, known: AverageNorms, window: Window, old: Fields) -> Angle:
    """The mean of Phi less T, for either complement; flat."""
    inner = pairs.outer(known.norms)
    near, far, wrong = (pairs.mean(window, inner * part) for part in old[:3])
    means, both = pairs.outer(known.mean), pairs.outer(known.behind)
    (t, t_), parts = pairs.both(known.spread), pairs.both(known.of_spread)
    alive = both > 0
    share = np.where(alive, 1 / np.where(alive, both, 1.0), 0.0)
    norms = np.where(alive, means**2 * (t + t_ - t * t_) / np.where(alive, both + means, 1.0), 0.0)
    minus = np.where(alive, (near - norms) * share, 1.0)
    plus = np.where(alive, (far - norms) * share, 1.0)
    ratio = np.divide(
        known.mean, known.behind, out=np.zeros_like(known.mean), where=known.behind > 0
    )
    a, b = pairs.both(ratio)
    turned = known.variation * (a + b) / 2
    gap = np.sqrt(2 * np.maximum(np.minimum(minus, plus), 0))
    error = wrong + 4 * OF_SUMS * (np.minimum(near, far) + norms)
    error = error * share + (parts[0] * a**2 + parts[1] * b**2) / 2
    error += turned * (gap + 4 * turned)
    return Angle.of(*(part.ravel() for part in (minus, plus, np.where(alive, error, 0.0))))


def behind_sum(
    pairs: PositionPairs, known: SumNorms, labels: Index, total: Fields, branch: Fields,
    shares: tuple[float, float] | None,
) -> Fields:  # fmt: skip
    """Behind a sum of branches, or units side by side; see ``behind_layer``."""
    places = pairs.places(len(labels), total.minus.shape)
    angle = angle_of_sum(known.junction, 0.0, *places, total.flat, branch.flat)
    wrong = _of_parts(known, *places, angle, total.flat, branch.flat)
    angle = _moved(angle._replace(error=angle.error + wrong), 12 * known.ratio * UNIT)
    p, q = shares or (1.0, 1.0)
    theta = p * total.theta + q * branch.theta
    wrong = p * total.wrong + q * branch.wrong
    wrong = wrong + 4 * UNIT * (p * np.abs(total.theta) + q * np.abs(branch.theta))
    return _pinned(pairs, labels, angle, theta, wrong)


def _of_parts(
    known: SumNorms, i: Index, j: Index, angle: Angle, total: Angle, branch: Angle
) -> Array:
    """By how much 1 - c is wrong as the norms and means of both parts of a sum are.

    With x = r/R of one part and y = eta/R, the mean of the other one, a relative error of r moves c
    by x (x' c_r - x c), and one of its mean, relative to r, by x (y' - y c).
    """
    (a, _, mu), (b, _, eta), _ = known.junction
    whole = np.sqrt(known.junction.state[0])
    wrong = np.full(i.size, (6 * known.ratio * max(*known.wrong[0], *known.wrong[1])) ** 2)
    parts = (a, total.cosine, eta), (b, branch.cosine, mu)
    for (sigma, inner, other), (v, w) in zip(parts, known.wrong, strict=True):
        x, y = share_or_zero(np.sqrt(sigma), whole), share_or_zero(other, whole)
        for m, o in ((i, j), (j, i)):
            moved = v / 2 * np.abs(x[o] * inner - x[m] * angle.cosine)
            wrong += x[m] * (moved + w * np.abs(y[o] - y[m] * angle.cosine))
    return wrong


def _pinned(
    pairs: PositionPairs, labels: Index, angle: Angle, theta: Array, wrong: Array
) -> Fields:
    return Fields(*_exact(pairs, labels, angle), theta, wrong)


def _exact(pairs: PositionPairs, labels: Index, angle: Angle) -> Angle:
    """Angles, with their grid: no rounding moves that of what is one unit."""
    one = pairs.same(labels)
    parts = zip(angle, (0.0, 2.0, 0.0), strict=True)
    return Angle(*(np.where(one, known, part.reshape(one.shape)) for part, known in parts))
