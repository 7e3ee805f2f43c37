"""Where cells of work run: on threads here, or on any executor of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch

from analytic.machine import cores

__all__ = ["one_thread", "workers"]


class _Alone:
    """How many cells of this process multiply on one core, and on how many it did before."""

    lock = threading.Lock()
    cells = 0
    before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Multiply matrices on one core, so that any executor gives the same bits.

    The order of sums depends on the number of threads. Part of torch's setting is that of the
    calling thread, part that of the process: the last cell of the process to end sets it back.
    """
    with _Alone.lock:
        if _Alone.cells == 0:
            _Alone.before = torch.get_num_threads()
        _Alone.cells += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _Alone.lock:
            _Alone.cells -= 1
            torch.set_num_threads(1 if _Alone.cells else _Alone.before)


@contextmanager
def workers(executor: Executor | None) -> Iterator[Executor]:
    """The given executor, or threads that each multiply matrices on one core."""
    if executor is not None:
        yield executor
        return
    with one_thread(), ThreadPoolExecutor(cores()) as pool:
        yield pool
