r"""The limit of a network whose first layer has weights of another law than the normal one.

Its units are independent and alike whatever their law, so that the layers behind it see their
second moments only. With u = W x + b drawn from the true law and r = weight_rate weight_std^2

    Sigma_1 = E w(u) w(u'),    Theta_1 = E w'(u) w'(u') (r <x, x'>/d + bias_rate),

and both enter the recursion of the rest: Sigma_1 as the products of other inputs, whose Gram matrix
it is, and Theta_1 through the slope of the kernel with respect to it, which is the kernel of the
rest with rate 1 for a bias in front of it and rate 0 for all else. The expectations are means
over scrambled Sobol points; several scramblings give the error (Owen 1997).
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

from analytic import AccuracyError, FullyConnected, LayerNorm, Network, kernel
from empirical.lifting import InitialLaw
from empirical.network import pointwise

__all__ = ["integrated_first_layer", "tangent_limit"]

Array = NDArray[np.float64]
SOBOL_POINTS, SCRAMBLINGS = 2**13, 4
"""Sobol points, and how often they are scrambled anew."""
LIMIT_TOLERANCES, LAST_TOLERANCE = (1e-10, 1e-8), 1e-5
"""Of a limit, the first ones that are not refused; K_0 of a million units is a thousandth off."""


def tangent_limit(network: Network, x: Array) -> Array:
    """K_inf, where need be to fewer digits than ``kernel`` asks for."""
    for tolerance in LIMIT_TOLERANCES:
        try:
            return kernel(network, x, tolerance=tolerance)
        except AccuracyError:
            continue
    return kernel(network, x, tolerance=LAST_TOLERANCE)


def integrated_first_layer(
    network: Network, x: Array, laws: tuple[InitialLaw, InitialLaw]
) -> tuple[Array, Array] | None:
    """The limit with the true law of the first layer, and its standard error.

    Args:
        network: a description whose first layer has other weights.
        x: inputs, shape (n, d).
        laws: of its weights and biases, as they enter the sums.

    Returns:
        (n, n) each; None for images, and where the second layer reads more of the first one than
        its second moments.
    """
    first, *rest = network.layers
    if not isinstance(first, FullyConnected) or (rest and not isinstance(rest[0], FullyConnected)):
        return None
    found = np.array([_replicate(network, x, sums) for sums in _sums(x, laws)])
    return found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(len(found))


def _sums(x: Array, laws: tuple[InitialLaw, InitialLaw]) -> Iterator[Array]:
    """Pre-activations u, shape (points, n), from each scrambling."""
    weight, bias = laws
    for seed in range(SCRAMBLINGS):
        sobol = stats.qmc.Sobol(x.shape[1] + 1, scramble=True, rng=seed)
        uniform = np.clip(sobol.random(SOBOL_POINTS), 1e-12, 1 - 1e-12)
        yield weight.draw(uniform[:, :-1]) @ x.T + bias.draw(uniform[:, -1:])


def _replicate(network: Network, x: Array, sums: Array) -> Array:
    """The limit from one set of pre-activations."""
    first, *rest = network.layers
    assert isinstance(first, FullyConnected)
    u = torch.from_numpy(sums)
    units, slopes = (pointwise(first.activation, order)(u).numpy() for order in (0, 1))
    sigma, slope = (values.T @ values / len(values) for values in (units, slopes))
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
        return LayerNorm(eps=layer.eps)
    return (
        replace(layer, weight_rate=0.0, bias_rate=0.0) if hasattr(layer, "weight_rate") else layer
    )
