"""The words an activation may be written in: one symbol, numbers and a list of functions.

``sigmoid`` and ``softplus`` are functions of their own rather than quotients and logarithms
of exponentials, so that neither they nor their derivatives ever overflow. ``normal_cdf`` is
what ``1 + erf`` is rewritten into before it is evaluated, so that it never cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from analytic.expressions.sine_quotients import ORDERS, sinc

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "HEADS",
    "JUMPING",
    "KINKED",
    "MANY",
    "NAMES",
    "SWITCHES",
    "X",
    "normal_cdf",
    "sigmoid",
    "softplus",
]

X = sympy.Symbol("x", real=True)


class sigmoid(sympy.Function):
    """The logistic function 1/(1 + exp(-x)), kept whole so that it never overflows."""

    @classmethod
    def eval(cls, argument: Any) -> Any:
        return {sympy.S.Zero: sympy.S.Half, sympy.oo: sympy.S.One, -sympy.oo: sympy.S.Zero}.get(
            argument
        )

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.Mul(self, 1 - sympy.Mul(self))

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_rewrite_as_exp(self, argument: Any, **_: Any) -> Any:
        return 1 / (1 + sympy.exp(-argument))

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.exp, deep=False)._eval_evalf(prec)


class softplus(sympy.Function):
    """The function log(1 + exp(x)), kept whole so that it never overflows."""

    @classmethod
    def eval(cls, argument: Any) -> Any:
        return {sympy.S.Zero: sympy.log(2), sympy.oo: sympy.oo, -sympy.oo: sympy.S.Zero}.get(
            argument
        )

    def fdiff(self, argindex: int = 1) -> Any:
        return sigmoid(self.args[0])

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_rewrite_as_exp(self, argument: Any, **_: Any) -> Any:
        return sympy.log(1 + sympy.exp(argument))

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.exp, deep=False)._eval_evalf(prec)


class normal_cdf(sympy.Function):
    """The distribution function (1 + erf(x/sqrt(2)))/2 of the standard normal law."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.exp(-(self.args[0] ** 2) / 2) / sympy.sqrt(2 * sympy.pi)

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_rewrite_as_erf(self, argument: Any, **_: Any) -> Any:
        return (1 + sympy.erf(argument / sympy.sqrt(2))) / 2

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.erf, deep=False)._eval_evalf(prec)


def _elu(x: Any) -> Any:
    return sympy.Max(x, 0) + sympy.exp(sympy.Min(x, 0)) - 1


def _gaussian(x: Any) -> Any:
    return sympy.exp(-(x**2))


def _gelu(x: Any) -> Any:
    return x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2


def _hardshrink(x: Any) -> Any:
    return x * sympy.Heaviside(sympy.Abs(x) - sympy.S.Half)


def _hardsigmoid(x: Any) -> Any:
    return sympy.Max(sympy.Min(x + 3, 6), 0) / 6


def _hardtanh(x: Any) -> Any:
    return sympy.Max(sympy.Min(x, 1), -1)


def _hardswish(x: Any) -> Any:
    return x * sympy.Min(sympy.Max(x + 3, 0), 6) / 6


def _identity(x: Any) -> Any:
    return x


def _leaky_relu(x: Any) -> Any:
    return sympy.Max(x, x / 100)


def _log1p(x: Any) -> Any:
    return sympy.log(1 + x)


def _mish(x: Any) -> Any:
    return x * sympy.tanh(softplus(x))


def _relu(x: Any) -> Any:
    return sympy.Max(x, 0)


def _relu6(x: Any) -> Any:
    return sympy.Max(sympy.Min(x, 6), 0)


def _selu(x: Any) -> Any:
    """Klambauer et al. (2017): E w(z) = 0 and E w(z)^2 = 1."""
    scale, alpha = sympy.Float(1.0507009873554805), sympy.Float(1.6732632423543772)
    return scale * sympy.Max(x, 0) + scale * alpha * (sympy.exp(sympy.Min(x, 0)) - 1)


def _silu(x: Any) -> Any:
    return x * sigmoid(x)


def _softshrink(x: Any) -> Any:
    return sympy.Max(x - sympy.S.Half, 0) + sympy.Min(x + sympy.S.Half, 0)


def _softsign(x: Any) -> Any:
    return x / (1 + sympy.Abs(x))


def _square(x: Any) -> Any:
    return x**2


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": sympy.Abs,
    "Heaviside": sympy.Heaviside,
    "Max": sympy.Max,
    "Min": sympy.Min,
    "abs": sympy.Abs,
    "arcsinh": sympy.asinh,
    "arctan": sympy.atan,
    "asinh": sympy.asinh,
    "atan": sympy.atan,
    "celu": _elu,
    "cos": sympy.cos,
    "cosh": sympy.cosh,
    "elu": _elu,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "exp": sympy.exp,
    "expit": sigmoid,
    "gaussian": _gaussian,
    "gelu": _gelu,
    "hardshrink": _hardshrink,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "hardtanh": _hardtanh,
    "identity": _identity,
    "leaky_relu": _leaky_relu,
    "ln": sympy.log,
    "log": sympy.log,
    "log1p": _log1p,
    "logistic": sigmoid,
    "max": sympy.Max,
    "min": sympy.Min,
    "mish": _mish,
    "relu": _relu,
    "relu6": _relu6,
    "sech": sympy.sech,
    "selu": _selu,
    "sigmoid": sigmoid,
    "sign": sympy.sign,
    "silu": _silu,
    "sin": sympy.sin,
    "sinc": sinc,
    "sinh": sympy.sinh,
    "softplus": softplus,
    "softshrink": _softshrink,
    "softsign": _softsign,
    "sqrt": sympy.sqrt,
    "square": _square,
    "step": sympy.Heaviside,
    "swish": _silu,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
}
"""What a string may call. Some (tan, log) are allowed only where their argument makes them
continuous; elsewhere they are refused with the place."""

MANY = frozenset({"Max", "Min", "max", "min"})
"""Functions of two arguments; the others have one."""

CONSTANTS: dict[str, Any] = {"E": sympy.E, "pi": sympy.pi}

SWITCHES: tuple[Any, ...] = (sympy.Abs, sympy.Heaviside, sympy.Max, sympy.Min, sympy.sign)
"""Functions that are not analytic where their argument, or a difference of theirs, is 0."""

HEADS: frozenset[Any] = frozenset(
    {sympy.Add, sympy.Mul, sympy.Pow, sympy.Symbol, sympy.Float, *SWITCHES}
    | {sympy.asinh, sympy.atan, sympy.cos, sympy.cosh, sympy.erf, sympy.erfc, sympy.exp}
    | {sympy.log, sympy.sech, sigmoid, sympy.sin, sympy.sinh, softplus, sympy.tan, sympy.tanh}
    | {type(sympy.pi), type(sympy.E), normal_cdf, *ORDERS}
)
"""The sympy classes an expression may be made of, rational numbers apart."""

KINKED: dict[str, Any] = {
    "elu": _elu(X),
    "celu": _elu(X),
    "hardsigmoid": _hardsigmoid(X),
    "hardswish": _hardswish(X),
    "hardtanh": _hardtanh(X),
    "leaky_relu": _leaky_relu(X),
    "relu": _relu(X),
    "relu6": _relu6(X),
    "selu": _selu(X),
    "softshrink": _softshrink(X),
    "softsign": _softsign(X),
}
"""The activations that have a name and a kink, with the parameters torch gives them."""

JUMPING: dict[str, Any] = {
    "hardshrink": _hardshrink(X),
    "sign": sympy.sign(X),
    "step": sympy.Heaviside(X),
}
"""Those that have a name and a jump: there is a Gaussian process, and no tangent kernel."""

NAMES: dict[str, Any] = {
    "cos": sympy.cos(X),
    "erf": sympy.erf(X),
    "gaussian": _gaussian(X),
    "gelu": _gelu(X),
    "identity": X,
    "mish": _mish(X),
    "sigmoid": sigmoid(X),
    "silu": _silu(X),
    "sin": sympy.sin(X),
    "softplus": softplus(X),
    "tanh": sympy.tanh(X),
    **KINKED,
    **JUMPING,
}
"""The activations that have a name."""
