"""Which numbers of a module's outputs a kernel is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

__all__ = ["Output", "check_output", "chosen", "number_of"]

Output = int | tuple[int, ...] | Literal["all", "trace"] | Callable[[Any], Tensor]
"""An index, one for each axis behind the samples, all, their trace, or a function of the output."""


def check_output(output: object) -> None:
    """Raise unless this can say which outputs are wanted."""
    if isinstance(output, bool):
        raise TypeError(f"expected an index, 'all' or 'trace' as output, got {output}; pass an int")
    if isinstance(output, tuple):
        if not output or not all(isinstance(i, int) and not isinstance(i, bool) for i in output):
            raise TypeError(f"expected integers in output, got {output!r}; pass one for each axis")
    elif not isinstance(output, int) and not callable(output) and output not in ("all", "trace"):
        raise ValueError(
            f"expected an index, 'all' or 'trace' as output, got {output!r}; pass one of them, a"
            " tuple of indices or a function of the module's output"
        )


def chosen(value: Any, count: int, output: Output) -> Tensor:
    """The outputs of a batch with the samples first, shape (n, ...).

    Args:
        value: what the module returned.
        count: the number of samples n.
        output: a function is applied to ``value``, and has to give one number for each sample.
    """
    value = output(value) if callable(output) else value
    if not isinstance(value, Tensor):
        raise TypeError(
            f"expected a tensor as output, got {type(value).__name__}; pass as output a function"
            " that takes one out of it, such as lambda out: out[0][:, 0]"
        )
    if not value.is_floating_point():
        raise TypeError(
            f"expected outputs of a real floating dtype, got {value.dtype}; return real numbers"
        )
    if count == 1 and value.ndim < 2:
        value = value.reshape(1, -1)  # a module that squeezes its output
    if value.ndim == 0 or len(value) != count or value.numel() == 0:
        raise ValueError(
            f"expected outputs with the samples first, (n,) or (n, k), got {tuple(value.shape)} for"
            f" a batch of {count}; wrap the module in one that returns this shape"
        )
    if callable(output) and value[0].numel() != 1:
        raise ValueError(
            f"expected one number for each sample from the function output, got"
            f" {tuple(value.shape)}; index it there"
        )
    return value[:, None] if value.ndim == 1 else value


def number_of(output: Output, shape: torch.Size) -> int | Literal["all", "trace"]:
    """The index among the outputs in a row, for outputs of shape (n, *shape)."""
    if callable(output):
        return 0
    if isinstance(output, str):
        return "all" if output == "all" else "trace"
    index = output if isinstance(output, tuple) else (output,)
    sizes = tuple(shape)
    if len(index) != len(sizes):
        raise ValueError(
            f"expected {len(sizes)} indices of an output of shape {sizes}, got {output!r}; pass"
            f" output={(0,) * len(sizes)}, 'trace' or 'all'"
        )
    for i, size in zip(index, sizes, strict=True):
        if not 0 <= i < size:
            raise ValueError(f"expected an output from 0 to {size - 1}, got {i}; pass one of them")
    return int(np.ravel_multi_index(index, sizes))
