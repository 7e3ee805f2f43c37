"""Which layers may follow each other."""

from __future__ import annotations

from collections.abc import Iterator

from analytic.network.averages import Averaging, Flatten, GlobalAveragePooling, Pooling
from analytic.network.branches import (
    Branched,
    Concatenate,
    Layer,
    Layers,
    Residual,
    Sum,
    moves,
)
from analytic.network.centred_units import check_centred
from analytic.network.dropout import Dropout
from analytic.network.gaussian_units import check_gaussian
from analytic.network.layers import Convolution, FullyConnected, Weighted
from analytic.network.normalization import LayerNorm
from analytic.network.options import Sizes
from analytic.network.pointwise import Pointwise
from analytic.network.scaling import Scale
from analytic.network.shapes import shape_after, shapes_after
from analytic.network.widths import ratio_after

__all__ = ["check_stack", "dimensions", "flattens", "reads_vectors"]


def check_stack(layers: Layers) -> None:
    """Raise ``ValueError`` unless the layers make a network, with the reason."""
    _check_first(layers)
    check_gaussian(layers)
    _check_order(layers, not reads_vectors(layers))
    check_centred(layers)
    dimensions(layers)
    ratio_after(layers, 1.0)
    _check_alike(layers, True)


def flattens(layer: Layer) -> bool:
    """Whether vectors come out, whatever goes in."""
    return isinstance(layer, Flatten | GlobalAveragePooling)


def reads_vectors(layers: Layers) -> bool:
    """Whether layers read vectors and not images."""
    first = next((layer for layer in layers if not isinstance(layer, Scale)), None)
    if isinstance(first, Branched):
        return any(map(reads_vectors, first.branches))
    return isinstance(first, FullyConnected)


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
        if isinstance(layer, Branched):
            for branch in layer.branches:
                yield from _all_sizes(branch)
        elif isinstance(layer, Convolution):
            sizes = layer.kernel_size, layer.stride, layer.dilation
            yield from ((layer, size) for size in sizes)
        elif isinstance(layer, Pooling):
            yield from ((layer, layer.size), (layer, layer.step))


def _check_first(layers: Layers) -> None:
    first = next((layer for layer in layers if not isinstance(layer, Averaging | Scale)), None)
    if first is None:
        raise ValueError(
            f"expected a layer with weights, got {', '.join(map(repr, layers))} only; add one"
        )
    if isinstance(first, Dropout | LayerNorm):
        raise ValueError(
            f"expected weights before {first}, got the input, which has a finite dimension, so that"
            " K_0 would stay random at infinite width; put a FullyConnected or a Convolution first"
        )
    skips = isinstance(first, Sum | Concatenate) and any(
        all(isinstance(layer, Scale) for layer in branch) for branch in first.branches
    )
    if isinstance(first, Residual) or skips:
        raise ValueError(
            f"expected a first layer that is not residual, got {type(first).__name__} with a skip:"
            " the input has a finite dimension, so K_0 would stay random at infinite width; put a"
            " FullyConnected or a Convolution before it"
        )
    for branch in first.branches if isinstance(first, Sum | Concatenate) else ():
        _check_first(branch)


def _check_order(layers: Layers, spatial: bool) -> bool:
    """Images first, vectors after a flattening layer; returns what comes out."""
    for layer in layers:
        if isinstance(layer, Branched):
            before, spatial = spatial, _check_ends(layer, spatial)
            if before and moves(layer):
                _check_positions(layer)
        elif spatial and isinstance(layer, FullyConnected):
            raise ValueError(
                f"expected Flatten() or GlobalAveragePooling() between images and {layer}; add one"
            )
        elif not spatial and isinstance(layer, LayerNorm) and layer.positions:
            raise ValueError(
                f"expected positions before {layer}, got vectors; write LayerNorm(), or put it"
                " before the flattening"
            )
        elif not spatial and not isinstance(layer, FullyConnected | Pointwise | Scale):
            raise ValueError(
                f"expected fully connected layers after vectors, got {layer}, which needs"
                " positions; put it before the flattening"
            )
        spatial = spatial and not flattens(layer)
    return spatial


def _check_ends(layer: Branched, spatial: bool) -> bool:
    """Whether images come out of branches, or vectors, as of all of them."""
    ends = [_check_order(branch, spatial) for branch in layer.branches]
    if len(set(ends)) > 1:
        each = (
            f"{'images' if end else 'vectors'} after {', '.join(map(repr, branch)) or 'the skip'}"
            for branch, end in zip(layer.branches, ends, strict=True)
        )
        raise ValueError(
            f"expected branches of a {type(layer).__name__} that all end in images, or all in"
            f" vectors, got {' and '.join(each)}; flatten all of them, or behind the"
            f" {type(layer).__name__}"
        )
    return ends[0]


SIDES = range(2, 33)
"""Of images for which branches are tried."""


def _check_positions(layer: Branched) -> None:
    """Raise where branches end at other positions, however large the images are.

    An image of one position stays one whatever is done to it: that is no reason to stride.
    """
    apart = None
    for side in SIDES:
        shape = (side,) * (dimensions((layer,)) or 1)
        try:
            ends = {shapes_after(branch, shape)[-1] for branch in layer.branches}
        except ValueError:  # these are too small, or what is inside does not fit
            continue
        if len(ends) == 1:
            return
        apart = shape
    if apart is not None:
        shape_after(layer, apart)


def _check_alike(layers: Layers, alike: bool) -> bool:
    """Whether all units have one law in the limit: two sums of those that have not are refused.

    The cross term of two branches is the mean of the products of their units, which is the product
    of the means if the units of one of them are alike.
    """
    for layer in layers:
        if isinstance(layer, Weighted):
            alike = True
        elif isinstance(layer, Branched):
            ends = [_check_alike(branch, alike) for branch in layer.branches]
            if isinstance(layer, Concatenate):
                alike = False
                continue
            if ends.count(False) > 1:
                raise ValueError(
                    "expected at most one branch that ends in concatenated units, whose means"
                    f" differ, got {ends.count(False)} in {layer}; put weights behind one of them,"
                    ' FullyConnected("identity") or Convolution("identity", 1)'
                )
            alike = all(ends)
    return alike
