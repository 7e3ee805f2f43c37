"""Casts to narrower formats in a ``forward``, which a copy in float64 leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Widened"]


TORCH_S, NO_BEND = 20.0, 40.0
"""The threshold of softplus: torch's default, and where log(1 + exp(x)) is x."""


class Widened(TorchFunctionMode):
    """Keeps all floating numbers in float64, whatever the module makes of them.

    What a module of float32 writes as ``x.float()``, or a constant that it makes in float32, would
    not fit to the parameters of its copy. And softplus has no threshold that its values show.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The function; in place of a cast what was to be cast, not rounded."""
        if getattr(func, "__name__", "") == "softplus":
            args, kwargs = _unbent(*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor) or not result.is_floating_point():
            return result
        if result.dtype == torch.float64:
            return result
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.dtype == torch.float64 and _is_cast(func):
            return first.clone()
        return result.double()


def _unbent(
    x: Tensor, beta: float = 1.0, threshold: float = 20.0
) -> tuple[tuple[Tensor, float, float], dict[str, Any]]:
    """Softplus up to where it is x in float64; torch's own threshold leaves 2e-9 out."""
    return (x, beta, max(threshold, NO_BEND) if threshold >= TORCH_S else threshold), {}


def _is_cast(func: Any) -> bool:
    return getattr(func, "__name__", "") in _CASTS


_CASTS = frozenset({"bfloat16", "float", "half", "to", "type", "type_as"})
