"""An operation of the backward pass, what it has saved, and a gradient that is a plain sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.samples import Samples

__all__ = ["Call", "Rule", "dense"]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An argument W of an operation h = operation(..., W, ...).

    Attributes:
        node: the operation.
        output: the number of h among its outputs.
        argument: the number of W among its arguments.
        shape: of W.
    """

    node: Node
    output: int
    argument: int
    shape: torch.Size

    def saved(self, name: str) -> Any:
        """What the operation has kept for its backward pass."""
        value = getattr(self.node, f"_saved_{name}")
        return value.detach() if isinstance(value, Tensor) else value


Rule = Callable[[Call, Tensor, Samples], Gradient | None]
"""The operation, df/dh and the place of the samples -> gradients with respect to W, or None if
the rule does not cover them."""


def dense(
    call: Call, values: Tensor, samples: Samples, shape: Sequence[int] | None = None
) -> Gradient | None:
    """Gradients that are ``values`` summed over all that W was broadcast along.

    Args:
        call: the operation and its argument W.
        values: df/dW before the sum, of the shape of h.
        samples: the place of the samples in h.
        shape: the shape in which W is broadcast to h; its own if None.
    """
    summed = samples.reduce(values, call.shape if shape is None else shape)
    if summed is None:
        return None
    return Gradient(call.shape, dense=summed.reshape(samples.count, *call.shape))
