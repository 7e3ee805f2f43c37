"""The torch callable of an activation, from the same sympy expression as the limit's."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy
import torch
from torch import Tensor

from analytic.activation import Activation, X

__all__ = ["pointwise"]


@lru_cache(maxsize=256)
def pointwise(activation: Activation, order: int = 0) -> Callable[[Tensor], Tensor]:
    """W as a function of tensors, or its derivative of the given order.

    The value keeps the dtype and the device of its argument and is differentiable as often
    as the expression is.

    Example:
        >>> w = pointwise(Activation("softplus"))
        >>> float(w(torch.tensor(800.0)))
        800.0
    """
    expression = activation.expression if order == 0 else activation.derivative(order)
    function = sympy.lambdify(X, expression, modules=[_FUNCTIONS, "math"])

    def apply(x: Tensor) -> Tensor:
        value = function(x)
        return value if isinstance(value, Tensor) else torch.full_like(x, float(value))

    return apply


def _softplus(x: Tensor) -> Tensor:
    return torch.nn.functional.softplus(x, threshold=60)  # torch's 20 leaves an error of 2e-9


def _heaviside(x: Tensor, at_zero: float = 0.5) -> Tensor:
    """The step with value 0 at 0, whatever sympy says: torch's derivative of relu."""
    del at_zero
    return (x > 0).to(x.dtype)


def _maximum(x: Any, y: Any) -> Tensor:
    number, tensor = (x, y) if isinstance(y, Tensor) else (y, x)
    return torch.relu(tensor) if number == 0 else torch.clamp(tensor, min=float(number))


_FUNCTIONS: dict[str, Any] = {
    "Abs": torch.abs,
    "Heaviside": _heaviside,
    "Max": _maximum,
    "cos": torch.cos,
    "erf": torch.erf,
    "exp": torch.exp,
    "log": torch.log,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "sin": torch.sin,
    "softplus": _softplus,
    "tanh": torch.tanh,
}
