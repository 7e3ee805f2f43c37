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

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["WORKSPACE", "Gradient", "beside", "costs", "inner", "products", "squares", "stacked"]

WORKSPACE = 2**26
"""Bytes of the largest intermediate product."""
SUMMED = 2**13
"""Entries whose products are summed up in the precision of the entries."""


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

    def zeros(self) -> Gradient:
        """As many gradients of the same structure that vanish."""
        parts = (self.left, self.right, self.dense)
        left, right, dense = (None if t is None else torch.zeros_like(t) for t in parts)
        return Gradient(self.shape, left, right, self.index, dense, self.ones)

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


def inner(a: Gradient, b: Gradient) -> Tensor:
    """<G_a, G_b> for all pairs of samples, shape (n, k).

    Example:
        >>> left, right = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0]]]])
        >>> g = Gradient(torch.Size((2, 1)), left, right)  # G = (3, 6)
        >>> inner(g, g)
        tensor([[45.]])
    """
    if a.left is not None and b.left is not None and a.dense is None and b.dense is None:
        (left, right), same = a.factors, b is a
        n, _, t, r = left.shape
        k, _, s, _ = b.left.shape
        by_pairs, by_rows = costs((n, k), (t, s), (r, right.shape[3]), same=same)
        if a.ones or by_pairs <= by_rows:  # both in proportion to g
            return _by_pairs(a, b)
    if a.ones:
        whole = a.explicit()
        a, b = whole, whole if b is a else b.explicit()
    return _by_rows(a, b)


def squares(a: Gradient) -> Tensor:
    """|G_a|^2 for every sample, shape (n,); for one sample at a time where G is large."""
    if a.right is None or a.dense is not None:
        return a.formed().flatten(1).square().sum(1)
    _, _, t, c = a.right.shape
    r = a.shape.numel() // (a.right.shape[1] * max(c, 1)) if a.left is None else a.left.shape[3]
    if t == 1 or t * (r + c) < r * c or a.index is not None or a.ones:
        return _squares_by_pairs(a)
    step = max(1, WORKSPACE // (a.shape.numel() * _element(a)))
    parts = [a.part(i, i + step) for i in range(0, len(a.right), step)]
    return torch.cat([part.formed().flatten(1).square().sum(1) for part in parts])


def _squares_by_pairs(a: Gradient) -> Tensor:
    """Sum over pairs of positions of (L_t . L_s)(R_t . R_s)."""
    assert a.right is not None
    of_right = (a.right @ a.right.mT).add_(a.ones)  # (n, g, t, t)
    if a.index is not None:
        of_left = (a.index[:, None, :, None] == a.index[:, None, None, :]).to(of_right.dtype)
    else:
        left, _ = a.factors
        of_left = left @ left.mT
    return (of_left * of_right).sum((1, 2, 3))


def costs(
    samples: tuple[int, int], uses: tuple[int, int], shape: tuple[int, int], *, same: bool
) -> tuple[int, int]:
    """Multiply-adds of the two forms; the entrywise product counts for ten.

    Args:
        samples: n and k.
        uses: t for each of the samples.
        shape: of the parameter.
        same: whether the samples are the same.
    """
    (n, k), (t, s), (r, c) = samples, uses, shape
    pairs = n * t * k * s * (r + c + (10 if t * s > 1 else 0))
    return pairs, r * c * (n * t + (0 if same else k * s) + n * k)


def _by_pairs(a: Gradient, b: Gradient) -> Tensor:
    """Sum over pairs of positions, for some samples of a at a time."""
    (n, g, t, _), (k, _, s, _) = a.factors[0].shape, b.factors[0].shape
    if g * t * s == 1:
        (la, ra), (lb, rb) = ([f[:, 0, 0] for f in pair] for pair in (a.factors, b.factors))
        return (la @ lb.T).mul_((ra @ rb.T).add_(a.ones))
    step = max(1, WORKSPACE // (g * t * k * s * _element(a)))
    la, ra, lb, rb = (f.transpose(0, 1) for f in (*a.factors, *b.factors))
    lb, rb = lb.flatten(1, 2).mT, rb.flatten(1, 2).mT  # (g, r, k s)
    blocks: list[Tensor] = []
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        product = la[:, part].flatten(1, 2) @ lb
        product *= (ra[:, part].flatten(1, 2) @ rb).add_(a.ones)
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
        part = products(of_a, of_b)
        kernel = part if kernel is None else kernel + part
    assert kernel is not None
    return kernel


def products(a: Tensor, b: Tensor) -> Tensor:
    """a b^T of rows that may have millions of entries, summed up in float64 part by part.

    A float32 product of few rows adds up in float32 and has lost 1e-3 after two million entries.
    """
    if a.dtype == torch.float64 or a.shape[1] <= SUMMED:
        return a @ b.T
    parts = zip(a.split(SUMMED, dim=1), b.split(SUMMED, dim=1), strict=True)
    total = a.new_zeros(len(a), len(b), dtype=torch.float64)
    for left, right in parts:
        total += left @ right.T
    return total.to(a.dtype)


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
