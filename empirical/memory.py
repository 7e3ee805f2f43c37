"""How much memory there is, and refusing before allocating what does not fit."""

from __future__ import annotations

import torch

from analytic.machine import available_memory

__all__ = ["available", "require"]


def available(device: torch.device) -> int:
    """Free bytes on a device: of the machine, of its control group, or of the GPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    free = available_memory()
    return 2**62 if free is None else free  # the system does not say


def require(
    needed: float,
    device: torch.device,
    what: str,
    advice: str = "use fewer samples, float32 or another machine",
) -> None:
    """Raise ``MemoryError`` if some work needs more than there is.

    Args:
        needed: bytes.
        device: where.
        what: the work.
        advice: what would make it smaller.
    """
    free = available(device)
    if needed > free:
        raise MemoryError(
            f"expected {needed / 1e9:.3g} GB of free memory on {device} for {what}, got"
            f" {free / 1e9:.3g} GB; {advice}"
        )
