"""Whether inputs of some shape fit a network: decided here, worded where it is asked."""

from __future__ import annotations

from typing import Literal, NamedTuple

from analytic.network.branches import Layer
from analytic.network.shapes import shapes_after
from analytic.network.stacking import dimensions, reads_vectors

__all__ = ["Misfit", "misfit"]

FEW = {1: 1, 2: 4, 3: 4}
"""Most channels of images whose last axis is taken for the channels, by spatial dimensions."""
_AXES = {
    0: "d",
    1: "channels, positions",
    2: "channels, height, width",
    3: "channels, depth, height, width",
}


class Misfit(NamedTuple):
    """Why inputs do not fit.

    Attributes:
        reason: vectors are needed, images are needed, an axis has length 0, or the channels
            come last.
        expected: the forms of one input that would fit, as names of its axes.
    """

    reason: Literal["not flat", "not an image", "empty", "channels last"]
    expected: tuple[str, ...]


def misfit(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> Misfit | None:
    """Why inputs of a shape (without the axis of samples) do not fit, None if they do.

    Raises:
        ValueError: the images are too small for a layer, which is named.

    Example:
        >>> from analytic import FullyConnected
        >>> misfit((FullyConnected("tanh"),), (8, 8))
        Misfit(reason='not flat', expected=('d',))
    """
    known = dimensions(layers)
    numbers = [0] if reads_vectors(layers) else [known] if known else [1, 2, 3]
    expected = tuple(_AXES[d] for d in numbers)
    if len(shape) - 1 not in numbers:
        return Misfit("not an image" if numbers[0] else "not flat", expected)
    if min(shape) < 1:
        return Misfit("empty", expected)
    if shape[-1] <= FEW.get(len(shape) - 1, 0) < min(shape[:-1]):
        return Misfit("channels last", expected)
    shapes_after(layers, shape[1:])
    return None
