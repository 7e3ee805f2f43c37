"""A network on inputs of some shape, layer by layer, as a table."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from analytic.network.averages import Flatten, SumPooling
from analytic.network.branches import Branched, Concatenate, Layer, Residual
from analytic.network.dropout import Dropout
from analytic.network.fitting import misfit
from analytic.network.growth import difference_growth
from analytic.network.layers import Convolution, FullyConnected
from analytic.network.normalization import LayerNorm
from analytic.network.pointwise import Pointwise
from analytic.network.scaling import Scale
from analytic.network.shapes import Shape, reads, shape_after, shapes_after

__all__ = ["Summary", "summary"]

CHAOTIC = 1.05
"""Growth per layer above which a network is called chaotic."""
HEAD = ("layer", "shape", "h or mean", "fan-in")


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """What each layer makes of its input, as text.

    Attributes:
        rows: layer, shape after it (m is the width), its formula and its fan-in.
        growth: of a small difference of two inputs of mean square 1, per layer on average; above
            1 the network is chaotic.
    """

    rows: tuple[tuple[str, str, str, str], ...]
    growth: float

    @property
    def note(self) -> str:
        """What to know of a chaotic network, or nothing."""
        if self.growth <= CHAOTIC:
            return ""
        return (
            f"chaotic: small differences grow {self.growth:.2g} times per layer for inputs of mean"
            ' square 1; lower weight_std, or take normalize="fan_in" for convolutions'
        )

    def __repr__(self) -> str:
        lines = (HEAD, *self.rows)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = (
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        return "\n".join((*padded, self.note) if self.note else padded)

    def _repr_html_(self) -> str:
        def cells(row: tuple[str, ...], tag: str) -> str:
            return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

        body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in self.rows)
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table><tr>{cells(HEAD, 'th')}</tr>{body}</table>{note}"


@dataclass(frozen=True, slots=True)
class _State:
    """Channels, as a number or (``wide``) in units of the width m, and the spatial shape."""

    channels: float
    wide: bool
    spatial: Shape

    def count(self, positions: int) -> str:
        """The units of so many positions."""
        number = f"{positions * self.channels:g}"
        return number if not self.wide else "m" if number == "1" else f"{number} m"

    def __str__(self) -> str:
        return " x ".join((self.count(1), *map(str, self.spatial)))


def summary(
    layers: tuple[Layer, ...], readout: tuple[Layer, ...], input_shape: tuple[int, ...]
) -> Summary:
    """See ``Network.summary``."""
    _check_shape(layers, input_shape)
    state = _State(input_shape[0], False, tuple(input_shape[1:]))
    rows = [("input", str(state), "", "")]
    implicit = readout[-1:] if shapes_after(layers, state.spatial)[-1] else ()
    rows += _rows((*layers, *implicit), state, "")
    state = _end((*layers, *implicit), state)
    rows.append(("readout", "1", f"v.alpha / sqrt({state.count(1)})", state.count(1)))
    return Summary(tuple(rows), difference_growth(layers, len(input_shape) - 1))


def _check_shape(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless inputs of a shape fit the kind of the network."""
    wrong = misfit(layers, shape)
    if wrong is None or wrong.reason == "channels last":
        return
    kinds = " or ".join(f"({axes})" for axes in wrong.expected).replace("(d)", "(d,)")
    raise ValueError(f"expected inputs of shape {kinds}, got {tuple(shape)}; reshape them")


Row = tuple[str, str, str, str]


def _rows(layers: tuple[Layer, ...], state: _State, indent: str) -> Iterator[Row]:
    for layer in layers:
        after = _end((layer,), state)
        if isinstance(layer, Branched):
            yield from _sum_rows(layer, state, str(after), indent)
        else:
            yield (f"{indent}{layer}", str(after), *_formula(layer, state))
        state = after


def _sum_rows(layer: Branched, state: _State, after: str, indent: str) -> Iterator[Row]:
    """A sum and its branches, each behind a + where there are several."""
    if isinstance(layer, Residual):
        yield f"{indent}Residual", after, "alpha + branch", ""
        yield from _rows(layer.layers, state, indent + "  ")
    else:
        name, formula, sign = "Sum", "sum of branches", "+"
        if isinstance(layer, Concatenate):
            name, formula, sign = "Concatenate", "units side by side", "|"
        yield f"{indent}{name}", after, formula, ""
        for branch in layer.branches:
            yield f"{indent}{sign}" + " skip" * (not branch), "", "", ""
            yield from _rows(branch, state, indent + "  ")


def _end(layers: tuple[Layer, ...], state: _State) -> _State:
    """The units after some layers: after a sum those of its last branch, or all side by side."""
    for layer in layers:
        if isinstance(layer, Branched):
            ends = [_end(branch, state) for branch in layer.branches]
            state = ends[-1]
            if isinstance(layer, Concatenate):
                state = replace(state, channels=sum(end.channels for end in ends))
        else:
            state = _after(layer, state)
    return state


def _after(layer: Layer, before: _State) -> _State:
    if isinstance(layer, Pointwise | Scale):
        return before
    spatial = shape_after(layer, before.spatial)
    if isinstance(layer, FullyConnected | Convolution):
        return _State(layer.width_ratio, True, spatial)
    positions = math.prod(before.spatial) if isinstance(layer, Flatten) else 1
    return _State(positions * before.channels, before.wide, spatial)


def _read(layer: FullyConnected | Convolution) -> str:
    """The position that is read."""
    if isinstance(layer, FullyConnected):
        return "p + k"
    at = "p" if layer.stride == 1 else "s p"
    return f"{at} + k" if layer.dilation == 1 else f"{at} + d k"


def _pointwise(layer: Pointwise) -> str:
    if isinstance(layer, LayerNorm):
        root = f"sqrt(var + {layer.eps:g})" if layer.eps else "std"
        gains, shifts = "g " * (layer.gain_rate > 0), " + b" * (layer.bias_rate > 0)
        over = " over positions" * layer.positions
        return f"{gains}(alpha - mean) / {root}{shifts}{over}"
    return "xi alpha" if isinstance(layer, Dropout) else "alpha"


def _formula(layer: Layer, before: _State) -> tuple[str, str]:
    """What a layer computes, and the number of units that each of its units reads."""
    if isinstance(layer, Pointwise):
        return _pointwise(layer), ""
    if isinstance(layer, Scale):
        return f"{layer.factor:g} alpha", ""
    count = 1 if isinstance(layer, FullyConnected) else reads(layer, before.spatial).shape[1]
    if not isinstance(layer, FullyConnected | Convolution):
        what = "sum" if isinstance(layer, SumPooling) else "mean"
        flat = isinstance(layer, Flatten)
        return ("all positions in a row" if flat else f"{what} of {count} positions"), ""
    weights = "W alpha" if count == 1 else f"sum of {count} W_k alpha[{_read(layer)}]"
    scale = "" if layer.weight_std == 1 else f"{layer.weight_std:g} "
    bias = f" + {layer.bias_std:g} b" if layer.bias_std else ""
    mean = isinstance(layer, Convolution) and layer.normalize == "fan_in"
    return (
        f"{scale}{weights} / sqrt({before.count(count if mean else 1)}){bias}",
        before.count(count),
    )
