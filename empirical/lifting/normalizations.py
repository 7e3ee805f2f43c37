"""Normalisations: over units they have a limit, and gains and shifts behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.capture import Capture, Rule
from empirical.lifting.places import LiftingError, refusal
from empirical.lifting.units import Matrix, Normalised

__all__ = ["NORMALIZATIONS"]

_EXPECTED = "a normalisation over all units"
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
    together = len(axes) > 1 and sorted(axes) == list(range(1, len(value.axes)))
    if together and scene.matrix(gain) is scene.matrix(shift) is None:
        return _normalised(scene, call, value, (gain, shift), eps, together)
    if axes != (1,):
        why, nearest = "it runs over positions, of which there are as many at every width", _NEAREST
        if 1 in axes:
            why = "it runs over units and positions, with gains of its own at each position"
            nearest = f"{_NEAREST}, or take nn.GroupNorm(1, units) or elementwise_affine=False"
        raise refusal(_EXPECTED, call.place, why, nearest)
    return _normalised(scene, call, value, (gain, shift), eps)


def _group_norm(scene: Capture, call: FunctionCall) -> Value | None:
    """In one group it is that of all units and positions, with gains for each unit."""
    x, groups, gain, shift, eps = call.bound("input num_groups weight bias eps", eps=1e-5)
    value = scene.value(x)
    if value is None or value.pads or value.axes[1] != 1:
        return None
    if groups != 1:
        why = f"it runs over {groups} groups of units apart, which no description has"
        raise refusal(_EXPECTED, call.place, why, "take one group, nn.GroupNorm(1, units)")
    return _normalised(scene, call, value, (gain, shift), eps, len(value.units.shape) > 1)


def _normalised(
    scene: Capture,
    call: FunctionCall,
    value: Value,
    behind: tuple[Any, Any],
    eps: float,
    positions: bool = False,
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
    of = value.units
    made = Normalised(of, float(eps), gain, shift, of.shape, call.place, positions)
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


NORMALIZATIONS: dict[str, Rule] = {"group_norm": _group_norm, "layer_norm": _layer_norm}
"""Normalisations by the name that torch gives them."""
