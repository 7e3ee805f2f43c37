"""Compiled sums of low rank, called as tiles call them."""

from __future__ import annotations

import numpy as np

from analytic.expectations import (
    EDGES,
    OF_D,
    OF_E,
    PARTS,
    ROWS_TOGETHER,
    KinkTable,
    LogTable,
    argument_in,
    banded,
    contract,
    low_rank_sums,
    places_of,
    room_of_sums,
)
from analytic.expectations import LOW_RANK_BLOCK as BLOCK

__all__ = ["sums_of_row"]


def sums_of_row(
    table: KinkTable | LogTable, side: int, s: np.ndarray, r: np.ndarray, slope: np.ndarray,
    small: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """E and D of the first unit with each of the others, (2, pairs).

    Args:
        table: the coefficients.
        side: 0 for rho > 0, 1 for rho < 0.
        s: deviations, (1 + pairs,).
        r: roots of E w^2.
        slope: E w'^2.
        small: 1 - |rho| of the pairs.
    """
    asked = table.of_inputs(s, r, slope)
    laid = banded(table.sums, asked, asked, s.size)
    rank, rows = laid.rank, laid.rows
    norms, steep = (rows[rank, 0], rows[rank + 1, 0]), rows[-1]
    work, room, found = np.empty((4, small.size)), room_of_sums(), np.zeros((2, small.size))
    places_of(table.kind, table.scale, steep[0], steep[1:].copy(), small, work, small.size)
    for part in range(PARTS):
        numbers = laid.numbers[laid.bands[0, 0, 1 + part] :]
        weights = np.zeros((4 * rank * table.terms, ROWS_TOGETHER))
        contract(numbers, table.terms, rows, 0, np.zeros(1, int), (0, 2), weights)
        chosen = np.flatnonzero(np.digitize(work[0], EDGES[1:-1]) == part)
        if chosen.size == 0:
            continue
        lanes = np.pad(chosen, (0, -chosen.size % BLOCK), mode="edge")
        room[0, : lanes.size] = [argument_in(work[0, k], part) for k in lanes]
        ranks = numbers[: table.terms]
        low_rank_sums(weights, 0, side, ranks, norms, rows, 0, rank, lanes + 1, room)
        found[:, chosen] = room[[OF_E, OF_D], : chosen.size]
    return found
