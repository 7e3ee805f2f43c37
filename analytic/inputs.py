"""What a kernel takes: vectors for networks of vectors, images for networks of images."""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analytic.arrays import numbers
from analytic.machine import Array
from analytic.network import Network, misfit

__all__ = ["check_inputs", "positions_first"]


def positions_first(x: Array) -> Array:
    """Images (n, channels, *spatial) as (n, positions, channels)."""
    return np.ascontiguousarray(x.reshape(*x.shape[:2], -1).transpose(0, 2, 1))


def check_inputs(name: str, x: ArrayLike, network: Network) -> Array:
    """The inputs as float64; raises unless they are ones of the network.

    Args:
        name: of the argument, for the message.
        x: shape (n, d), or (n, channels, *spatial) for networks of images.
        network: the description.
    """
    array = numbers(name, x)
    _check_shape(name, array.shape, network)
    if array.size == 0:
        raise ValueError(f"expected inputs in {name}, got shape {array.shape}; pass at least one")
    flat = array.reshape(len(array), -1)
    sizes = np.maximum(*(np.abs(end(axis=1).astype(np.float64)) for end in (flat.max, flat.min)))
    bad = ~np.isfinite(sizes)
    if bad.any():
        raise ValueError(
            f"expected finite numbers in {name}, got NaN or infinity first in row"
            f" {int(np.argmax(bad))}; remove or repair it"
        )
    _check_scale(name, sizes)
    return np.ascontiguousarray(array, dtype=np.float64)


SCALES = (1e-100, 1e100)
"""Sizes of inputs whose squares, and products of these, float64 can hold."""


def _check_scale(name: str, sizes: Array) -> None:
    bad = (sizes > SCALES[1]) | ((sizes > 0) & (sizes < SCALES[0]))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"expected inputs of size 0 or from {SCALES[0]} to {SCALES[1]} in {name}, got"
            f" {sizes[row]:.1e} first in row {row}; scale them"
        )


def _check_shape(name: str, shape: tuple[int, ...], network: Network) -> None:
    wrong = misfit(network.layers, shape[1:])
    if wrong is None or wrong.reason == "empty":
        return
    expected = " or ".join(f"(n, {axes})" for axes in wrong.expected)
    advice = {
        "not flat": f"for n flat inputs use {name}.reshape(n, -1), for images begin the network"
        " with Flatten()",
        "not an image": "for n flat square images of one channel use"
        f" {name}.reshape(n, 1, side, side)",
        "channels last": "its last axis looks like the channels; put the channels first with"
        f" numpy.moveaxis({name}, -1, 1)",
    }[wrong.reason]
    raise ValueError(f"expected {name} of shape {expected}, got {shape}; {advice}")
