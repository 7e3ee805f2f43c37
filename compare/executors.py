"""Where cells of work run: on threads here, or on any executor of the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch

from analytic.machine import cores

__all__ = ["workers"]


@contextmanager
def workers(executor: Executor | None) -> Iterator[Executor]:
    """The given executor, or threads that each multiply matrices on one core."""
    if executor is not None:
        yield executor
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(cores()) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)
