"""What the layers see of images, laid out for the compiled code; tables grow when they must.

How many terms of a series a layer needs depends on the correlations, which are known when it is
reached. A table that is too short then is made anew, longer by half at least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np

from analytic.compilation import compiled
from analytic.expectations import coefficients, orders
from analytic.images.field_expectations import ARCCOSINE, ARCSINE, SERIES, FieldLayer
from analytic.images.field_layer import LaneTables
from analytic.images.shifts import Index
from analytic.machine import LANES, Array, aligned, cores
from analytic.network import Step
from analytic.proofs import parity
from analytic.recursion import GROUP, Bounds

__all__ = ["Sight", "Tables", "compiled_layer", "form_of", "lanes"]


def form_of(step: Step) -> int:
    """Where the compiled code takes E and D of a layer from."""
    activation = step.layer.activation
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
    line, bend = step.layer.activation.bent_line or (0.0, 0.0)
    return FieldLayer(
        at, step.weight, step.bias, step.rate, form, symmetry != "odd", symmetry != "even", groups,
        line**2, bend**2,
    )  # fmt: skip


def lanes(positions: int, copies: int) -> int:
    """Q: a multiple of LANES."""
    return -(-positions * copies // LANES) * LANES


class Sight:
    """What one layer sees of images at every position, (images, P) each.

    Attributes:
        step: the layer.
        deviation: s.
        mean: E[w].
        junctions: mu of the branches before and of the last one of every sum that ends here.
    """

    __slots__ = ("deviation", "junctions", "mean", "step")

    def __init__(
        self, step: Step, deviation: Array, mean: Array, junctions: Sequence[tuple[Array, Array]]
    ) -> None:
        self.step, self.deviation, self.mean, self.junctions = step, deviation, mean, junctions

    @classmethod
    def joined(cls, parts: Sequence[Sight]) -> Sight:
        """All images of some of these, in order."""
        first = parts[0]
        if len(parts) == 1:
            return first
        deviation = np.concatenate([part.deviation for part in parts])
        mean = np.concatenate([part.mean for part in parts])
        junctions = [
            (
                np.concatenate([junction[0] for junction in same]),
                np.concatenate([junction[1] for junction in same]),
            )
            for same in zip(*(part.junctions for part in parts), strict=True)
        ]
        return cls(first.step, deviation, mean, junctions)

    def of(self, images: Index) -> Sight:
        """The same of some images."""
        junctions = [(total[images], branch[images]) for total, branch in self.junctions]
        return Sight(self.step, self.deviation[images], self.mean[images], junctions)


class Tables:
    """The tables of some images, or of panels of images side by side, for every layer.

    Args:
        sights: what the layers see of the images, by their numbers.
        layers: the layers, the same.
        panels: numbers of the images of every panel, (panels, copies).
        depths: the most groups of terms that any table of a layer has needed so far.
    """

    def __init__(
        self,
        sights: Mapping[int, Sight],
        layers: Mapping[int, FieldLayer],
        panels: Index,
        depths: dict[int, int],
    ) -> None:
        self._sights, self._layers, self._panels = sights, layers, panels
        self._depths = depths
        self._made: dict[int, LaneTables] = {}
        self._lock = Lock()

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
        with self._lock:
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
        sight = self._sights[at]
        s = sight.deviation
        scale = s if self._layers[at].form == ARCCOSINE else 1 / np.sqrt(1 + 2 * s**2)
        inverse = 1 / np.where(s > 0, s, np.inf)
        size = lanes(s.shape[1], self._panels.shape[1])
        table = np.empty((len(self._panels), size // LANES, 0, LANES))
        line = self._line
        junctions = np.zeros((len(sight.junctions), 2, len(self._panels), size))
        for out, junction in zip(junctions, sight.junctions, strict=True):
            out[0], out[1] = map(line, junction)
        return LaneTables(line(inverse), line(sight.mean), junctions, line(scale), table)

    def _table(self, at: int, groups: int) -> Array:
        """The coefficients of a layer, (panels, Q / LANES, rows, LANES)."""
        sight, layer = self._sights[at], self._layers[at]
        panels, copies = self._panels.shape
        positions = sight.deviation.shape[1]
        size = lanes(positions, copies)
        rows = 4 * (layer.even + layer.odd) * groups
        out: Array = aligned(panels, size // LANES, rows, LANES)
        activation = sight.step.layer.activation
        wanted = orders(activation)

        def fill(panel: int) -> None:
            for copy, image in enumerate(self._panels[panel]):
                if copy and image == self._panels[panel, 0]:
                    _repeat(out[panel], positions, copy)
                    continue
                b = coefficients(activation, sight.deviation[image], GROUP * groups, wanted).b
                _place(b, layer.even and layer.odd, copy * positions, out[panel])

        _each(fill, panels)
        return out


def _each(task: Callable[[int], None], count: int) -> None:
    """Do a task for each number below ``count``, on all cores."""
    if count == 1:
        task(0)
        return
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(task, range(count)))


@compiled
def _place(b: Array, both: bool, first: int, out: Array) -> None:
    """Write coefficients (orders, P) to the lanes from ``first`` on."""
    done = 0
    while done < b.shape[1]:
        chunk, lane = (first + done) // LANES, (first + done) % LANES
        count = min(b.shape[1] - done, LANES - lane)
        for k in range(b.shape[0]):
            row = k // 8 * 8 + k % 8 // 2 + 4 * (k % 2) if both else k
            target, source = out[chunk, row, lane : lane + count], b[k, done : done + count]
            for j in range(count):
                target[j] = source[j]
        done += count


@compiled
def _repeat(out: Array, positions: int, copy: int) -> None:
    """Write the lanes of the first image again, as those of number ``copy``."""
    for k in range(out.shape[1]):
        for p in range(positions):
            lane = copy * positions + p
            out[lane // LANES, k, lane % LANES] = out[p // LANES, k, p % LANES]
