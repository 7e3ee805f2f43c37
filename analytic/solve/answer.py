"""The answer, tile by tile: threads, symmetry, memory, and the pairs left out.

Rows are shared out to threads in row blocks; every pair i < j is computed once and mirrored.
Python's own threads call the compiled code, which holds no lock: any number of callers may
do so at once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analytic.machine import LANES, Array, cores
from analytic.pairs import Close, Near, near_pairs
from analytic.recursion import Data, Problem, RowBlock, dearest
from analytic.results import AccuracyError, Estimate, Kernels
from analytic.solve.checkpoint import Checkpoint
from analytic.solve.foresight import FEW, close_together, require_memory

__all__ = ["KINDS", "solve"]

KINDS = {"ntk": ("ntk",), "nngp": ("nngp",), "both": ("nngp", "ntk")}
"""The kernels that each kind asks for."""


def solve(
    problem: Problem,
    kind: str,
    tolerance: float,
    out: Any = None,
    progress: bool | None = None,
    *,
    certificate: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Estimate:
    """Compute the kernels of a kind.

    Args:
        problem: what ``prepare`` made.
        kind: one of ``KINDS``.
        tolerance: the promise.
        out: None, or the array to fill; for "both" a pair of them.
        progress: as in ``analytic.kernel``.
        certificate: whether the bound of every entry is wanted.
        checkpoint: file for the rows that are finished, or None.

    Raises:
        ValueError: ``out`` has another shape, or the kernel is not finite.
        AccuracyError: the bound of an entry exceeds the tolerance.
    """
    kinds = KINDS[kind]
    if not np.isfinite(problem.diagonal.sigma + problem.diagonal.theta).all():
        raise ValueError(
            "expected a kernel that float64 can hold, got infinity at some K(x, x); lower"
            " weight_std or scale the inputs"
        )
    answers = _answers(problem.shape, kinds, out)
    n, k = problem.shape
    bound = np.zeros((n, k if certificate else -(-k // LANES)))
    saved = None if checkpoint is None else Checkpoint(checkpoint, problem, kinds, answers)
    terms, left = _fill(problem, kinds, answers, bound, progress, saved)
    near = _near(problem, left)
    _finish(problem, kinds, answers, left, near)
    own = problem.method.diagonal if problem.own else 0.0
    worst = float(max(bound.max(), near.error.max(initial=0.0), own))
    errors, relative = [np.empty(0)] * len(kinds), np.empty((0, 0))
    if certificate or not worst <= tolerance:
        relative = _relative(problem, bound, left, near)
        errors = [relative * scale for scale in _scales(problem, kinds)]
    certified = problem.diagonal.certified and not (len(left) and not problem.is_bent)
    estimate = Estimate(_named(answers), _named(errors), terms, certified)
    if not worst <= tolerance:
        pair = np.unravel_index(np.argmax(np.nan_to_num(relative, nan=np.inf)), relative.shape)
        raise AccuracyError(_refusal(problem, tolerance, worst, pair), estimate)
    return estimate


def _refusal(problem: Problem, tolerance: float, worst: float, pair: Any) -> str:
    """What was expected, where it fails, and which tolerance will do."""
    layer, why = dearest(problem.diagonal)
    advice = "no tolerance will do:"
    if worst < 0.25:
        advice = f"pass tolerance={_rounded_up(2 * worst)} or"
    return (
        f"expected a relative error of at most {tolerance:.1e}, got the bound {worst:.1e} at the"
        f" pair ({pair[0]}, {pair[1]}), which weight layer {layer} costs ({why}); {advice}"
        " take the best value from the attribute estimate"
    )


def _rounded_up(tolerance: float) -> str:
    """One digit, not below."""
    exponent = math.floor(math.log10(tolerance))
    digit = math.ceil(tolerance / 10.0**exponent - 1e-9)
    return f"{digit}e{exponent}" if digit < 10 else f"1e{exponent + 1}"


def _named(parts: list[Any]) -> Any:
    return Kernels(*parts) if len(parts) == 2 else parts[0]


def _answers(shape: tuple[int, int], kinds: Sequence[str], out: Any) -> list[Any]:
    if out is None:
        require_memory(8 * len(kinds) * shape[0] * shape[1])
        return [np.empty(shape) for _ in kinds]
    answers = [out] if len(kinds) == 1 else list(out)
    if len(answers) != len(kinds) or len(set(map(id, answers))) < len(kinds):
        raise ValueError(f"expected {len(kinds)} different arrays as out; pass one for each kernel")
    for answer in answers:
        _check_out(answer, shape)
    return answers


def _check_out(out: Any, shape: tuple[int, int]) -> None:
    if tuple(getattr(out, "shape", ())) != shape:
        found = getattr(out, "shape", type(out).__name__)
        raise ValueError(f"expected out of shape {shape}, got {found}; make it anew")
    dtype = np.dtype(getattr(out, "dtype", float))
    if dtype.kind != "f" or (isinstance(out, np.ndarray) and not out.flags.writeable):
        raise ValueError(
            f"expected a writeable array of floats as out, got {dtype}; make it with numpy.empty"
        )


def _fill(
    problem: Problem,
    kinds: Sequence[str],
    answers: list[Any],
    bound: Array,
    progress: bool | None,
    saved: Checkpoint | None,
) -> tuple[int, NDArray[np.intp]]:
    """Compute all pairs; returns the most terms used and the pairs left out, (pairs, 2)."""
    n, k = problem.shape
    data = problem.data()
    direct = all(map(_is_plain, answers))

    def task(row: int) -> _Rows:
        return _rows(problem, kinds, answers if direct else None, data, bound, row)

    step = problem.method.step(n)
    done = {} if saved is None else saved.finished()
    most, gone = 0, [np.empty((0, 2), dtype=np.intp)]
    disable = None if progress is None else not progress
    with (
        ThreadPoolExecutor(cores()) as pool,
        tqdm(total=n * k, unit="pair", unit_scale=True, delay=1, disable=disable) as bar,
    ):
        for row, known in done.items():
            assert saved is not None
            most, bound[row : row + step] = max(most, known.terms), known.bound
            gone.append(saved.left_out(row))
            bar.update(_pairs(problem, row, min(step, n - row)))
        missing = (row for row in range(0, n, step) if row not in done)
        for part in _completed(pool, task, missing):
            most = max(most, part.terms)
            gone.append(part.left)
            if not direct:
                for answer, array in zip(answers, part.arrays, strict=True):
                    _place(answer, array, part.row, problem.own)
            if saved is not None:
                saved.add(part.row, part.terms, float(bound[part.row : part.row + step].max()))
            bar.update(_pairs(problem, part.row, len(part.arrays[0])))
    left = np.concatenate(gone)
    return most, left[np.lexsort(left.T[::-1])]  # whichever thread was first


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


def _is_plain(answer: Any) -> bool:
    """Whether the compiled code can write to it."""
    return type(answer) is np.ndarray and answer.dtype == float and answer.flags.c_contiguous


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
        where = np.argwhere(np.isnan(parts[0])) + np.array([row, 0])
        where = where[where[:, 0] < where[:, 1]] if problem.own else where
    return _Rows(row, parts, terms, where)


def _place(answer: Any, array: Array, row: int, own: bool) -> None:
    """Write a row block into an array that only accepts slices."""
    end = row + len(array)
    if not own:
        answer[row:end] = array
        return
    corner = np.triu(array[:, row:end], 1)
    answer[row:end, row:end] = corner + corner.T
    answer[row:end, end:] = array[:, end:]
    answer[end:, row:end] = array[:, end:].T


def _near(problem: Problem, left: NDArray[np.intp]) -> Near:
    """The pairs that were left out, in blocks that bound the memory."""
    if not len(left):
        return Near(*np.empty((3, 0)))
    close = Close.of(problem.network, problem.diagonal)
    shift = 0 if problem.own else problem.shape[0]

    share = max(FEW, -(-len(left) // cores()))
    step = min(close_together(problem.x.shape[1]), share)

    def block(start: int) -> Near:
        a, b = left[start : start + step].T
        return near_pairs(close, problem.x[a], problem.y[b], a, b + shift)

    with ThreadPoolExecutor(cores()) as pool:
        parts = list(pool.map(block, range(0, len(left), step)))
    return Near(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _finish(
    problem: Problem, kinds: Sequence[str], answers: list[Any], left: NDArray[np.intp], near: Near
) -> None:
    """Write the pairs that were left out, and the diagonal."""
    n = problem.shape[0]
    state = problem.diagonal
    for kind, answer in zip(kinds, answers, strict=True):
        theta = 1.0 if kind == "ntk" else 0.0
        values = near.sigma + theta * near.theta
        _scatter(answer, left, values, problem.own)
        if problem.own:
            diagonal = state.sigma + theta * state.theta
            if isinstance(answer, np.ndarray):
                answer[np.arange(n), np.arange(n)] = diagonal
            else:
                for i in range(n):
                    answer[i, i] = diagonal[i]


def _scatter(answer: Any, left: NDArray[np.intp], values: Array, own: bool) -> None:
    """Write single entries, and their mirror images if ``own``."""
    if isinstance(answer, np.ndarray):
        i, j = left.T
        answer[i, j] = values
        if own:
            answer[j, i] = values
        return
    for (i, j), value in zip(left, values, strict=True):
        answer[i, j] = value
        if own:
            answer[j, i] = value


def _scales(problem: Problem, kinds: Sequence[str]) -> list[Array]:
    """sqrt(K(x, x) K(x', x')) for every kind, (n, k) each."""
    n = problem.shape[0]
    state = problem.diagonal
    roots = {"nngp": np.sqrt(state.sigma), "ntk": np.sqrt(state.sigma + state.theta)}
    columns = slice(0, n) if problem.own else slice(n, None)
    return [np.outer(roots[kind][:n], roots[kind][columns]) for kind in kinds]


def _relative(problem: Problem, bound: Array, left: NDArray[np.intp], near: Near) -> Array:
    """The relative error bound of every entry, (n, k), from that of each or of LANES columns."""
    n, k = problem.shape
    error = bound if bound.shape[1] == k else np.repeat(bound, LANES, axis=1)[:, :k]
    error[left[:, 0], left[:, 1]] = near.error
    if problem.own:
        error = np.triu(error, 1)
        error += error.T
        error[np.arange(n), np.arange(n)] = problem.method.diagonal
    return error
