r"""The limit of a network whose first layer has weights of another law than the normal one.

Its units are independent and alike whatever their law, so that the layers behind it see their
second moments only. With u = W x + b drawn from the true law and r = weight_rate weight_std^2

    Sigma_1 = E w(u) w(u'),    Theta_1 = E w'(u) w'(u') (r <x, x'>/d + bias_rate),

and both enter the recursion of the rest: Sigma_1 as the products of other inputs, whose Gram matrix
it is, and Theta_1 through the slope of the kernel with respect to it, which is the kernel of the
rest with rate 1 for a bias in front of it and rate 0 for all else. Of images, where a sum of
branches reads the means too, and where several layers read the inputs, all pairs of points are
followed (``recursion_from_moments``). The expectations are means over scrambled Sobol points;
several scramblings give the error (Owen 1997).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from analytic import FullyConnected, LayerNorm, Network
from analytic.network import Convolution, Nonlinearity, Step, fold, itself, shape_after
from compare.rate.drawn_units import DrawnUnits, PointMoments, second_moments
from compare.rate.loose_limits import tangent_limit
from compare.rate.recursion_from_moments import kernel_from_moments, patches_of
from empirical.lifting import InitialLaw
from empirical.network import pointwise

__all__ = ["integrated_first_layer"]

Array = NDArray[np.float64]
Laws = Sequence[tuple[InitialLaw, InitialLaw]]
SOBOL_POINTS, SCRAMBLINGS = 2**13, 4
"""Sobol points, and how often they are scrambled anew."""
POINTS_INTEGRATED = 1024
"""Most positions of all inputs together: all their pairs are followed behind the first layer."""


def integrated_first_layer(network: Network, x: Array, laws: Laws) -> tuple[Array, Array] | None:
    """The limit with the true laws of the layers that read the inputs, and its standard error.

    Args:
        network: a description whose first layers have other weights.
        x: inputs, shape (n, d) or (n, channels, *spatial).
        laws: of the weights and biases of each, as they enter the sums, in the order of the steps.

    Returns:
        (n, n) each; None where images have more than ``POINTS_INTEGRATED`` positions in all,
        averages stand before a first layer, or there is noise.
    """
    first, *rest = network.layers
    if isinstance(first, FullyConnected) and (not rest or isinstance(rest[0], FullyConnected)):
        drawn = _uniform(x.shape[1] + 1)
        found = np.array([_replicate(network, x, _sums(x, laws[0], one)) for one in drawn])
    else:
        plain = network.summed(x.ndim - 2) if network.is_spatial else network
        try:
            replicates = _from_moments(plain.commuted().joined(), x, laws)
        except NotImplementedError:
            return None
        if replicates is None:
            return None
        found = np.array(replicates)
    return found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(len(found))


def _from_moments(network: Network, x: Array, laws: Laws) -> list[Array] | None:
    """The limit by the recursion at all pairs of points, from each scrambling."""
    first = _reading_inputs(network.steps)
    layers = [step.layer for step in first if not step.averages]
    if len(layers) < len(laws) or not all(isinstance(one, _WITH_WEIGHTS) for one in layers):
        return None
    sizes = [patches_of(layer, x).shape[1:] for layer in layers]
    points = len(x) * max(positions for positions, _ in sizes)
    if points > POINTS_INTEGRATED:
        return None
    acts = any(isinstance(step.layer, Nonlinearity) for step in network.steps)
    ends = np.cumsum([numbers + 1 for _, numbers in sizes])
    found: list[Array] = []
    for uniform in _uniform(int(ends[-1]) + points * acts):
        *blocks, last = np.split(uniform, ends, axis=1)
        drawn = iter(zip(laws, blocks, strict=True))

        def begin(step: Step, drawn: Any = drawn) -> PointMoments:
            return _behind_inputs(step, x, *next(drawn))

        found.append(kernel_from_moments(network, begin, ndtri(last)))
    return found


_WITH_WEIGHTS = FullyConnected, Convolution


def _reading_inputs(steps: Sequence[Step]) -> list[Step]:
    """Those that read the inputs, in order."""
    found: list[Step] = []

    def after(step: Step, inside: bool) -> bool:
        if not inside:
            found.append(step)
        return True

    fold(steps, False, after, lambda *_: True, step=itself)
    return found


def _behind_inputs(
    step: Step, x: Array, laws: tuple[InitialLaw, InitialLaw], uniform: Array
) -> PointMoments:
    """The moments behind one of them; of a linear one its sums as well."""
    layer = step.layer
    assert isinstance(layer, _WITH_WEIGHTS)
    patches = patches_of(layer, x)  # (n, P, numbers)
    n, points, _ = patches.shape
    flat = patches.reshape(n * points, -1)
    weight, bias, rate, bias_rate = step.coefficients
    products = weight * (flat @ flat.T) / x.shape[1]
    sums = _sums(flat, laws, uniform)
    sigma, slope, mean = second_moments(layer.activation, sums)
    shape = (n, points, n, points)
    theta = (slope * (rate * products + bias_rate)).reshape(shape)
    after = shape_after(layer, x.shape[2:])
    if not layer.activation.is_linear:
        return PointMoments(sigma.reshape(shape), theta, mean.reshape(n, points), after)
    sigma = (slope * (products + bias)).reshape(shape)  # a number squared times the covariance
    units = pointwise(layer.activation)(torch.from_numpy(sums)).numpy().reshape(-1, n, points)
    return PointMoments(sigma, theta, np.zeros((n, points)), after, DrawnUnits(units, sigma))


def _uniform(dimensions: int) -> Iterator[Array]:
    """Sobol points, shape (points, dimensions), from each scrambling."""
    for seed in range(SCRAMBLINGS):
        sobol = stats.qmc.Sobol(dimensions, scramble=True, rng=seed)
        yield np.clip(sobol.random(SOBOL_POINTS), 1e-12, 1 - 1e-12)


def _sums(x: Array, laws: tuple[InitialLaw, InitialLaw], uniform: Array) -> Array:
    """Pre-activations u of inputs (n, numbers), shape (points, n)."""
    weight, bias = laws
    return weight.draw(uniform[:, :-1]) @ x.T + bias.draw(uniform[:, -1:])


def _replicate(network: Network, x: Array, sums: Array) -> Array:
    """The limit from one set of pre-activations."""
    first, *rest = network.layers
    assert isinstance(first, FullyConnected)
    sigma, slope, _ = second_moments(first.activation, sums)
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
