r"""Inputs that nobody scaled, behind the first layer: pairs of wide deviations, compiled.

What the other layers ask of nearly parallel pairs here is an absolute error of the cosine, which
tables give (``analytic.expectations.wide_pairs``) at a twentieth of the cost of conditioning.
Where deviations stay wide behind it (softplus) all layers are taken so.

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

from analytic.compilation import compiled, elementwise
from analytic.expectations import WideRoom, WideTables, cell_of, wide_moments, wide_tables
from analytic.machine import UNIT, Array
from analytic.pairs.close_inputs import Close
from analytic.recursion import Diagonal, Stage

__all__ = ["ENOUGH", "SERVED", "WideInputs", "are_wide", "is_straight"]

Index = NDArray[np.intp]
CHAINS = 8
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
    """The inputs of a network whose first layers have tables for wide pairs.

    Attributes:
        close: the network and its inputs.
        layers: tables and numbers of the first layer, or of all of them.
    """

    close: Close
    layers: tuple[tuple[WideTables, _Inputs], ...]

    @classmethod
    def of(cls, close: Close, features: int, bound: float, depth: int) -> WideInputs | None:
        """None where a layer has no tables, or none as exact as ``bound``."""
        stages = close.ends.stages[:depth]
        if not all(are_wide(stage, bound) for stage in stages):
            return None
        found = [(wide_tables(stage.step.layer.activation), _inputs(stage)) for stage in stages]
        inverse = found[0][1].inverse / math.sqrt(features)
        layers = [(tables, numbers) for tables, numbers in found if tables is not None]
        layers[0] = layers[0][0], layers[0][1]._replace(inverse=inverse)
        return cls(close, tuple(layers))

    @classmethod
    def through(cls, close: Close, features: int, bound: float) -> WideInputs | None:
        """Those of all layers, where each reads the one before it, and nothing else."""
        ends = close.ends
        return cls.of(close, features, bound, len(ends.stages)) if is_straight(ends) else None

    @property
    def depth(self) -> int:
        """How many layers are taken by tables."""
        return len(self.layers)

    def cells_of_inputs(
        self, x: Array, y: Array, i: Index, j: Index, shift: int
    ) -> NDArray[np.int64]:
        """Those of pairs in the first layer, -1 where there is none; see ``behind``."""
        weight, bias, *_ = self.close.ends.stages[0].step.coefficients
        (small, wrong), cells = np.empty((2, i.size)), np.empty(i.size, dtype=np.int64)
        read, inputs = np.empty((4, i.size)), self.layers[0][1]
        _angles(x, y, inputs, i, j, shift, weight, bias, small, wrong, cells, read)
        return cells

    def behind(self, x: Array, y: Array, i: Index, j: Index, shift: int) -> tuple[Index, Array]:
        """The pairs that have tables; Sigma, Theta and their errors behind the layers.

        Args:
            x: the rows, (n, d).
            y: the columns, (k, d).
            i: rows of the pairs, (pairs,), sorted.
            j: their columns.
            shift: the place of the first column among all inputs.

        Returns:
            Which pairs, (m,), and (Sigma, Theta, errors of both relative to norms), (4, m).
        """
        i, j = np.ascontiguousarray(i), np.ascontiguousarray(j)
        left, found = np.arange(i.size), np.zeros((4, i.size))
        for row, (tables, inputs) in enumerate(self.layers):
            weight, bias, rate, bias_rate = self.close.ends.stages[row].step.coefficients
            small, wrong = np.empty(i.size), np.empty(i.size)
            cells = np.empty(i.size, dtype=np.int64)
            if row == 0:
                _angles(x, y, inputs, i, j, shift, weight, bias, small, wrong, cells, found)
            else:
                _next_angles(found, inputs, i, j, shift, weight, bias, small, wrong, cells)
            served = tables.served(cells)
            pairs = _Pairs(i, j, small, wrong, cells, served, found)
            found = np.empty((4, served.size))
            own = self.close.variations[row], self.close.sigmas[row + 1]
            numbers = (rate * weight, bias_rate, weight, *own)
            errors = np.concatenate([tables.error, tables.noise])
            order = np.argsort(cells[served].astype(np.int16), kind="stable")
            o = WideRoom.new()
            _moments(tables.arrays, inputs, pairs, order, shift, errors, numbers, o, found)
            left, i, j = left[served], i[served], j[served]
        return left, found


def is_straight(ends: Diagonal) -> bool:
    """Whether each layer reads the one before it, and nothing else."""
    return not any(stage.junctions or stage.step.opens for stage in ends.stages)


def _inputs(stage: Stage) -> _Inputs:
    r, s = np.sqrt(stage.sigma), np.sqrt(stage.variance)
    parts = (r, np.sqrt(stage.moments.second), np.sqrt(stage.moments.slope))
    inverse, unit, unit_slope = (1 / np.where(part > 0, part, np.inf) for part in parts)
    return _Inputs(inverse, r, s, unit, unit_slope)


def are_wide(stage: Stage, bound: float) -> bool:
    """Whether a layer and its inputs have tables for wide pairs that serve for a bound."""
    step = stage.step
    if step.normalizes or step.passes or step.noise != 1 or bound < SERVED:
        return False
    if not stage.variance.max(initial=0) >= LEAST_WORTH**2:
        return False
    return wide_tables(step.layer.activation) is not None


ENOUGH = 2**12
"""Pairs for which tables are made: a cell costs as much as 300 of them, once."""
SERVED = 2.0**15 * UNIT
"""A bound of the kernel from which on tables are as exact as it."""
LEAST_WORTH = 2.0**6
"""The largest deviation, at least, for which tables are looked for."""


@compiled
def _angles(
    x: Any, y: Any, a: Any, i: Any, j: Any, shift: int, weight: float, bias: float, small: Any,
    wrong: Any, cells: Any, read: Any,
) -> None:  # fmt: skip
    """1 - rho of the pre-activations, its error, and the cell of each pair.

    Sigma of the inputs and its error go to ``read``, as to what ``WideInputs.behind`` returns.
    """
    d = x.shape[1]
    unit, total = np.zeros(d), np.zeros(CHAINS)
    whole, row = d - d % CHAINS, -1
    for p in range(i.size):
        if i[p] != row:
            row = i[p]
            for f in range(d):
                unit[f] = x[row, f] * a.inverse[row]
        other, column = y[j[p]], j[p] + shift
        inverse, near = a.inverse[column], 0.0
        for k in range(CHAINS):
            total[k] = 0.0
        for f in range(0, whole, CHAINS):
            for k in range(CHAINS):
                apart = other[f + k] * inverse - unit[f + k]
                total[k] += apart * apart
        for f in range(whole, d):
            apart = other[f] * inverse - unit[f]
            near += apart * apart
        low = (total[0] + total[1]) + (total[2] + total[3])
        near = 0.5 * (near + (low + ((total[4] + total[5]) + (total[6] + total[7]))))
        error = (4.0 * np.sqrt(near) + (d / CHAINS + 2 * CHAINS + 6) * near + 4 * UNIT) * UNIT
        both, inner = a.s[row] * a.s[column], weight * a.r[row] * a.r[column]
        gap = a.r[row] - a.r[column]
        beside = weight * bias * gap / (both + inner + bias)
        near_ = (beside * gap + inner * near) / both
        rounded = 8 * UNIT * abs(beside) * max(a.r[row], a.r[column])
        small[p] = near_
        wrong[p] = (inner * error + rounded) / both + 4 * UNIT * near_
        cells[p] = cell_of(a.s[row], a.s[column], near_)
        read[0, p], read[2, p] = a.r[row] * a.r[column] * (1.0 - near), error


class _Pairs(NamedTuple):
    """Rows, columns, 1 - rho, its error and the cells of pairs, and those that are served.

    ``before`` is what ``WideInputs.behind`` returns, of the layer before.
    """

    i: Index
    j: Index
    small: Array
    wrong: Array
    cells: NDArray[np.int64]
    served: Index
    before: Array


@elementwise
def _next_angles(
    before: Any, a: Any, i: Any, j: Any, shift: int, weight: float, bias: float, small: Any,
    wrong: Any, cells: Any,
) -> None:  # fmt: skip
    """The same of a later layer, as a difference: what a rounding of Sigma makes of it is wrong."""
    for p in range(i.size):
        row, column = i[p], j[p] + shift
        both = a.s[row] * a.s[column]
        small[p] = ((both - bias) - weight * before[0, p]) / both
        wrong[p] = weight * a.r[row] * a.r[column] / both * before[2, p] + 6 * UNIT
        cells[p] = cell_of(a.s[row], a.s[column], small[p])


@elementwise
def _moments(
    tables: Any, a: Any, pairs: Any, order: Any, shift: int, errors: Any, numbers: Any, o: Any,
    found: Any,
) -> None:  # fmt: skip
    """Sigma, Theta and their errors of the pairs that are served, in an ``order`` by cells."""
    served, cells, room, start = pairs.served, pairs.cells, o.pair.size // 3, 0
    while start < order.size:
        cell, stop = cells[served[order[start]]], start
        while stop < order.size and stop < start + room and cells[served[order[stop]]] == cell:
            stop += 1
        for lane in range(room):
            p = served[order[min(start + lane, stop - 1)]]
            s, s_ = a.s[pairs.i[p]], a.s[pairs.j[p] + shift]
            o.pair[lane], o.pair[room + lane] = max(s, s_), min(s, s_)
            o.pair[2 * room + lane] = pairs.small[p]
        wide_moments(tables, o, cell)
        for lane in range(stop - start):
            place = order[start + lane]
            p, here = served[place], found[:, place]
            _with_errors(a, pairs, p, shift, errors, numbers, o, lane, here)
        start = stop


@elementwise
def _with_errors(
    a: Any, pairs: Any, p: int, shift: int, errors: Any, numbers: Any, o: Any, lane: int, found: Any
) -> None:
    """Those of a pair (``analytic.pairs.nearly_parallel`` has the same errors)."""
    learned, bias_rate, weight, variation, own = numbers
    row, column, cell = pairs.i[p], pairs.j[p] + shift, pairs.cells[p]
    small, wrong, e, d = pairs.small[p], pairs.wrong[p], o.e[lane], o.d[lane]
    both = a.s[row] * a.s[column]
    unit, unit_slope = a.unit[row] * a.unit[column], a.unit_slope[row] * a.unit_slope[column]
    share, steep = min(abs(d) * unit_slope, 1.0), both * unit / unit_slope
    of_d = errors[1, cell] * o.scale[lane] * unit_slope + errors[3, cell]
    turned = (1.0 - share + of_d) * min(wrong / small, 1.0)  # by the chord of |D|
    moved = variation * np.sqrt(max(steep, 1.0))
    of_e = errors[0, cell] * o.scale[lane] * unit + errors[2, cell]
    of_e += steep * (share + turned) * wrong + 3 * moved + own
    sigma, theta, of_sigma, of_theta = pairs.before[:, p]
    part = learned * a.r[row] * a.r[column]  # no larger than what is learned at x = x'
    whole = part + bias_rate
    of_gamma = max(part / whole * (of_sigma + variation) if whole > 0.0 else 0.0, of_theta)
    found[0] = e
    found[1] = d * (learned * sigma + bias_rate + weight * theta)
    found[2] = of_e + (ROUNDED + 4) * UNIT
    found[3] = of_d + turned + 6 * variation + of_gamma + (ROUNDED + 12) * UNIT


ROUNDED = 32
"""Roundings of the closed forms and of the sums, relative to norms."""
