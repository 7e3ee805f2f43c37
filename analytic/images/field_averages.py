r"""Averages of fields, compiled: what pooling adds up, in Kahan's summation.

Legend: as in ``analytic.images.fields``; a stretch is what lies between two changes of the grid.
"""

from __future__ import annotations

from typing import Any

from analytic.compilation import compiled
from analytic.images.fields import Shifts
from analytic.images.shifts import Scatter
from analytic.machine import LANES

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
    size = shifts.row.size
    height, width, copies, _ = before
    for f in range(fields.shape[0]):
        pair, row, column = f // size, shifts.row[f % size], shifts.column[f % size]
        for b in range(rows.first[row], rows.first[row + 1]):
            for a in range(columns.first[column], columns.first[column + 1]):
                shift = rows.after[b] * widths + columns.after[a]
                for copy in range(copies):
                    for y in range(rows.length[b]):
                        line = copy * after[0] + rows.target[b] + y
                        first = line * after[1] + columns.target[a]
                        origin = copy * height + rows.source[b] + y * rows.step
                        start = origin * width + columns.source[a]
                        stop = start + (columns.length[a] - 1) * columns.step + 1
                        _kahan(
                            fields[f, start : stop : columns.step],
                            total[pair, shift, first : first + columns.length[a]],
                            lost[pair, shift, first : first + columns.length[a]],
                        )


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
    """Add up fields of ``size`` positions in LANES sums side by side, by Kahan's summation.

    Args:
        shifts: S.
        size: H W.
        fields: (F, Q).
        total: (pairs, copies, LANES).
        lost: what rounding has lost, the same.
    """
    for f in range(fields.shape[0]):
        for copy in range(total.shape[1]):
            for start in range(copy * size, (copy + 1) * size, LANES):
                stop = min(start + LANES, (copy + 1) * size)
                pair = f // shifts
                _kahan(
                    fields[f, start:stop],
                    total[pair, copy, : stop - start],
                    lost[pair, copy, : stop - start],
                )


@compiled
def finish_total(total: Any, count: int, out: Any) -> None:
    """out[pair, 0, copy] becomes the mean: LANES sums are added two by two."""
    for pair in range(total.shape[0]):
        for copy in range(total.shape[1]):
            values, half = total[pair, copy], LANES // 2
            while half >= 1:
                for j in range(half):
                    values[j] += values[j + half]
                half //= 2
            out[pair, 0, copy] = values[0] / count
