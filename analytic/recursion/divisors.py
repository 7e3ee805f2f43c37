"""What units are divided by where they are normalised, at x = x'."""

from __future__ import annotations

import numpy as np

from analytic.machine import UNIT, Array
from analytic.network import LayerNorm

__all__ = ["normalized_variances"]


def normalized_variances(layer: LayerNorm, sigma: Array, mu: Array) -> tuple[Array, Array]:
    """s^2 and V = Sigma - mu^2 of inputs, (n,), or of the positions of images, (n, P).

    s^2 is V + eps; over positions the mean of V there, plus eps (mu is 0 then).

    Raises:
        ValueError: units that are to be normalised do not vary.
    """
    variance = sigma - mu**2
    still = (sigma == 0) & (layer.eps > 0)
    if layer.positions:
        still |= np.max(sigma, axis=-1, keepdims=True, initial=0.0) > 0
    if not ((variance > 8 * UNIT * sigma) | still).all():
        raise _still(layer)
    if not layer.positions:
        return variance + layer.eps, variance
    whole = np.mean(variance, axis=-1, keepdims=True) + layer.eps
    return np.broadcast_to(whole, variance.shape), variance


def _still(layer: LayerNorm) -> ValueError:
    """The refusal of units that do not vary."""
    where = "an image" if layer.positions else "an input (or a position of one)"
    equal, more = "all equal, such as 0", " or this one an eps"
    if layer.eps > 0:  # units that are 0 are not refused
        equal, more = "all equal and not 0, so that their variance is the rounding of a mean", ""
    return ValueError(
        f"expected units that vary before {layer}, got {where} whose units are {equal}; leave out"
        f" zero inputs, or give the layers before it a positive bias_std{more}"
    )
