"""What the layers see of images, laid out for the compiled code; tables grow when they must.

How many terms of a series a layer needs depends on the correlations, which are known when it is
reached. A table that is too short then is made anew, longer by half at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from analytic.expectations import coefficients, orders
from analytic.images.defect_sums import line_of, sum_lines
from analytic.images.field_expectations import (
    ARCCOSINE,
    ARCSINE,
    DIVIDED,
    NORMALIZED,
    SERIES,
    FieldLayer,
)
from analytic.images.field_layer import LaneTables
from analytic.images.lane_places import KnownPanels, each, place, places, repeat
from analytic.images.shifts import Index
from analytic.machine import LANES, Array, aligned
from analytic.network import Step
from analytic.proofs import parity
from analytic.recursion import GROUP, Bounds, Diagonal

__all__ = [
    "Sight",
    "Tables",
    "after_average",
    "before_average",
    "compiled_layer",
    "form_of",
    "lanes",
    "sights",
]

TOGETHER = 2**21
"""Bytes of coefficients that are computed by one call."""


def form_of(step: Step) -> int:
    """Where the compiled code takes E and D of a layer from."""
    activation = step.layer.activation
    if step.normalizes:
        return DIVIDED if step.over_positions else NORMALIZED
    if activation.bent_line is not None:
        return ARCCOSINE
    return ARCSINE if activation.is_erf else SERIES


def compiled_layer(step: Step, at: int, bounds: Bounds, terms: int) -> FieldLayer:
    """The layer as the compiled code knows it.

    Args:
        step: the layer.
        at: its row of the bounds.
        bounds: see above.
        terms: of its series.
    """
    form = form_of(step)
    symmetry = None if form else parity(step.layer.activation.derivative)
    groups = min(-(-terms // GROUP), bounds.radius.shape[1])
    line, bend = line_of(step) or (0.0, 0.0)
    return FieldLayer(
        at, *step.coefficients, form, symmetry != "odd", symmetry != "even", groups,
        line**2, bend**2, next(iter(step.shares), None) or (1.0, 1.0),
    )  # fmt: skip


def lanes(positions: int, copies: int) -> int:
    """Q: a multiple of LANES."""
    return -(-positions * copies // LANES) * LANES


def after_average(number: int) -> int:
    """Where sights keep what the average behind stretch ``number`` makes of norms."""
    return -1 - 2 * number


def before_average(number: int) -> int:
    """Where sights keep the share of every norm r in the sum over its window."""
    return -2 - 2 * number


class Sight(NamedTuple):
    """What one layer sees of images at every position.

    Attributes:
        step: the layer; None for an average, which sees norms (``analytic.images.unit_norms``).
        lines: s as ``deviation``, E[w] as ``mean``, or the norms that are read as ``norms``; mu of
            the branches before and of the last one of every sum that ends here as ``junctions``,
            (images, sums, 2, P), and what they make of defects (``defect_sums``) as ``sums``; the
            others (images, P).
    """

    step: Step | None
    lines: dict[str, Any]

    @classmethod
    def joined(cls, parts: Sequence[Sight]) -> Sight:
        """All images of some of these, in order."""
        first = parts[0]
        if len(parts) == 1:
            return first
        names = first.lines
        lines = {name: np.concatenate([part.lines[name] for part in parts]) for name in names}
        return cls(first.step, lines)

    def of(self, images: Index) -> Sight:
        """The same of some images."""
        return Sight(self.step, {name: line[images] for name, line in self.lines.items()})


def sights(state: Diagonal, first: int = 0) -> dict[int, Sight]:
    """What layers, and averages of norms, see of the images of a recursion.

    ``first`` is the number of the first layer; averages are ``after_average`` of their stretches.
    """
    n = len(state.sigma)
    found: dict[int, Sight] = {}
    for at, stage in enumerate(state.stages, first):
        seen = {"deviation": stage.deviation, "mean": stage.means}
        if stage.sigma.size:
            seen["norms"] = np.sqrt(stage.sigma)
        lines: dict[str, Any] = {name: line.reshape(n, -1) for name, line in seen.items()}
        sums: Array = np.empty((len(stage.junctions), 2, *lines["deviation"].shape))
        for out, junction in zip(sums, stage.junctions, strict=True):
            out[0], out[1] = (part[2].reshape(n, -1) for part in junction[:2])
        lines["junctions"] = sums.transpose(2, 0, 1, 3)
        if stage.sigma.size:
            lines["sums"] = sum_lines(stage.junctions, n)
        found[at] = Sight(stage.step, lines)
    for number, norms in enumerate(state.norms):
        if norms is not None:
            found[after_average(number)] = Sight(None, norms.lines)
            if norms.share is not None:
                found[before_average(number)] = Sight(None, {"share": norms.share})
    return found


class Tables:
    """The tables of some images, or of panels of images side by side, for every layer.

    Args:
        sights: what the layers see of the images, by their numbers.
        layers: the layers, the same.
        panels: numbers of the images of every panel, (panels, copies).
        depths: the most groups of terms that any table of a layer has needed so far.
        held: coefficients of all images, if they are kept.
    """

    def __init__(
        self,
        sights: Mapping[int, Sight],
        layers: Mapping[int, FieldLayer],
        panels: Index,
        depths: dict[int, int],
        held: KnownPanels | None = None,
    ) -> None:
        self._sights, self._layers, self._panels = sights, layers, panels
        self._depths, self._held = depths, held
        self._made: dict[int, LaneTables] = {}
        self._locks = {at: Lock() for at in sights}

    def __len__(self) -> int:
        return len(self._panels)

    @property
    def bytes(self) -> int:
        """Memory of the tables that have been made."""
        return sum(part.nbytes for tables in self._made.values() for part in tables)

    def lines(self, at: int) -> Array:
        """1/s of a layer, (panels, Q)."""
        return self.lane_tables(at, 0).inverse

    def lane_tables(self, at: int, groups: int) -> LaneTables:
        """The tables of a layer with at least so many groups of terms."""
        layer = self._layers[at]
        width = 4 * (layer.even + layer.odd) if layer.form == SERIES else 0
        groups = min(groups, layer.groups)
        found = self._made.get(at)
        if found is not None and found.table.shape[2] >= groups * width:
            return found
        with self._locks[at]:
            found = self._made.get(at)
            if found is None:
                found = self._without_table(at)
            known = found.table.shape[2]
            if known < groups * width:
                self._depths[at] = max(self._depths.get(at, 0), groups)
                groups = min(max(self._depths[at], 3 * known // (2 * width) + 1), layer.groups)
                found = found._replace(table=self._table(at, groups))
            self._made[at] = found
        return found

    def _line(self, values: Array) -> Array:
        """Values (images, P) panel by panel, (panels, Q)."""
        chosen = values[self._panels].reshape(len(self._panels), -1)
        size = lanes(values.shape[1], self._panels.shape[1])
        out: Array = aligned(len(chosen), size)
        out[:, : chosen.shape[1]] = chosen
        return out

    def _without_table(self, at: int) -> LaneTables:
        lines = self._sights[at].lines
        s, form = lines["deviation"], self._layers[at].form
        inverse = scale = 1 / np.where(s > 0, s, np.inf)
        if form in (ARCCOSINE, ARCSINE):
            scale = s if form == ARCCOSINE else 1 / np.sqrt(1 + 2 * s**2)
        size = lanes(s.shape[1], self._panels.shape[1])
        table = np.empty((len(self._panels), size // LANES, 0, LANES))
        line = self._line
        sums = lines["junctions"]
        junctions = np.zeros((sums.shape[1], 2, len(self._panels), size))
        for number, out in enumerate(junctions):
            out[0], out[1] = line(sums[:, number, 0]), line(sums[:, number, 1])
        held = line(inverse)
        return LaneTables(
            held, line(lines["mean"]), junctions, held if scale is inverse else line(scale), table
        )

    def _table(self, at: int, groups: int) -> Array:
        """The coefficients of a layer, (panels, Q / LANES, rows, LANES)."""
        (step, known), layer = self._sights[at], self._layers[at]
        assert step is not None
        panels, copies = self._panels.shape
        deviation = known["deviation"]
        positions = deviation.shape[1]
        size = lanes(positions, copies)
        rows = 4 * (layer.even + layer.odd) * groups
        out: Array = aligned(panels, size // LANES, rows, LANES)
        activation, both = step.layer.activation, layer.even and layer.odd
        fresh, again = places(self._panels)
        if self._held is not None and at in self._held.known:
            self._held.place(at, fresh, positions, both, out)
        else:
            wanted, terms, most = orders(activation), GROUP * groups, GROUP * layer.groups
            together = max(TOGETHER // (8 * terms * positions), 1)

            def fill(number: int) -> None:
                some = fresh[number * together : (number + 1) * together]
                s = deviation[some[:, 2]].ravel()
                b = coefficients(activation, s, terms, wanted, most).b
                place(b, 0, some, np.arange(len(some)), positions, both, out)

            each(fill, -(-len(fresh) // together))
        repeat(out, again, positions)
        return out
