r"""Per-sample gradients of one parameter, kept as sums of outer products.

The gradient of sample a with respect to a weight W is, for every layer that multiplies by W,

    G_a = sum_t L_at R_at^T  (+ D_a),

with backward signals L (n, t, r), inputs R (n, t, c) and t running over the positions where
W is used: those of a convolution, the steps of a recurrence, and all uses of a tied weight
one after the other. Inner products of such gradients need no n x parameters object:

    <G_a, G_b> = sum_{t, s} (L_at . L_bs)(R_at . R_bs)              n^2 t^2 (r + c)
               = a product of G_a = L_a^T R_a formed for some rows  n t r c + n^2 r c

multiply-adds; ``inner`` takes the cheaper. Groups of a convolution are a further axis g.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gradient", "beside", "inner", "stacked"]

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
    """

    shape: torch.Size
    left: Tensor | None = None
    right: Tensor | None = None
    index: Tensor | None = None
    dense: Tensor | None = None

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
        left, right, dense = self.left, self.right, self.dense
        shape = self.shape[::-1] if transpose else self.shape
        if self.index is not None and transpose:
            left = _one_hot(self.index, 0, self.shape[0], right)
        if transpose:
            left, right = right, left
        right = right if right is None or factor == 1 else right * factor
        if dense is not None:
            dense = (dense.mT if transpose else dense) * factor
        return Gradient(shape, left, right, None if transpose else self.index, dense)

    def __add__(self, other: Gradient) -> Gradient:
        if self.outer and other.outer:
            a, b = (self, other) if self.index is not None and other.index is not None else (
                self.explicit(), other.explicit()
            )  # fmt: skip
            left, right, index = _cat(a.left, b.left, 2), _cat(a.right, b.right, 2), None
            if a.index is not None and b.index is not None:
                index = torch.cat([a.index, b.index], 1)
        else:
            own = self if self.outer else other
            left, right, index = own.left, own.right, own.index
        dense = self.dense if other.dense is None else other.dense
        if self.dense is not None and other.dense is not None:
            dense = self.dense + other.dense
        return Gradient(self.shape, left, right, index, dense)

    def explicit(self) -> Gradient:
        """The same with ``left`` written out."""
        if self.index is None:
            return self
        left = _one_hot(self.index, 0, self.shape[0], self.right)
        return Gradient(self.shape, left, self.right, None, self.dense)

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

    def sample(self, index: int) -> Gradient:
        """The gradient of one sample."""
        parts = (self.left, self.right, self.index, self.dense)
        return Gradient(self.shape, *(None if t is None else t[index : index + 1] for t in parts))

    def zeros(self) -> Gradient:
        """As many gradients of the same structure that vanish."""
        right, dense = (
            None if t is None else torch.zeros_like(t) for t in (self.right, self.dense)
        )
        return Gradient(self.shape, self.left, right, self.index, dense)

    def total(self) -> Tensor:
        """The sum of the gradients over the samples, of the parameter's shape."""
        if self.right is None:
            assert self.dense is not None
            return self.dense.sum(0).reshape(self.shape)
        left, right = (f.transpose(0, 1).flatten(1, 2) for f in self.explicit().factors)
        formed = (left.mT @ right).reshape(self.shape)
        return formed if self.dense is None else formed + self.dense.sum(0)


def beside(gradients: Sequence[Gradient]) -> list[Gradient]:
    """Parameters with the same L, such as a weight and its bias, as one with wider R."""
    if len(gradients) < 2 or any(g.left is None or g.dense is not None for g in gradients):
        return list(gradients)
    first = gradients[0].factors[0]
    if any(g.factors[0].data_ptr() != first.data_ptr() for g in gradients):
        return list(gradients)
    right = torch.cat([g.factors[1] for g in gradients], dim=3)
    (_, g, _, r), c = first.shape, right.shape[3]
    return [Gradient(torch.Size((g * r, c)), first, right)]


def stacked(gradients: Sequence[Gradient]) -> Gradient:
    """The samples of several gradients of one parameter, one after the other."""
    if len(gradients) == 1:
        return gradients[0]
    parts = zip(*[(g.left, g.right, g.index, g.dense) for g in gradients], strict=True)
    joined = [None if part[0] is None else torch.cat(part) for part in parts]
    return Gradient(gradients[0].shape, *joined)


def _cat(a: Tensor | None, b: Tensor | None, dim: int) -> Tensor | None:
    return None if a is None or b is None else torch.cat([a, b], dim)


def _one_hot(index: Tensor, start: int, stop: int, like: Tensor | None) -> Tensor:
    """Shape (n, 1, t, stop - start)."""
    assert like is not None
    rows = torch.arange(start, stop, device=index.device)
    return (index[:, None, :, None] == rows).to(like.dtype)


def inner(a: Gradient, b: Gradient) -> Tensor:
    """<G_a, G_b> for all pairs of samples, shape (n, k).

    Example:
        >>> left, right = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0]]]])
        >>> g = Gradient(torch.Size((2, 1)), left, right)  # G = (3, 6)
        >>> inner(g, g)
        tensor([[45.]])
    """
    if a.left is not None and b.left is not None and a.dense is None and b.dense is None:
        if _pairs_cost(a, b) <= _rows_cost(a, b):
            return _by_pairs(a, b)
    return _by_rows(a, b)


def _pairs_cost(a: Gradient, b: Gradient) -> int:
    """Multiply-adds of the first form; the entrywise product counts for ten."""
    (left, right), (other, _) = a.factors, b.factors
    (n, g, t, r), (k, _, s, _), c = left.shape, other.shape, right.shape[3]
    return n * t * k * s * g * (r + c + (10 if t * s > 1 else 0))


def _rows_cost(a: Gradient, b: Gradient) -> int:
    (left, right), (other, _) = a.factors, b.factors
    (n, g, t, r), (k, _, s, _), c = left.shape, other.shape, right.shape[3]
    return g * r * c * (n * t + (0 if a is b else k * s) + n * k)


def _by_pairs(a: Gradient, b: Gradient) -> Tensor:
    """Sum over pairs of positions, for some samples of a at a time."""
    (n, g, t, _), (k, _, s, _) = a.factors[0].shape, b.factors[0].shape
    if g * t * s == 1:
        (la, ra), (lb, rb) = ([f[:, 0, 0] for f in pair] for pair in (a.factors, b.factors))
        return (la @ lb.T).mul_(ra @ rb.T)
    step = max(1, WORKSPACE // (g * t * k * s * _element(a)))
    la, ra, lb, rb = (f.transpose(0, 1) for f in (*a.factors, *b.factors))
    lb, rb = lb.flatten(1, 2).mT, rb.flatten(1, 2).mT  # (g, r, k s)
    blocks: list[Tensor] = []
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        product = (la[:, part].flatten(1, 2) @ lb).mul_(ra[:, part].flatten(1, 2) @ rb)
        blocks.append(product.reshape(g, part.stop - start, t, k, s).sum((0, 2, 4)))
    return torch.cat(blocks)


def _by_rows(a: Gradient, b: Gradient) -> Tensor:
    """Form some rows of all gradients at a time and multiply them."""
    wanted = None
    if a.index is not None and b.index is not None and a.dense is None and b.dense is None:
        wanted = torch.unique(torch.cat([a.index.flatten(), b.index.flatten()]))
    height, breadth = _extent(a, b, wanted)
    step = max(1, WORKSPACE // (breadth * _element(a)))
    kernel: Tensor | None = None
    for start in range(0, height, step):
        stop = min(start + step, height)
        of_a = a.rows(start, stop, wanted)
        of_b = of_a if a is b else b.rows(start, stop, wanted)
        kernel = of_a @ of_b.T if kernel is None else torch.addmm(kernel, of_a, of_b.T)
    assert kernel is not None
    return kernel


def _extent(a: Gradient, b: Gradient, wanted: Tensor | None) -> tuple[int, int]:
    """The number of rows, and the entries that one row takes in both gradients."""
    numel = a.shape.numel()
    if a.right is None:
        assert a.dense is not None
        assert b.dense is not None
        return numel, len(a.dense) + len(b.dense)
    (n, g, t, c), k = a.right.shape, len(b.right if b.right is not None else a.right)
    rows = len(wanted) if wanted is not None else numel // (g * c)
    return rows, g * c * (n + k) + (t * (n + k) if a.index is not None else 0)


def _element(a: Gradient) -> int:
    tensor = a.right if a.right is not None else a.dense
    assert tensor is not None
    return tensor.element_size()
