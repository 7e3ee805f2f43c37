"""Which layers may follow each other."""

from __future__ import annotations

from collections.abc import Iterator

from analytic.network.averages import AveragePooling, Averaging, Flatten, GlobalAveragePooling
from analytic.network.gaussian_units import check_gaussian
from analytic.network.layers import Convolution, FullyConnected, Layer, Residual, Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.options import Sizes

__all__ = ["check_stack", "dimensions", "flattens"]

Layers = tuple[Layer, ...]


def check_stack(layers: Layers) -> None:
    """Raise ``ValueError`` unless the layers make a network, with the reason."""
    _check_first(layers)
    check_gaussian(layers)
    _check_order(layers, not isinstance(layers[0], FullyConnected))
    dimensions(layers)
    _check_widths(layers, 1.0)


def flattens(layer: Layer) -> bool:
    """Whether vectors come out, whatever goes in."""
    return isinstance(layer, Flatten | GlobalAveragePooling)


def dimensions(layers: Layers) -> int | None:
    """The number of spatial dimensions that the layers agree on, or None if it is open."""
    found: int | None = None
    for layer, sizes in _all_sizes(layers):
        if isinstance(sizes, tuple):
            if found not in (None, len(sizes)):
                raise ValueError(
                    f"expected layers for {found} spatial dimensions, got {layer};"
                    " use the same number everywhere"
                )
            found = len(sizes)
    return found


def _all_sizes(layers: Layers) -> Iterator[tuple[Layer, Sizes]]:
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _all_sizes(layer.layers)
        elif isinstance(layer, Convolution):
            yield from ((layer, layer.kernel_size), (layer, layer.stride))
        elif isinstance(layer, AveragePooling):
            yield layer, layer.size


def _check_first(layers: Layers) -> None:
    first = next((layer for layer in layers if not isinstance(layer, Averaging)), None)
    if first is None:
        raise ValueError(
            f"expected a layer with weights, got {', '.join(map(repr, layers))} only; add one"
        )
    if isinstance(first, Residual):
        raise ValueError(
            "expected a first layer that is not residual, got Residual: the input has a"
            " finite dimension, so K_0 would stay random at infinite width; put a"
            " FullyConnected or a Convolution before it"
        )


def _check_order(layers: Layers, spatial: bool) -> bool:
    """Images first, vectors after a flattening layer; returns what comes out."""
    for layer in layers:
        if isinstance(layer, Residual):
            _check_order(layer.layers, spatial)
        elif spatial and isinstance(layer, FullyConnected):
            raise ValueError(
                f"expected Flatten() or GlobalAveragePooling() between images and {layer}; add one"
            )
        elif not spatial and not isinstance(layer, FullyConnected | Nonlinearity):
            raise ValueError(
                f"expected fully connected layers after vectors, got {layer}, which needs"
                " positions; put it before the flattening"
            )
        spatial = spatial and not flattens(layer)
    return spatial


def _check_widths(layers: Layers, ratio: float | None) -> float | None:
    """The width ratio after the layers; a branch must end as wide as it began.

    It is None after ``Flatten``: as many times the channels as there are positions.
    """
    for layer in layers:
        if isinstance(layer, Weighted):
            ratio = layer.width_ratio
        elif isinstance(layer, Flatten):
            ratio = None
        elif isinstance(layer, Residual) and ratio is None:
            raise ValueError(
                f"expected a layer with weights between Flatten() and {layer}, got none: the"
                " flattened units are more than the branch has; put a FullyConnected there"
            )
        elif isinstance(layer, Residual) and _check_widths(layer.layers, ratio) != ratio:
            raise ValueError(
                f"expected a residual branch that keeps the width ratio {ratio}, got {layer};"
                " give its last layer that width_ratio"
            )
    return ratio
