r"""Whether a network is chaotic: how a small difference of two inputs grows.

A layer multiplies the squared distance of two nearly equal inputs by

    chi = weight_std^2 K E[w'(s z)^2],

K the positions of its filter, s^2 the variance of its pre-activations (Poole et al. 2016;
Schoenholz et al. 2017). Below 1 differences die out, above 1 the network is chaotic: the limiting
kernel forgets how near two inputs are, and is hard to compute.
"""

from __future__ import annotations

import math

import numpy as np

from analytic.network.absorption import absorbed
from analytic.network.averages import Averaging
from analytic.network.branches import Branched, Concatenate, Layer
from analytic.network.dropout import Dropout
from analytic.network.layers import Convolution
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import Gains, LayerNorm
from analytic.network.rewriting import joined, summed
from analytic.network.scaling import Scale

__all__ = ["difference_growth", "geometric_mean"]

NODES = 200
"""Nodes of the Gaussian integrals: two digits are wanted."""


def geometric_mean(factors: list[float]) -> float:
    """That of some growth factors, 1 if there are none."""
    if not factors:
        return 1.0
    return math.exp(sum(math.log(max(factor, 1e-300)) for factor in factors) / len(factors))


def difference_growth(layers: tuple[Layer, ...], dimensions: int) -> float:
    """The geometric mean of chi over the layers outside residual branches.

    The inputs have mean square 1 at every position; borders do not count, and averages are taken
    of equal positions.

    Args:
        layers: of a network.
        dimensions: spatial dimensions of the inputs.

    Example:
        >>> from analytic.network.layers import FullyConnected
        >>> round(difference_growth((FullyConnected("relu", weight_std=2),) * 3, 0), 2)
        2.0
    """
    factors: list[float] = []
    _through(joined(absorbed(summed(layers, dimensions))), dimensions, 1.0, 0.0, factors)
    return geometric_mean(factors)


def _through(
    layers: tuple[Layer, ...], dimensions: int, square: float, mean: float, factors: list[float]
) -> tuple[float, float]:
    """The mean square and the mean of the units after some layers."""
    z = np.linspace(-8.0, 8.0, NODES)
    weights = np.exp(-(z**2) / 2)
    weights /= weights.sum()
    for layer in layers:
        if isinstance(layer, Averaging | Scale | Dropout):  # layers have taken factors
            continue
        if isinstance(layer, LayerNorm):
            variance = max(square - mean**2, 1e-300)
            factors.append(1 / (variance + layer.eps))
            square, mean = variance / (variance + layer.eps), 0.0
            continue
        if isinstance(layer, Branched):
            ends = [_through(branch, dimensions, square, mean, []) for branch in layer.branches]
            square, mean = (_side_by_side if isinstance(layer, Concatenate) else _total)(ends)
            continue
        weight, bias = 1.0, 0.0
        if not isinstance(layer, Nonlinearity | Gains):
            weight = layer.weight_std**2 * _positions(layer, dimensions)
            bias = layer.bias_std**2
        s = math.sqrt(weight * square + bias)
        w, slope = layer.activation.derivatives(s * z, 1)
        jumps = layer.activation.jump is not None
        factors.append(math.inf if jumps else float(weight * (slope**2 @ weights)))
        square = float(w**2 @ weights)
        mean = mean if isinstance(layer, Gains) else float(w @ weights)
    return square, mean


def _total(ends: list[tuple[float, float]]) -> tuple[float, float]:
    """The mean square and the mean of a sum of branches."""
    square = mean = 0.0
    for more, shift in ends:
        square, mean = square + more + 2 * mean * shift, mean + shift
    return square, mean


def _side_by_side(ends: list[tuple[float, float]]) -> tuple[float, float]:
    """Those of branches side by side, taken for equally wide ones: two digits are wanted."""
    squares, means = zip(*ends, strict=True)
    return sum(squares) / len(ends), sum(means) / len(ends)


def _positions(layer: Layer, dimensions: int) -> int:
    """How many positions a layer reads."""
    if not isinstance(layer, Convolution):
        return 1
    sizes = layer.kernel_size
    return sizes**dimensions if isinstance(sizes, int) else math.prod(sizes)
