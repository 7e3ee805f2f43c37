r"""Where the samples of a batch are inside a tensor of the network.

A module may move the batch about: attention works on (positions, n, features), and often on
positions and samples merged into one axis. The backward signal says which entries belong to
sample a: df(x_a)/dh vanishes everywhere else. That is asked of a few samples, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Samples", "locate", "possible_places"]


@dataclass(frozen=True, slots=True)
class Samples:
    """The axis of the samples, possibly merged with other positions.

    Attributes:
        axis: index of the axis, of length count * positions.
        count: the number of samples n.
        first: whether the samples are the slow index of a merged axis.
    """

    axis: int
    count: int
    first: bool = True

    def split(self, tensor: Tensor) -> Tensor:
        """The samples in front, (n, positions of the merged axis, all other axes in order)."""
        moved = tensor.movedim(self.axis, 0)
        if self.first:
            return moved.reshape(self.count, -1, *moved.shape[1:])
        return moved.reshape(-1, self.count, *moved.shape[1:]).transpose(0, 1)

    def split_view(self, tensor: Tensor) -> Tensor:
        """The same as a view that can be written to, (n, positions, all other axes in order)."""
        positions = tensor.shape[self.axis] // self.count
        sizes = (self.count, positions) if self.first else (positions, self.count)
        axes = (self.axis, self.axis + 1) if self.first else (self.axis + 1, self.axis)
        return tensor.unflatten(self.axis, sizes).movedim(axes, (0, 1))

    def rows(self, tensor: Tensor) -> Tensor:
        """The last axis as vectors, one for each position: shape (n, positions, features)."""
        return self.split(tensor).reshape(self.count, -1, tensor.shape[-1])

    def reduce(self, tensor: Tensor, shape: Sequence[int]) -> Tensor | None:
        """Sum over all that a parameter of some shape was broadcast along, (n, *shape).

        None if the parameter has different values for different samples.
        """
        full = (1,) * (tensor.ndim - len(shape)) + tuple(shape)
        if len(full) > tensor.ndim or full[self.axis] != 1:
            return None
        summed = [d for d in range(tensor.ndim) if full[d] == 1 and d != self.axis]
        if summed:
            tensor = tensor.sum(summed, keepdim=True)
        return self.split(tensor).sum(1).reshape(self.count, *shape)


def locate(signals: Sequence[Tensor]) -> Samples | None:
    """The only place where the samples can be, given df(x_a)/dh for each sample a of a batch.

    Args:
        signals: one tensor of the shape of h for each sample of the batch.

    Returns:
        None if no place fits, or several do, or there is no signal at all.

    Example:
        >>> locate(list(torch.eye(2)[:, :, None].expand(2, 2, 5)))  # sample a owns h[a]
        Samples(axis=0, count=2, first=True)
    """
    found = list(possible_places(signals))
    heard = any(bool(signal.any()) for signal in signals)
    return found[0] if len(found) == 1 and heard else None


def possible_places(signals: Sequence[Tensor]) -> Iterator[Samples]:
    """All places that the signals do not contradict."""
    shape, count = signals[0].shape, len(signals)
    owned = torch.stack([signal != 0 for signal in signals])  # (count, *shape)
    for axis, length in enumerate(shape):
        if length % count != 0 or length == 0:
            continue
        others = [d + 1 for d in range(len(shape)) if d != axis]
        touched = owned.any(dim=others) if others else owned  # (count, length)
        index = torch.arange(length, device=touched.device)
        for first in (True,) if length == count else (True, False):
            owner = index // (length // count) if first else index % count
            foreign = owner != torch.arange(count, device=touched.device)[:, None]
            if not (touched & foreign).any():
                yield Samples(axis, count, first)
