"""How much memory there is, and refusing before allocating what does not fit."""

from __future__ import annotations

import os
from pathlib import Path

import torch

__all__ = ["available", "require"]


def available(device: torch.device) -> int:
    """Free bytes on a device: of the machine, of its control group, or of the GPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    return min(_machine(), _control_group())


def require(needed: float, device: torch.device, what: str) -> None:
    """Raise ``MemoryError`` if some work needs more than there is.

    Args:
        needed: bytes.
        device: where.
        what: the work, and what would make it smaller.
    """
    free = available(device)
    if needed > free:
        raise MemoryError(
            f"expected {needed / 1e9:.3g} GB of free memory on {device} for {what}, got"
            f" {free / 1e9:.3g} GB; use fewer samples, float32 or another machine"
        )


def _machine() -> int:
    table = Path("/proc/meminfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2**62  # the system does not say


def _control_group() -> int:
    """What a container may still take, the file cache it would give back included."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        for line in (group / "memory.stat").read_text().splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
        return max(0, limit - used)
    except (OSError, ValueError):
        return 2**62
