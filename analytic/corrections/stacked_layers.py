"""The networks whose corrections are derived, as a list of layers; the others are refused."""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.activation import Activation
from analytic.corrections.positions import Placed, position_maps
from analytic.inputs import check_inputs
from analytic.machine import available_memory
from analytic.network import (
    Concatenate,
    Convolution,
    Flatten,
    FullyConnected,
    Network,
    Pointwise,
    Residual,
    Scale,
    Sum,
    bias_rate_of,
)
from analytic.proofs import first_jump

__all__ = ["Place", "StackLayer", "checked", "require", "stack", "weighted"]

Array = NDArray[np.float64]


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
        rate: weight_rate.
        learned: bias_rate.
    """  # eight fields: the letters of one layer

    activation: Activation
    weight: float
    bias: float
    ratio: float
    before: float
    residual: bool
    rate: float
    learned: float

    def own(self, s: Any) -> Any:
        """What its own parameters add to the Gram matrix of its pre-activations, from S."""
        return self.rate * self.weight * s + self.learned


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A layer of images or vectors, and the positions it reads.

    Attributes:
        layer: the layer with weights, or None for one that averages.
        maps: see ``positions``.
        points: the number of positions after it.
    """

    layer: StackLayer | None
    maps: list[Array]
    points: int


def checked(
    network: Network, x: ArrayLike, y: ArrayLike | None, derivatives: int, *, images: bool = False
) -> tuple[list[Place], Array, Array]:
    """The layers and the inputs, or the reason why there are none."""
    if not isinstance(network, Network):
        raise TypeError(
            f"expected a Network, got {type(network).__name__};"
            " write Network(FullyConnected('tanh'))"
        )
    if network.is_spatial and not images:
        raise ValueError(
            f"expected fully connected layers, got {network.layers[0]}: the mean of K_0 of images"
            " is not derived (docs/theory/fluctuation.md); flatten the images first"
        )
    rows = check_inputs("x", x, network)
    columns = rows if y is None else check_inputs("y", y, network)
    if rows.shape[1:] != columns.shape[1:]:
        raise ValueError(
            f"expected x and y of the same shape for each input, got {rows.shape[1:]} and"
            f" {columns.shape[1:]}; take both from the same data"
        )
    return stack(network, rows.shape[2:], derivatives), rows, columns


def require(size: int, of: str) -> None:
    """Refuse what memory does not hold, before anything is computed."""
    free = available_memory()
    if free is not None and size > free:
        raise MemoryError(
            f"expected {size:.3g} bytes of memory for the {of}, got"
            f" {free:.3g}; take fewer or smaller inputs"
        )


def weighted(places: list[Place]) -> list[StackLayer]:
    """The layers of a network of vectors."""
    return [place.layer for place in places if place.layer is not None]


def stack(network: Network, spatial: tuple[int, ...], derivatives: int) -> list[Place]:
    """The layers of a network whose corrections are derived.

    Args:
        network: the description.
        spatial: the shape of the images, empty for vectors.
        derivatives: how many derivatives of the activations are needed.

    Raises:
        ValueError: a residual block has several layers, there is a ``Sum`` or a ``Concatenate``, or
            an activation lacks a derivative.
    """
    found: list[Place] = []
    before = 1.0
    network = network.summed(len(spatial)).joined() if network.is_spatial else network.joined()
    shapes = network.shapes(spatial) if network.is_spatial else ((),) * (len(network.layers) + 1)
    for outer, shape, after in zip(network.layers, shapes[:-1], shapes[1:], strict=True):
        if isinstance(outer, Sum | Concatenate):
            raise ValueError(
                f"expected layers and Residual, got {outer}: the corrections of sums of branches"
                " are not derived; use kernel, which needs none"
            )
        inner = _only(outer) if isinstance(outer, Residual) else outer
        assert not isinstance(inner, Scale)  # the layers have taken it
        if isinstance(inner, Pointwise):
            raise ValueError(
                f"expected layers with weights, got {inner} behind units that are not a linear"
                " layer of its own: its corrections are not derived; use kernel, which needs none"
            )
        layer = None
        if isinstance(inner, FullyConnected | Convolution):
            layer = _weighted(inner, before, isinstance(outer, Residual), derivatives)
            before = layer.ratio
        found.append(Place(layer, position_maps(inner, shape, after), prod(after)))
    if network.is_spatial and shapes[-1]:
        found.append(Place(None, position_maps(Flatten(), shapes[-1], ()), 1))
    return found


def _weighted(
    layer: FullyConnected | Convolution, before: float, residual: bool, derivatives: int
) -> StackLayer:
    if reason := first_jump(layer.activation.expression, derivatives):
        raise ValueError(
            f"expected activations with {derivatives} continuous derivatives, got"
            f" {layer.activation!r}, where {reason}; take a smooth one such as softplus"
        )
    variances = layer.weight_std**2, layer.bias_std**2
    rates = layer.weight_rate, bias_rate_of(layer.bias_std, layer.bias_rate)
    return StackLayer(layer.activation, *variances, layer.width_ratio, before, residual, *rates)


def _only(block: Residual) -> Placed | Pointwise:
    """The one layer of a residual block."""
    (first, *others) = block.layers
    if others or isinstance(first, Residual | Sum | Concatenate):
        raise ValueError(
            f"expected residual blocks of one layer, got {block}: the correlation of its inner"
            " layers with the skip is not derived; make each layer a Residual of its own"
        )
    assert not isinstance(first, Scale)
    return first
