"""The Jacobian of a module's outputs on a batch, one plain backward pass for each number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["batch_jacobian", "kernel_of"]


def batch_jacobian(
    module: nn.Module, x: Any, values: Callable[[Any], Tensor] | None = None
) -> Tensor:
    """df/dtheta over all parameters that require gradients, shape (n, k, p).

    Args:
        module: the module.
        x: a batch, a tuple of arguments or a dict of them.
        values: what is taken out of the module's output.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    out = module(**x) if isinstance(x, dict) else module(*x) if isinstance(x, tuple) else module(x)
    out = out if values is None else values(out)
    out = out.reshape(len(out), -1)
    rows = [
        torch.cat([
            (torch.zeros_like(p) if g is None else g.to_dense()).flatten()
            for p, g in zip(
                parameters,
                torch.autograd.grad(v, parameters, retain_graph=True, allow_unused=True),
                strict=True,
            )
        ])
        for v in out.flatten()
    ]  # fmt: skip
    return torch.stack(rows).reshape(*out.shape, -1)


def kernel_of(rows: Tensor, columns: Tensor | None = None) -> Tensor:
    """J J^T, shape (n, k, n', k)."""
    return torch.einsum("aip,bjp->aibj", rows, rows if columns is None else columns)
