r"""A description without ``Scale``: its factors are taken into the layers around it.

The network is the same function of the same weights, at every width. Legend: a factor goes
*forward* with the units that reach a layer, or *back* into the layer they come from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from analytic.activation import Activation
from analytic.expressions import X
from analytic.network.averages import Averaging
from analytic.network.branches import Branched, Concatenate, Layer, Layers, Residual, Sum
from analytic.network.dropout import Dropout
from analytic.network.layers import Weighted
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import Gains, LayerNorm
from analytic.network.rewriting import is_linear
from analytic.network.scaling import Scale

__all__ = ["absorbed"]


def absorbed(layers: Layers) -> Layers:
    """The layers of a network without ``Scale``.

    Example:
        >>> from analytic import FullyConnected
        >>> absorbed((FullyConnected("tanh"), Scale(0.5), FullyConnected("tanh"), Scale(2)))
        (FullyConnected("tanh"), FullyConnected("2*tanh(x)", weight_std=0.5))
    """
    if not _scales(layers):
        return layers
    found, factor = _forward(layers, 1.0)
    return _back(found, factor)


def _scales(layers: Layers) -> bool:
    """Whether there is a factor somewhere."""
    return any(
        isinstance(layer, Scale) or any(map(_scales, getattr(layer, "branches", ())))
        for layer in layers
    )


def _forward(layers: Layers, factor: float) -> tuple[Layers, float]:
    """The layers behind units with a factor, and the factor of what comes out."""
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Scale):
            factor *= layer.factor
            continue
        if isinstance(layer, LayerNorm):
            layer, factor = replace(layer, eps=layer.eps / factor**2), 1.0  # divided away
        elif isinstance(layer, Weighted):
            layer, factor = replace(layer, weight_std=layer.weight_std * factor), 1.0
        elif isinstance(layer, Nonlinearity):
            layer, factor = replace(layer, activation=_of_scaled(layer.activation, factor)), 1.0
        elif isinstance(layer, Branched):
            layer, factor = _into_branches(layer, factor)
        else:
            assert factor == 1.0 or isinstance(layer, Dropout | Averaging)  # it goes through these
        found.append(layer)
    return tuple(found), factor


def _into_branches(layer: Branched, factor: float) -> tuple[Branched, float]:
    """The sum of units with a factor, and the factor that is left: that of a skip."""
    ends = [_forward(branch, factor) for branch in layer.branches]
    skipped = {end for found, end in ends if _passes(found)}
    if len(skipped) > 1:
        raise ValueError(
            "expected branches without weights that have the same factor, got"
            f" {' and '.join(f'{end:g}' for end in sorted(skipped))} in {layer}; put"
            ' FullyConnected("identity") or Convolution("identity", 1) into one of them'
        )
    left = skipped.pop() if skipped else 1.0
    whole = [found if _passes(found) else _back(found, end / left) for found, end in ends]
    return _sum(layer, whole), left


def _passes(branch: Layers) -> bool:
    """Whether some units pass through a branch and meet nothing that takes a factor."""
    return all(
        any(map(_passes, layer.branches))
        if isinstance(layer, Branched)
        else isinstance(layer, Dropout | Averaging)
        for layer in branch
    )


def _sum(layer: Branched, branches: list[Layers]) -> Branched:
    """The sum of other branches; it stays a ``Residual`` if it was one."""
    if isinstance(layer, Concatenate):
        return Concatenate(*branches)
    return Residual(*branches[1]) if isinstance(layer, Residual) else Sum(*branches)


def _back(layers: Layers, factor: float) -> Layers:
    """The layers, some of which take a factor, whose units are multiplied by it."""
    if factor == 1.0:
        return layers
    *before, last = layers
    if isinstance(last, Averaging):
        return (*_back(tuple(before), factor), last)
    if isinstance(last, Branched):
        return _back_through(tuple(before), last, factor)
    if isinstance(last, Weighted) and is_linear(last):
        weight, bias = last.weight_std * factor, last.bias_std * factor
        rate = None if last.bias_rate is None else last.bias_rate * factor**2
        return (*before, replace(last, weight_std=weight, bias_std=bias, bias_rate=rate))
    if isinstance(last, LayerNorm):
        return (*layers, Nonlinearity(_short(factor) * X))
    if isinstance(last, Dropout):
        return (*_back(tuple(before), factor), last)
    if isinstance(last, Gains):
        shifts = last.bias_rate * factor**2
        return (*_back(tuple(before), factor), replace(last, bias_rate=shifts))
    assert isinstance(last, Weighted | Nonlinearity)
    whole = Activation(_short(factor) * last.activation.expression)
    return (*before, replace(last, activation=whole))


def _back_through(before: Layers, last: Branched, factor: float) -> Layers:
    """A sum that is multiplied by a factor: its branches are, and a skip has it before."""
    if not any(map(_passes, last.branches)):
        return (*before, last.changed(lambda branch: _back(branch, factor)))
    return (*_back(before, factor), _through(last, factor))


def _through(layer: Branched, factor: float) -> Branched:
    """Branches that make of factor alpha what they made of alpha, times the factor."""

    def changed(branch: Layers) -> Layers:
        if not _passes(branch):
            return _scaled_twice(branch, 1 / factor, factor)
        return tuple(
            _through(inner, factor) if isinstance(inner, Branched) else inner for inner in branch
        )

    return _sum(layer, [changed(branch) for branch in layer.branches])


def _scaled_twice(branch: Layers, first: float, last: float) -> Layers:
    """A branch that reads units with one factor and whose own are multiplied by another."""
    found, left = _forward(branch, first)
    return _back(found, left * last)


def _of_scaled(activation: Activation, factor: float) -> Activation:
    """w(factor x)."""
    if factor == 1.0:
        return activation
    return Activation(activation.expression.subs(X, _short(factor) * X))


def _short(factor: float) -> Any:
    """A short fraction if the factor is one, so that texts stay short."""
    fraction = sympy.Rational(factor).limit_denominator(1000)
    return fraction if float(fraction) == factor else sympy.Float(factor)
