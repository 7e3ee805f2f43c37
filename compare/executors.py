"""Where cells of work run: on threads here, or on any executor of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from analytic.machine import cores

__all__ = ["one_thread", "run_cells", "workers"]

Cell = TypeVar("Cell")
Result = TypeVar("Result")


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


def run_cells(
    cells: Iterable[Cell],
    work: Callable[..., Result],
    arguments: tuple[Any, ...],
    executor: Executor | None,
    keep: Callable[[Cell, Result], None],
) -> None:
    """Do ``work(cell, *arguments)`` for every cell; the first ones begin first.

    ``keep(cell, result)`` is called here as each is finished. If something goes wrong those that
    have not begun are called off, and those that were finished meanwhile are kept.
    """
    with workers(executor) as pool:
        futures = {pool.submit(work, cell, *arguments): cell for cell in cells}
        try:
            for future in as_completed(futures):
                keep(futures.pop(future), future.result())
        except BaseException:
            for future, cell in futures.items():
                if not future.cancel() and future.done() and future.exception() is None:
                    keep(cell, future.result())
            raise
