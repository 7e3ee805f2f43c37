"""Power series of many pairs at once: Horner's scheme and its derivative, compiled."""

from __future__ import annotations

from typing import Any

from analytic.compilation import inlined
from analytic.machine import LANES

__all__ = ["series"]


@inlined
def _steps(tables: Any, coef: Any, fresh: bool, x: Any, value: Any, slope: Any) -> None:
    """Steps of Horner's scheme and of its derivative, p_k = coef[k] tables[k].

    Where they are ``fresh`` the first two have no sums to go on with: a seventh of all operations.
    """
    last = len(tables) - 1
    if fresh:
        for j in range(LANES):
            y = x[j]
            d = coef[last] * tables[last][j]
            v = d * y + coef[last - 1] * tables[last - 1][j]
            for i in range(2, last + 1):
                d = d * y + v
                v = v * y + coef[last - i] * tables[last - i][j]
            value[j], slope[j] = v, d
    else:
        for j in range(LANES):
            y, v, d = x[j], value[j], slope[j]
            for i in range(last + 1):
                d = d * y + v
                v = v * y + coef[last - i] * tables[last - i][j]
            value[j], slope[j] = v, d


@inlined
def _four(
    table: Any, coef: Any, k: int, lane: int, fresh: bool, x: Any, value: Any, slope: Any
) -> None:
    """Four steps with the coefficients from the k-th on."""
    end = lane + LANES
    t = (table[k, lane:end], table[k + 1, lane:end], table[k + 2, lane:end], table[k + 3, lane:end])
    _steps(t, (coef[k], coef[k + 1], coef[k + 2], coef[k + 3]), fresh, x, value, slope)


@inlined
def _eight(
    table: Any, coef: Any, k: int, lane: int, fresh: bool, x: Any, value: Any, slope: Any
) -> None:
    """Eight steps, whose sums stay in registers."""
    end = lane + LANES
    t = (
        table[k, lane:end], table[k + 1, lane:end], table[k + 2, lane:end], table[k + 3, lane:end],
        table[k + 4, lane:end], table[k + 5, lane:end], table[k + 6, lane:end],
        table[k + 7, lane:end],
    )  # fmt: skip
    r = (
        coef[k], coef[k + 1], coef[k + 2], coef[k + 3],
        coef[k + 4], coef[k + 5], coef[k + 6], coef[k + 7],
    )  # fmt: skip
    _steps(t, r, fresh, x, value, slope)


@inlined
def series(
    table: Any, coef: Any, first: int, terms: int, group: Any, lane: int, x: Any, value: Any,
    slope: Any,
) -> None:  # fmt: skip
    """value becomes sum_k p_k x^k, slope its derivative, with at most 4 (group + 1) terms a row.

    Args:
        table: the coefficients of the columns, shape (coefficients, columns).
        coef: those of the rows, shape (rows, coefficients).
        first: where they begin.
        terms: how many there are, a multiple of 4.
        group: of each row, see above.
        lane: the first column.
        x: the arguments, a row each.
        value: see above.
        slope: see above.
    """
    most = 0
    for m in range(x.shape[0]):
        most = max(most, _blocks(group[m], terms))
        if terms == 0:
            value[m, :] = 0.0
            slope[m, :] = 0.0
    for block in range((most - 1) // 2 * 2, -1, -2):
        k = first + 4 * block
        for m in range(x.shape[0]):
            blocks = _blocks(group[m], terms)
            row, fresh = coef[m], blocks <= block + 2
            if blocks >= block + 2:
                _eight(table, row, k, lane, fresh, x[m], value[m], slope[m])
            elif blocks == block + 1:
                _four(table, row, k, lane, fresh, x[m], value[m], slope[m])


@inlined
def _blocks(group: int, terms: int) -> int:
    """Blocks of four terms that a group has, of those there are."""
    return min(group + 1, terms // 4)
