"""Chebyshev series of many columns at many inputs: the tables of an octave at given s."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled, elementwise
from analytic.expectations.germs import Germ
from analytic.expectations.node_tables import FIRST, MEAN, SLOPE, SPREAD
from analytic.expectations.quadrature import twofold_product, twofold_sum
from analytic.expectations.segments import Segment
from analytic.expectations.small_deviations import Origin
from analytic.machine import LANES, Array

__all__ = ["fill", "fill_moments"]

Table = Segment | Origin | Germ
Pair = tuple[Array, Array]
"""Two halves of numbers."""


def fill(
    part: Table,
    columns: slice,
    given: Pair,
    chosen: NDArray[np.intp],
    table: Array,
) -> None:
    """The coefficients of some orders for the chosen inputs; ``columns`` are their places.

    ``given`` is s and what it is above that.
    """
    s = given[0]
    if not isinstance(part, Segment):
        table[:, chosen] = part.table(s[chosen], columns.stop - FIRST)[columns]
    else:
        series, first = np.ascontiguousarray(part.series[:, columns]), part.start[columns]
        _evaluate(series, first, NONE, 0, part.low, part.high, *given, chosen, table, NONE)
        if part.powers[FIRST]:
            table[:, chosen] *= s[chosen] ** float(part.powers[FIRST])


def fill_moments(
    part: Table,
    given: Pair,
    chosen: NDArray[np.intp],
    table: Array,
    seconds: Pair,
) -> None:
    """All columns of moments, and both halves of E w^2, for the chosen inputs: see ``fill``."""
    s, (second, rest) = given[0], seconds
    if not isinstance(part, Segment):
        table[:, chosen] = part.table(s[chosen], 0)
        second[chosen] = table[MEAN, chosen] ** 2 + s[chosen] ** 2 * table[SPREAD, chosen]
        return
    series, low_bits = np.ascontiguousarray(part.series[:, :FIRST]), np.zeros((3, s.size))
    first, below, limits = part.start[:FIRST], part.remainders, (part.low, part.high)
    _evaluate(series, first, below, part.leading, *limits, *given, chosen, table, low_bits)
    if part.powers[:FIRST].any():
        grown = s[chosen] ** part.powers[:FIRST, None].astype(np.float64)
        table[:, chosen] *= grown
        low_bits[:, chosen] *= grown[[MEAN, SPREAD, SLOPE]]
    _add_squares(table, low_bits, *given, chosen, second, rest)


NONE = np.empty((0, 0))
"""In the place of what is not wanted."""


@compiled
def _evaluate(
    series: Any, first: Any, remainders: Any, leading: int, low: float, high: float, s: Any,
    below: Any, members: Any, table: Any, low_bits: Any,
) -> None:  # fmt: skip
    """table[c, i] <- sum_j series[j, c] T_j(t(s_i + below_i)) for i in members.

    t is exact, for low and high are powers of 2 or 0. The sum begins with ``first``, what rounding
    took from the first row. With ``remainders``, what it took from all rows, the ``leading`` terms
    of three moments are summed in twice the digits; ``low_bits`` gets their second halves.
    """
    points = series.shape[0]
    chebyshev = np.empty((points, LANES))  # T_j(t) of a block of inputs
    rest = np.empty((points, LANES))
    columns = np.empty((4, LANES))
    for start in range(0, members.size, LANES):
        count = min(LANES, members.size - start)
        some = members[start : start + count]
        _polynomials(low, high, s, below, some, chebyshev, rest)
        _sum_columns(series, first, chebyshev, some, columns, table)
        if remainders.size > 0:
            for k, c in enumerate((MEAN, SPREAD, SLOPE)):
                _sum_twofold(series[:, c], remainders[:, c], leading, chebyshev, rest, columns)
                for i in range(count):
                    table[c, members[start + i]] = columns[0, i]
                    low_bits[k, members[start + i]] = columns[1, i]


@elementwise
def _sum_columns(
    series: Any, first: Any, chebyshev: Any, members: Any, columns: Any, table: Any
) -> None:
    """All columns of a block of inputs, four at a time.

    As a part of ``_evaluate`` LLVM makes it half as fast.
    """
    last = table.shape[0] - 1
    for c in range(0, table.shape[0], 4):
        wanted = (c, min(c + 1, last), min(c + 2, last), min(c + 3, last))
        for k in range(4):
            columns[k, :] = first[wanted[k]]
        for j in range(series.shape[0] - 4, -1, -4):
            _add_four(series, chebyshev, j, wanted, columns)
        for k in range(min(4, table.shape[0] - c)):
            _store(columns[k], members, table[c + k])


@elementwise
def _store(values: Any, members: Any, row: Any) -> None:
    """Values in the places of some inputs, which may follow each other."""
    count = members.size
    if members[count - 1] - members[0] == count - 1:
        target = row[members[0] : members[0] + count]
        for i in range(count):
            target[i] = values[i]
    else:
        for i in range(count):
            row[members[i]] = values[i]


@elementwise
def _polynomials(
    low: float, high: float, s: Any, below: Any, members: Any, chebyshev: Any, rest: Any
) -> None:
    """T_j at a block of inputs, by the recurrence; it amplifies roundings by j^2."""
    for i in range(LANES):
        last = members[min(i, members.size - 1)]
        chebyshev[0, i], rest[0, i] = 1.0, 0.0
        chebyshev[1, i] = (2.0 * s[last] - low - high) / (high - low)
        rest[1, i] = 2.0 * below[last] / (high - low)
    first, first_rest = chebyshev[1], rest[1]
    for j in range(2, chebyshev.shape[0]):
        one, one_rest, two, two_rest = chebyshev[j - 1], rest[j - 1], chebyshev[j - 2], rest[j - 2]
        next_, next_rest = chebyshev[j], rest[j]
        for i in range(LANES):
            a, b = twofold_product(first[i], first_rest[i], one[i], one_rest[i])
            next_[i], next_rest[i] = twofold_sum(2.0 * a, 2.0 * b, -two[i], -two_rest[i])


@elementwise
def _sum_twofold(
    a: Any, a_rest: Any, leading: int, chebyshev: Any, rest: Any, columns: Any
) -> None:
    """sum_j (a + a_rest)_j T_j, the two halves in the first two columns."""
    value, low_bits = columns[0], columns[1]
    value[:] = 0.0
    low_bits[:] = 0.0
    for j in range(a.size - 1, leading - 1, -1):
        t, one = chebyshev[j], a[j]
        for i in range(LANES):
            value[i] += one * t[i]
    for j in range(leading - 1, -1, -1):
        t, t_rest, one, one_rest = chebyshev[j], rest[j], a[j], a_rest[j]
        for i in range(LANES):
            p, q = twofold_product(t[i], t_rest[i], one, one_rest)
            value[i], low_bits[i] = twofold_sum(value[i], low_bits[i], p, q)


@elementwise
def _add_squares(
    table: Any, low_bits: Any, s: Any, below: Any, members: Any, second: Any, rest: Any
) -> None:
    """second + rest = mean^2 + s^2 spread in twice the digits."""
    for i in members:
        mean, spread = table[MEAN, i], table[SPREAD, i]
        a, a_rest = twofold_product(mean, low_bits[0, i], mean, low_bits[0, i])
        v, v_rest = twofold_product(s[i], below[i], s[i], below[i])
        b, b_rest = twofold_product(v, v_rest, spread, low_bits[1, i])
        second[i], rest[i] = twofold_sum(a, a_rest, b, b_rest)


@elementwise
def _add_four(series: Any, chebyshev: Any, j: int, wanted: Any, columns: Any) -> None:
    """Four terms of four columns."""
    t = (chebyshev[j], chebyshev[j + 1], chebyshev[j + 2], chebyshev[j + 3])
    a0, a1, a2, a3 = series[j], series[j + 1], series[j + 2], series[j + 3]
    b0, b1, b2, b3 = wanted
    p = (a3[b0], a2[b0], a1[b0], a0[b0])
    q = (a3[b1], a2[b1], a1[b1], a0[b1])
    r = (a3[b2], a2[b2], a1[b2], a0[b2])
    u = (a3[b3], a2[b3], a1[b3], a0[b3])
    c0, c1, c2, c3 = columns[0], columns[1], columns[2], columns[3]
    for i in range(LANES):
        v0, v1, v2, v3 = c0[i], c1[i], c2[i], c3[i]
        for k in range(4):
            x = t[3 - k][i]
            v0 += p[k] * x
            v1 += q[k] * x
            v2 += r[k] * x
            v3 += u[k] * x
        c0[i] = v0
        c1[i] = v1
        c2[i] = v2
        c3[i] = v3
