"""Tiles of the answer, written to its rows and, mirrored, to its columns, compiled."""

from __future__ import annotations

from typing import Any

from analytic.compilation import elementwise
from analytic.machine import CACHE_LINE, LANES
from analytic.recursion import ROWS, RowBlock, Tile
from analytic.vector_blocks import BLOCK, address, copied, turned

__all__ = ["PAST_CACHES", "store"]

PAST_CACHES = 2**22
"""Numbers of an answer that no cache holds: it is written past them, if its rows begin on lines."""


@elementwise
def store(
    t: Tile, block: RowBlock, row: int, end: int, lane: int, stop: int, own: bool, out: Any
) -> None:
    """Write x to out[i - shift, j], for j > i only if ``own``, and to out[j, i] if ``mirror``.

    Other threads see all of it after ``settled``.
    """
    if end - row == ROWS and stop - lane == LANES and (lane >= end or not own):
        lined = out.shape[1] % BLOCK == 0 and address(out) % CACHE_LINE == 0
        past = lined and out.size >= PAST_CACHES
        _copy_whole(t.x, out, row - block.shift, lane, past)
        if block.mirror:
            _turn_whole(t.x, out, lane, row, past)
    else:
        _store_part(t.x, block, row, end, lane, stop, own, out)


@elementwise
def _copy_whole(x: Any, out: Any, row: int, lane: int, past: bool) -> None:
    """Write a whole tile to out[row:, lane:]."""
    for m in range(0, ROWS, BLOCK):
        for j in range(0, LANES, BLOCK):
            copied(out, row + m, lane + j, x, m, j, past)


@elementwise
def _turn_whole(x: Any, out: Any, lane: int, row: int, past: bool) -> None:
    """Write its columns to the rows of out[lane:, row:]."""
    for j in range(0, LANES, BLOCK):
        for m in range(0, ROWS, BLOCK):
            turned(out, lane + j, row + m, x, m, j, past)


@elementwise
def _store_part(
    x: Any, block: RowBlock, row: int, end: int, lane: int, stop: int, own: bool, out: Any
) -> None:
    """The same for tiles at the diagonal and at the ends."""
    for m in range(end - row):
        for j in range(max(row + m + 1 - lane, 0) if own else 0, stop - lane):
            out[row + m - block.shift, lane + j] = x[m, j]
    if block.mirror:
        for j in range(max(lane, row + 1), stop):
            for m in range(min(end, j) - row):
                out[j, row + m] = x[m, j - lane]
