"""Which parameters of a module have rules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from empirical.forward_pass import forward_passes
from empirical.layerwise import Plan, plan_for

__all__ = ["plan_of"]


def plan_of(module: nn.Module, x: Any) -> Plan:
    """The plan of a module with outputs (n,) or (n, k) for all its parameters, output 0."""
    with torch.enable_grad(), forward_passes(module) as run:

        def function(batch: Any) -> Tensor:
            value = run(batch)
            return value[:, None] if value.ndim == 1 else value

        return plan_for(function, x, dict(module.named_parameters()), 0)
