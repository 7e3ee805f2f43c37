"""Choices that a unit makes for itself: comparisons with numbers, and what they select.

A comparison is the function that is 1 where it holds and 0 elsewhere; what it selects from other
functions of the same unit is a function in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import sympy
import torch
from torch import Tensor

from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.capture import Capture, Rule
from empirical.lifting.elementwise import applied, base_of, expression_of
from empirical.lifting.pointwise_functions import number

__all__ = ["CHOICES"]


def _compared(relation: Callable[..., Any], scene: Capture, call: FunctionCall) -> Value | None:
    """1 where a comparison holds, else 0."""
    first, *others = _alike(scene, *call.bound("input other"))
    if first is None:
        return None
    return applied(first, sympy.Piecewise((1, relation(*others)), (0, True)), call)


def _negated(scene: Capture, call: FunctionCall) -> Value | None:
    first, condition = _alike(scene, call.args[0])
    return None if first is None else applied(first, 1 - condition, call)


def _where(scene: Capture, call: FunctionCall) -> Value | None:
    """torch.where(condition, a, b), or a.where(condition, b)."""
    condition, a, b = call.bound("condition input other")
    if isinstance(condition, Tensor) and condition.dtype != torch.bool:
        condition, a = a, condition
    return _selected(scene, call, condition, a, b)


def _masked_fill(scene: Capture, call: FunctionCall) -> Value | None:
    units, mask, value = call.bound("input mask value")
    return _selected(scene, call, mask, value, units)


def _selected(scene: Capture, call: FunctionCall, *parts: Any) -> Value | None:
    """The first of two where a condition holds, else the second."""
    first, condition, a, b = _alike(scene, *parts)
    if first is None or scene.value(parts[0]) is None:
        return None
    return applied(first, sympy.Piecewise((a, sympy.Eq(condition, 1)), (b, True)), call)


def _alike(scene: Capture, *parts: Any) -> list[Any]:
    """Units, and the parts as functions of their base; only None unless all are of the same."""
    values = [scene.value(part) for part in parts]
    known = [value for value in values if value is not None]
    numbers = [scene.number(part) for part in parts]
    alike = all(base_of(v) is base_of(known[0]) and v.axes == known[0].axes for v in known)
    if (
        not known
        or not alike
        or any(
            value is None and constant is None
            for value, constant in zip(values, numbers, strict=True)
        )
    ):
        return [None] * (len(parts) + 1)
    return [known[0]] + [
        number(constant) if value is None else expression_of(value)  # pyright: ignore
        for value, constant in zip(values, numbers, strict=True)
    ]


CHOICES: dict[str, Rule] = {
    **{
        name: partial(_compared, relation)
        for relation, names in (
            (sympy.Gt, ("gt", "greater")), (sympy.Lt, ("lt", "less")),
            (sympy.Ge, ("ge", "greater_equal")), (sympy.Le, ("le", "less_equal")),
        )
        for name in names
    },
    **dict.fromkeys(("bitwise_not", "invert", "logical_not"), _negated),
    "masked_fill": _masked_fill,
    "where": _where,
}  # fmt: skip
"""Comparisons and selections by the name that torch gives them."""
