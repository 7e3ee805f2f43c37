"""Which units are Gaussian in the limit: a bare nonlinearity needs such units before it."""

from __future__ import annotations

from analytic.network.averages import Flatten
from analytic.network.branches import Branched, Concatenate, Layer
from analytic.network.dropout import Dropout
from analytic.network.layers import Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import LayerNorm

__all__ = ["check_gaussian"]


def check_gaussian(layers: tuple[Layer, ...]) -> None:
    """Raise ``ValueError`` where a nonlinearity finds units that are not Gaussian in the limit."""
    _obstacle(layers, "the inputs are data")


def _obstacle(layers: tuple[Layer, ...], obstacle: str) -> str:
    """Why the units after some layers are not Gaussian, or nothing.

    A normalisation shifts and divides all units of a sample alike, which changes nothing; behind
    it their mean is 0, and a linear function needs no more than that.
    Averages over positions leave Gaussian units Gaussian, and so does the sum of independent
    branches, of which one may be a skip.
    """
    for before, layer in zip((None, *layers), layers, strict=False):
        if isinstance(layer, Branched):
            ends = [_obstacle(branch, obstacle) for branch in layer.branches]
            obstacle = next(filter(None, ends), "")
            if isinstance(layer, Concatenate):
                obstacle = obstacle or f"{layer} puts units of different variances side by side"
        elif isinstance(layer, Flatten):
            obstacle = obstacle or "Flatten() puts units of different variances side by side"
        elif isinstance(layer, Dropout):
            obstacle = obstacle or f"{layer} has multiplied them with noise"
        elif isinstance(layer, Weighted | Nonlinearity):
            linear = layer.activation.is_linear
            if isinstance(layer, Nonlinearity) and obstacle:
                if linear and isinstance(before, LayerNorm):
                    continue
                raise _refusal(layer, obstacle)
            obstacle = "" if linear else f"{layer} has acted on them"
    return obstacle


def _refusal(layer: Nonlinearity, obstacle: str) -> ValueError:
    advice = "put it before Flatten(), which is the same network"
    if obstacle.startswith("Dropout"):
        advice = "drop units behind it instead"
    elif obstacle.startswith("Concatenate"):
        advice = "put it at the end of every branch, which is the same network"
    elif not obstacle.startswith("Flatten"):
        advice = (
            'put weights before it, FullyConnected("identity") or Convolution("identity", 3),'
            " or end the blocks before it in such a linear layer"
        )
    return ValueError(
        f"expected units that are Gaussian in the limit before {layer}, got others: {obstacle}, and"
        f" their second moments do not give those of w(alpha); {advice}"
    )
