"""Arrays that hold the answer: made, checked, and written to by rows, columns and entries.

A user's own array may be a file on disk or accept only slices; what is symmetric is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.machine import Array
from analytic.solve.foresight import require_memory
from analytic.solve.kept_memory import empty

__all__ = ["answer_arrays", "is_plain", "place_rows", "scatter", "write_diagonal"]


def answer_arrays(shape: tuple[int, int], kinds: Sequence[str], out: Any) -> list[Any]:
    """One array of this shape for each kernel: new, or those of ``out``, checked."""
    if out is None:
        require_memory(8 * len(kinds) * shape[0] * shape[1])
        return [empty(*shape) for _ in kinds]
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


def is_plain(answer: Any) -> bool:
    """Whether the compiled code can write to it."""
    return type(answer) is np.ndarray and answer.dtype == float and answer.flags.c_contiguous


def place_rows(answer: Any, array: Array, row: int, own: bool) -> None:
    """Write a row block into an array that only accepts slices."""
    end = row + len(array)
    if not own:
        answer[row:end] = array
        return
    corner = np.triu(array[:, row:end], 1)
    answer[row:end, row:end] = corner + corner.T
    answer[row:end, end:] = array[:, end:]
    answer[end:, row:end] = array[:, end:].T


def scatter(answer: Any, left: NDArray[np.intp], values: Array, own: bool) -> None:
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


def write_diagonal(answer: Any, values: Array) -> None:
    """Write K(x, x) of all inputs."""
    n = len(values)
    if isinstance(answer, np.ndarray):
        answer[np.arange(n), np.arange(n)] = values
        return
    for i in range(n):
        answer[i, i] = values[i]
