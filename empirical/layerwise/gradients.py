r"""Per-sample gradients of one parameter, kept as sums of outer products.

The gradient of sample a with respect to a weight W is, for every layer that multiplies by W,

    G_a = sum_t L_at R_at^T  (+ D_a),

with backward signals L (n, t, r), inputs R (n, t, c) and t running over the positions where
W is used: those of a convolution, the steps of a recurrence, and all uses of a tied weight
one after the other. Groups of a convolution are a further axis g.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["WORKSPACE", "Gradient", "beside", "stacked"]

WORKSPACE = 2**26
"""Bytes of the largest intermediate product."""


@dataclass(frozen=True, slots=True, eq=False)
class Gradient:
    """Gradients of n samples with respect to one parameter.

    Attributes:
        shape: of the parameter, which is seen as g matrices of shape (r, c).
        left: signals L, shape (n, g, t, r), or None.
        right: inputs R, shape (n, g, t, c), or None.
        index: instead of ``left`` the row that each position selects, shape (n, t).
        dense: D, shape (n, *shape), or None.
        ones: whether R has a further column of ones, as it has for a bias.
    """

    shape: torch.Size
    left: Tensor | None = None
    right: Tensor | None = None
    index: Tensor | None = None
    dense: Tensor | None = None
    ones: bool = False

    @property
    def outer(self) -> bool:
        """Whether there are outer products."""
        return self.right is not None

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        """L and R."""
        assert self.left is not None
        assert self.right is not None
        return self.left, self.right

    def transposed(self, factor: float, transpose: bool) -> Gradient:
        """The gradient with respect to W, given the one with respect to factor W or its W^T."""
        own = self.explicit() if transpose or self.index is not None else self
        left, right, dense = own.left, own.right, own.dense
        left = left if left is None else left * factor
        dense = dense if dense is None else dense * factor
        if not transpose:
            return Gradient(self.shape, left, right, None, dense, own.ones)
        dense = dense if dense is None else dense.mT
        return Gradient(self.shape[::-1], right, left, None, dense)

    def __add__(self, other: Gradient) -> Gradient:
        own = self if self.outer else other
        left, right, index, ones = own.left, own.right, own.index, own.ones
        if self.outer and other.outer:
            pair, ones = (self, other), False
            if self.index is None or other.index is None:
                pair = (self.explicit(), other.explicit())
            left, right = (_cat([getattr(g, f) for g in pair], 2) for f in ("left", "right"))
            index = _cat([g.index for g in pair], 1)
        dense = [g.dense for g in (self, other) if g.dense is not None]
        return Gradient(
            self.shape, left, right, index, sum(dense[1:], dense[0]) if dense else None, ones
        )

    def explicit(self) -> Gradient:
        """The same with L and the ones written out."""
        left, right = self.left, self.right
        if self.index is not None:
            left = _one_hot(self.index, 0, self.shape[0], right)
        if self.ones and right is not None:
            right = torch.cat([right, right.new_ones(*right.shape[:3], 1)], dim=3)
        return Gradient(self.shape, left, right, None, self.dense)

    def rows(self, start: int, stop: int, wanted: Tensor | None = None) -> Tensor:
        """Some rows of all matrices, flattened: shape (n, g (stop - start) c)."""
        if self.right is None:
            assert self.dense is not None
            return self.dense.reshape(len(self.dense), -1)[:, start:stop]
        if self.index is not None:
            kept = self.index if wanted is None else torch.searchsorted(wanted, self.index)
            left = _one_hot(kept, start, stop, self.right)
        else:
            left = self.factors[0][..., start:stop]
        formed = left.mT @ self.right  # (n, g, stop - start, c)
        if self.dense is not None:
            n, g, _, c = formed.shape
            formed = formed + self.dense.reshape(n, g, -1, c)[:, :, start:stop]
        return formed.flatten(1)

    def formed(self) -> Tensor:
        """The gradients themselves, shape (n, *shape)."""
        if self.right is None:
            assert self.dense is not None
            return self.dense
        own = self.explicit()
        height = own.factors[0].shape[3]
        return own.rows(0, height).reshape(-1, *self.shape)

    def bound(self) -> float:
        """The size of the terms that the gradients are sums of: rounding is relative to it."""
        parts = [t for t in (self.left, self.right, self.dense) if t is not None and t.numel()]
        sizes = [float(torch.stack(torch.aminmax(t)).abs().max()) for t in parts]
        if self.right is None:
            return max(sizes, default=0.0)
        factors = sizes[: len(sizes) - (self.dense is not None)]
        terms = self.right.shape[2] ** 0.5
        return max(math.prod(factors) * terms, *sizes[len(factors) :], 0.0)

    def sample(self, index: int) -> Gradient:
        """The gradient of one sample."""
        return self.part(index, index + 1)

    def part(self, start: int, stop: int) -> Gradient:
        """The gradients of some samples."""
        parts = (self.left, self.right, self.index, self.dense)
        chosen = (None if t is None else t[start:stop] for t in parts)
        return Gradient(self.shape, *chosen, ones=self.ones)

    def zeros(self, count: int) -> Gradient:
        """Gradients of some samples, of the same structure, that vanish."""
        parts = (self.left, self.right, self.index, self.dense)
        zeros = (None if t is None else t.new_zeros(count, *t.shape[1:]) for t in parts)
        return Gradient(self.shape, *zeros, ones=self.ones)

    def total(self) -> Tensor:
        """The sum of the gradients over the samples, of the parameter's shape."""
        if self.right is None:
            assert self.dense is not None
            return self.dense.sum(0).reshape(self.shape)
        left, right = (f.transpose(0, 1).flatten(1, 2) for f in self.explicit().factors)
        formed = (left.mT @ right).reshape(self.shape)
        return formed if self.dense is None else formed + self.dense.sum(0)


def beside(gradients: Sequence[Gradient]) -> list[Gradient]:
    """A weight and its bias, which have the same L, as one weight with a column of ones."""
    if len(gradients) != 2 or any(g.left is None or g.dense is not None for g in gradients):
        return list(gradients)
    weight, bias = sorted(gradients, key=lambda g: g.ones)
    same = weight.factors[0].data_ptr() == bias.factors[0].data_ptr()
    if not same or weight.ones or not bias.ones:
        return list(gradients)
    return [Gradient(weight.shape, weight.left, weight.right, ones=True)]


def stacked(gradients: Sequence[Gradient]) -> Gradient:
    """The samples of several gradients of one parameter, one after the other."""
    if len(gradients) == 1:
        return gradients[0]
    parts = zip(*[(g.left, g.right, g.index, g.dense) for g in gradients], strict=True)
    joined = [None if part[0] is None else torch.cat(part) for part in parts]
    return Gradient(gradients[0].shape, *joined, ones=gradients[0].ones)


def _cat(parts: Sequence[Tensor | None], dim: int) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present, dim) if len(present) == len(parts) else None


def _one_hot(index: Tensor, start: int, stop: int, like: Tensor | None) -> Tensor:
    """Shape (n, 1, t, stop - start)."""
    assert like is not None
    rows = torch.arange(start, stop, device=index.device)
    return (index[:, None, :, None] == rows).to(like.dtype)
