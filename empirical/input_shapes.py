"""Whether inputs fit a described network, and what to do if they do not."""

from __future__ import annotations

import math

from torch import Tensor

from analytic.network import Network, misfit

__all__ = ["check_images", "check_input_shape"]


def check_input_shape(network: Network, shape: tuple[int, ...]) -> None:
    """Raise unless inputs of a shape fit a network; ``TypeError`` if it has no integers."""
    for size in shape:
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(f"expected integers in input_shape, got {size!r}; pass x.shape[1:]")
    wrong = misfit(network.layers, shape)
    if wrong is None:
        return
    if not network.is_spatial:
        advice = "(x.shape[1],)"
        if len(shape) > 1:
            advice = f"({math.prod(shape)},), and flatten the images with x.flatten(1)"
        raise ValueError(f"expected input_shape (d,) with d >= 1, got {shape}; pass {advice}")
    if wrong.reason == "channels last":
        raise ValueError(
            f"expected input_shape (channels, *spatial), got {shape}, whose last axis looks like"
            f" the channels; pass {(shape[-1], *shape[:-1])}, and x.movedim(-1, 1)"
        )
    expected = " or ".join(f"({axes})" for axes in wrong.expected)
    raise ValueError(
        f"expected input_shape {expected} for a network of images, got {shape};"
        f" {_as_image(shape, network.dimensions or 2)}"
    )


def _as_image(shape: tuple[int, ...], dimensions: int) -> str:
    """How inputs of a wrong shape become images."""
    pixels = shape[0] if len(shape) == 1 else 0
    side = math.isqrt(max(pixels, 0))
    if pixels < 1 or (dimensions == 2 and side**2 != pixels):
        return "reshape the data to that"
    image = (1, pixels) if dimensions == 1 else (1, side, side)
    return f"reshape flat data, for example with x.reshape(-1, {str(image)[1:]}, and pass {image}"


def check_images(x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless x is a batch of inputs of a shape."""
    got = tuple(x.shape)
    if got[1:] == shape and got:
        return
    expected = ", ".join(map(str, ("n", *shape)))
    advice = "reshape them"
    if got == shape:
        advice = "add the axis of the batch with x[None]"
    elif len(shape) > 1 and got[1:] == (*shape[1:], shape[0]):
        advice = "the channels are last: pass x.movedim(-1, 1)"
    elif math.prod(got[1:]) == math.prod(shape):
        sizes = ", ".join(map(str, shape))
        advice = "flatten the images with x.flatten(1)"
        if len(shape) > 1:
            advice = f"reshape them with x.reshape(-1, {sizes})"
    raise ValueError(f"expected inputs of shape ({expected}), got {got}; {advice}")
