"""Functions of torch that act on units one by one, as expressions.

Each entry builds the expression of w(e) from that of e and from the further arguments of the call,
in torch's order and with torch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import sympy

from analytic.activation import X, sigmoid, softplus
from analytic.expressions import FUNCTIONS

__all__ = ["ARITHMETIC", "POINTWISE", "Builder", "number", "the_factor"]

Builder = Callable[..., Any]


def number(value: float) -> Any:
    """A short fraction if the number is one, so that texts stay short; else a float."""
    fraction = sympy.Rational(value).limit_denominator(1000)
    return fraction if float(fraction) == value else sympy.Float(value)


def the_factor(expression: Any) -> float | None:
    """The c of an expression c x, None for others."""
    slope = expression.diff(X)
    linear = slope.is_number and slope != 0 and expression.subs(X, 0) == 0
    return float(slope) if linear else None


def _softplus(e: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    smooth = softplus(number(beta) * e) / number(beta)
    if threshold >= 20:  # from there on it is x but for 2e-9
        return smooth
    return sympy.Piecewise((e, number(beta) * e > number(threshold)), (smooth, True))


def _elu(e: Any, alpha: float = 1.0) -> Any:
    return sympy.Max(e, 0) + number(alpha) * (sympy.exp(sympy.Min(e, 0)) - 1)


def _celu(e: Any, alpha: float = 1.0) -> Any:
    a = number(alpha)
    return sympy.Max(e, 0) + a * (sympy.exp(sympy.Min(e, 0) / a) - 1)


def _leaky_relu(e: Any, negative_slope: float = 0.01) -> Any:
    return sympy.Max(e, 0) + number(negative_slope) * sympy.Min(e, 0)


def _gelu(e: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return FUNCTIONS["gelu"](e)
    inner = sympy.Float(math.sqrt(2 / math.pi)) * (e + sympy.Float(0.044715) * e**3)
    return e * (1 + sympy.tanh(inner)) / 2


def _hardtanh(e: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    return _clamp(e, min_val, max_val)


def _clamp(e: Any, min: Any = None, max: Any = None) -> Any:
    low = e if min is None else sympy.Max(e, number(min))
    return low if max is None else sympy.Min(low, number(max))


def _softshrink(e: Any, lambd: float = 0.5) -> Any:
    size = number(lambd)
    return sympy.Max(e - size, 0) + sympy.Min(e + size, 0)


def _power(e: Any, exponent: Any) -> Any:
    return e ** number(exponent)


def _named(name: str) -> Builder:
    return lambda e, inplace=False: FUNCTIONS[name](e)


POINTWISE: dict[str, Builder] = {
    **{name: _named(name) for name in (
        "abs", "arcsinh", "arctan", "asinh", "atan", "cos", "cosh", "erf", "erfc", "exp",
        "hardsigmoid", "hardswish", "log", "log1p", "mish", "relu", "relu6", "selu", "sigmoid",
        "sign", "silu", "sin", "sinh", "softsign", "sqrt", "square", "tan", "tanh",
    )},
    "absolute": _named("abs"),
    "celu": lambda e, alpha=1.0, inplace=False: _celu(e, alpha),
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_max": lambda e, max: _clamp(e, None, max),
    "clamp_min": lambda e, min: _clamp(e, min),
    "elu": lambda e, alpha=1.0, inplace=False: _elu(e, alpha),
    "expit": _named("sigmoid"),
    "expm1": lambda e: sympy.exp(e) - 1,
    "gelu": _gelu,
    "hardtanh": lambda e, min_val=-1.0, max_val=1.0, inplace=False: _hardtanh(e, min_val, max_val),
    "leaky_relu": lambda e, negative_slope=0.01, inplace=False: _leaky_relu(e, negative_slope),
    "logsigmoid": lambda e: -softplus(-e),
    "ndtr": lambda e: (1 + sympy.erf(e / sympy.sqrt(2))) / 2,
    "neg": lambda e: -e,
    "negative": lambda e: -e,
    "pow": _power,
    "rrelu": lambda e, lower=1 / 8, upper=1 / 3, training=False, inplace=False: _leaky_relu(
        e, (lower + upper) / 2
    ),
    "reciprocal": lambda e: 1 / e,
    "sinc": lambda e: FUNCTIONS["sinc"](sympy.pi * e),
    "softplus": _softplus,
    "softshrink": _softshrink,
    "swish": lambda e: e * sigmoid(e),
    "tanhshrink": lambda e: e - sympy.tanh(e),
}  # fmt: skip
"""The functions of one tensor, by the name that torch gives them."""

ARITHMETIC: dict[str, Builder] = {
    "add": lambda a, b, alpha=1: a + number(alpha) * b,
    "div": lambda a, b: a / b,
    "fmax": sympy.Max,
    "fmin": sympy.Min,
    "maximum": sympy.Max,
    "minimum": sympy.Min,
    "mul": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "radd": lambda a, b: b + a,
    "rdiv": lambda a, b: b / a,
    "rmul": lambda a, b: b * a,
    "rsub": lambda a, b: b - a,
    "rtruediv": lambda a, b: b / a,
    "sub": lambda a, b, alpha=1: a - number(alpha) * b,
    "subtract": lambda a, b, alpha=1: a - number(alpha) * b,
    "true_divide": lambda a, b: a / b,
    "truediv": lambda a, b: a / b,
}
"""The operations on two numbers or tensors, in the order of their arguments."""
