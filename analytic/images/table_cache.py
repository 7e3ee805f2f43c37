"""The tables of images, made when they are needed and kept while there is room."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.images.planning import Plans
from analytic.machine import LANES, Array, aligned
from analytic.recursion import InputTables, Program, input_tables

__all__ = ["KEPT", "TABLES", "Rows", "Sheet", "Sheets"]

Index = NDArray[np.intp]

KEPT = 3 * 2**24
"""Bytes of tables that are kept."""
TABLES = 2**26
"""Bytes of the tables of the rows, or of the columns, of a block that are not kept."""


class Sheet(NamedTuple):
    """Some images as rows or columns of a block, position by position."""

    x: Array  # (images, positions, channels)
    xt: Array  # (channels, positions x images and more)
    side: InputTables
    positions: int  # after any layer, at most


class Rows(NamedTuple):
    """Some images as rows of a block."""

    x: Array  # (images, positions, channels)
    side: InputTables  # without its table
    coef: Array  # coefficients, (positions x images, coefficients)


@dataclass(slots=True, eq=False)
class Sheets:
    """The sheets of a kernel.

    Attributes:
        plans: the recursion at x = x' of all images, rows first.
        plan: the layers.
        width: C, images of a sheet of columns.
        first: the image that is the first column, 0 if rows and columns are the same.
    """

    plans: Plans
    plan: Program
    width: int
    first: int
    _kept: dict[int, Sheet] = field(init=False, default_factory=dict[int, Sheet])
    _locks: dict[int, Lock] = field(init=False, default_factory=lambda: defaultdict(Lock))

    def rows(self, row: int, end: int, own: bool) -> Rows:
        """The tables of some rows; those of columns are used where they are kept."""
        column = row - row % self.width
        if own and end <= column + self.width and self._keeps(column):
            sheet = self.columns(column, len(self.plans.x))
            return _as_rows(sheet, row - column, end - column)
        return _as_rows(self._sheet(np.arange(row, end)), 0, end - row)

    def columns(self, column: int, k: int) -> Sheet:
        """The tables of C columns (the last one repeated); kept while there is room."""
        with self._locks[column]:
            found = self._kept.get(column)
            if found is None:
                columns = np.minimum(np.arange(column, column + self.width), k - 1)
                found = self._sheet(self.first + columns)
                if self._keeps(column):
                    self._kept[column] = found
        return found

    def _keeps(self, column: int) -> bool:
        """Whether a sheet of columns is kept: the first ones are, whichever thread comes first."""
        parts = self.plans.own.layout.parts
        places = max(part.layer.after.positions for part in parts) * self.width + 2 * LANES
        lines = int((self.plan.even + self.plan.odd).sum()) + 3 * len(parts)
        sheet = 8 * (places * lines + self.plans.x[0].size * self.width)
        return (column // self.width + 1) * sheet <= KEPT

    def _sheet(self, chosen: Index) -> Sheet:
        """The tables of some images."""
        x = self.plans.x[chosen]
        state, places, known = self.plans.images(chosen)
        images = len(state.sigma)
        inputs: list[slice | Index] = [
            np.arange(stage.variance.size).reshape(images, -1)[places].T.ravel()
            for stage in state.stages
        ]
        n, positions, channels = x.shape
        tables = input_tables(state, self.plan, inputs, LANES, known)
        xt: Array = aligned(channels, positions * n + LANES)
        xt[:, : positions * n] = x.transpose(2, 1, 0).reshape(channels, -1)
        most = max(part.layer.after.positions for part in self.plans.own.layout.parts)
        return Sheet(x, xt, tables, most)


def _as_rows(sheet: Sheet, first: int, last: int) -> Rows:
    """Some images of a sheet as rows."""
    n, (inverse, mean, skipped, table) = len(sheet.x), sheet.side
    chosen = np.arange(sheet.positions * n).reshape(-1, n)[:, first:last].ravel()
    side = InputTables(inverse[:, chosen], mean[:, chosen], skipped[:, chosen], table[:, :0])
    coef = np.empty((chosen.size, len(table)))
    for k, line in enumerate(table):
        coef[:, k] = line[chosen]
    return Rows(sheet.x[first:last], side, coef)
