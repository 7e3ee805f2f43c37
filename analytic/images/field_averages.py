r"""Averages of fields, compiled: what pooling adds up, in Kahan's summation.

Legend: as in ``analytic.images.fields``; a stretch is what lies between two changes of the grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.images.fields import Shifts
from analytic.images.shifts import Scatter

__all__ = ["add_total", "add_window", "finish_total"]


@compiled
def add_window(
    rows: Scatter, columns: Scatter, shifts: Shifts, before: Any, after: Any, widths: Any,
    fields: Any, total: Any, lost: Any,
) -> None:  # fmt: skip
    """Add fields to those of the next stretch, by Kahan's summation.

    Args:
        rows: how the rows of an image are carried.
        columns: the same for its columns.
        shifts: the shifts of the fields.
        before: (H, W, copies, H of a plane).
        after: the same of the next stretch.
        widths: the number of shifts of its columns.
        fields: (F, Q).
        total: (pairs, shifts, Q) of the next stretch.
        lost: what rounding has lost, the same.
    """
    size, (height, width, copies, _) = shifts.row.size, before
    down, right = rows.step, columns.step
    apart = np.empty((down, right, -(-height // down), -(-width // right)))
    for f in range(fields.shape[0]):
        pair, row, column = f // size, shifts.row[f % size], shifts.column[f % size]
        for copy in range(copies):
            _set_apart(fields[f], copy * height, height, width, apart)
            for b in range(rows.first[row], rows.first[row + 1]):
                for a in range(columns.first[column], columns.first[column + 1]):
                    shift = rows.after[b] * widths + columns.after[a]
                    y, x = rows.source[b], columns.source[a]
                    part = apart[y % down, x % right]
                    line = copy * after[0] + rows.target[b]
                    _add_block(
                        part[y // down : y // down + rows.length[b]],
                        x // right, columns.target[a], columns.length[a],
                        total[pair, shift, line * after[1] :],
                        lost[pair, shift, line * after[1] :], after[1],
                    )  # fmt: skip


@compiled
def _set_apart(field: Any, first: int, height: int, width: int, out: Any) -> None:
    """out[b, a, y, x] becomes the place (b + y down, a + x right) of an image of a field."""
    down, right = out.shape[0], out.shape[1]
    for y in range(height):
        line, lines = (
            field[(first + y) * width : (first + y + 1) * width],
            out[y % down, :, y // down],
        )
        if right == 2 and width % 2 == 0:  # what most networks have, in one pass
            even, odd = lines[0], lines[1]
            for j in range(width // 2):
                even[j], odd[j] = line[2 * j], line[2 * j + 1]
            continue
        for a in range(right):
            source, target = line[a::right], lines[a]
            for j in range(source.size):
                target[j] = source[j]


@compiled
def _add_block(
    values: Any, source: int, target: int, count: int, total: Any, lost: Any, width: int
) -> None:  # fmt: skip
    """Add some columns of lines (y, x) to those of lines of ``width`` places; all is one run."""
    lines = values.shape[0]
    if count == width and count == values.shape[1]:
        _kahan(values.reshape(-1), total[: lines * width], lost[: lines * width])
        return
    for y in range(lines):
        first = y * width + target
        _kahan(
            values[y, source : source + count],
            total[first : first + count], lost[first : first + count],
        )  # fmt: skip


@compiled
def _kahan(values: Any, total: Any, lost: Any) -> None:
    """total += values, lane by lane."""
    for j in range(values.size):
        term = values[j] - lost[j]
        new = total[j] + term
        lost[j] = (new - total[j]) - term
        total[j] = new


@compiled
def add_total(shifts: int, size: int, fields: Any, total: Any, lost: Any) -> None:
    """Add up fields of ``size`` positions in W sums side by side, by Kahan's summation.

    Args:
        shifts: S.
        size: H W.
        fields: (F, Q).
        total: (pairs, copies, W), W a power of two.
        lost: what rounding has lost, the same.
    """
    width = total.shape[2]
    for f in range(fields.shape[0]):
        for copy in range(total.shape[1]):
            for start in range(copy * size, (copy + 1) * size, width):
                stop = min(start + width, (copy + 1) * size)
                pair = f // shifts
                _kahan(
                    fields[f, start:stop],
                    total[pair, copy, : stop - start],
                    lost[pair, copy, : stop - start],
                )


@compiled
def finish_total(total: Any, count: int, out: Any) -> None:
    """out[pair, 0, copy] becomes the mean: sums side by side are added two by two."""
    for pair in range(total.shape[0]):
        for copy in range(total.shape[1]):
            values, half = total[pair, copy], total.shape[2] // 2
            while half >= 1:
                for j in range(half):
                    values[j] += values[j + half]
                half //= 2
            out[pair, 0, copy] = values[0] / count
