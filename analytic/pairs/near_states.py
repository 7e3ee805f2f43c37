"""Layers of tiles of large inputs as arrays, and room for a tile on its way through them.

A tile has a line of LANES numbers for each row and quantity, side by side in one array: compiled
code knows then that they do not overlap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import KEYS, PARTS, room_of_sums
from analytic.machine import LANES, Array, aligned
from analytic.pairs.carried_angles import UnitNorms
from analytic.recursion import ROWS

__all__ = ["NearRoom", "NearTiles", "near_room", "no_near_tiles"]

NEAR, SIGN, WRONG, THETA, ERROR, SMALL, TURN, OFF, D, PLACE = (k * LANES for k in range(10))
"""Where the line of each quantity begins (``Carried``), and of its place (``angle_parts``)."""
STATES = 10
R, S, INVERSE, SHARE, UNITS, SLOPE, BOW, STEEP, JUMP = range(9)
"""The fields of ``UnitNorms``."""
BESIDE = 3
"""Numbers that are asked of each input beside psi."""


class NearTiles(NamedTuple):
    """The layers of ``NearLayers`` laid out as arrays; without layers, none is taken so."""

    numbers: Array  # weight, bias, rate and bias_rate; of Sigma, of Lambda; beta, error, farthest
    sides: Array  # those of ``behind_table``, (layers, 4)
    lines: Array  # those of ``behind_line``, 0 where there is a table, (layers, 2)
    tables: NDArray[np.int64]  # first row asked, psi, terms, first band, column bands, kind
    bands: NDArray[np.int64]  # of each pair of bands, as ``Banded``
    core: Array
    width: int  # inputs of a band
    rows: Array  # ``UnitNorms`` of the rows, (layers, fields, n)
    columns: Array  # of the columns, (layers, fields, k padded)
    row_asked: Array  # what tables ask of the rows, (asked, n)
    column_asked: Array  # of the columns, (asked, k padded)
    row_inverse: Array  # 1/|x|
    column_inverse: Array
    row_served: NDArray[np.bool_]  # whether all tables serve it
    column_served: NDArray[np.bool_]
    sigma: float  # relative error of Sigma of each input behind the layers


def no_near_tiles() -> NearTiles:
    """None."""
    none, line, inputs = np.zeros((0, 0)), np.zeros(0), np.zeros(0, dtype=np.bool_)
    tables, norms = np.zeros((0, 6), dtype=np.int64), np.zeros((0, 0, 0))
    return NearTiles(
        none, none, none, tables, tables[:, : 1 + PARTS], line, 1, norms, norms, none, none, line,
        line, inputs, inputs, 0.0,
    )  # fmt: skip


class NearRoom(NamedTuple):
    """Room for a tile."""

    states: Array  # of the pairs, (rows, STATES * lanes)
    columns: Array  # ``UnitNorms`` of the columns, (fields, lanes)
    sums: Array  # ``room_of_sums``
    work: Array  # that of ``places_of``
    weights: Array  # coefficients that are left for the rows (``contract``)
    order: NDArray[np.int64]  # the lanes of each row by their keys (``sort_by_keys``)
    starts: NDArray[np.int64]  # where those of each key begin
    chosen: NDArray[np.int64]  # columns of some lanes
    known: NDArray[np.bool_]  # pairs of the tile that need no series, (rows, lanes)


def near_room(q: NearTiles) -> NearRoom:
    """Room for a tile of some layers."""
    most, terms = (int(q.tables[:, k].max(initial=0)) for k in (1, 2))
    return NearRoom(
        states=aligned(ROWS, STATES * LANES),
        columns=aligned(len(UnitNorms._fields), LANES),
        sums=room_of_sums(),
        work=aligned(4, LANES),
        weights=aligned(4 * terms * most, ROWS),
        order=np.zeros((ROWS, LANES), dtype=np.int64),
        starts=np.zeros((ROWS, KEYS + 1), dtype=np.int64),
        chosen=np.zeros(LANES, dtype=np.int64),
        known=np.zeros((ROWS, LANES), dtype=np.bool_),
    )
