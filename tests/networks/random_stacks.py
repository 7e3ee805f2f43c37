"""Networks drawn from the whole algebra of descriptions, for hypothesis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    Sum,
)

__all__ = ["SHAPES", "moving_networks", "networks"]

SHAPES = {False: (3,), True: (2, 4)}
"""Of one input: vectors, images."""
ACTIVATIONS = st.sampled_from(["softplus", "sigmoid", "tanh", "erf"])
PARTS = st.sampled_from([
    "layer", "normalised", "residual", "block", "sum", "side by side", "dense", "noise", "factor",
])  # fmt: skip
HALF = AveragePooling(2)
Draw = st.DrawFn


@st.composite
def networks(draw: Draw, activations: st.SearchStrategy[str] = ACTIVATIONS) -> Network:
    """A network of vectors or of images with two to four parts behind its first layer.

    Between parts the units may be anything that weights can read.
    """
    spatial = draw(st.booleans())
    layers, ratio = [_weights(draw, spatial, draw(activations), 1.0)], 1.0
    for _ in range(draw(st.integers(2, 4))):
        found, ratio = _part(draw, draw(PARTS), draw(activations), spatial, ratio)
        layers += found
    layers.append(_weights(draw, spatial, draw(activations), 1.0))
    if spatial:
        pool = [AveragePooling(2)] * draw(st.booleans())
        layers += [*pool, draw(st.sampled_from([Flatten(), GlobalAveragePooling()]))]
    return Network(*layers)


@st.composite
def moving_networks(draw: Draw) -> Network:
    """A network of images with one or two sums whose branches pool or stride, at any place."""
    layers = [_weights(draw, True, draw(ACTIVATIONS), 1.0)]
    for _ in range(draw(st.integers(1, 2))):
        branches = [_moving(draw) for _ in range(draw(st.integers(2, 3)))]
        correlated = branches.count([HALF]) > 1
        kind = Concatenate if correlated else draw(st.sampled_from([Sum, Concatenate]))
        part, _ = _part(draw, draw(PARTS), draw(ACTIVATIONS), True, 1.0)
        layers += [kind(*branches), _weights(draw, True, draw(ACTIVATIONS), 1.0), *part]
        layers.append(_weights(draw, True, draw(ACTIVATIONS), 1.0))
    return Network(*layers, draw(st.sampled_from([Flatten(), GlobalAveragePooling()])))


def _moving(draw: Draw) -> list[Any]:
    """Layers of one width with half as many positions behind them."""
    before, behind = (
        [_weights(draw, True, draw(ACTIVATIONS), 1.0)] * draw(st.integers(0, 1)) for _ in range(2)
    )
    strided = replace(_weights(draw, True, draw(ACTIVATIONS), 1.0), stride=2)
    return [*before, draw(st.sampled_from([HALF, strided])), *behind]


def _weights(draw: Draw, spatial: bool, activation: Any, ratio: float) -> Any:
    options: dict[str, Any] = {
        "weight_std": draw(st.sampled_from([1.0, 1.4])),
        "bias_std": draw(st.sampled_from([0.0, 0.5])),
        "width_ratio": ratio,
    }
    if spatial:
        return Convolution(activation, 2, normalize="fan_in", **options)
    return FullyConnected(activation, **options)


def _part(draw: Draw, name: str, w: str, spatial: bool, ratio: float) -> tuple[list[Any], float]:
    """Some layers behind units of a width ratio, and theirs."""

    def weights(activation: Any = w, its: float = ratio) -> Any:
        return _weights(draw, spatial, activation, its)

    if name == "layer":
        return [weights(its=1.0)], 1.0
    if name == "normalised":
        return [weights("identity"), LayerNorm(), Nonlinearity(w)], ratio
    if name == "residual":
        return [weights(), Residual(weights())], ratio
    if name == "block":
        return [LayerNorm(), Residual(weights(), Dropout(0.2), weights("identity"))], ratio
    if name == "sum":
        return [Sum(weights(), [weights(), weights()], weights("identity"))], ratio
    if name == "side by side":
        return [Concatenate(weights(its=0.5), [weights(), weights(its=1.0)])], 1.5
    if name == "dense":
        return [Concatenate([], weights(its=0.5))], ratio + 0.5
    return [Dropout(draw(st.sampled_from([0.1, 0.5]))) if name == "noise" else Scale(0.7)], ratio
