"""The order in which compiled code goes through the pairs of positions.

A state of R x C pairs of images is an array (R, pairs of positions x C): the C columns of a
pair of positions stand side by side, and so do pairs (p, q), (p, q + 1), ... that follow each
other. What is contiguous on both sides is read in one run.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.images.position_pairs import Layout, Pairs, Reading, layout
from analytic.machine import LANES
from analytic.network import Network, Shape

__all__ = ["Chunks", "Runs", "Walk", "Ways", "network_ways"]

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


class Ways(NamedTuple):
    """The order for a whole network: ``averages`` before every layer and the readout.

    ``own`` goes through the pairs p <= q only, which is enough for an image with itself.
    """

    layout: Layout
    columns: int
    start: Chunks
    layers: tuple[Walk, ...]
    own: tuple[Walk, ...]
    averages: tuple[tuple[Runs, ...], ...]


SMALL = 2**17
"""Pairs of positions up to which the order is kept for the next call."""
_kept: OrderedDict[tuple[Network, Shape, int], Ways] = OrderedDict()


def network_ways(network: Network, spatial: Shape, columns: int) -> Ways:
    """The order in which blocks of so many columns, a divisor of LANES, go through a network."""
    key = network, spatial, columns
    found = _kept.get(key)
    if found is None:
        found = _ways(layout(network, spatial), columns)
        if found.layout.most <= SMALL:
            _kept[key] = found
            while len(_kept) > 8:
                _kept.popitem(last=False)
    return found


def _ways(pairs: Layout, columns: int) -> Ways:
    averages = (*(part.averages for part in pairs.parts), pairs.readout)
    return Ways(
        pairs,
        columns,
        _chunks(pairs.input, columns),
        tuple(_walk(part.layer, columns) for part in pairs.parts),
        tuple(_walk(part.layer, columns, half=True) for part in pairs.parts if columns == 1),
        tuple(tuple(map(_average_runs, readings)) for readings in averages),
    )


def _chunks(pairs: Pairs, columns: int, *, half: bool = False) -> Chunks:
    """Cut the pairs (those with p <= q) into chunks of at most LANES / columns in a row."""
    p, q = np.divmod(pairs.codes, pairs.positions)
    if half:
        upper = np.flatnonzero(p <= q)
        parts = _chunks(Pairs(pairs.positions, pairs.codes[upper]), columns)
        return parts._replace(pair=upper[parts.pair])
    place = np.arange(len(pairs))
    broken = np.append(True, (np.diff(p) != 0) | (np.diff(q) != 1))
    begin = np.maximum.accumulate(np.where(broken, place, 0))
    first = np.flatnonzero((place - begin) % (LANES // columns) == 0)
    length = np.diff(np.append(first, len(pairs)))
    return Chunks(first, length, p[first], q[first])


def _walk(reading: Reading, columns: int, *, half: bool = False) -> Walk:
    """The chunks after a layer that sums up what it reads, and their runs."""
    parts = _chunks(reading.after, columns, half=half)
    size = len(reading.after)
    starts, sources = np.zeros(size, dtype=np.bool_), reading.sources.T
    starts[parts.pair] = True
    number = np.cumsum(starts) - 1
    if half:
        p, q = np.divmod(reading.after.codes, reading.after.positions)
        sources = np.where(p <= q, sources, -1)
    tap, pair, source, length = _runs(sources, starts)
    order = np.lexsort((pair, tap, number[pair]))
    entry = number[pair][order]
    target = (pair - parts.pair[number[pair]])[order]
    first = np.searchsorted(entry, np.arange(parts.pair.size + 1))
    return Walk(parts, Runs(first, target, source[order], length[order]))


def _average_runs(reading: Reading) -> Runs:
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
