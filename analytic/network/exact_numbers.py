"""The numbers of a description as sympy has them: fractions where they are meant."""

from __future__ import annotations

from typing import Any

import sympy

from analytic.network.normalization import Gains
from analytic.network.pointwise import Pointwise

__all__ = ["exact", "exact_coefficients"]


def exact_coefficients(part: Any) -> tuple[Any, Any, Any, Any]:
    """The variances of the weights and biases of a layer or readout, and their rates."""
    if isinstance(part, Gains):
        return exact(part.start), sympy.S.Zero, exact(part.weight_rate), exact(part.bias_rate)
    if isinstance(part, Pointwise):
        return sympy.S.One, sympy.S.Zero, sympy.S.Zero, sympy.S.Zero
    bias = exact(part.bias_std) ** 2
    bias_rate = bias if part.bias_rate is None else exact(part.bias_rate)
    return exact(part.weight_std) ** 2, bias, exact(part.weight_rate), bias_rate


def exact(number: float) -> Any:
    """A short fraction if the number is one, otherwise the float itself."""
    short = sympy.Rational(number).limit_denominator(1000)
    return short if float(short) == number else sympy.Float(number)
