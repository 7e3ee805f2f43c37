r"""Rounding: products in full precision, and the floor that rounding leaves.

Reduced formats for matrix products (TF32 on GPUs, bfloat16 on some processors, autocast) are
switched off while a kernel is computed: TF32 keeps 10 bits, an error of 1e-3, which looks
like a rate that has levelled off.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Roundings", "double_copy", "full_precision", "relative_floor"]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Multiply in the format of the operands, whatever the caller has allowed."""
    matmul = torch.get_float32_matmul_precision()
    convolution = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def double_copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The same module with its numbers in another format."""
    return copy.deepcopy(module).to(dtype)


class Roundings(TorchDispatchMode):
    """Watches operations for rounding that two copies of a module share, or hide.

    Two things spoil a floor from two formats: a step in a narrower format than that of both
    copies, whose rounding both have, and numbers of the original, which a closure or a hook of
    the copy still holds and rounds in the format of the original.

    Args:
        original: the module; None while it runs itself.

    Raises:
        ValueError: an operation does one of these.
    """

    def __init__(self, original: nn.Module | None) -> None:
        super().__init__()
        held = () if original is None else (*original.parameters(), *original.buffers())
        self.held = {_address(t) for t in held if t.is_floating_point()} - {0}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The operation, after a look at its operands and its result."""
        result = func(*args, **(kwargs or {}))
        operands = _floating([args, kwargs])
        if any(_address(t) in self.held for t in operands):
            raise ValueError("it still uses tensors of the module that was copied")
        bits = max((_bits(t) for t in operands), default=0)
        if any(_bits(t) < bits for t in _floating(result)[:1]):
            raise ValueError(f"it rounds to a narrower format in {func}")
        return result


def _floating(values: Any) -> list[Tensor]:
    return [t for t in tree_leaves(values) if isinstance(t, Tensor) and t.is_floating_point()]


def _bits(tensor: Tensor) -> int:
    """Of the format, as the unit of rounding halves with each of the significand."""
    return torch.finfo(tensor.dtype).bits


def _address(tensor: Tensor) -> int:
    """Of the numbers; 0 for tensors without storage, as sparse ones and those of torch.func."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def relative_floor(narrow: Tensor, wide: Tensor, diagonals: tuple[Tensor, Tensor]) -> float:
    r"""max |narrow - wide|_ab / sqrt(K_aa K_bb)."""
    scale = torch.sqrt(torch.outer(*(d.double() for d in diagonals))).clamp_min(1e-300)
    return float(((narrow.double() - wide.double()).abs() / scale).max())
