"""A batch: a tensor, or a tuple or dict of tensors with the samples along their first axis.

A module is called with a tensor as its argument, with a tuple as its arguments in order, and
with a dict as its arguments by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Batch", "called", "constant", "count", "differing", "mapped", "rows", "tensors"]

Batch = Tensor | Sequence[Any] | Mapping[str, Any]


def tensors(name: str, x: Batch) -> Iterator[tuple[str, Any]]:
    """The tensors of a batch with their names, such as ``x[0]`` or ``x['mask']``."""
    if isinstance(x, Mapping):
        for key, value in x.items():
            yield from tensors(f"{name}[{key!r}]", value)
    elif isinstance(x, tuple):
        for index, value in enumerate(x):
            yield from tensors(f"{name}[{index}]", value)
    else:
        yield name, x


def mapped(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    """The batch with a function applied to every tensor."""
    if isinstance(x, Mapping):
        return {key: mapped(function, value) for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(mapped(function, value) for value in x)
    return function(x)


def constant(z: Tensor) -> Tensor:
    """The same numbers without a graph, as an ordinary tensor."""
    return z.clone() if z.is_inference() else z.detach()


def count(x: Batch) -> int:
    """The number of samples."""
    return len(next(tensors("x", x))[1])


def rows(x: Any, index: Any) -> Any:
    """Some samples of a batch."""
    return mapped(lambda t: t[index], x)


def differing(x: Batch, first: int) -> Tensor:
    """Which samples differ from the one at ``first``, shape (n,)."""
    found = [(t != t[first]).reshape(len(t), -1).any(dim=1) for _, t in tensors("x", x)]
    return torch.stack(found).any(dim=0)


def called(module: nn.Module, x: Any) -> Any:
    """What a module makes of a batch."""
    if isinstance(x, Mapping):
        return module(**x)
    return module(*x) if isinstance(x, tuple) else module(x)
