r"""Parameters that are added or multiplied entry by entry, broadcast along the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from empirical.layerwise.rules.call import Rule, Share, dense

__all__ = ["RULES"]


def _shares(input: Any, other: Any, of_input: Any, of_other: Any) -> list[tuple[Any, Share]]:
    """The slopes dh/dinput and dh/dother as functions without arguments, or None for 1."""

    def share(parameter: Any, slope: Any) -> Share:
        def gradients(signal: Tensor, samples: Any) -> Any:
            return dense(parameter, signal if slope is None else signal * slope(), samples)

        return gradients

    return [(input, share(input, of_input)), (other, share(other, of_other))]


def _add(input: Any, other: Any, *, alpha: float = 1) -> list[tuple[Any, Share]]:
    return _shares(input, other, None, None if alpha == 1 else lambda: alpha)


def _subtract(input: Any, other: Any, *, alpha: float = 1) -> list[tuple[Any, Share]]:
    return _shares(input, other, None, lambda: -alpha)


def _reflected(input: Any, other: Any, *, alpha: float = 1) -> list[tuple[Any, Share]]:
    """H = other - alpha input."""
    return _subtract(other, input, alpha=alpha)[::-1]


def _multiply(input: Any, other: Any) -> list[tuple[Any, Share]]:
    return _shares(input, other, lambda: other, lambda: input)


def _divide(
    input: Any, other: Any, *, rounding_mode: str | None = None
) -> list[tuple[Any, Share]] | None:
    if rounding_mode is not None:
        return None
    return _shares(input, other, lambda: 1 / other, lambda: -input / other**2)


def _prelu(input: Tensor, weight: Tensor) -> list[tuple[Any, Share]]:
    """H = max(x, 0) + weight min(x, 0), the weight along axis 1 or a single number."""
    shape = (1,) if len(weight) == 1 else (len(weight), *(1,) * (input.ndim - 2))

    def of_weight(signal: Tensor, samples: Any) -> Any:
        return dense(weight, signal * input.clamp(max=0), samples, shape)

    return [(weight, of_weight)]


RULES: dict[Any, Rule] = {
    functional.prelu: _prelu,
    torch.prelu: _prelu,
    Tensor.prelu: _prelu,
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), _add),
    **dict.fromkeys((torch.sub, Tensor.sub, Tensor.__sub__), _subtract),
    **dict.fromkeys((torch.rsub, Tensor.__rsub__), _reflected),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _multiply),
    **dict.fromkeys((torch.div, Tensor.div, Tensor.__truediv__), _divide),
}
