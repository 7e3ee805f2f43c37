"""Compiled sums of low rank, called as tiles call them."""

from __future__ import annotations

import numpy as np

from analytic.expectations import (
    CLOSE_ROWS,
    LOW_RANK_WIDTH,
    ROWS_TOGETHER,
    KinkTable,
    LogTable,
    banded,
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
    laid = banded(table.sums, asked, asked, s.size)
    rank, lanes = laid.rank, np.resize(np.arange(small.size), LOW_RANK_WIDTH)
    own, others = laid.rows[:, 0].copy(), np.ascontiguousarray(laid.rows[:, 1:][:, lanes])
    weights = np.zeros((4 * rank * table.terms, ROWS_TOGETHER))
    contract(laid.numbers, table.terms, laid.rows, 0, np.zeros(1, int), (0, 2), weights)
    found, room = np.zeros((2, LOW_RANK_WIDTH)), np.zeros((CLOSE_ROWS, LOW_RANK_WIDTH))
    low_rank_sums(
        weights, 0, side, laid.numbers[: table.terms], table.kind, table.scale, own, others,
        small[lanes], room, *found,
    )  # fmt: skip
    return found[:, : small.size]
