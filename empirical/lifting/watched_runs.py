"""Runs of a module: the first ones, and those under watch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from empirical.batches import called, tensors
from empirical.forward_pass import BatchError, ForwardPass
from empirical.lifting.capture import Capture
from empirical.lifting.places import LiftingError

__all__ = ["check_watched", "rehearse", "run_watched"]


def check_watched(module: nn.Module) -> None:
    """Raise for compiled graphs, whose calls nobody sees, and for weights made by hooks."""
    for name, p in module.named_parameters():
        if p.dtype in (torch.float16, torch.bfloat16):
            raise LiftingError(
                f"expected numbers of float32 or float64, got {name!r} of {p.dtype}, rounded so"
                " coarsely that no law fits them; describe the module before it is cast"
            )
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            where = f" in {name!r}" if name else ""
            raise LiftingError(
                f"expected a module whose forward is Python, got one of torch.jit{where}: what it"
                " calls is not seen; pass the module that it was made of"
            )
        if hasattr(part, "_orig_mod"):
            raise LiftingError(
                "expected a module whose forward is Python, got one of torch.compile: what it calls"
                " is not seen; pass the module that it was made of, its attribute _orig_mod"
            )
        for key, value in vars(part).items():
            if isinstance(value, Tensor) and not value.is_leaf:
                raise LiftingError(
                    f"expected weights that are parameters, or a number times one, got {key!r} of"
                    f" {type(part).__name__} {name!r}, made of others before forward (as by"
                    " torch.nn.utils.weight_norm): its law is not the initialiser's; use the"
                    " parameter itself, torch.nn.utils.remove_weight_norm makes it one"
                )


def rehearse(run: ForwardPass, probe: Any, whole: Any) -> None:
    """A first pass; what does not fit is told of the inputs as they were given."""
    try:
        run.rehearse(probe)
    except BatchError as error:
        run(whole)
        shapes = ", ".join(str(tuple(t.shape)) for _, t in tensors("x", whole))
        raise BatchError(
            f"expected samples along the first axis of x, got shape {shapes}, of which two rows are"
            f" no batch; pass x[None] if it is one sample ({error})"
        ) from error


def run_watched(module: nn.Module, x: Any, watch: Capture) -> tuple[Any, list[str]]:
    """Run a module under watch.

    Returns:
        what it gives, and the names of the parameters that autograd reaches from there.
    """
    with torch.enable_grad(), watch:
        result = called(module, x)
    if not isinstance(result, Tensor) or not result.requires_grad:
        return result, []
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    slopes = torch.autograd.grad(result.sum(), list(named.values()), allow_unused=True)
    return result, [n for n, g in zip(named, slopes, strict=True) if g is not None]
