r"""The recursion of a network from the moments of its first layers, at pairs of points.

Points are the positions of all inputs. Behind a layer that reads the inputs stand, at all pairs of
them,

    Sigma = E w(u) w(u'),   Theta,   mu = E w(u),

whatever the law of u is, and from there on the recursion is the usual one: weights sum Sigma and
Theta over their filter, sums of branches have the products of their means. E and D of a layer are
those of ``kernel`` on vectors whose Gram matrix is Lambda, so that nothing of images is needed.
It takes all pairs of points: a few hundred. Units that an activation reads without weights in
between, as behind a linear stem, keep their own law: ``drawn_units``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import FullyConnected, Network, Readout
from analytic.activation import Activation
from analytic.network import (
    Averaging,
    Convolution,
    Flatten,
    Layer,
    LayerNorm,
    Nonlinearity,
    Step,
    fold,
    itself,
    reads,
    shape_after,
)
from compare.rate.drawn_units import PointMoments, averaged_units, moments_of, summed
from compare.rate.loose_limits import tangent_limit
from empirical.network import pointwise

__all__ = ["kernel_from_moments", "patches_of"]

Array = NDArray[np.float64]
MEAN_STEP, MEAN_REACH = 1 / 256, 9.0
"""Of the trapezoidal rule for E w(u): a kink costs MEAN_STEP^2."""


def kernel_from_moments(
    network: Network, begin: Callable[[Step], PointMoments], noise: Array
) -> Array:
    """K of a network whose layers that read the inputs have these moments, (n, n).

    Args:
        network: with plain sums over filters and without factors (``summed``, ``joined``), its
            gains where they commute (``commuted``).
        begin: what stands behind a layer that reads the inputs; asked for in the order of steps.
        noise: independent normal numbers (draws, points), for units that are drawn in part.

    Raises:
        NotImplementedError: a layer has noise, or a branch that reads the inputs has none.
    """

    def after(step: Step, state: PointMoments | None) -> PointMoments:
        return begin(step) if state is None else _after(step, state, noise)

    def averaged(step: Step, state: PointMoments | None) -> PointMoments | None:
        return None if state is None else _averaged(step.averages, state)

    last = fold(network.steps, None, after, _added, step=itself, averaged=averaged)
    assert last is not None
    sigma, theta, *_ = _averaged(network.readout, last)
    weight, _, rate, learned = network.output.coefficients
    return (weight * (rate * sigma + theta) + learned)[:, 0, :, 0]


def patches_of(layer: Layer, x: Array) -> Array:
    r"""What a layer reads of inputs (n, channels, \*spatial), (n, P, numbers)."""
    columns = x.reshape(*x.shape[:2], -1)
    if not isinstance(layer, Convolution):
        return columns.reshape(len(x), 1, -1)
    table = reads(layer, x.shape[2:])  # (P, reads)
    found = np.where(table >= 0, columns[:, :, table], 0.0)  # (n, channels, P, reads)
    return np.moveaxis(found, 2, 1).reshape(len(x), len(table), -1)


def _after(step: Step, state: PointMoments, noise: Array) -> PointMoments:
    layer = step.layer
    if isinstance(layer, LayerNorm):
        return _normalised(layer, state)
    if isinstance(layer, Nonlinearity):
        found = (
            _expectations(layer.activation, state.sigma)
            if state.drawn is None
            else moments_of(layer.activation, state, noise)
        )
        return found._replace(theta=found.theta * state.theta, shape=state.shape)
    weight, bias, rate, learned = step.coefficients
    if not isinstance(layer, FullyConnected | Convolution):
        if step.noise != 1:
            raise NotImplementedError(f"expected no noise behind a drawn layer, got {layer}")
        theta = weight * (rate * state.sigma + state.theta) + learned  # gains, or nothing
        mean, drawn = (state.mean, state.drawn) if weight == 1 else (0 * state.mean, None)
        return PointMoments(weight * state.sigma, theta, mean, state.shape, drawn)
    sigma, theta = (weight * _summed(layer, m, state.shape) for m in (state.sigma, state.theta))
    found = _expectations(layer.activation, sigma + bias)
    gamma = rate * sigma + learned + theta
    return found._replace(theta=found.theta * gamma, shape=shape_after(layer, state.shape))


def _summed(layer: Layer, moments: Array, shape: tuple[int, ...]) -> Array:
    """The sum over the offsets of a filter, (n, P', n, P')."""
    if not isinstance(layer, Convolution):
        return moments
    table = reads(layer, shape)
    total = np.zeros((len(moments), len(table)) * 2)
    for columns in table.T:
        inside = columns >= 0
        total += moments[:, columns][..., columns] * np.outer(inside, inside)[:, None]
    return total


def _normalised(layer: LayerNorm, state: PointMoments) -> PointMoments:
    """Units without their mean, over their deviation at each position or at all of them."""
    own = np.einsum("ipip->ip", state.sigma)
    mean = np.zeros_like(own) if layer.positions else state.mean
    square = own - mean**2
    if layer.positions:
        square = np.broadcast_to(square.mean(axis=1, keepdims=True), own.shape)
    deviation = np.sqrt(square + layer.eps)
    scale = np.multiply.outer(deviation, deviation)
    sigma = (state.sigma - np.multiply.outer(mean, mean)) / scale
    drawn = None if state.drawn is None else state.drawn.divided(deviation)
    return PointMoments(sigma, state.theta / scale, np.zeros_like(own), state.shape, drawn)


def _averaged(averages: tuple[Averaging, ...], state: PointMoments) -> PointMoments:
    for layer in averages:
        sigma, theta, mean, shape, drawn = state
        table = reads(layer, shape)  # (P', reads)
        if isinstance(layer, Flatten):
            sigma, theta = (np.einsum("ipjp->ij", m)[:, None, :, None] for m in (sigma, theta))
            sigma, theta = sigma / table.size, theta / table.size
        else:
            sigma, theta = (m[:, table].mean(2)[..., table].mean(-1) for m in (sigma, theta))
        drawn = averaged_units(layer, table, drawn)
        mean, shape = mean[:, table].mean(-1), shape_after(layer, shape)
        state = PointMoments(sigma, theta, mean, shape, drawn)
    return state


def _added(
    step: Step, number: int, total: PointMoments | None, branch: PointMoments | None
) -> PointMoments:
    if total is None or branch is None:
        raise NotImplementedError("expected layers in all branches that read the inputs, add some")
    shares = step.shares[number]
    if shares is not None:  # side by side
        p, q = shares
        sigma = p * total.sigma + q * branch.sigma
        theta = p * total.theta + q * branch.theta
        return PointMoments(sigma, theta, p * total.mean + q * branch.mean, branch.shape)
    cross = np.multiply.outer(total.mean, branch.mean)
    sigma = total.sigma + branch.sigma + cross + cross.transpose(2, 3, 0, 1)
    drawn = summed(total.drawn, branch.drawn)
    mean = total.mean + branch.mean
    return PointMoments(sigma, total.theta + branch.theta, mean, branch.shape, drawn)


def _expectations(activation: Activation, covariance: Array) -> PointMoments:
    """E, D and E w at all pairs of points of the covariance Lambda."""
    shape, points = covariance.shape, covariance.shape[0] * covariance.shape[1]
    values, vectors = np.linalg.eigh(covariance.reshape(points, points))
    rows = vectors * np.sqrt(np.maximum(values, 0.0) * points)  # Gram matrix Lambda
    frozen = FullyConnected(activation, weight_rate=0.0)
    e = tangent_limit(Network(frozen), rows)
    slopes = FullyConnected(activation, weight_rate=0.0, bias_rate=1.0)
    d = tangent_limit(Network(slopes, Readout(weight_rate=0.0)), rows)
    t = np.arange(-MEAN_REACH, MEAN_REACH + MEAN_STEP, MEAN_STEP)
    weights = MEAN_STEP * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi)
    variances, place = np.unique(np.einsum("ipip->ip", covariance), return_inverse=True)
    w = pointwise(activation)(torch.from_numpy(np.outer(np.sqrt(variances), t))).numpy()
    mean = (w @ weights)[place].reshape(shape[:2])
    return PointMoments(e.reshape(shape), d.reshape(shape), mean, ())
