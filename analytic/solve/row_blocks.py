"""All pairs of inputs, row block by row block, on all threads.

Every pair i < j is computed once and mirrored. Python's own threads call the compiled code, which
holds no lock: any number of callers may do so at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.machine import Array, cores
from analytic.progress import ProgressBar
from analytic.recursion import Data, Problem, RowBlock
from analytic.solve.checkpoint import Checkpoint
from analytic.solve.writing import is_plain, place_rows

__all__ = ["fill"]


def fill(
    problem: Problem,
    kinds: Sequence[str],
    answers: list[Any],
    bound: Array,
    progress: bool | None,
    saved: Checkpoint | None,
    enough: float = math.inf,
) -> tuple[int, NDArray[np.intp]]:
    """Compute all pairs; returns the most terms used and the pairs left out, (pairs, 2).

    Where the bound of some rows exceeds ``enough``, the rest is not begun, and there are -1 terms.
    """
    n, k = problem.shape
    data = problem.data()
    direct = all(map(is_plain, answers))

    def task(row: int) -> _Rows:
        return _rows(problem, kinds, answers if direct else None, data, bound, row)

    step = problem.method.step(n)
    done = {} if saved is None else saved.finished()
    most, gone = 0, {n: np.empty((0, 2), dtype=np.intp)}  # by the first row, sorted in themselves
    disable = None if progress is None else not progress
    with (
        ThreadPoolExecutor(cores()) as pool,
        ProgressBar(total=n * k, unit="pair", unit_scale=True, delay=1, disable=disable) as bar,
    ):
        for row, known in done.items():
            assert saved is not None
            most, bound[row : row + step] = max(most, known.terms), known.bound
            gone[row] = saved.left_out(row)
            bar.update(_pairs(problem, row, min(step, n - row)))
        missing = (row for row in range(0, n, step) if row not in done)
        for finished, part in enumerate(_completed(pool, task, missing), len(done) + 1):
            most = max(most, part.terms)
            gone[part.row] = part.left
            if not direct:
                for answer, array in zip(answers, part.arrays, strict=True):
                    place_rows(answer, array, part.row, problem.own)
            if saved is not None:
                saved.add(part.row, part.terms, float(bound[part.row : part.row + step].max()))
            bar.update(_pairs(problem, part.row, len(part.arrays[0])))
            if finished * step < n and (bound[part.row : part.row + step] > enough).any():
                pool.shutdown(cancel_futures=True)
                return -1, gone[n]
    return most, np.concatenate([gone[row] for row in sorted(gone)])  # whichever thread was first


def _pairs(problem: Problem, row: int, rows: int) -> int:
    """Entries that a block of rows fills; of a symmetric answer two triangles."""
    n, k = problem.shape
    return rows * (2 * (n - row) - rows if problem.own else k)


def _completed(
    pool: ThreadPoolExecutor, task: Callable[[int], _Rows], rows: Iterable[int]
) -> Iterator[_Rows]:
    """The row blocks as they come, few at a time: those waiting to be written take memory."""
    waiting: set[Future[_Rows]] = set()
    for row in rows:
        if len(waiting) >= 2 * cores():
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
        waiting.add(pool.submit(task, row))
    yield from (future.result() for future in as_completed(waiting))


class _Rows(NamedTuple):
    """Some rows of the answer: the first one, the arrays, the terms and the pairs left out."""

    row: int
    arrays: list[Array]
    terms: int
    left: NDArray[np.intp]


def _rows(
    problem: Problem,
    kinds: Sequence[str],
    answers: list[Array] | None,
    data: Data,
    bound: Array,
    row: int,
) -> _Rows:
    """Compute a row block, in the answers (mirrored) or, without them, in arrays of its own."""
    n, k = problem.shape
    end = min(row + problem.method.step(n), n)
    arrays = [np.empty((end - row, k)) for _ in kinds] if answers is None else answers
    by_kind = dict(zip(kinds, arrays, strict=True))
    nngp, ntk = (by_kind.get(kind, np.empty((0, k))) for kind in ("nngp", "ntk"))
    shift = row if answers is None else 0
    block = RowBlock(row, end, shift, problem.own and answers is not None, nngp, ntk)
    terms, left = problem.method.fill(data, block, bound)
    parts = [array[row - shift : end - shift] for array in arrays]
    where = np.empty((0, 2), dtype=np.intp)
    if left:
        where = _not_known(parts[0], row, problem.own)
    return _Rows(row, parts, terms, where)


def _not_known(part: Array, row: int, own: bool) -> NDArray[np.intp]:
    """The pairs of some rows that are NaN, (pairs, 2); i < j if ``own``."""
    i, j = np.nonzero(np.isnan(part))
    i += row
    if own:
        above = i < j
        i, j = i[above], j[above]
    return np.stack([i, j]).T
