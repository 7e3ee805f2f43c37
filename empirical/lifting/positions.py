"""Functions that move, join and average positions, and those that change nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from analytic.network import AveragePooling, Flatten, Scale
from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.capture import SAME, Capture, Rule
from empirical.lifting.places import refusal
from empirical.lifting.units import Averaged, Matrix

__all__ = ["POSITIONS"]

_EXPECTED = "averages over positions of the kind that a description has"


def _same(scene: Capture, call: FunctionCall) -> Value | Matrix | None:
    tensor = call.args[0] if call.args else call.kwargs.get("input")
    return scene.value(tensor) or scene.matrix(tensor)


def _dropout(scene: Capture, call: FunctionCall) -> Value | None:
    value, p, training, *_ = call.bound("input p training inplace", p=0.5, training=True)
    if p > 0 and training:
        raise refusal(
            "a module in eval mode", call.place, "dropout in training mode is random",
            "call module.eval()",
        )  # fmt: skip
    return scene.value(value)


def _turned(scene: Capture, call: FunctionCall) -> Value | Matrix | None:
    """T, t, transpose, permute, movedim: found from where a tensor of indices goes."""
    tensor = call.args[0]
    matrix, value = scene.matrix(tensor), scene.value(tensor)
    if matrix is not None:
        flat = tensor.ndim == 2 and call.result.shape == tensor.shape[::-1]
        moved = call.name in ("T", "t", "mT", "transpose") and flat
        return replace(matrix, turned=not matrix.turned) if moved else None
    if value is None or value.pads:
        return None
    order = list(range(tensor.ndim))
    if call.name in ("T", "t"):
        order = order[::-1]
    elif call.name == "mT":
        order[-2:] = order[-2:][::-1]
    elif call.name in ("transpose", "swapaxes"):
        _, a, b = _integers(call)
        order[a], order[b] = order[b], order[a]
    elif call.name == "permute":
        order = [k % tensor.ndim for k in _integers(call)[1:]]
    else:
        _, a, b = _integers(call)
        order.insert(b % tensor.ndim, order.pop(a % tensor.ndim))
    return replace(value, axes=tuple(value.axes[k] for k in order))


def _integers(call: FunctionCall) -> list[Any]:
    """The arguments with lists of numbers written out."""
    found: list[Any] = []
    for argument in (*call.args, *call.kwargs.values()):
        found += argument if isinstance(argument, tuple | list) else [argument]
    return found


def _pooled(scene: Capture, call: FunctionCall) -> Value | None:
    x, size, stride, padding, ceil, _, divisor = call.bound(
        "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
        stride=None, padding=0, ceil_mode=False,
    )  # fmt: skip
    value = scene.value(x)
    if value is None or not value.canonical:
        return None
    spatial = value.units.shape[1:]
    sizes, steps = _each(size, len(spatial)), _each(stride or size, len(spatial))
    rests = [(p - k) % s for p, k, s in zip(spatial, sizes, steps, strict=True)]
    if any(_each(padding, len(spatial))) or divisor or (ceil and any(rests)):
        raise refusal(
            _EXPECTED, call.place, "its windows reach outside the image, or have another divisor",
            "pool with padding 0, ceil_mode=False and no divisor_override",
        )  # fmt: skip
    if sizes == steps and not any(rests):
        return _windows(value, call, sizes)
    layer = AveragePooling(_one(sizes), stride=_one(steps))
    shape = (value.units.shape[0], *call.result.shape[2:])
    return replace(value, units=Averaged(value.units, layer, shape, call.place))


def _one(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    return sizes[0] if len(set(sizes)) == 1 else sizes


def _windows(value: Value, call: FunctionCall, sizes: tuple[int, ...]) -> Value:
    spatial = value.units.shape[1:]
    if any(p % k for p, k in zip(spatial, sizes, strict=True)):
        raise refusal(
            _EXPECTED, call.place, f"windows of {sizes} do not divide {spatial} positions, and"
            " torch leaves out the rest", "crop or pad the images",
        )  # fmt: skip
    after = tuple(p // k for p, k in zip(spatial, sizes, strict=True))
    shape = (value.units.shape[0], *after)
    layer = AveragePooling(_one(sizes))
    return replace(value, units=Averaged(value.units, layer, shape, call.place))


def _adaptive(scene: Capture, call: FunctionCall) -> Value | None:
    x, wanted = call.bound("input output_size")
    value = scene.value(x)
    if value is None or not value.canonical:
        return None
    spatial = value.units.shape[1:]
    outs = [
        p if o is None else o for o, p in zip(_each(wanted, len(spatial)), spatial, strict=True)
    ]
    if any(p % o for p, o in zip(spatial, outs, strict=True)):
        raise refusal(
            _EXPECTED, call.place, f"{spatial} positions are no multiple of {tuple(outs)}",
            "ask for an output size that divides them",
        )  # fmt: skip
    return _windows(value, call, tuple(p // o for p, o in zip(spatial, outs, strict=True)))


def _mean(scene: Capture, call: FunctionCall) -> Value | None:
    """The mean or the sum over all positions, in one step or in several."""
    x, dim, keep, *_ = call.bound("input dim keepdim", keepdim=False)
    dim = call.kwargs.get("axis", dim)
    value = scene.value(x)
    if value is None or dim is None:
        return None
    axes = [value.axes[k] for k in (dim if isinstance(dim, tuple | list) else (dim,))]
    if 0 in axes or 1 in axes:
        what = "samples" if 0 in axes else "units"
        raise refusal(
            _EXPECTED, call.place, f"it runs over the {what} of a layer",
            "average over positions, let nn.LayerNorm normalise units, or use a linear layer with"
            " one output",
        )  # fmt: skip
    spatial = value.units.shape[1:]
    every = -1 in axes
    sizes = tuple(p if every or k in axes else 1 for k, p in enumerate(spatial, 2))
    made = _windows(value, call, sizes)
    if call.name == "sum":
        shape = made.units.shape
        factor = float(math.prod(sizes))
        made = replace(made, units=Averaged(made.units, Scale(factor), shape, call.place))
    left = value.axes if keep else tuple(k for k in value.axes if k not in axes)
    return _dropped(replace(made, axes=left), call)


def _dropped(value: Value, call: FunctionCall) -> Value:
    """With one position only, and no axis for it: the units of a vector."""
    if set(value.axes) <= {0, 1} and value.units.shape[1:]:
        shape = (value.units.shape[0] * math.prod(value.units.shape[1:]),)
        return replace(value, units=Averaged(value.units, Flatten(), shape, call.place))
    return value


def _reshaped(scene: Capture, call: FunctionCall) -> Value | None:
    """Flatten, view, reshape, squeeze: what they do is seen from the shapes."""
    tensor, result = call.args[0] if call.args else call.kwargs["input"], call.result
    value = scene.value(tensor)
    if value is None:
        return None
    if result.shape == tensor.shape:
        return value
    units = value.units
    if units.shape == (1,) and result.shape == (tensor.shape[0],):
        return replace(value, axes=(0,))
    count = math.prod(units.shape)
    if result.shape == (tensor.shape[0], count) and value.axes[0] == 0:
        gone = all(p == 1 for p in units.shape[1:]) or value.canonical
        if gone and 1 in value.axes and not value.pads:
            return _dropped(replace(value, axes=(0, 1)), call)
    if value.canonical and result.shape[:2] == tensor.shape[:2]:
        return _row_of_positions(value, call)
    if result.shape == (tensor.shape[0], count) and value.axes[0] == 0 and not value.in_order:
        raise refusal(
            _EXPECTED, call.place, "positions are flattened in front of units, which a description"
            " has the other way round",
            "move the units in front, h.movedim(-1, 1).flatten(1): the next layer is the same but"
            " for the order of its columns",
        )  # fmt: skip
    raise refusal(
        _EXPECTED, call.place, f"{tuple(tensor.shape)} becomes {tuple(result.shape)}, which mixes"
        " units and positions, or samples", "flatten all units and positions with flatten(1)",
    )  # fmt: skip


def _row_of_positions(value: Value, call: FunctionCall) -> Value | None:
    """All positions in one axis, which an average over it reads: axis -1 stands for them."""
    if call.result.ndim != 3 or call.result.shape[2] != math.prod(value.units.shape[1:]):
        return None
    return replace(value, axes=(0, 1, -1))


def _picked(scene: Capture, call: FunctionCall) -> Value | None:
    value = scene.value(call.args[0])
    if value is None or value.units.shape != (1,) or call.result.shape != call.args[0].shape[:1]:
        return None
    return replace(value, axes=(0,))


def _padded(scene: Capture, call: FunctionCall) -> Value | None:
    x, pad, mode, filled = call.bound("input pad mode value", mode="constant", value=None)
    value = scene.value(x)
    if value is None or not value.canonical or filled or mode not in ("constant", "circular"):
        return None
    sides = tuple((pad[k], pad[k + 1]) for k in range(0, len(pad), 2))[::-1]
    whole = ((0, 0),) * (len(value.units.shape) - 1 - len(sides)) + sides
    if len(whole) != len(value.units.shape) - 1 or min(pad) < 0:
        return None
    return replace(value, pads=whole, wraps=mode == "circular")


def _each(sizes: Any, dimensions: int) -> tuple[int, ...]:
    several = isinstance(sizes, tuple | list)
    each = tuple(sizes) if several else (sizes,) * dimensions
    return each * dimensions if len(each) < dimensions else each


POSITIONS: dict[str, Rule] = {
    **dict.fromkeys(SAME, _same),
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                     "feature_alpha_dropout"), _dropout),
    **dict.fromkeys(("T", "t", "mT", "transpose", "swapaxes", "permute", "movedim"), _turned),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pooled),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
                    _adaptive),
    **dict.fromkeys(("flatten", "reshape", "squeeze", "view"), _reshaped),
    "getitem": _picked,
    "mean": _mean,
    "pad": _padded,
    "sum": _mean,
}  # fmt: skip
"""What happens to positions, by the name that torch gives it."""
