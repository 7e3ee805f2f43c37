r"""What pairs of positions ask of each position: norms, moments, and how well these are known.

Everything at equal positions of some images, (n, P), with relative errors that hold for all of
them. An average makes of norms r with the mean m and of the mean M of Phi = r r' (1 - c) over pairs
in its window R^2 = m^2 - M, see *Averages* in docs/theory/convolution.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from analytic.expectations import moments
from analytic.images.position_readings import Reading, Window
from analytic.machine import UNIT, Array
from analytic.network import Network, Step
from analytic.pairs import Close, share_or_zero
from analytic.recursion import Diagonal, Junction, Stage, own_preactivation

__all__ = [
    "OF_SUMS",
    "AverageNorms",
    "LayerNorms",
    "Lost",
    "Own",
    "SumNorms",
    "average_norms",
    "kappa_of",
    "layer_norms",
    "sum_norms",
]

OF_SUMS = 6 * UNIT
"""Of means in extended precision, or of a few parts, and a root."""


class Own(NamedTuple):
    """Sigma, Theta and mu, (n, P) each, and errors of Sigma and of mu relative to its root."""

    sigma: Array
    theta: Array
    mu: Array
    wrong: float
    wrong_mean: float


class LayerNorms(NamedTuple):
    """A layer and what it reads.

    Attributes:
        norms: r of what is read, (n, P).
        close: the layer alone, with its units.
        variation: the largest relative error of r^2, of the variances, and of Sigma behind it.
        before: the relative error of r^2, and that of the mean relative to r, of what is read.
    """

    norms: Array
    close: Close
    variation: float
    before: tuple[float, float]

    @property
    def stage(self) -> Stage:
        """What the layer sees, (n P',)."""
        return self.close.ends.stages[0]


class AverageNorms(NamedTuple):
    """An average: r (n, P); R, m, t = 1 - R^2/m^2 and its error, (n, P'); the error of r^2."""

    norms: Array
    behind: Array
    mean: Array
    spread: Array
    of_spread: Array
    variation: float


class SumNorms(NamedTuple):
    """A sum of branches, (n P,).

    Attributes:
        junction: what is added.
        wrong: of both parts, the relative error of r^2 and that of the mean relative to r.
        ratio: the largest (r + r')/R of the norms of both parts and of the sum.
    """

    junction: Junction
    wrong: tuple[tuple[float, float], tuple[float, float]]
    ratio: float


class Lost(NamedTuple):
    """Of pairs of places in each window, (n, P'): the means of Phi, of its error, and of Theta."""

    phi: Array
    wrong: Array
    theta: Array


def layer_norms(
    network: Network, step: Step, reading: Reading, own: Own, proved: bool
) -> tuple[LayerNorms, Own]:
    """A layer behind a state, and the state behind it.

    ``proved`` says whether the rules for two units are; else the result is marked as estimated.
    """
    sigma, theta, mu = own[:3]
    if not (step.passes or step.normalizes):
        sigma, theta = (_read(reading, part) for part in own[:2])
        mu = mu if step.keeps_mean else np.zeros_like(sigma)
    variance, trained, gamma = map(np.ravel, own_preactivation(step, (sigma, theta, mu)))
    table = moments(step.layer.activation, np.sqrt(variance))
    if not proved:
        table = replace(table, noise=table.noise._replace(certified=False))
    alone = replace(step, opens=0, closes=0, switches=False, shares=())
    stage = Stage(
        alone, sigma.ravel(), theta.ravel(), variance, trained, gamma, table, mu.ravel(),
        len(reading.source),
    )  # fmt: skip
    shape = len(sigma), -1
    end = [np.asarray(part, np.float64) for part in stage.end]
    close = Close.of(network, Diagonal((stage,), end[0], end[1]))
    variation, wrong, wrong_mean = _errors(close, own)
    close = replace(close, variations=[variation], sigmas=[own.wrong, wrong])
    before = own.wrong + 4 * UNIT, own.wrong_mean + 4 * UNIT
    found = LayerNorms(np.sqrt(own.sigma), close, max(own.wrong, variation, wrong), before)
    sigma, theta, mu = (part.reshape(shape) for part in end)
    return found, Own(sigma, theta, mu, wrong, wrong_mean)


def _read(reading: Reading, values: Array) -> Array:
    """Sums over what is read, (n, P')."""
    around = np.concatenate([values, np.zeros((len(values), 1))], axis=1)
    return np.asarray(around[:, reading.source].sum(axis=1))


def _errors(close: Close, own: Own) -> tuple[float, float, float]:
    """Of the variances, and behind the layer of Sigma and of the mean, relative to its root.

    V + eps has the error v of V, and V/(V + eps) the share of eps of it; over positions there is a
    mean of V instead.
    """
    stage = close.ends.stages[0]
    step, table = stage.step, stage.moments
    if step.passes:
        return own.wrong, own.wrong + 3 * UNIT, own.wrong_mean + 2 * UNIT
    if step.normalizes:
        v = kappa_of(stage) * (own.wrong + 2 * own.wrong_mean + 3 * UNIT) + OF_SUMS
        still = 1 - float(share_or_zero(stage.trained, stage.variance).min(initial=1.0))
        return v, (2.0 if step.over_positions else still) * v + 4 * UNIT, 0.0
    share = 1 - float(share_or_zero(step.bias, stage.variance).min())  # of what is read
    variance = share * own.wrong + (4 + stage.reads) * UNIT
    response = share_or_zero(stage.variance * np.abs(table.response_e), table.second)
    wrong = float(response.max()) * variance + table.noise.second
    mean = own.wrong_mean if step.keeps_mean else _of_mean(close) * variance + table.noise.mean
    return variance, wrong, mean + 2 * UNIT


def kappa_of(stage: Stage) -> float:
    """The largest Sigma/V of units that are normalised."""
    return 1.0 + float(share_or_zero(stage.mu**2, stage.trained).max(initial=0.0))


def _of_mean(close: Close) -> float:
    """The response s^2 E w''(u)/2 of the mean to a relative error of s^2, by the root of E w(u)^2.

    With E w''(u) = sqrt(2) b_1/s; of a x + b |x| that is half of the mean.
    """
    stage, units = close.ends.stages[0], close.units[0]
    root = np.sqrt(stage.moments.second)
    if units is None:
        return 0.5 * float(share_or_zero(np.abs(stage.moments.mean), root).max(initial=0.0))
    turned = np.sqrt(stage.variance / 2) * np.abs(units.b[:, 1])
    return float(share_or_zero(turned, root).max(initial=0.0)) + units.noise


def average_norms(window: Window, own: Own, lost: Lost | None) -> tuple[AverageNorms, Own]:
    """An average behind a state, and the state behind it; ``lost`` where it mixes."""
    r, mu = np.sqrt(own.sigma), _mean(window, own.mu)
    if not window.mixes:
        sigma, theta = (_mean(window, part) for part in own[:2])
        root, none = np.sqrt(sigma), np.zeros_like(sigma)
        errors = own.wrong + OF_SUMS, own.wrong_mean + OF_SUMS
        found = AverageNorms(r, root, root, none, none, max(own.wrong, errors[0]))
        return found, Own(sigma, theta, mu, *errors)
    assert lost is not None
    mean = _mean(window, r)
    sigma = np.maximum(mean**2 - lost.phi, 0)
    of_phi = lost.wrong + OF_SUMS * lost.phi
    turned = _relative(mean**2 * (own.wrong + OF_SUMS) + of_phi, sigma)
    means = _relative(mean * (own.wrong_mean + OF_SUMS), np.sqrt(sigma))
    spread, of_spread = (share_or_zero(part, mean**2) for part in (lost.phi, of_phi))
    found = AverageNorms(r, np.sqrt(sigma), mean, np.minimum(spread, 1), of_spread, own.wrong)
    return found, Own(sigma, np.maximum(lost.theta, 0), mu, turned, means)


def _mean(window: Window, values: Array) -> Array:
    """The means over windows, (n, P')."""
    means = values[:, window.source].mean(axis=1, dtype=np.longdouble)
    return means.astype(np.float64)


def _relative(wrong: Array, size: Array) -> float:
    """The largest relative error; infinite where all of what it is relative to has cancelled."""
    lost = np.where(wrong > 0, np.inf, 0.0)
    return float(np.divide(wrong, size, out=lost, where=size > 0).max(initial=0.0))


def sum_norms(total: Own, branch: Own, shares: tuple[float, float] | None) -> tuple[SumNorms, Own]:
    """The sum of two states, or what they are side by side, and the state behind it."""
    junction = Junction.of(_flat(total), _flat(branch), shares)
    (a, _, mu), (b, _, eta), _ = junction
    sigma = junction.state[0]
    of_mu, of_eta = total.wrong_mean, branch.wrong_mean
    crossed = (of_mu + 2 * UNIT) * np.sqrt(a) * np.abs(eta)
    crossed += (of_eta + 2 * UNIT) * np.sqrt(b) * np.abs(mu)
    parts = (total.wrong + 4 * UNIT) * a + (branch.wrong + 4 * UNIT) * b + 2 * crossed
    means = (of_mu + 2 * UNIT) * np.sqrt(a) + (of_eta + 2 * UNIT) * np.sqrt(b)
    if junction.mean is not None:  # |p mu + q eta| <= sqrt(p) |sqrt(p) mu| + ...
        means = np.hypot(of_mu + 2 * UNIT, of_eta + 2 * UNIT) * np.sqrt(a + b)
    wrong, wrong_mean = _relative(parts, sigma), _relative(means, np.sqrt(sigma))
    ratio = float(share_or_zero(np.sqrt(a) + np.sqrt(b), np.sqrt(sigma)).max(initial=0.0))
    shape = total.sigma.shape
    sigma, theta, mu = (part.reshape(shape) for part in junction.state)
    before = (
        (total.wrong + 4 * UNIT, of_mu + 4 * UNIT),
        (branch.wrong + 4 * UNIT, of_eta + 4 * UNIT),
    )
    found = SumNorms(junction, before, ratio)
    return found, Own(sigma, theta, mu, wrong, wrong_mean)


def _flat(own: Own) -> tuple[Array, Array, Array]:
    """Sigma, Theta and mu, (n P,)."""
    sigma, theta, mu = map(np.ravel, own[:3])
    return sigma, theta, mu
