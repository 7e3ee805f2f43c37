"""The networks whose corrections are derived, as a list of layers; the others are refused."""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.activation import Activation
from analytic.inputs import check_inputs
from analytic.network import FullyConnected, Network, Residual
from analytic.proofs import first_jump

__all__ = ["StackLayer", "checked", "stack"]


@dataclass(frozen=True, slots=True)
class StackLayer:
    """One layer alpha -> w(h) or alpha -> alpha + w(h).

    Attributes:
        activation: w.
        weight: weight_std^2.
        bias: bias_std^2.
        ratio: width of the layer over the width m of the network.
        before: the same of the layer before; 1 for the first, where nothing depends on it.
        residual: whether alpha is added.
    """

    activation: Activation
    weight: float
    bias: float
    ratio: float
    before: float
    residual: bool


def checked(
    network: Network, x: ArrayLike, y: ArrayLike | None, derivatives: int
) -> tuple[list[StackLayer], NDArray[np.float64], NDArray[np.float64]]:
    """The layers and the inputs, or the reason why there are none."""
    if not isinstance(network, Network):
        raise TypeError(
            f"expected a Network, got {type(network).__name__};"
            " write Network(FullyConnected('tanh'))"
        )
    layers = stack(network, derivatives)
    rows = check_inputs("x", x, network)
    columns = rows if y is None else check_inputs("y", y, network)
    if rows.shape[1] != columns.shape[1]:
        raise ValueError(
            f"expected x and y of as many dimensions, got {rows.shape[1]} and {columns.shape[1]};"
            " take both from the same data"
        )
    return layers, rows, columns


def stack(network: Network, derivatives: int) -> list[StackLayer]:
    """The layers of a network whose corrections are derived.

    Args:
        network: the description.
        derivatives: how many derivatives of the activations are needed.

    Raises:
        ValueError: a layer is not fully connected, a residual block has several layers, or
            an activation lacks a derivative.
    """
    found: list[StackLayer] = []
    before = 1.0
    for outer in network.layers:
        residual = isinstance(outer, Residual)
        layer = _only(outer) if residual else outer
        if not isinstance(layer, FullyConnected):
            raise ValueError(
                f"expected fully connected layers, got {layer}: the corrections of images are not"
                " derived (docs/theory/fluctuation.md); flatten the images first"
            )
        if reason := first_jump(layer.activation.expression, derivatives):
            raise ValueError(
                f"expected activations with {derivatives} continuous derivatives, got"
                f" {layer.activation!r}, where {reason}; take a smooth one such as softplus"
            )
        found.append(
            StackLayer(
                layer.activation, layer.weight_std**2, layer.bias_std**2,
                layer.width_ratio, before, residual,
            )
        )  # fmt: skip
        before = layer.width_ratio
    return found


def _only(block: Residual) -> object:
    """The one layer of a residual block."""
    if len(block.layers) != 1:
        raise ValueError(
            f"expected residual blocks of one layer, got {block}: the correlation of its inner"
            " layers with the skip is not derived; make each layer a Residual of its own"
        )
    return block.layers[0]
