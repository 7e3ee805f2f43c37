r"""The tangent kernel by its definition, from the gradient of every sample.

    K_0(a, b) = sum over parameters of <df(x_a)/dtheta, df(x_b)/dtheta>

Exact for whatever torch can differentiate, and the reference for everything faster. The
gradients are rows of the Jacobian of one ordinary forward pass: a few samples at a time whose
backward passes torch makes together, or the whole batch where its samples meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from empirical.batches import count, rows
from empirical.checks import check_values
from empirical.layerwise import pulled_back

__all__ = ["jacobian_rows", "per_sample_gradients"]


def jacobian_rows(values: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The derivatives of some numbers with a graph, shape (r,), flattened: shape (r, p)."""
    eye = torch.eye(len(values), dtype=values.dtype, device=values.device)
    sizes = [p.numel() for p in parameters]
    found: Sequence[Tensor | None] = [None] * len(sizes)
    if values.requires_grad:
        found = pulled_back([values], list(parameters), [eye])
    parts = [
        values.new_zeros(len(values), size) if g is None else g.reshape(len(values), size).detach()
        for g, size in zip(found, sizes, strict=True)
    ]
    return torch.cat(parts, dim=1)


def per_sample_gradients(
    function: Callable[[Any], Tensor],
    parameters: Mapping[str, Tensor],
    x: Any,
    outs: Sequence[int],
    together: int,
    whole: Tensor,
) -> list[Tensor]:
    """df(x_a)/dtheta for some of the parameters, for each output of shape (n, p).

    Args:
        function: of a batch, outputs (n, k); no sample meets another one.
        parameters: those to differentiate by.
        x: inputs.
        outs: indices of the outputs.
        together: how many samples have one graph.
        whole: the outputs of all of them in one batch, shape (n, k).

    Raises:
        MixingError: some have other outputs in that batch.
    """
    found: list[list[Tensor]] = [[] for _ in outs]
    for start in range(0, count(x), together):
        values = function(rows(x, slice(start, start + together)))
        check_values(values.detach(), whole[start : start + together])
        for own, output in zip(found, outs, strict=True):
            own.append(jacobian_rows(values[:, output], list(parameters.values())))
    return [torch.cat(own) for own in found]
