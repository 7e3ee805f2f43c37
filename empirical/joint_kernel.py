r"""The kernel of a module in which the samples of a batch meet: J J^T of all its outputs.

Every number that the batch gives has a gradient of its own, by a backward pass through the whole
graph; some rows of J are made together, and their products kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from empirical.checks import check_outputs
from empirical.jacobian import jacobian_rows
from empirical.layerwise import wanted
from empirical.memory import available, require
from empirical.module_function import ModuleFunction

__all__ = ["joint_diagonal", "joint_kernel"]

ROWS_TOGETHER = 64
"""Rows of the Jacobian of a batch whose backward passes are made together."""


def joint_kernel(
    function: ModuleFunction, parameters: Mapping[str, Tensor], x: Any, y: Any
) -> Tensor:
    """J J^T of whole batches, some rows of J at a time; shape (n, k, n', k)."""
    full = function.output == "all"
    graphs: list[Tensor] = []
    for name, batch in (("x", x), ("y", y)):
        if batch is not None:
            values = function(batch)
            check_outputs(name, values.detach(), 0)
            outs = wanted(values, function.output)
            graphs.append(values[:, outs])
    n, m, k = len(graphs[0]), len(graphs[-1]), graphs[0].shape[1]
    passes = [g.reshape(1, -1) if full else g.T for g in graphs]  # each row of numbers is a pass
    kernel = graphs[0].new_zeros((n * k, m * k) if full else (n, m)).detach()
    for left, right in zip(passes[0], passes[-1], strict=True):
        kernel += _gram(left, None if y is None else right, list(parameters.values()))
    return kernel.reshape(n, k, m, k) if full else kernel[:, None, :, None]


def _gram(left: Tensor, right: Tensor | None, parameters: list[Tensor]) -> Tensor:
    """<df_a, df_b> for some numbers, shape (r, s)."""
    other = left if right is None else right
    each = sum(p.numel() for p in parameters) * left.element_size()
    require(2 * len(left) * len(other) * left.element_size() + 2 * each, left.device,
            f"the kernel of {len(left)} x {len(other)} numbers of this module")  # fmt: skip
    size = int(max(1, min(len(left), available(left.device) // (4 * each), ROWS_TOGETHER)))
    kernel = left.new_empty(len(left), len(other))
    for i in range(0, len(left), size):
        a = jacobian_rows(left[i : i + size], parameters)
        for j in range(i if right is None else 0, len(other), size):
            same = right is None and i == j
            b = a if same else jacobian_rows(other[j : j + size], parameters)
            tile = a @ b.T
            kernel[i : i + size, j : j + size] = tile
            if right is None and not same:
                kernel[j : j + size, i : i + size] = tile.T
    return kernel


def joint_diagonal(function: ModuleFunction, parameters: Mapping[str, Tensor], x: Any) -> Tensor:
    """The squares of the rows of J of a whole batch, shape (n, wanted outputs)."""
    values = function(x)
    check_outputs("x", values.detach(), 0)
    chosen = values[:, wanted(values, function.output)]
    parts = chosen.reshape(-1).split(ROWS_TOGETHER)
    squares = [jacobian_rows(part, list(parameters.values())).square().sum(1) for part in parts]
    return torch.cat(squares).reshape(chosen.shape)
