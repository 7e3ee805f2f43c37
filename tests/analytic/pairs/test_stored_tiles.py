"""Tiles of the answer arrive whole, wherever the answer begins and however long its rows are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analytic.compilation import compiled
from analytic.machine import CACHE_LINE, LANES
from analytic.pairs import store
from analytic.pairs.stored_tiles import PAST_CACHES
from analytic.recursion import ROWS, RowBlock, new_tile
from analytic.solve.writing import answer_arrays
from analytic.vector_blocks import settled

HELD = 2 * LANES
"""Columns of an answer that the caches hold."""
LARGE = PAST_CACHES // HELD
"""Rows that make it one that they do not hold."""


@compiled
def _stored(
    t: Any, block: Any, row: int, end: int, lane: int, stop: int, own: bool, out: Any
) -> None:
    store(t, block, row, end, lane, stop, own, out)
    settled()


def _answer(rows: int, columns: int, shift: int) -> np.ndarray:
    """An answer that begins so many numbers behind a cache line."""
    raw = np.full(rows * columns + 2 * CACHE_LINE, -1.0)
    start = -raw.__array_interface__["data"][0] % CACHE_LINE // 8 + shift
    return raw[start : start + rows * columns].reshape(rows, columns)


def _check(
    rows: int, columns: int, shift: int, place: tuple[int, int, int, int], own: bool
) -> None:
    out, t = _answer(rows, columns, shift), new_tile(0)
    t.x[:] = np.random.default_rng(0).standard_normal(t.x.shape)
    row, end, lane, stop = place
    _stored(t, RowBlock(row, end, 0, own, out[:0], out), *place, own, out)
    expected, tile = np.full_like(out, -1.0), t.x[: end - row, : stop - lane]
    i, j = np.arange(row, end)[:, None], np.arange(lane, stop)[None, :]
    kept = (i < j) | (not own)
    i, j = (np.broadcast_to(a, kept.shape)[kept] for a in (i, j))
    expected[i, j] = tile[kept]
    if own:
        expected[j, i] = tile[kept]
    assert_array_equal(out, expected)


@pytest.mark.parametrize("shift", [0, 2, 5])
@pytest.mark.parametrize("columns", [HELD, HELD + 3])
@pytest.mark.parametrize("rows", [HELD, LARGE + 1])
def test_a_whole_tile_is_written_and_mirrored(rows: int, columns: int, shift: int) -> None:
    place = (ROWS, 2 * ROWS, LANES, 2 * LANES)
    _check(rows, columns, shift, place, own=True)
    _check(rows, columns, shift, place, own=False)


@pytest.mark.parametrize("rows", [HELD, LARGE + 1])
@pytest.mark.parametrize(
    "place",
    [
        (ROWS, 2 * ROWS, 0, LANES),
        (0, ROWS - 3, LANES, 2 * LANES),
        (0, ROWS, LANES, 2 * LANES - 7),
        (LANES + 5, LANES + 5 + ROWS, LANES, 2 * LANES),
    ],
)
def test_tiles_at_the_diagonal_and_at_the_ends_leave_the_rest_alone(
    rows: int, place: tuple[int, int, int, int]
) -> None:
    _check(rows, HELD, 0, place, own=True)
    _check(rows, HELD, 0, place, own=False)


def test_large_answers_begin_on_a_line() -> None:
    (answer,) = answer_arrays((HELD + 1, LARGE), ("ntk",), None)
    assert answer.flags.c_contiguous
    assert answer.__array_interface__["data"][0] % CACHE_LINE == 0
