r"""Inner products of per-sample gradients, without an object of n x parameters numbers.

    <G_a, G_b> = sum_{t, s} (L_at . L_bs)(R_at . R_bs)              n^2 t^2 (r + c)
               = a product of G_a = L_a^T R_a formed for some rows  n t r c + n^2 r c

multiply-adds; ``inner`` takes the cheaper. Legend: as in ``empirical.layerwise.gradients``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.layerwise.gradients import WORKSPACE, Gradient

__all__ = ["SUMMED", "costs", "inner", "products", "squares"]

SUMMED = 2**13
"""Entries whose products are summed up in the precision of the entries."""


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
