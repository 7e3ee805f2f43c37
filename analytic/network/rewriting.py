"""Other descriptions of the same network: what is joined, what is summed."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from analytic.activation import Activation
from analytic.network.averages import SumPooling
from analytic.network.branches import Branched, Layer, Layers
from analytic.network.layers import Convolution, Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.scaling import Scale

__all__ = ["is_linear", "joined", "summed"]

IDENTITY = Activation("identity")


def joined(layers: Layers) -> Layers:
    """The layers, each linear one and a nonlinearity behind it written as one layer.

    Example:
        >>> from analytic import FullyConnected
        >>> joined((FullyConnected("identity", bias_std=1), Nonlinearity("tanh")))
        (FullyConnected("tanh", bias_std=1.0),)
    """
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Branched):
            layer = layer.changed(joined)
        if found and isinstance(layer, Nonlinearity) and is_linear(before := found[-1]):
            found[-1] = replace(before, activation=layer.activation)
        else:
            found.append(layer)
    return tuple(found)


def is_linear(layer: Layer) -> TypeGuard[Weighted]:
    """Whether a layer is weights and nothing else."""
    return isinstance(layer, Weighted) and layer.activation == IDENTITY


def summed(layers: Layers, dimensions: int) -> Layers:
    """The layers, all convolutions with a plain sum over their filters, and means for sums."""
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Branched):
            layer = layer.changed(lambda inner: summed(inner, dimensions))
        elif isinstance(layer, Convolution):
            layer = layer.summed(dimensions)
        elif isinstance(layer, SumPooling):
            layer, count = layer.mean(dimensions)
            found.append(Scale(count))
        found.append(layer)
    return tuple(found)
