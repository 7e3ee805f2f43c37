"""Many pairs that the tiles leave out: their layers by tables of 1 - |c|.

Inputs that nobody scaled are large; where deviations stay large behind the first layer (softplus)
all layers are taken so. Tables (``analytic.expectations.logarithmic_tables``) are made where there
are pairs enough; a x + b |x| needs none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import (
    Banded,
    LogTable,
    band_width,
    banded,
    near_ones,
    near_table,
    room_of_sums,
    sum_listed_pairs,
    turning,
)
from analytic.machine import UNIT, Array
from analytic.pairs.bent_angles import bend
from analytic.pairs.carried_angles import (
    Carried,
    UnitNorms,
    carry_theta,
    enter,
    enter_inputs,
    leave_table,
)
from analytic.pairs.close_inputs import Close
from analytic.pairs.wide_inputs import SERVED, is_straight
from analytic.recursion import Stage

__all__ = ["NearLayer", "NearLayers"]

Index = NDArray[np.intp]
SHARP = 2.0**-36
"""The largest error of a table."""


@dataclass(frozen=True, slots=True, eq=False)
class NearLayer:
    """A layer: its inputs, and its table, as it is and laid out for them; or a x + b |x|."""

    stage: Stage
    norms: UnitNorms
    table: LogTable | None = None
    laid: Banded | None = None

    @classmethod
    def of(cls, stage: Stage, bound: float, n: int, own: bool) -> NearLayer | None:
        """None where a layer has no table as exact as a bound of the kernel.

        The first n inputs are the rows; the columns are the others, or the same (``own``).
        """
        step, s, table = stage.step, np.sqrt(stage.variance), stage.moments
        if step.normalizes or step.passes or step.noise != 1 or not s.any():
            return None
        turned = turning(step.layer.activation, s)
        if np.isfinite(table.curvature[s > 0]).all():  # no kink
            turned = s * np.sqrt(np.where(s > 0, table.curvature, 0.0)), np.zeros_like(s)
        roots = (np.sqrt(part) for part in (stage.sigma, table.second, table.slope))
        r, unit, slope = roots
        norms = UnitNorms.of(step.coefficients[0], r, s, unit, slope, turned)
        if step.layer.activation.bent_line is not None:
            return cls(stage, norms)
        if step.layer.activation.jump is not None or bound < SERVED:
            return None
        form = near_table(step.layer.activation, s[s > 0])
        if form is None or not form.error <= min(SHARP, bound):
            return None
        asked = form.of_inputs(s, np.ones_like(s), np.ones_like(s))
        rows = asked[:, :n]
        columns = rows if own else asked[:, n:]
        width = band_width(max(rows.shape[1], columns.shape[1]))
        return cls(stage, norms, form, banded(form.sums, rows, columns, width))

    @property
    def of_table(self) -> tuple[float, float]:
        """beta of the table, and its error; 1 and 0 without one."""
        return (self.table.beta, self.table.error) if self.table is not None else (1.0, 0.0)

    @property
    def farthest(self) -> float:
        """The largest 1 - |rho|: that of the table."""
        return self.table.farthest if self.table is not None else 1.0

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Those of ``behind_table``."""
        if self.table is None:
            return 0.0, 0.0, 0.0, 0.0
        (one, scaled), (other, too) = near_ones(self.stage.step.layer.activation)
        return one, other, float(scaled), float(too)

    def take(
        self, i: Index, j: Index, shift: int, own: tuple[float, float], pairs: Carried
    ) -> None:
        """Carry pairs through the layer, with the errors of Sigma and Lambda of each input."""
        column, form, laid = j + shift, self.table, self.laid
        enter(self.norms, i, column, self.stage.step.coefficients, own[0], pairs)
        if form is None or laid is None:
            bend(*self.line, pairs)
        else:
            width = band_width(max(laid.rows.shape[1], laid.columns.shape[1]))
            sum_listed_pairs(
                form.kind, laid.numbers, laid.bands, width, form.terms, form.farthest, laid.rows,
                laid.columns, i, j, pairs.small, pairs.turn, room_of_sums(),
                pairs.near, pairs.d,
            )  # fmt: skip
            leave_table(self.norms, i, column, self.of_table, self.sides, own[1], pairs)
        carry_theta(self.norms, i, column, pairs)

    @property
    def line(self) -> tuple[float, float]:
        """The shares of a^2 and b^2 of a x + b |x|, 0 of other activations."""
        line = self.stage.step.layer.activation.bent_line
        if line is None:
            return 0.0, 0.0
        a, b = line[0] ** 2, line[1] ** 2
        return a / (a + b), b / (a + b)


@dataclass(frozen=True, slots=True, eq=False)
class NearLayers:
    """The inputs of a network whose first layers are taken so.

    Attributes:
        close: the network and its inputs.
        layers: the first one, or all of them.
        inverse: 1/|x| of all inputs, 0 where that is 0.
    """

    close: Close
    layers: tuple[NearLayer, ...]
    inverse: Array

    @classmethod
    def of(
        cls, close: Close, features: int, bound: float, depth: int, n: int, own: bool
    ) -> NearLayers | None:
        """None where one of so many layers has no table, or reads others than the one before.

        The first n inputs are the rows; the columns are the others, or the same (``own``).
        """
        if depth > 1 and not is_straight(close.ends):
            return None
        stages = close.ends.stages[:depth]
        found = (NearLayer.of(stage, bound, n, own) for stage in stages)
        layers = [layer for layer in found if layer is not None]
        if len(layers) < depth:
            return None
        size = layers[0].norms.r * math.sqrt(features)
        return cls(close, tuple(layers), 1 / np.where(size > 0, size, np.inf))

    @property
    def depth(self) -> int:
        """How many layers are taken so."""
        return len(self.layers)

    @property
    def own_errors(self) -> list[tuple[float, float]]:
        """The errors of Sigma and Lambda of each input in each of the layers."""
        return list(zip(self.close.sigmas, self.close.variations, strict=False))[: self.depth]

    def behind(self, x: Array, y: Array, i: Index, j: Index, shift: int) -> tuple[Index, Array]:
        """The pairs that tables serve; Sigma, Theta and their errors behind the layers.

        Arguments and returns are those of ``WideInputs.behind``.
        """
        i, j, pairs = np.ascontiguousarray(i), np.ascontiguousarray(j), Carried.new(i.size)
        enter_inputs(x, y, self.inverse, i, j, shift, pairs)
        for layer, own in zip(self.layers, self.own_errors, strict=True):
            layer.take(i, j, shift, own, pairs)
        served = np.flatnonzero(np.isfinite(pairs.near))
        unit = self.layers[-1].norms.unit
        sigma = pairs.sign * (1 - pairs.near) * unit[i] * unit[j + shift]
        wrong = pairs.wrong + self.close.sigmas[self.depth] + 4 * UNIT
        found = np.stack([sigma, pairs.theta, wrong, pairs.error])
        return served, found if served.size == i.size else found[:, served]
