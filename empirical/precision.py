r"""Rounding: products in full precision, and the floor that rounding leaves.

Reduced formats for matrix products (TF32 on GPUs, bfloat16 on some processors, autocast) are
switched off while a kernel is computed: TF32 keeps 10 bits, an error of 1e-3, which looks
like a rate that has levelled off.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["double_copy", "full_precision", "relative_floor"]


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


def relative_floor(narrow: Tensor, wide: Tensor, diagonals: tuple[Tensor, Tensor]) -> float:
    r"""max |narrow - wide|_ab / sqrt(K_aa K_bb)."""
    scale = torch.sqrt(torch.outer(*(d.double() for d in diagonals))).clamp_min(1e-300)
    return float(((narrow.double() - wide.double()).abs() / scale).max())
