"""The order in which compiled code goes through the pairs of positions.

A state of R x C pairs of images is an array (R, pairs of positions x C): the C columns of a
pair of positions stand side by side, and so do pairs (p, q), (p, q + 1), ... that follow each
other. What is contiguous on both sides is read in one run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.duals import LANES
from analytic.positions import Pairs, Reading

__all__ = ["Chunks", "Runs", "Walk", "average_runs", "chunks", "walk"]

Index = NDArray[np.int64]


class Chunks(NamedTuple):
    """Pairs (p, q), ..., (p, q + length - 1) that fill the lanes of a tile, (chunks,) each."""

    pair: Index  # the first of them
    length: Index
    p: Index
    q: Index


class Runs(NamedTuple):
    """Runs of places that are read together; those of entry i begin at first[i]."""

    first: Index  # (entries + 1,)
    target: Index  # offset in the entry, (runs,)
    source: Index  # first place, (runs,)
    length: Index


class Walk(NamedTuple):
    """The chunks of the pairs after a layer, and what each of them reads before it."""

    chunks: Chunks
    runs: Runs


def chunks(pairs: Pairs, columns: int) -> Chunks:
    """Cut the pairs into chunks of at most LANES / columns that follow each other."""
    p, q = np.divmod(pairs.codes, pairs.positions)
    place = np.arange(len(pairs))
    broken = np.append(True, (np.diff(p) != 0) | (np.diff(q) != 1))
    begin = np.maximum.accumulate(np.where(broken, place, 0))
    first = np.flatnonzero((place - begin) % (LANES // columns) == 0)
    length = np.diff(np.append(first, len(pairs)))
    return Chunks(first, length, p[first], q[first])


def walk(reading: Reading, columns: int) -> Walk:
    """The chunks after a layer that sums up what it reads, and their runs."""
    parts = chunks(reading.after, columns)
    starts = np.zeros(len(reading.after), dtype=np.bool_)
    starts[parts.pair] = True
    number = np.cumsum(starts) - 1
    tap, pair, source, length = _runs(reading.sources.T, starts)
    order = np.lexsort((pair, tap, number[pair]))
    entry = number[pair][order]
    target = (pair - parts.pair[number[pair]])[order]
    first = np.searchsorted(entry, np.arange(parts.pair.size + 1))
    return Walk(parts, Runs(first, target, source[order], length[order]))


def average_runs(reading: Reading) -> Runs:
    """What each pair after an average reads."""
    starts = np.zeros(reading.sources.shape[1], dtype=np.bool_)
    starts[0] = True
    entry, _, source, length = _runs(reading.sources, starts)
    first = np.searchsorted(entry, np.arange(len(reading.after) + 1))
    return Runs(first, np.zeros_like(source), source, length)


def _runs(sources: NDArray[np.int32], starts: NDArray[np.bool_]) -> tuple[Index, ...]:
    """Runs of consecutive sources along the rows: (row, column, first source, length).

    A run also ends where ``starts`` says that something new begins.
    """
    there = sources >= 0
    goes_on = np.zeros_like(there)
    goes_on[:, 1:] = there[:, 1:] & (np.diff(sources, axis=1) == 1) & (sources[:, :-1] >= 0)
    goes_on &= ~starts
    begins = there & ~goes_on
    row, column = np.nonzero(begins)
    ends = there.copy()
    ends[:, :-1] &= ~goes_on[:, 1:]
    last = np.nonzero(ends)[1]
    return row, column, sources[row, column].astype(np.int64), last - column + 1
