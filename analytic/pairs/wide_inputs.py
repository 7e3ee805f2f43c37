r"""Inputs that nobody scaled, behind the first layer: pairs of wide deviations, compiled.

What the other layers ask of nearly parallel pairs here is an absolute error of the cosine, which
tables give (``analytic.expectations.wide_pairs``) at a twentieth of the cost of conditioning.
The angle is taken from unit vectors, |x/|x| - x'/|x'||^2/2, whose roundings matter little: with
s the deviation, tau has the relative error 4 u s/tau.

Legend: small = 1 - rho of the pre-activations, and its error; r the norm of an input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.expectations import WideRoom, WideTables, cell_of, wide_moments, wide_tables
from analytic.machine import UNIT, Array
from analytic.pairs.close_inputs import Close
from analytic.recursion import Stage

__all__ = ["WideInputs", "are_wide"]

Index = NDArray[np.intp]
TOGETHER = 8
"""Chains of the sum of squares."""


class _Inputs(NamedTuple):
    """What is asked of each input, (n,) each: 1/|x|, r, s, 1/sqrt(E w^2), 1/sqrt(E w'^2)."""

    inverse: Array
    r: Array
    s: Array
    unit: Array
    unit_slope: Array


@dataclass(frozen=True, slots=True, eq=False)
class WideInputs:
    """The inputs of a network whose first layer has tables for wide pairs.

    Attributes:
        close: the network and its inputs.
        tables: those of the first activation.
        inputs: numbers of each input.
    """

    close: Close
    tables: WideTables
    inputs: _Inputs

    @classmethod
    def of(cls, close: Close, features: int, bound: float) -> WideInputs | None:
        """None where there are no tables for the first layer, or none as exact as ``bound``."""
        stage = close.ends.stages[0]
        if close.units[0] is None or not are_wide(stage, bound):
            return None
        tables = wide_tables(close.units[0].activation)
        assert tables is not None
        r, s = np.sqrt(stage.sigma), np.sqrt(stage.variance)
        second, slope = stage.moments.second, stage.moments.slope
        parts = (r * math.sqrt(features), np.sqrt(second), np.sqrt(slope))
        inverse, unit, unit_slope = (1 / np.where(part > 0, part, np.inf) for part in parts)
        return cls(close, tables, _Inputs(inverse, r, s, unit, unit_slope))

    def first_layer(
        self, x: Array, y: Array, i: Index, j: Index, shift: int
    ) -> tuple[Index, Array]:
        """The pairs that have tables; Sigma, Theta and their errors behind the first layer.

        Args:
            x: the rows, (n, d).
            y: the columns, (k, d).
            i: rows of the pairs, (pairs,), sorted.
            j: their columns.
            shift: the place of the first column among all inputs.

        Returns:
            Which pairs, (m,), and (Sigma, Theta, errors of both relative to norms), (4, m).
        """
        close, tables, inputs = self.close, self.tables, self.inputs
        weight, bias, rate, bias_rate = close.ends.stages[0].step.coefficients
        small, wrong = np.empty(i.size), np.empty(i.size)
        i, j = np.ascontiguousarray(i), np.ascontiguousarray(j)
        cells = np.empty(i.size, dtype=np.int64)
        _angles(x, y, inputs, i, j, shift, weight, bias, small, wrong, cells)
        served = tables.served(cells)
        found = np.empty((4, served.size))
        numbers = (rate, bias_rate - rate * bias, *close.variations[:2])
        pairs = _Pairs(i, j, small, wrong, cells, served)
        errors = np.concatenate([tables.error, tables.noise])
        _moments(tables.arrays, inputs, pairs, shift, errors, numbers, WideRoom.new(), found)
        return served, found


def are_wide(stage: Stage, bound: float) -> bool:
    """Whether a first layer and its inputs have tables for wide pairs that serve for a bound."""
    step = stage.step
    if step.normalizes or step.noise != 1 or bound < SERVED:
        return False
    if not stage.variance.max(initial=0) >= LEAST_WORTH**2:
        return False
    return wide_tables(step.layer.activation) is not None


SERVED = 2.0**15 * UNIT
"""A bound of the kernel from which on tables are as exact as it."""
LEAST_WORTH = 2.0**6
"""The largest deviation, at least, for which tables are looked for."""


@compiled
def _angles(
    x: Any, y: Any, a: Any, i: Any, j: Any, shift: int, weight: float, bias: float, small: Any,
    wrong: Any, cells: Any,
) -> None:  # fmt: skip
    """1 - rho of the pre-activations, its error, and the cell of each pair."""
    d = x.shape[1]
    unit, total = np.zeros(d), np.zeros(TOGETHER)
    whole, row = d - d % TOGETHER, -1
    for p in range(i.size):
        if i[p] != row:
            row = i[p]
            for f in range(d):
                unit[f] = x[row, f] * a.inverse[row]
        other, column = y[j[p]], j[p] + shift
        inverse, near = a.inverse[column], 0.0
        for k in range(TOGETHER):
            total[k] = 0.0
        for f in range(0, whole, TOGETHER):
            for k in range(TOGETHER):
                apart = other[f + k] * inverse - unit[f + k]
                total[k] += apart * apart
        for f in range(whole, d):
            apart = other[f] * inverse - unit[f]
            near += apart * apart
        low = (total[0] + total[1]) + (total[2] + total[3])
        near = 0.5 * (near + (low + ((total[4] + total[5]) + (total[6] + total[7]))))
        error = (4.0 * np.sqrt(near) + (d / TOGETHER + 2 * TOGETHER + 6) * near + 4 * UNIT) * UNIT
        both, inner = a.s[row] * a.s[column], weight * a.r[row] * a.r[column]
        gap = a.r[row] - a.r[column]
        beside = weight * bias * gap / (both + inner + bias)
        near_ = (beside * gap + inner * near) / both
        rounded = 8 * UNIT * abs(beside) * max(a.r[row], a.r[column])
        small[p] = near_
        wrong[p] = (inner * error + rounded) / both + 4 * UNIT * near_
        cells[p] = cell_of(a.s[row], a.s[column], near_)


class _Pairs(NamedTuple):
    """Rows, columns, 1 - rho, its error and the cells of pairs, and those that are served."""

    i: Index
    j: Index
    small: Array
    wrong: Array
    cells: NDArray[np.int64]
    served: Index


@compiled
def _moments(
    tables: Any, a: Any, pairs: Any, shift: int, errors: Any, numbers: Any, o: Any, found: Any
) -> None:
    """Sigma, Theta and their errors of the pairs that are served."""
    served, room = pairs.served, o.pair.size // 3
    for start in range(0, served.size, room):
        stop = min(start + room, served.size)
        for lane in range(room):
            p = served[min(start + lane, stop - 1)]
            s, s_ = a.s[pairs.i[p]], a.s[pairs.j[p] + shift]
            o.pair[lane], o.pair[room + lane] = max(s, s_), min(s, s_)
            o.pair[2 * room + lane], o.cells[lane] = pairs.small[p], pairs.cells[p]
        wide_moments(tables, o, stop - start)
        for lane in range(stop - start):
            p = served[start + lane]
            _with_errors(a, pairs, p, shift, errors, numbers, o, lane, found[:, start + lane])


@compiled
def _with_errors(
    a: Any, pairs: Any, p: int, shift: int, errors: Any, numbers: Any, o: Any, lane: int, found: Any
) -> None:
    """Those of a pair (``analytic.pairs.nearly_parallel`` has the same errors)."""
    rate, constant, variation, own = numbers
    row, column, cell = pairs.i[p], pairs.j[p] + shift, pairs.cells[p]
    small, wrong, e, d = pairs.small[p], pairs.wrong[p], o.e[lane], o.d[lane]
    both = a.s[row] * a.s[column]
    unit, unit_slope = a.unit[row] * a.unit[column], a.unit_slope[row] * a.unit_slope[column]
    steep, turned = both * unit / unit_slope, wrong / small
    moved = variation * np.sqrt(max(steep, 1.0))
    of_e = errors[0, cell] * o.scale[lane] * unit + errors[2, cell]
    of_e += steep * (abs(d) * unit_slope + turned) * wrong + 3 * moved + own
    of_d = errors[1, cell] * o.scale[lane] * unit_slope + errors[3, cell]
    found[0] = e
    found[1] = d * (rate * both * (1.0 - small) + constant)
    found[2] = of_e + (ROUNDED + 4) * UNIT
    found[3] = of_d + turned + 6 * variation + 2 * wrong + (ROUNDED + 12) * UNIT


ROUNDED = 32
"""Roundings of the closed forms and of the sums, relative to norms."""
