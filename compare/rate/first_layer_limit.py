r"""The limit of a network whose first layer has weights of another law than the normal one.

Its units are independent and alike whatever their law, so that the layers behind it see their
second moments only. With u = W x + b drawn from the true law and r = weight_rate weight_std^2

    Sigma_1 = E w(u) w(u'),    Theta_1 = E w'(u) w'(u') (r <x, x'>/d + bias_rate),

and both enter the recursion of the rest: Sigma_1 as the products of other inputs, whose Gram matrix
it is, and Theta_1 through the slope of the kernel with respect to it, which is the kernel of the
rest with rate 1 for a bias in front of it and rate 0 for all else. Of images, and where a sum of
branches reads the means too, all pairs of points are followed (``recursion_from_moments``). The
expectations are means over scrambled Sobol points; several scramblings give the error (Owen 1997).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from analytic import Activation, FullyConnected, LayerNorm, Network
from analytic.network import Convolution, shape_after
from compare.rate.loose_limits import tangent_limit
from compare.rate.recursion_from_moments import PointMoments, kernel_from_moments, patches_of
from empirical.lifting import InitialLaw
from empirical.network import pointwise

__all__ = ["integrated_first_layer"]

Array = NDArray[np.float64]
SOBOL_POINTS, SCRAMBLINGS = 2**13, 4
"""Sobol points, and how often they are scrambled anew."""
POINTS_INTEGRATED = 1024
"""Most positions of all inputs together: all their pairs are followed behind the first layer."""


def integrated_first_layer(
    network: Network, x: Array, laws: tuple[InitialLaw, InitialLaw]
) -> tuple[Array, Array] | None:
    """The limit with the true law of the first layer, and its standard error.

    Args:
        network: a description whose first layer has other weights.
        x: inputs, shape (n, d) or (n, channels, *spatial).
        laws: of its weights and biases, as they enter the sums.

    Returns:
        (n, n) each; None where images have more than ``POINTS_INTEGRATED`` positions in all,
        averages stand before the first layer, or units of images or of a sum are normalised.
    """
    first, *rest = network.layers
    if isinstance(first, FullyConnected) and (not rest or isinstance(rest[0], FullyConnected)):
        found = np.array([_replicate(network, x, sums) for sums in _sums(x, laws)])
    else:
        plain = network.summed(x.ndim - 2) if network.is_spatial else network
        try:
            replicates = _from_moments(plain.joined(), x, laws)
        except NotImplementedError:
            return None
        if replicates is None:
            return None
        found = np.array(replicates)
    return found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(len(found))


def _from_moments(
    network: Network, x: Array, laws: tuple[InitialLaw, InitialLaw]
) -> list[Array] | None:
    """The limit by the recursion at all pairs of points, from each scrambling."""
    first = network.steps[0]
    layer = first.layer
    if not isinstance(layer, FullyConnected | Convolution) or first.opens or first.averages:
        return None
    patches = patches_of(layer, x)  # (n, P, numbers)
    n, points, _ = patches.shape
    if n * points > POINTS_INTEGRATED:
        return None
    weight, _, rate, bias_rate = first.coefficients
    flat = patches.reshape(n * points, -1)
    learned = rate * weight * (flat @ flat.T) / x.shape[1] + bias_rate
    shape = (n, points, n, points)
    after = shape_after(layer, x.shape[2:])
    found: list[Array] = []
    for sums in _sums(flat, laws):
        sigma, slope, mean = _moments(layer.activation, sums)
        theta = (slope * learned).reshape(shape)
        moments = PointMoments(sigma.reshape(shape), theta, mean.reshape(n, points), after)
        found.append(kernel_from_moments(network, moments))
    return found


def _sums(x: Array, laws: tuple[InitialLaw, InitialLaw]) -> Iterator[Array]:
    """Pre-activations u, shape (points, n), from each scrambling."""
    weight, bias = laws
    for seed in range(SCRAMBLINGS):
        sobol = stats.qmc.Sobol(x.shape[1] + 1, scramble=True, rng=seed)
        uniform = np.clip(sobol.random(SOBOL_POINTS), 1e-12, 1 - 1e-12)
        yield weight.draw(uniform[:, :-1]) @ x.T + bias.draw(uniform[:, -1:])


def _moments(activation: Activation, sums: Array) -> tuple[Array, Array, Array]:
    """E w(u) w(u'), E w'(u) w'(u') and E w(u) over pre-activations (points, n)."""
    u = torch.from_numpy(sums)
    units, slopes = (pointwise(activation, order)(u).numpy() for order in (0, 1))
    sigma, slope = (values.T @ values / len(values) for values in (units, slopes))
    return sigma, slope, units.mean(axis=0)


def _replicate(network: Network, x: Array, sums: Array) -> Array:
    """The limit from one set of pre-activations."""
    first, *rest = network.layers
    assert isinstance(first, FullyConnected)
    sigma, slope, _ = _moments(first.activation, sums)
    bias_rate = first.bias_std**2 if first.bias_rate is None else first.bias_rate
    learned = first.weight_rate * first.weight_std**2 * (x @ x.T) / x.shape[1] + bias_rate
    theta = slope * learned
    if not rest:
        weight, _, rate, learned_bias = network.output.coefficients
        return rate * weight * sigma + learned_bias + weight * theta
    values, vectors = np.linalg.eigh(sigma)
    inputs = vectors * np.sqrt(np.maximum(values, 0.0) * len(x))  # Gram matrix sigma
    frozen = [_frozen(layer) for layer in (*rest, network.output)]
    ahead = FullyConnected("identity", weight_rate=0.0, bias_rate=1.0)
    passed = tangent_limit(Network(ahead, *frozen), inputs)
    return tangent_limit(Network(*rest, network.output), inputs) + passed * theta


def _frozen(layer: Any) -> Any:
    """A layer at rate 0, and those in its branches."""
    if hasattr(layer, "branches"):
        return layer.changed(lambda inner: tuple(map(_frozen, inner)))
    if isinstance(layer, LayerNorm):
        return replace(layer, gain_rate=0.0, bias_rate=0.0)
    return (
        replace(layer, weight_rate=0.0, bias_rate=0.0) if hasattr(layer, "weight_rate") else layer
    )
