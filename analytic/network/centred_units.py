"""Which units have the mean 0 at all positions: a normalisation over positions needs such units."""

from __future__ import annotations

from analytic.network.branches import Branched, Layer
from analytic.network.layers import Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import LayerNorm

__all__ = ["check_centred"]


def check_centred(layers: tuple[Layer, ...]) -> None:
    """Raise ``ValueError`` where a normalisation over positions finds units with other means."""
    _mean(layers, "the inputs are data")


def _mean(layers: tuple[Layer, ...], reason: str) -> str:
    """Why the units after some layers may have another mean than 0, or nothing.

    Weights, which have mean 0, and activations that are odd leave the mean 0, and so does a
    normalisation at every position; noise, factors, averages, sums and units side by side keep it.
    """
    for layer in layers:
        if isinstance(layer, Branched):
            ends = [_mean(branch, reason) for branch in layer.branches]
            reason = next(filter(None, ends), "")
        elif isinstance(layer, LayerNorm):
            if layer.positions and reason:
                raise _refusal(layer, reason)
            reason = ""
        elif isinstance(layer, Weighted | Nonlinearity):
            odd = layer.activation.is_linear or layer.activation.parity == "odd"
            reason = "" if odd else f"that of {layer} is not"
    return reason


def _refusal(layer: LayerNorm, reason: str) -> ValueError:
    return ValueError(
        f"expected units of mean 0 at all positions before {layer}, got others: {reason}, and it"
        " differs between positions, so that some of it stays behind the normalisation; put"
        ' Convolution("identity", 1) before it, or write LayerNorm(), which takes the mean away at'
        " every position"
    )
