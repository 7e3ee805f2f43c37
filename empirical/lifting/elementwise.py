"""Functions of one number at a time: activations, constants, sums of units."""

from __future__ import annotations

import operator
from dataclasses import replace
from functools import partial
from typing import Any

import sympy
from torch import Tensor

from analytic.activation import X
from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.capture import Capture, Rule
from empirical.lifting.linear_maps import biased
from empirical.lifting.places import refusal
from empirical.lifting.pointwise_functions import (
    ARITHMETIC,
    POINTWISE,
    Builder,
    number,
)
from empirical.lifting.units import Applied, Beside, Matrix, Total, Units

__all__ = ["ELEMENTWISE", "applied", "base_of", "expression_of"]

_EXPECTED = "functions of one unit, sums of units, and constants"


def _function(build: Builder, scene: Capture, call: FunctionCall) -> Value | None:
    """A function of one tensor, with constants as further arguments."""
    value = scene.value(call.args[0] if call.args else call.kwargs.get("input"))
    if value is None:
        return None
    given = {k: v for k, v in call.kwargs.items() if k not in ("input", "out", "inplace")}
    others = {k: scene.number(v) if isinstance(v, Tensor) else v for k, v in given.items()}
    extra = [scene.number(a) if isinstance(a, Tensor) else a for a in call.args[1:]]
    tensors = [v for v in (*given.values(), *call.args[1:]) if isinstance(v, Tensor)]
    if any(scene.number(t) is None for t in tensors):
        raise refusal(
            _EXPECTED, call.place, "its further arguments are tensors that are no single constant",
            "pass numbers",
        )  # fmt: skip
    return applied(value, build(expression_of(value), *extra, **others), call)


def expression_of(value: Value) -> Any:
    """The function of the base of some units that they are."""
    return value.units.expression if isinstance(value.units, Applied) else X


def base_of(value: Value) -> Units:
    """The units of which these are a function."""
    return value.units.source if isinstance(value.units, Applied) else value.units


def applied(value: Value, expression: Any, call: FunctionCall) -> Value:
    """An expression in the base of the units of a value."""
    if value.pads and expression.subs(X, 0) != 0:
        raise refusal(_EXPECTED, call.place, "it moves the zeros around the image", "pad behind it")
    if expression.has(sympy.Piecewise):
        expression = sympy.piecewise_fold(expression)
    base = base_of(value)
    made = Applied(base, expression, base.shape, call.place)
    return replace(value, units=base if expression == X else made)


def _arithmetic(name: str, scene: Capture, call: FunctionCall) -> Value | Matrix | None:
    a, b = (*call.args, call.kwargs.get("other"))[:2]
    scales = {k: scene.number(v) for k, v in call.kwargs.items() if k == "alpha"}
    build = partial(ARITHMETIC[name], **scales)
    left, right = scene.value(a), scene.value(b)
    if left is None and right is None:
        return _of_matrix(name, scene, a, b)
    if left is not None and right is not None:
        return _of_two(name, build, left, right, call)
    value, other = (left, b) if left is not None else (right, a)
    assert value is not None
    constant = scene.number(other)
    if constant is not None:
        sides = (expression_of(value), number(constant))
        return applied(value, build(*(sides if left is not None else sides[::-1])), call)
    return _with_parameter(name, build, scene, call, value, other, left is not None)


def _either(name: str, scene: Capture, call: FunctionCall) -> Value | Matrix | None:
    """The larger or smaller of two tensors; of one tensor it is another function."""
    two = len(call.args) > 1 and isinstance(call.args[1], Tensor)
    return _arithmetic(name, scene, call) if two or "other" in call.kwargs else None


def _with_parameter(
    name: str, build: Any, scene: Capture, call: FunctionCall, value: Value, other: Any, first: bool
) -> Value | None:
    """Units and a parameter, or data, or many constants."""
    matrix = scene.matrix(other)
    if matrix is not None and name in ("add", "radd", "sub", "subtract"):
        one = build(0, 1) if first else build(1, 0)
        if not first and name in ("sub", "subtract"):
            value = applied(value, -expression_of(value), call)
        return biased(call, value, matrix.times(float(one)), tuple(other.shape))
    if matrix is not None:
        raise refusal(
            _EXPECTED, call.place, f"units are multiplied by the parameter {matrix.name!r}, and"
            " such gains are no part of a description", "use constants, or freeze a single one",
        )  # fmt: skip
    if scene.is_data(other):
        raise refusal(
            _EXPECTED, call.place, "units and data meet: data have a finite number of entries, so"
            " that K_0 stays random however many units there are",
            "put a linear layer between the data and the sum, as a projection",
        )  # fmt: skip
    raise refusal(
        _EXPECTED, call.place, "each unit has a constant of its own", "use one number for all"
    )


def _of_two(name: str, build: Any, left: Value, right: Value, call: FunctionCall) -> Value | None:
    """Units and units: functions of the same ones, or a sum."""
    if left.axes != right.axes or left.pads or right.pads or left.units.shape != right.units.shape:
        raise refusal(
            "units of the same shape", call.place, "some are repeated along an axis",
            "add units that are equally many at the same positions",
        )  # fmt: skip
    if base_of(left) is base_of(right):
        return applied(left, build(expression_of(left), expression_of(right)), call)
    if name in ("fmax", "fmin", "maximum", "minimum"):
        raise refusal(
            _EXPECTED, call.place, "the larger or smaller of different units is no function of one",
            "take it of functions of one unit, torch.maximum(h, 0.1 * h), or add them",
        )  # fmt: skip
    if name not in ("add", "radd", "sub", "subtract"):
        raise refusal(
            _EXPECTED, call.place, "products of different units (gates, attention) do not have the"
            " Gaussian limit of sums", "add them, or use a function of one unit such as silu",
        )  # fmt: skip
    terms = [left, right]
    second = build(0, X)
    if second != X:
        terms[1] = applied(right, second.subs(X, expression_of(right)), call)
    units = tuple(term.units for term in terms)
    return replace(left, units=Total(units, left.units.shape, call.place))


def _side_by_side(scene: Capture, call: FunctionCall) -> Value | None:
    """Units in one row; of a list that grows, those that stood side by side before are one."""
    tensors, dim = call.bound("tensors dim", dim=0)
    axis = call.kwargs.get("axis", dim)
    values = [scene.value(t) for t in tensors]
    first = next(value for value in values if value is not None)
    if any(value is None for value in values):
        raise refusal(
            "units beside units", call.place, "data stand beside units: data have a finite number"
            " of entries, so that K_0 stays random however many units there are",
            "put a linear layer between the data and the rest",
        )  # fmt: skip
    found = [value for value in values if value is not None]
    if any(v.axes != first.axes or v.pads for v in found) or first.axes[axis] != 1:
        raise refusal(
            "units beside units", call.place, "it joins samples or positions",
            "let dim be the axis of the units",
        )  # fmt: skip
    terms = tuple(value.units for value in found)
    for known in reversed(scene.beside):
        size = len(known.terms)
        if size < len(terms) and all(map(operator.is_, known.terms, terms)):
            terms = (known, *terms[size:])
            break
    if len(terms) == 1:
        return replace(first, units=terms[0])
    count = sum(term.shape[0] for term in terms)
    made = Beside(terms, (count, *terms[0].shape[1:]), call.place)
    scene.beside.append(made)
    return replace(first, units=made)


def _of_matrix(name: str, scene: Capture, a: Any, b: Any) -> Matrix | None:
    """A parameter times a constant."""
    left, right = scene.matrix(a), scene.matrix(b)
    matrix, other = (left, scene.number(b)) if left is not None else (right, scene.number(a))
    if matrix is None or other is None or (left is None and name not in ("mul", "rmul")):
        return None
    if name in ("mul", "multiply", "rmul"):
        return matrix.times(other)
    return matrix.times(1 / other) if name in ("div", "true_divide", "truediv") else None


def _negative(scene: Capture, call: FunctionCall) -> Value | Matrix | None:
    matrix = scene.matrix(call.args[0])
    return matrix.times(-1.0) if matrix is not None else _function(POINTWISE["neg"], scene, call)


def _prelu(scene: Capture, call: FunctionCall) -> Value | None:
    """With one slope that is frozen; a trained one is refused."""
    x, weight = call.bound("input weight")
    value, slope = scene.value(x), scene.number(weight)
    if value is None or slope is None:
        return None
    return applied(value, POINTWISE["leaky_relu"](expression_of(value), slope), call)


ELEMENTWISE: dict[str, Rule] = {
    **{name: partial(_function, build) for name, build in POINTWISE.items()},
    **{name: partial(_arithmetic, name) for name in ARITHMETIC},
    **dict.fromkeys(("cat", "concat", "concatenate"), _side_by_side),
    "iadd": partial(_arithmetic, "add"),
    "imul": partial(_arithmetic, "mul"),
    "isub": partial(_arithmetic, "sub"),
    "itruediv": partial(_arithmetic, "div"),
    "max": partial(_either, "maximum"),
    "min": partial(_either, "minimum"),
    "neg": _negative,
    "prelu": _prelu,
}
"""Applied functions and sums by the name that torch gives them."""
