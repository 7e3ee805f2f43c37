"""Casts to narrower formats in a ``forward``, which a copy in float64 leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Widened"]


class Widened(TorchFunctionMode):
    """Keeps all floating numbers in float64, whatever the module makes of them.

    What a module of float32 writes as ``x.float()``, or a constant that it makes in float32, would
    not fit to the parameters of its copy.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The function; in place of a cast what was to be cast, not rounded."""
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor) or not result.is_floating_point():
            return result
        if result.dtype == torch.float64:
            return result
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.dtype == torch.float64 and _is_cast(func):
            return first.clone()
        return result.double()


def _is_cast(func: Any) -> bool:
    return getattr(func, "__name__", "") in _CASTS


_CASTS = frozenset({"bfloat16", "float", "half", "to", "type", "type_as"})
