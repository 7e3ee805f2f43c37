r"""Trained gains before a nonlinearity.

The gradient of g_i in w(g_i u_i) is z(u_i) times a signal, with z(x) = x w'(x). Its two factors
w'(u_i) and u_i are not independent, so that D times gain_rate Sigma is not the part of the kernel
that gains have; that is gain_rate E[z(u) z(u')]. At its start, g_i = 1, the layer has the value and
the gradients of

    w(u_i) + h_i z(u_i),    h_i = g_i - 1,

a sum of two branches of which the second ends in gains that start at 0 (docs/theory/rates.md).
And w(x) = a x + b |x| has z = w: the gains may stand behind it.
"""

from __future__ import annotations

from dataclasses import replace

from analytic.activation import Activation, X
from analytic.network.averages import Averaging
from analytic.network.branches import Branched, Layer, Layers, Sum
from analytic.network.layers import Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import Gains, LayerNorm

__all__ = ["gains_behind"]


def gains_behind(layers: Layers) -> Layers:
    """The layers with trained gains behind the nonlinearities that they stood before.

    Args:
        layers: without ``Scale``.

    Raises:
        ValueError: trained gains act on units that meet something else before a nonlinearity, or
            one whose slope jumps away from 0.

    Example:
        >>> from analytic.network.description import FullyConnected
        >>> layers = FullyConnected("identity"), LayerNorm(gain_rate=1), Nonlinearity("relu")
        >>> gains_behind(layers)[1:]
        (LayerNorm(), Nonlinearity("relu"), Gains(weight_rate=1.0))
        >>> _, _, both = gains_behind((*layers[:2], Nonlinearity("sin")))
        >>> both
        Sum(Nonlinearity("sin"), [Nonlinearity("x*cos(x)"), Gains(weight_rate=1.0, start=0)])
    """
    moved = _moved(layers)
    _check(moved, "")
    return moved


def _moved(layers: Layers) -> Layers:
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Branched):
            layer = layer.changed(_moved)
        at = _normalization(found) if isinstance(layer, Nonlinearity) else None
        if at is None:
            found.append(layer)
            continue
        norm = found[at]
        assert isinstance(norm, LayerNorm)
        assert isinstance(layer, Nonlinearity)
        found[at] = replace(norm, gain_rate=0.0)
        found += _behind(layer, norm)
    return tuple(found)


def _normalization(layers: list[Layer]) -> int | None:
    """Where trained gains come last, but for averages, through which they may be moved."""
    for at in reversed(range(len(layers))):
        layer = layers[at]
        if isinstance(layer, LayerNorm) and layer.gain_rate > 0:
            return at
        if not isinstance(layer, Averaging):
            break
    return None


def _behind(layer: Nonlinearity, norm: LayerNorm) -> Layers:
    """The nonlinearity, and behind it the gains of a normalisation before it."""
    w = layer.activation
    if w.bent_line is not None or w.is_linear:
        return layer, Gains(norm.gain_rate)
    return (Sum([layer], [Nonlinearity(_by_gain(w, norm)), Gains(norm.gain_rate, start=0)]),)


def _by_gain(w: Activation, norm: LayerNorm) -> Activation:
    """z(x) = x w'(x), the derivative of w(g x) by g at 1.

    Raises:
        ValueError: z jumps.
    """
    try:
        z = Activation(X * w.derivative)
        jump = z.jump
    except ValueError as error:
        z, jump = w, str(error)
    if jump is not None:
        raise ValueError(
            f"expected a slope without jumps away from 0 behind trained gains, got {w!r} behind"
            f" {norm}: the gradient of a gain is x w'(x), and {jump.replace('w ', 'it ', 1)};"
            " smooth the activation, freeze the gains (gain_rate=0), or put weights between them"
        )
    return z


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
                f"expected nothing but averages between trained gains and {layer} for the tangent"
                f" kernel, got those of {gains} before a sum, a branch or noise: the gradient of a"
                " gain is then no function of one unit; freeze them (gain_rate=0), or put weights"
                " between them"
            )
    return gains
