"""Compiled sums of low rank, called as tiles call them."""

from __future__ import annotations

import numpy as np

from analytic.expectations import (
    CLOSE_ROWS,
    LOW_RANK_WIDTH,
    KinkTable,
    LogTable,
    contract,
    low_rank_sums,
)

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
    lanes = np.resize(np.arange(small.size), LOW_RANK_WIDTH)
    own, others = asked[:, 0].copy(), np.ascontiguousarray(asked[:, 1:][:, lanes])
    weights, ranks = np.zeros((1, 4 * table.rank * table.terms)), table.sums.ranks
    contract(table.numbers, table.rank, table.terms, asked, 0, np.zeros(1, int), weights, 0)
    found, room = np.zeros((2, LOW_RANK_WIDTH)), np.zeros((CLOSE_ROWS, LOW_RANK_WIDTH))
    low_rank_sums(
        weights[0], 2 * side * table.rank, ranks, table.kind, table.rank, table.terms, table.scale,
        own, others, small[lanes], room, *found,
    )  # fmt: skip
    return found[:, : small.size]
