"""Normalisations: over units they have a limit, and gains and shifts behind them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from torch import Tensor

from analytic import Activation, FullyConnected, LayerNorm, Network, Nonlinearity
from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.capture import Capture, Rule
from empirical.lifting.places import LiftingError, refusal
from empirical.lifting.pointwise_functions import the_factor
from empirical.lifting.units import (
    Applied,
    Beside,
    InputData,
    Matrix,
    Normalised,
    Total,
    Units,
    Weights,
    sources,
    upstream,
)

__all__ = ["NORMALIZATIONS", "check_gains"]

_EXPECTED = "a normalisation over all units, at every position by itself"
_NEAREST = (
    "let nn.LayerNorm(units) read the units on the last axis: x.movedim(1, -1) before it and"
    " movedim(-1, 1) behind it"
)


def _layer_norm(scene: Capture, call: FunctionCall) -> Value | None:
    """Over the last axes, which have to be that of the units."""
    x, shape, gain, shift, eps = call.bound("input normalized_shape weight bias eps", eps=1e-5)
    value = scene.value(x)
    if value is None or value.pads:
        return None
    axes = value.axes[-len(shape) :]
    if axes != (1,):
        if 1 not in axes:
            why = "it runs over positions, of which there are as many at every width"
        else:
            why = "it runs over units and positions together, which no description has"
        raise refusal(_EXPECTED, call.place, why, _NEAREST)
    return _normalised(scene, call, value, (gain, shift), eps)


def _group_norm(scene: Capture, call: FunctionCall) -> Value | None:
    """Of vectors in one group it is that of layers."""
    x, groups, gain, shift, eps = call.bound("input num_groups weight bias eps", eps=1e-5)
    value = scene.value(x)
    if value is None or value.pads:
        return None
    if groups != 1 or len(value.units.shape) > 1:
        why = "it runs over units and positions together, which no description has"
        if groups != 1:
            why = f"it runs over {groups} groups of units apart, which no description has"
        raise refusal(_EXPECTED, call.place, why, _NEAREST)
    return _normalised(scene, call, value, (gain, shift), eps)


def _normalised(
    scene: Capture, call: FunctionCall, value: Value, behind: tuple[Any, Any], eps: float
) -> Value:
    """The units, and what is behind them if these are parameters that start at 1 and 0."""
    found: list[Matrix | None] = []
    for tensor, start in zip(behind, (1.0, 0.0), strict=True):
        matrix = scene.matrix(tensor)
        found.append(matrix)
        constant = tensor is None or (matrix is None and scene.number(tensor) == start)
        if not constant and (matrix is None or not _starts_at(matrix, start)):
            raise _refused_start(call, matrix, start)
    gain, shift = found
    made = Normalised(value.units, float(eps), gain, shift, value.units.shape, call.place)
    return replace(value, units=made)


def _starts_at(matrix: Matrix, start: float) -> bool:
    numbers: Tensor = matrix.tensor.detach()
    return matrix.factor == 1.0 and not matrix.turned and bool((numbers == start).all())


def _refused_start(call: FunctionCall, matrix: Matrix | None, start: float) -> LiftingError:
    what = "gains" if start else "shifts"
    if matrix is None or matrix.factor != 1.0 or matrix.turned:
        return refusal(
            f"{what} that are parameters", call.place,
            "they are other numbers, or a function of parameters",
            "leave them to nn.LayerNorm",
        )  # fmt: skip
    return refusal(
        f"a fresh draw, with {what} that start at {start:g}", call.place,
        f"{matrix.name!r} has others: it is trained, or has a start of its own",
        "pass the module as it was initialised, or start them there",
    )  # fmt: skip


def check_gains(units: Units, trained: Collection[str]) -> None:
    """Raise where trained gains stand before a nonlinearity that nothing is known of.

    Args:
        units: what the readout reads.
        trained: names of the parameters that autograd reaches.
    """
    for one in upstream(units):
        if not isinstance(one, Applied) or the_factor(one.expression) is not None:
            continue
        norm = _gains_before(one.source, trained)
        if norm is None or norm.gain is None:
            continue
        gains = f"the units that its gains {norm.gain.name!r} multiply"
        if isinstance(one.source, Total | Beside):
            raise refusal(
                "weights between trained gains and a sum before an activation", norm.place,
                f"{one.place} acts on a sum with {gains}: what their gradients add to the kernel"
                " is no expectation of one function of one unit", _FREEZE,
            )  # fmt: skip
        behind = LayerNorm(gain_rate=1), Nonlinearity(Activation(one.expression))
        try:
            Network(FullyConnected("identity"), *behind).commuted()
        except ValueError as error:
            _, _, why = str(error).partition("the gradient of a gain is ")
            raise refusal(
                "an activation whose slope jumps nowhere but at 0 behind trained gains", norm.place,
                f"{one.place} acts on {gains}, whose gradient is {why.partition(';')[0]}", _FREEZE,
            ) from error  # fmt: skip


_FREEZE = "freeze the gains (requires_grad_(False)), or put a linear layer between"


def _gains_before(units: Units, trained: Collection[str]) -> Normalised | None:
    """The normalisation with trained gains whose units these are, their averages or sums."""
    if isinstance(units, Normalised):
        found = units.gain is not None and units.gain.name in trained
        return units if found else _gains_before(units.source, trained)
    if isinstance(units, Weights | InputData):
        return None
    ahead = (_gains_before(source, trained) for source in sources(units))
    return next((norm for norm in ahead if norm is not None), None)


NORMALIZATIONS: dict[str, Rule] = {"group_norm": _group_norm, "layer_norm": _layer_norm}
"""Normalisations by the name that torch gives them."""
