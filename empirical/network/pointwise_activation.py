"""The torch callable of an activation, from the same sympy expression as the limit's."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy
import torch
from torch import Tensor

from analytic.activation import Activation, X
from analytic.expressions import (
    NEAR,
    ORDERS,
    SINES,
    divided_functions,
    gauss_legendre,
    stable,
)

__all__ = ["pointwise"]


@lru_cache(maxsize=256)
def pointwise(activation: Activation, order: int = 0) -> Callable[[Tensor], Tensor]:
    """The activation w as a function of tensors, or its derivative of the given order.

    The value keeps the dtype and the device of its argument and is differentiable as often
    as the activation is; neither it nor its derivatives overflow where they are small. It can be
    pickled, as the activation and the order that it was made from.

    Example:
        >>> w = pointwise(Activation("softplus"))
        >>> float(w(torch.tensor(800.0)))
        800.0
    """
    return _Pointwise(activation, order)


class _Pointwise:
    """The callable, compiled from the expression; see ``pointwise``."""

    def __init__(self, activation: Activation, order: int) -> None:
        self._made_from = activation, order
        self._function = _compiled(activation.stable(order))

    def __call__(self, x: Tensor) -> Tensor:
        value = self._function(x)
        return value if isinstance(value, Tensor) else torch.full_like(x, float(value))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Activation, int]]:
        return pointwise, self._made_from


def _compiled(expression: Any) -> Callable[[Any], Any]:
    expression = _with_floats(expression)
    expression = expression.replace(sympy.sign, sympy.Function("signum"))  # not copysign
    divided = {f.__name__: _divided(f) for f in divided_functions(expression)}
    return sympy.lambdify(X, expression, modules=[_FUNCTIONS | divided, "math"], cse=True)


def _divided(function: Any) -> Callable[[Tensor], Tensor]:
    """A divided function: its series near 0, else the plain quotient."""
    far, radius = _compiled(stable(function.far())), function.series.radius
    coefficients = function.series.derivative(function.order).astype(float).tolist()

    def value(u: Tensor) -> Tensor:
        near = u.abs() < radius
        inside = torch.where(near, u, torch.zeros_like(u))
        total = torch.full_like(u, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            total = total * inside + coefficient
        return torch.where(near, total, far(torch.where(near, torch.full_like(u, radius), u)))

    return value


def _with_floats(expression: sympy.Expr) -> sympy.Expr:
    """Numbers such as sqrt(2) as floats: torch's functions take tensors only."""
    numbers = {
        node: sympy.Float(node.evalf(30))
        for node in sympy.preorder_traversal(expression)
        if not node.free_symbols and not node.is_Rational and not node.is_Float
    }
    return expression.xreplace(numbers)


def _softplus(x: Tensor) -> Tensor:
    return torch.nn.functional.softplus(x, threshold=60)  # torch's 20 leaves an error of 2e-9


def _sech(x: Tensor) -> Tensor:
    return 2 * torch.exp(x - _softplus(2 * x))  # 1/cosh overflows, and its slope is inf/inf


def _heaviside(x: Tensor, at_zero: float = 0.5) -> Tensor:
    """The step with value 0 at 0, whatever sympy says: torch's derivative of relu."""
    del at_zero
    return (x > 0).to(x.dtype)


def _maximum(*arguments: Any) -> Tensor:
    return _extreme(torch.maximum, torch.relu, *arguments)


def _minimum(*arguments: Any) -> Tensor:
    return _extreme(torch.minimum, lambda x: -torch.relu(-x), *arguments)


def _extreme(of_two: Callable[..., Tensor], with_zero: Callable[..., Tensor], *a: Any) -> Tensor:
    """Numbers among the arguments become tensors; 0 has its own rule for the slope at 0."""
    tensors = [value for value in a if isinstance(value, Tensor)]
    result = tensors[0]
    for tensor in tensors[1:]:
        result = of_two(result, tensor)
    for number in (value for value in a if not isinstance(value, Tensor)):
        full = torch.full_like(result, float(number))
        result = with_zero(result) if number == 0 else of_two(result, full)
    return result


def _cardinal_sine(order: int) -> Callable[[Tensor], Tensor]:
    """As ``analytic.expressions.sine_quotients`` has it."""

    def function(x: Tensor) -> Tensor:
        nodes, weights = (torch.tensor(a.astype(float)).to(x) for a in gauss_legendre())
        name, sign = SINES[order % 4]
        near = x.abs() < NEAR
        inside = torch.where(near, x, torch.zeros_like(x)).unsqueeze(-1)
        integral = sign * getattr(torch, name)(inside * nodes) @ (weights * nodes**order)
        outside = torch.where(near, torch.full_like(x, NEAR), x)
        value = torch.sin(outside) / outside
        for k in range(1, order + 1):
            name, sign = SINES[(k - 1) % 4]
            value = (sign * getattr(torch, name)(outside) - k * value) / outside
        return torch.where(near, integral, value)

    return function


_FUNCTIONS: dict[str, Any] = {
    "Abs": torch.abs,
    "Heaviside": _heaviside,
    "Max": _maximum,
    "Min": _minimum,
    "asinh": torch.asinh,
    "atan": torch.atan,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "log": torch.log,
    "normal_cdf": torch.special.ndtr,
    "sech": _sech,
    "sigmoid": torch.sigmoid,
    "signum": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "softplus": _softplus,
    "sqrt": torch.sqrt,
    "tan": torch.tan,
    "tanh": torch.tanh,
    **{function.__name__: _cardinal_sine(k) for k, function in enumerate(ORDERS)},
}
