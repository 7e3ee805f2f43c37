r"""The recursion of a network from the moments of its first layer, at pairs of points.

Points are the positions of all inputs. Behind a first layer stand, at all pairs of them,

    Sigma = E w(u) w(u'),   Theta,   mu = E w(u),

whatever the law of u is, and from there on the recursion is the usual one: weights sum Sigma and
Theta over their filter, sums of branches have the products of their means. E and D of a layer are
those of ``kernel`` on vectors whose Gram matrix is Lambda, so that nothing of images is needed.
It takes all pairs of points: a few hundred.
"""

from __future__ import annotations

from typing import NamedTuple

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
    Nonlinearity,
    Step,
    fold,
    itself,
    reads,
    shape_after,
)
from compare.rate.loose_limits import tangent_limit
from empirical.network import pointwise

__all__ = ["PointMoments", "kernel_from_moments", "patches_of"]

Array = NDArray[np.float64]
MEAN_STEP, MEAN_REACH = 1 / 256, 9.0
"""Of the trapezoidal rule for E w(u): a kink costs MEAN_STEP^2."""


class PointMoments(NamedTuple):
    """What a network knows of its units at P positions of n inputs.

    Attributes:
        sigma, theta: shape (n, P, n, P).
        mean: shape (n, P).
        shape: the spatial shape, of P positions; () for vectors.
    """

    sigma: Array
    theta: Array
    mean: Array
    shape: tuple[int, ...]


def kernel_from_moments(network: Network, first: PointMoments) -> Array:
    """K of a network whose first layer has these moments, (n, n).

    Args:
        network: with plain sums over filters and without factors (``summed``, ``joined``).
        first: behind its first layer.

    Raises:
        NotImplementedError: a layer normalises or has noise.
    """
    last = fold(
        network.steps[1:], first, _after, _added, step=itself,
        averaged=lambda step, state: _averaged(step.averages, state),
    )  # fmt: skip
    sigma, theta, _, _ = _averaged(network.readout, last)
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


def _after(step: Step, state: PointMoments) -> PointMoments:
    layer = step.layer
    if isinstance(layer, Nonlinearity):
        found = _expectations(layer.activation, state.sigma)
        return PointMoments(found.sigma, found.theta * state.theta, found.mean, state.shape)
    if not isinstance(layer, FullyConnected | Convolution):
        raise NotImplementedError(f"expected layers with weights, got {layer}; leave it out")
    weight, bias, rate, learned = step.coefficients
    sigma, theta = (weight * _summed(layer, m, state.shape) for m in (state.sigma, state.theta))
    found = _expectations(layer.activation, sigma + bias)
    gamma = rate * sigma + learned + theta
    after = shape_after(layer, state.shape)
    return PointMoments(found.sigma, found.theta * gamma, found.mean, after)


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


def _averaged(averages: tuple[Averaging, ...], state: PointMoments) -> PointMoments:
    for layer in averages:
        sigma, theta, mean, shape = state
        table = reads(layer, shape)  # (P', reads)
        if isinstance(layer, Flatten):
            sigma, theta = (np.einsum("ipjp->ij", m)[:, None, :, None] for m in (sigma, theta))
            sigma, theta = sigma / table.size, theta / table.size
        else:
            sigma, theta = (m[:, table].mean(2)[..., table].mean(-1) for m in (sigma, theta))
        state = PointMoments(sigma, theta, mean[:, table].mean(-1), shape_after(layer, shape))
    return state


def _added(step: Step, number: int, total: PointMoments, branch: PointMoments) -> PointMoments:
    shares = step.shares[number]
    if shares is not None:  # side by side
        p, q = shares
        sigma = p * total.sigma + q * branch.sigma
        theta = p * total.theta + q * branch.theta
        return PointMoments(sigma, theta, p * total.mean + q * branch.mean, branch.shape)
    cross = np.multiply.outer(total.mean, branch.mean)
    sigma = total.sigma + branch.sigma + cross + cross.transpose(2, 3, 0, 1)
    return PointMoments(sigma, total.theta + branch.theta, total.mean + branch.mean, branch.shape)


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
