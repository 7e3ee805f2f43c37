"""The last layer of a module, which has to be linear, and averages behind it.

A layer that reads every position by itself, as a convolution with a filter of one position, may be
averaged afterwards: it is the same as the layer of the averages.
"""

from __future__ import annotations

from dataclasses import replace

from analytic.network import Flatten, Scale
from empirical.lifting.calls import Value
from empirical.lifting.linear_maps import scaled_weights
from empirical.lifting.places import Location, refusal
from empirical.lifting.pointwise_functions import the_factor
from empirical.lifting.units import Applied, Averaged, Beside, Total, Units, Weights

__all__ = ["last_layer"]


def last_layer(value: Value) -> Weights:
    """The outputs as linear functions of units without positions.

    Raises:
        LiftingError: they are none.
    """
    units = _averages_first(value.units)
    if isinstance(units, Weights) and len(units.shape) == 1 and value.axes in ((0, 1), (0,)):
        return units
    what = f"{type(units).__name__.lower()} of shape {units.shape}"
    why = (
        "the outputs are not those of a linear layer: at infinite width they would not be Gaussian"
    )
    instead = "end in nn.Linear, and leave the last activation to the loss"
    if isinstance(units, Weights):
        why, instead = "there is an output at every position", "average or flatten before it"
    elif isinstance(units, Total):
        what, why = f"a {what}", "the outputs are a sum of several linear layers"
        instead = "pass one of them; a frozen copy that is subtracted adds nothing to the kernel"
    elif isinstance(units, Beside):
        why = "the outputs are those of several layers side by side"
        instead = "pass one of them, or let one nn.Linear give all outputs"
    elif isinstance(units, Averaged) and isinstance(_behind_averages(units), Weights):
        why = "the last layer reads several positions, and its outputs are averaged or flattened"
        instead = "average or flatten before it, or let it read one position, nn.Conv2d(m, k, 1)"
    elif isinstance(units, Applied) and _is_shifted(units):
        why, instead = "a constant is added to the outputs", "leave it out: it has no gradient"
    place = Location(what, "the outputs", str(getattr(units, "place", "")))
    raise refusal("a module that ends in a linear layer", place, why, instead)


def _behind_averages(units: Units) -> Units:
    while isinstance(units, Averaged):
        units = units.source
    return units


def _is_shifted(units: Applied) -> bool:
    return bool(units.expression.is_polynomial() and units.expression.diff().is_number)


def _averages_first(units: Units) -> Units:
    """A last layer of single positions and the averages behind it, the other way round."""
    if isinstance(units, Applied) and isinstance(units.source, Averaged):
        factor = the_factor(units.expression)
        inner = _averages_first(units.source)
        if factor is not None and isinstance(inner, Weights):
            return scaled_weights(inner, factor)
    if not isinstance(units, Averaged):
        return units
    last = _averages_first(units.source)
    if not isinstance(last, Weights) or last.window is None or not _reads_single(last):
        return units
    if isinstance(units.layer, Scale):
        return replace(scaled_weights(last, units.layer.factor), place=units.place)
    if isinstance(units.layer, Flatten):
        if any(p > 1 for p in last.shape[1:]):
            return units
        read = Averaged(last.source, Flatten(), last.source.shape[:1], units.place)
        return replace(last, source=read, window=None, shape=units.shape)
    read = Averaged(last.source, units.layer, (last.source.shape[0], *units.shape[1:]), units.place)
    window = {**last.window, "padding": "same"}
    return replace(last, source=read, window=window, shape=units.shape)


def _reads_single(units: Weights) -> bool:
    """Whether each position is read by itself, and all of them are."""
    window = units.window or {}
    ones = all(k == 1 for k in window["kernel_size"])
    return ones and units.shape[1:] == units.source.shape[1:]
