"""How many threads to use."""

from __future__ import annotations

import os

__all__ = ["cores"]


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
