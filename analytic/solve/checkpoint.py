"""Which rows of a kernel stand in ``out`` already, so that a run that was cut off can go on.

A block of rows is finished when its pairs (i, j), j >= i of a symmetric kernel, are in ``out``.
The file holds the digest of what was written; a block whose digest in ``out`` is another one is
computed again. The pairs of a row do not depend on other rows: the bits are those of one run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.files import check_path, read_data, write_data
from analytic.recursion import Problem

__all__ = ["Checkpoint", "Finished"]

WHAT = "a record of the rows of a kernel"
FIELDS = ("key", "rows")


class Finished(NamedTuple):
    """A block of rows that is done.

    Attributes:
        digest: of its pairs.
        terms: the most terms of the series.
        bound: the largest bound of its pairs.
    """

    digest: str
    terms: int
    bound: float


class Checkpoint:
    """The finished rows of a kernel, on disk.

    Args:
        path: the file; if it exists its rows count, if they are of the same kernel.
        problem: the kernel.
        kinds: which kernels.
        answers: the arrays to fill.

    Raises:
        TypeError: path is none.
        ValueError: the folder does not exist, or the file is damaged or of another kernel.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        problem: Problem,
        kinds: Sequence[str],
        answers: Sequence[Any],
    ) -> None:
        found = check_path(path)
        assert found is not None
        self._path: Path = found
        self._own, self._n = problem.own, problem.shape[0]
        self._step = problem.method.step(self._n)
        self._answers, self._key = answers, _key(problem, kinds, self._step)
        self._rows: dict[int, Finished] = {}
        if found.exists():
            data = read_data(found, WHAT, FIELDS)
            if data["key"] != self._key:
                raise ValueError(
                    f"expected {WHAT} of these inputs in {found}, got that of another network,"
                    " tolerance, kind or of other inputs; name another file"
                )
            self._rows = {int(row): Finished(*values) for row, values in data["rows"].items()}

    def finished(self) -> dict[int, Finished]:
        """The blocks that need not be computed, by their first rows."""
        return {
            row: known for row, known in self._rows.items() if known.digest == self._digest(row)
        }

    def left_out(self, row: int) -> NDArray[np.intp]:
        """The pairs of a finished block that have been left to the end, (pairs, 2)."""
        first = row if self._own else 0
        values = np.asarray(self._answers[0][row : min(row + self._step, self._n), first:])
        where = np.argwhere(np.isnan(values)) + np.array([row, first])
        return where[where[:, 0] < where[:, 1]] if self._own else where

    def add(self, row: int, terms: int, bound: float) -> None:
        """The block from this row on is in the answers."""
        for answer in self._answers:
            if hasattr(answer, "flush"):
                answer.flush()
        self._rows[row] = Finished(self._digest(row), terms, bound)
        rows = {str(first): list(values) for first, values in self._rows.items()}
        write_data(self._path, {"key": self._key, "rows": rows})

    def _digest(self, row: int) -> str:
        """Of the pairs of a block; those at x = x' are written last and do not count."""
        digest, end = hashlib.sha256(), min(row + self._step, self._n)
        for answer in self._answers:
            values = np.array(answer[row:end, row:] if self._own else answer[row:end])
            if self._own:
                values[np.tril_indices(end - row)] = 0.0
            digest.update(values.tobytes())
        return digest.hexdigest()


def _key(problem: Problem, kinds: Sequence[str], step: int) -> str:
    """A digest of everything that the pairs depend on."""
    method = problem.method
    what = repr(problem.network), *kinds, problem.own, problem.shape, step, method.error
    digest = hashlib.sha256(repr(what).encode())
    for part in (problem.x,) if problem.own else (problem.x, problem.y):
        digest.update(f"{part.shape} {part.dtype}".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
