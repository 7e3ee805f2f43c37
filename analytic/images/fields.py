r"""Linear maps of fields, compiled: scalar products, moves and sums over windows.

A field is Sigma(p, p + shift) of two images at all positions p, for one shift on the torus; the
lanes of an array are its positions row by row, of one or several images side by side. The
positions p + shift of an image are its own, moved: at most four rectangles.

Legend: H x W positions; S shifts at a time; F fields, number f of them has the pair f // S and the
shift f % S; Q lanes, a multiple of LANES; ``copies`` images side by side, H W lanes each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.images.shifts import Index, Scatter
from analytic.machine import LANES, Array

__all__ = [
    "CHANNELS",
    "Pairing",
    "Shifts",
    "Taps",
    "move_fields",
    "move_lines",
    "move_table",
    "pieces",
    "products",
    "taps",
    "vectors",
    "window_sums",
]

CHANNELS = 32
"""Channels whose products are summed one after the other; then these sums."""


class Pairing(NamedTuple):
    """Pairs of images of a block, sorted by the second one."""

    row: Index  # number of the first image of each pair
    first: Index  # the first pair of each second image, and the number of pairs


class Shifts(NamedTuple):
    """Some shifts: their rows and columns, and the numbers of these in the grid.

    A row is the shift along the planes times the lines of a plane, and that along these.
    """

    down: Index
    right: Index
    row: Index
    column: Index


class Taps(NamedTuple):
    """A sum over the window of a row: at each offset how often the lanes are added.

    Those of the i-th shift of the columns are first[i], ..., first[i + 1] - 1.
    """

    first: Index
    offset: Index
    mask: Array  # (taps, Q)


def taps(columns: Scatter, width: int, height: int, copies: int, lanes: int) -> Taps:
    """The taps of a window that keeps the shifts."""
    first, offsets = [0], list[int]()
    masks: list[NDArray[Any]] = []
    for shift in range(columns.first.size - 1):
        runs = slice(columns.first[shift], columns.first[shift + 1])
        apart = (columns.source - columns.target)[runs]
        for offset in np.unique(apart):
            line = np.zeros(width)
            chosen = apart == offset
            for target, count in zip(
                columns.target[runs][chosen], columns.length[runs][chosen], strict=True
            ):
                line[target : target + count] += 1.0  # a filter may go around more than once
            offsets.append(int(offset))
            masks.append(
                np.pad(np.tile(line, height * copies), (0, lanes - copies * height * width))
            )
        first.append(len(offsets))
    return Taps(np.array(first), np.array(offsets, dtype=np.int64), np.array(masks))


@compiled
def vectors(lines: Any) -> Any:
    """Lines (lines, Q) as vectors of lanes, (lines, Q / LANES, LANES)."""
    return lines.reshape(lines.shape[0], lines.shape[1] // LANES, LANES)


@compiled
def pieces(shape: Any, down: int, right: int, out: Any) -> int:
    """The runs of lanes that move together by a shift: (lane, lane it comes from, length).

    No run crosses a multiple of LANES, before or after. Returns their number.
    """
    height, width, copies, lines = shape
    number, size = 0, height * width
    planes, deep, low = height // lines, down // lines, down % lines
    for line in range(height * copies):
        copy, y = line // height, line % height
        origin_line = (y // lines + deep) % planes * lines + (y % lines + low) % lines
        start = copy * size + origin_line * width
        for half in range(2):
            x, source = (0, right) if half == 0 else (width - right, 0)
            lane, origin, left = (
                line * width + x,
                start + source,
                width - right if half == 0 else right,
            )
            while left > 0:
                room = min(LANES - lane % LANES, LANES - origin % LANES)
                count = min(left, room)
                out[number, 0], out[number, 1], out[number, 2] = lane, origin, count
                lane, origin, left = lane + count, origin + count, left - count
                number += 1
    return number


@compiled
def move_lines(lines: Any, runs: Any, number: int, out: Any) -> None:
    """out becomes lines (lines, Q), moved."""
    for m in range(lines.shape[0]):
        for run in range(number):
            lane, origin, count = runs[run, 0], runs[run, 1], runs[run, 2]
            target, source = out[m, lane : lane + count], lines[m, origin : origin + count]
            for j in range(count):
                target[j] = source[j]


@compiled
def move_fields(
    shifts: Shifts, shape: Any, runs: Any, fields: Any, chosen: Any, out: Any
) -> None:  # fmt: skip
    """out becomes the chosen fields of one image, each moved by a shift of its own."""
    for f in range(chosen.size):
        number = pieces(shape, shifts.down[f], shifts.right[f], runs)
        move_lines(fields[chosen[f] : chosen[f] + 1], runs, number, out[f : f + 1])


@compiled
def move_table(table: Any, runs: Any, terms: int, out: Any) -> None:
    """out (terms, LANES) becomes a vector of lanes of a table, moved by some runs."""
    for run in range(runs.shape[0]):
        lane, origin, count = runs[run, 0] % LANES, runs[run, 1], runs[run, 2]
        come, begin = table[origin // LANES], origin % LANES
        for k in range(terms):
            target, source = out[k, lane : lane + count], come[k, begin : begin + count]
            for j in range(count):
                target[j] = source[j]


@compiled
def products(
    rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any, out: Any
) -> None:
    """out becomes <x_p, x'_q>/channels.

    Args:
        rows: the first images, (R, channels, Q).
        columns: the second ones, (C, channels, Q).
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines, lane sums) to write to.
        out: (F, Q).
    """
    runs, moved, sums = room
    channels, size = rows.shape[1], shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                first, target = rows[pairing.row[pair]], out[pair * size + s]
                target[:] = 0.0
                for begin in range(0, channels, CHANNELS):
                    sums[:] = 0.0
                    for k in range(begin, min(begin + CHANNELS, channels)):
                        a, b = first[k], moved[k]
                        for j in range(target.size):
                            sums[j] += a[j] * b[j]
                    for j in range(target.size):
                        target[j] += sums[j]
                for j in range(target.size):
                    target[j] /= channels


@compiled
def window_sums(
    rows: Scatter, columns: Taps, shifts: Shifts, shape: Any, before: Any, room: Any, after: Any
) -> None:
    """after (F, Q) becomes the sums of before over the window of each position.

    Args:
        rows: how the rows of an image are added up.
        columns: the same for its columns.
        shifts: the shifts of the fields.
        shape: (H, W, copies, H of a plane).
        before: (F, Q).
        room: Q lanes and W zeros on both sides of them.
        after: (F, Q), which may be ``before``.
    """
    height, width, copies, _ = shape
    size = shifts.row.size
    for f in range(before.shape[0]):
        row, column = shifts.row[f % size], shifts.column[f % size]
        middle, out = room[width : width + after.shape[1]], after[f]
        middle[:] = 0.0
        for copy in range(copies):
            top = copy * height
            for run in range(rows.first[row], rows.first[row + 1]):
                first, start = (top + rows.target[run]) * width, (top + rows.source[run]) * width
                count = rows.length[run] * width
                target, source = middle[first : first + count], before[f, start : start + count]
                for j in range(count):
                    target[j] += source[j]
        _tap(columns, column, room, width, out)


@compiled
def _tap(columns: Taps, column: int, line: Any, width: int, out: Any) -> None:
    """out (Q,) becomes the sum over the taps of a shift; three at a time are one pass."""
    first, last = columns.first[column], columns.first[column + 1]
    three = (last - first) // 3 * 3
    if three == 0:
        out[:] = 0.0
    for tap in range(first, first + three, 3):
        a = line[width + columns.offset[tap] :]
        b, c = line[width + columns.offset[tap + 1] :], line[width + columns.offset[tap + 2] :]
        p, q, r = columns.mask[tap], columns.mask[tap + 1], columns.mask[tap + 2]
        if tap == first:
            for j in range(out.size):
                out[j] = p[j] * a[j] + q[j] * b[j] + r[j] * c[j]
        else:
            for j in range(out.size):
                out[j] += p[j] * a[j] + q[j] * b[j] + r[j] * c[j]
    for tap in range(first + three, last):
        source, mask = line[width + columns.offset[tap] :], columns.mask[tap]
        for j in range(out.size):
            out[j] += mask[j] * source[j]
