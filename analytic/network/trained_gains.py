r"""Trained gains before a nonlinearity.

The gradient of g_i in w(g_i u_i) is w'(u_i) u_i times a signal: its two factors are not
independent, and D times gain_rate Sigma is not their part of the kernel. With weights in between
they are. And w(x) = a x + b |x| commutes with gains, w(g u) = g w(u) for g > 0, so that they may
stand behind it as well, where weights follow (docs/theory/rates.md).
"""

from __future__ import annotations

from dataclasses import replace

from analytic.network.branches import Branched, Layer, Layers
from analytic.network.layers import Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import Gains, LayerNorm

__all__ = ["gains_behind"]


def gains_behind(layers: Layers) -> Layers:
    """The layers with trained gains behind the activations that commute with them.

    Raises:
        ValueError: trained gains act on units before another nonlinearity.

    Example:
        >>> from analytic.network.description import FullyConnected
        >>> layers = FullyConnected("identity"), LayerNorm(gain_rate=1), Nonlinearity("relu")
        >>> gains_behind(layers)[1:]
        (LayerNorm(), Nonlinearity("relu"), Gains(weight_rate=1.0))
    """
    moved = _moved(layers)
    _check(moved, "")
    return moved


def _moved(layers: Layers) -> Layers:
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Branched):
            layer = layer.changed(_moved)
        norm = found[-1] if found else None
        if _commutes(layer) and isinstance(norm, LayerNorm) and norm.gain_rate > 0:
            found[-1] = replace(norm, gain_rate=0.0)
            found += [layer, Gains(norm.gain_rate)]
        else:
            found.append(layer)
    return tuple(found)


def _commutes(layer: Layer) -> bool:
    """Whether it is an activation a x + b |x|."""
    return isinstance(layer, Nonlinearity) and layer.activation.bent_line is not None


def _check(layers: Layers, gains: str) -> str:
    """Raise where units with trained gains meet a nonlinearity; whose gains the last units have."""
    for layer in layers:
        if isinstance(layer, Branched):
            ends = [_check(branch, gains) for branch in layer.branches]
            gains = next(filter(None, ends), "")
        elif isinstance(layer, LayerNorm):
            gains = repr(layer) if layer.gain_rate > 0 else gains
        elif isinstance(layer, Weighted):
            gains = ""
        elif isinstance(layer, Nonlinearity) and gains and not layer.activation.is_linear:
            raise ValueError(
                f"expected weights between trained gains and {layer} for the tangent kernel, got"
                f" those of {gains} before it: the gradient of a gain has the factors u and w'(u),"
                " which are not independent, and its part is known right before a x + b |x| only;"
                " freeze them (gain_rate=0), or put weights between them"
            )
    return gains
