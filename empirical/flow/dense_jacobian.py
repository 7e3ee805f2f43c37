"""The Jacobian J = df/dtheta of a module on its samples, entry by entry, where it is small.

One batched backward pass gives all its rows; J v, J^T w and J J^T are then products of matrices,
where the graph takes a pass for each.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from empirical.jacobian import GraphJacobian

__all__ = ["DenseJacobian"]

_ENTRIES = 2**20  # 8 MB in float64


class DenseJacobian:
    """J with its entries; the interface of ``empirical.jacobian.Jacobian``.

    Args:
        rows: J, shape (n k, p).
        residual: f - y, shape (n, k).
    """

    def __init__(self, rows: Tensor, residual: Tensor) -> None:
        self.rows, self.residual = rows, residual

    @classmethod
    def of(cls, graph: GraphJacobian) -> DenseJacobian | None:
        """The entries of J, or None if they are many or an operation has no batching rule."""
        count = graph.values.numel()
        if count * sum(leaf.numel() for leaf in graph.leaves) > _ENTRIES:
            return None
        eye = torch.eye(count, dtype=graph.values.dtype, device=graph.values.device)
        try:
            with warnings.catch_warnings():  # a missing rule makes a loop, not an error
                warnings.simplefilter("ignore")
                parts = torch.autograd.grad(
                    graph.values,
                    graph.leaves,
                    eye.view(count, *graph.values.shape),
                    retain_graph=True,
                    is_grads_batched=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
        except RuntimeError:
            return None
        return cls(torch.cat([p.reshape(count, -1) for p in parts], dim=1), graph.residual)

    def pull(self, w: Tensor, out: Sequence[Tensor]) -> None:
        """Write J^T w, for w of shape (n, k)."""
        whole = self.rows.T @ w.reshape(-1)
        for view, part in zip(out, whole.split([v.numel() for v in out]), strict=True):
            view.copy_(part.view(view.shape))

    def push(self, v: Sequence[Tensor]) -> Tensor:
        """J v, shape (n, k)."""
        along = torch.cat([part.reshape(-1) for part in v])
        return (self.rows @ along).view(self.residual.shape)

    def gram(self) -> Tensor:
        """J J^T, shape (n k, n k)."""
        return self.rows @ self.rows.T
