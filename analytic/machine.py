"""What is known of the machine: rounding, cores, caches, lanes, memory."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "CACHE_LINE",
    "EXACT_SUMS",
    "EXTENDED",
    "LANES",
    "REASSOCIATED",
    "UNIT",
    "Array",
    "aligned",
    "available_memory",
    "cores",
    "padded_length",
]

Array = NDArray[np.float64]

UNIT = 2.0**-53
"""Unit roundoff of float64."""
EXTENDED = float(np.finfo(np.longdouble).eps) / 2
"""Unit roundoff of extended precision: 2^-64, or that of float64 on machines without it."""
LANES = 128
"""Inputs that are tabulated together, and columns of a tile: the length of the loops."""
CACHE_LINE = 64
"""Bytes of a line of the caches."""

EXACT_SUMS = frozenset({"contract", "nsz"})
"""Flags of compiled code whose error is bounded: products may be fused with sums, which
rounds less, and the sign of a zero is free. Sums keep their order, NaN and infinity their
meaning."""
REASSOCIATED = frozenset({"fast"})
"""Flags of compiled code that only looks for maxima: any order gives the same answer."""


def aligned(*shape: int, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Zeros that begin on a cache line: vector loads across two of them cost double."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -raw.__array_interface__["data"][0] % CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def padded_length(n: int) -> int:
    """Columns of a table: a multiple of LANES, and a cache line more.

    Rows whose distance is a power of two would otherwise compete for a few cache sets.
    """
    return n - n % -LANES + CACHE_LINE // 8


def cores() -> int:
    """The number of threads: KINFINITY_THREADS if set, otherwise the cores one may use."""
    wanted = os.environ.get("KINFINITY_THREADS")
    if wanted is None or wanted == "":
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    if not wanted.isdecimal() or int(wanted) == 0:
        raise ValueError(
            f"expected a positive number as KINFINITY_THREADS, got {wanted!r}; unset it"
        )
    return int(wanted)


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, or None where nobody knows."""
    known = [size for size in (_free_of_machine(), _free_of_group()) if size is not None]
    return min(known, default=None)


def _free_of_machine() -> int | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_group() -> int | None:
    """What a container may still take, the file cache it would give back included."""
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if not limit or not used or not limit[0].isdigit():
        return None
    idle = [line for line in _lines("/sys/fs/cgroup/memory.stat") if line.startswith("inactive_f")]
    cache = int(idle[0].split()[1]) if idle else 0
    return max(0, int(limit[0]) - int(used[0]) + cache)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return []
