"""Products with parameters, and the biases behind them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.capture import Capture, Rule
from empirical.lifting.places import refusal
from empirical.lifting.pointwise_functions import the_factor
from empirical.lifting.units import Applied, Matrix, Weights

__all__ = ["PRODUCTS", "biased", "scaled_weights"]

_EXPECTED = "weights that all positions share, each unit with its own"


def _linear(scene: Capture, call: FunctionCall) -> Value | None:
    x, weight, bias = call.bound("input weight bias")
    return _product(scene, call, x, scene.matrix(weight), scene.matrix(bias))


def _matmul(scene: Capture, call: FunctionCall) -> Value | None:
    x, other = call.bound("input other")
    if "mat2" in call.kwargs:
        other = call.kwargs["mat2"]
    right, left = scene.matrix(other), scene.matrix(x)
    if right is not None:
        return _product(scene, call, x, _transposed(right), None)
    if left is None or other.ndim != 2:
        return None
    value = scene.value(other) or scene.reading(other, (1, 0), call.place)
    if value.axes != (1, 0) or value.pads:
        return None
    return _weighted(call, value, left, None, (1, 0) if left.tensor.ndim == 2 else (0,))


def _addmm(scene: Capture, call: FunctionCall) -> Value | None:
    bias, x, other = call.bound("input mat1 mat2")
    right = scene.matrix(other)
    if right is None or call.kwargs.keys() & {"beta", "alpha"}:
        return None
    return _product(scene, call, x, _transposed(right), scene.matrix(bias))


def _einsum(scene: Capture, call: FunctionCall) -> Value | None:
    """A sum over the units of one operand with a parameter, "bi,io->bo"."""
    if len(call.args) != 3 or not isinstance(call.args[0], str):
        return None
    terms, arrow, out = call.args[0].replace(" ", "").partition("->")
    letters = dict(zip(terms.split(","), call.args[1:], strict=False))
    known = {text: scene.matrix(tensor) for text, tensor in letters.items()}
    weights = [text for text, matrix in known.items() if matrix is not None]
    if len(letters) != 2 or len(weights) != 1 or not arrow or "." in terms:
        return None
    (own,) = weights
    (read,) = letters.keys() - {own}
    matrix, tensor = known[own], letters[read]
    summed, made = set(own) & set(read), set(own) - set(read)
    if matrix is None or len(summed) != 1 or len(made) != len(own) - 1 or len(own) > 2:
        return None
    (unit,) = summed
    axes = _data_axes(read, unit)
    value = scene.value(tensor) or scene.reading(tensor, axes, call.place)
    if value.pads or value.axes[read.index(unit)] != 1 or unit in out:
        return None
    left = tuple(1 if k in made else value.axes[read.index(k)] for k in out)
    if set(out) != (set(read) | made) - {unit}:
        return None
    matrix = _transposed(matrix) if own.index(unit) == 0 else matrix
    return _weighted(call, value, matrix, None, left)


def _data_axes(letters: str, unit: str) -> tuple[int, ...]:
    """Of data: samples first, then positions, and what is summed are units."""
    ahead = iter(range(2, len(letters) + 1))
    return tuple(0 if k == 0 else 1 if c == unit else next(ahead) for k, c in enumerate(letters))


def _transposed(matrix: Matrix) -> Matrix:
    return matrix if matrix.tensor.ndim == 1 else replace(matrix, turned=not matrix.turned)


def _product(
    scene: Capture, call: FunctionCall, x: Tensor, weight: Matrix | None, bias: Matrix | None
) -> Value | None:
    """x W^T + b over the last axis of x, which has to be that of the units."""
    if weight is None or weight.tensor.ndim > 2:
        return None
    value = scene.value(x)
    if value is None:
        value = scene.reading(x, (0, *range(2, x.ndim), 1), call.place)
    if value.axes[-1] != 1 or value.pads:
        raise refusal(
            _EXPECTED, call.place, "the product runs over positions rather than units",
            "let the last axis be the units, or use a convolution",
        )  # fmt: skip
    axes = value.axes if weight.tensor.ndim == 2 else value.axes[:-1]
    return _weighted(call, value, weight, bias, axes)


def _weighted(
    call: FunctionCall, value: Value, weight: Matrix, bias: Matrix | None, axes: tuple[int, ...]
) -> Value:
    units = 1 if weight.tensor.ndim == 1 else len(weight.value)
    spatial = value.units.shape[1:]
    window = {"kernel_size": (1,) * len(spatial)} if spatial else None
    made = Weights(value.units, weight, bias, window, (units, *spatial), call.place)
    return Value(made, axes)


def _convolution(scene: Capture, call: FunctionCall) -> Value | None:
    x, weight, bias, stride, padding, dilation, groups = call.bound(
        "input weight bias stride padding dilation groups",
        stride=1, padding=0, dilation=1, groups=1,
    )  # fmt: skip
    matrix, shift = scene.matrix(weight), scene.matrix(bias)
    if matrix is None:
        return None
    dimensions = weight.ndim - 2
    if x.ndim != weight.ndim:
        raise refusal("a batch of images", call.place, "it has no axis of samples", "pass x[None]")
    value = scene.value(x) or scene.reading(x, tuple(range(x.ndim)), call.place)
    if groups != 1:
        raise refusal(
            "a convolution of all channels", call.place,
            f"each of its {groups} groups reads a part of the channels, and if that is one channel"
            " its sum does not become Gaussian",
            "use groups=1",
        )  # fmt: skip
    if not value.in_order:
        return None
    sizes, strides, wide = (_each(s, dimensions) for s in (weight.shape[2:], stride, dilation))
    sides = _sides(padding, sizes, wide)
    outer = value.pads or ((0, 0),) * dimensions
    if value.pads and value.wraps and any(map(any, sides)):
        return None
    sides = tuple((a + c, b + d) for (a, b), (c, d) in zip(sides, outer, strict=True))
    spatial = tuple(call.result.shape[2:])
    window = _window(call, value, sizes, strides, wide, sides, spatial)
    made = Weights(value.units, matrix, shift, window, (weight.shape[0], *spatial), call.place)
    return Value(made, tuple(range(x.ndim)))


def _window(
    call: FunctionCall,
    value: Value,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    wide: tuple[int, ...],
    sides: tuple[tuple[int, int], ...],
    spatial: tuple[int, ...],
) -> dict[str, Any]:
    """The keywords of ``Convolution``: "valid", or "same" where torch reads the same positions."""
    found: dict[str, Any] = {"kernel_size": sizes, "stride": strides}
    if max(wide) > 1:
        found["dilation"] = wide
    if not any(map(any, sides)):
        return found | {"padding": "same" if max(sizes) == 1 else "valid"}
    before = tuple(d * ((k - 1) // 2) for k, d in zip(sizes, wide, strict=True))
    outs = tuple(
        math.ceil(p / s) for p, s in zip(value.units.shape[1:], strides, strict=True)
    )  # fmt: skip
    if tuple(a for a, _ in sides) != before or outs != spatial:
        raise refusal(
            f"padding {_short(before)} before the first position, or none", call.place,
            f"the padding {_short(tuple(a for a, _ in sides))} gives {_short(spatial)} positions"
            f" where a description has {_short(outs)}",
            f"pass padding={_short(before)} or padding='same'",
        )  # fmt: skip
    return found | {"padding": "same", "padding_mode": "circular" if value.wraps else "zeros"}


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else str(sizes)


def _each(sizes: Any, dimensions: int) -> tuple[int, ...]:
    each = (sizes,) * dimensions if isinstance(sizes, int) else tuple(map(int, sizes))
    return each * dimensions if len(each) < dimensions else each


def _sides(
    padding: Any, sizes: tuple[int, ...], wide: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Positions outside that are read before and after, in every dimension."""
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(sizes, wide, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    return tuple((p, p) for p in _each(padding, len(sizes)))


def biased(call: FunctionCall, value: Value, bias: Matrix, size: tuple[int, ...]) -> Value:
    """Units with a parameter added, of a tensor that had this shape."""
    units = value.units
    factor = the_factor(units.expression) if isinstance(units, Applied) else None
    if isinstance(units, Applied) and isinstance(units.source, Weights) and factor is not None:
        units = scaled_weights(units.source, factor)
    count = units.shape[0]
    axis = value.axes.index(1) if 1 in value.axes else len(value.axes) - 1
    aligned = (1,) * (len(value.axes) - len(size)) + size
    fits = math.prod(size) == count and (count == 1 or aligned[axis] == count)
    if not isinstance(units, Weights) or units.bias is not None or not fits or value.pads:
        raise refusal(
            "a bias for each unit, the same at all positions, behind weights", call.place,
            "a parameter is added to units that are not sums with weights, or have a bias, or to"
            " each position its own",
            "add it behind a linear layer or a convolution, one number for each unit",
        )  # fmt: skip
    return replace(value, units=replace(units, bias=bias))


def scaled_weights(units: Weights, factor: float) -> Weights:
    """Sums with weights, multiplied by a number: the weights and the bias are."""
    bias = None if units.bias is None else units.bias.times(factor)
    return replace(units, weight=units.weight.times(factor), bias=bias)


PRODUCTS: dict[str, Rule] = {
    "addmm": _addmm,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "einsum": _einsum,
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "mv": _matmul,
}
"""Products by the name that torch gives them."""
