"""What must be known of all images before a pair of them is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from analytic.expectations import LOWEST, MOST_TERMS_WHOLE, length, orders
from analytic.images.defect_propagation import defects_of
from analytic.images.field_expectations import SERIES
from analytic.images.lane_places import Known, done
from analytic.images.lane_tables import Sight, form_of, sights
from analytic.images.own_positions import amplified, image_diagonal
from analytic.images.shifts import Index
from analytic.images.stretch_layouts import Layout
from analytic.machine import UNIT, Array, cores
from analytic.network import Network, Shape
from analytic.recursion import (
    GROUP,
    OWN,
    Amplification,
    Average,
    Boundary,
    ChordErrors,
    Diagonal,
    Stage,
    growth,
    mean_slope,
    merged,
    pixel_chord,
)

__all__ = ["Planned", "Plans", "chord_errors", "plan_images"]

PLANNED = 2**16
"""Positions of the images that are planned together."""
KEPT = 2**27
"""Bytes of what the layers see of the images that are kept."""
SEVERAL = 2**15
"""Pixels that are worth threads of their own."""
COEFFICIENTS = 2**22
"""Coefficients of all images that may be held together."""
VALUES = 16
"""Numbers that such a recursion holds for a layer at a position."""


class Planned(NamedTuple):
    """What is known of the images before a pair of them is computed."""

    layers: list[Amplification]
    sigma: Array  # Sigma at the readout at x = x', (n,)
    theta: Array
    readout: Average
    growth: float  # of small differences, see analytic.recursion.chaos
    dearest: list[Stage]  # each layer at the position that amplifies errors most
    apart: list[Array]  # errors of chords of one image behind each stretch, (2,)
    widest: Array  # largest 1 - rho of every layer at two positions, where defects are carried
    nearest: Array  # largest |rho| of every layer at two positions of one image


class Plans:
    """The recursion at x = x' for all images, a part at a time.

    Attributes:
        network: the description.
        layouts: its stretches, one image wide.
        x: images, (n, positions, channels).
        defects: how the network carries them, None if it carries covariances.
        few: whether all their recursions may be held at once.
        known: the coefficients of the layers for all images, where tables need them ``together``.
    """

    def __init__(
        self,
        network: Network,
        layouts: Sequence[Layout],
        x: Array,
        spatial: Shape,
        *,
        together: bool = False,
    ) -> None:
        self.network, self.layouts, self.x, self._together = network, layouts, x, together
        self.known: dict[int, Known] = {}
        self.defects = defects_of(network, layouts, spatial)
        places = [layout.stretch.grid.positions for layout in layouts for _ in layout.steps]
        self.step = max(PLANNED // max(x.shape[1], *places), 1)
        self.few = 8 * VALUES * sum(places) * len(x) <= KEPT
        self._keeps = 24 * sum(places) * len(x) <= KEPT
        self._seen: dict[int, dict[int, Sight]] = {}

    def parts(self) -> Iterator[Diagonal]:
        """All images, ``step`` of them at a time."""
        for start in range(0, len(self.x), self.step):
            state = image_diagonal(self.layouts, self.x[start : start + self.step], self.defects)
            if self._keeps:
                self._seen[start] = sights(state)
            yield state

    @property
    def at_once(self) -> dict[int, Sight]:
        """What every layer sees of all images, if it is held together."""
        return self._seen[0] if len(self._seen) == 1 else {}

    def sights(self, images: Index) -> dict[int, Sight]:
        """What every layer sees of some images."""
        if not self._keeps:
            return sights(image_diagonal(self.layouts, self.x[images], self.defects))
        if len(images) == len(self.x) and self.at_once:
            return self.at_once
        number = np.floor_divide(images, self.step)
        parts = [int(part) for part in np.unique(number)]
        first = np.searchsorted(np.array(parts, dtype=np.int64), number)
        place = images + (first - number) * self.step
        return {
            at: Sight.joined([self._seen[part * self.step][at] for part in parts]).of(place)
            for at in self._seen[0]
        }

    def know(self, stages: Sequence[Stage], terms: Sequence[int]) -> None:
        """Hold the coefficients of all images, at most so many for each layer, if they are few."""
        if not self._together or self.defects is not None or len(self.x) > self.step:
            return
        size, found = 0, dict[int, Known]()
        for at, (stage, count) in enumerate(zip(stages, terms, strict=True)):
            if form_of(stage.step) == SERIES:
                activation, most = stage.step.layer.activation, -(-count // GROUP) * GROUP
                size += stage.variance.size * len(range(most)[orders(activation)])
                found[at] = Known(activation, stage.deviation, most)
        self.known = found if size <= COEFFICIENTS else {}


def plan_images(plans: Plans, tolerance: float) -> Planned:
    """Go through all images: their kernels at x = x' and the largest errors.

    Args:
        plans: the images.
        tolerance: the promise; 0 if truncation shall cost no more than rounding.
    """
    steps = plans.network.steps
    ends: list[tuple[Array, Array]] = []
    averages, peaks = [Average()] * (len(steps) + 1), [np.empty(0)] * len(steps)
    slopes = np.zeros(len(steps))
    dearest: list[list[Stage]] = [[] for _ in steps]
    states: list[Diagonal] = []
    apart, widest = [np.zeros(2)] * len(plans.layouts), np.zeros(len(steps))
    nearest = np.zeros(len(steps))
    for state in plans.parts():
        for number, norms in enumerate(state.norms):
            if norms is not None and norms.apart is not None:
                apart[number] = np.maximum(apart[number], norms.apart)
        if state.widest.size:
            widest = np.maximum(widest, state.widest)
        nearest = np.maximum(nearest, state.nearest)
        ends.append((state.sigma, state.theta))
        averages[-1] = averages[-1].joined(state.average)
        for at, stage in enumerate(state.stages):
            averages[at] = averages[at].joined(stage.average)
            peaks[at] = _peaks(np.append(peaks[at], np.sqrt(stage.variance)))
            dearest[at].append(_dearest(stage))
            slopes[at] += mean_slope(stage) * len(state.sigma) / len(plans.x)
        states += [state] * plans.few
    mixed = float(np.prod([max(a.sigma, a.theta) for a in averages]))
    found = _amplified_by(plans, states if plans.few else plans.parts(), peaks, tolerance, mixed)
    sigma, theta = map(np.concatenate, zip(*ends, strict=True))
    rate = growth(steps, [layer.reads for layer in found], [*map(float, slopes)])
    worst = [max(stages, key=_factor_of) for stages in dearest]
    return Planned(found, sigma, theta, averages[-1], rate, worst, apart, widest, nearest)


def _amplified_by(
    plans: Plans, states: Iterable[Diagonal], peaks: list[Array], tolerance: float, mixed: float
) -> list[Amplification]:
    """How every layer amplifies the errors of all images; averages multiply them by ``mixed``."""
    tail = max(1e-2 * tolerance / mixed, 16 * UNIT if tolerance > 0 else OWN)
    terms = [
        length(step.layer.activation, s, tail, MOST_TERMS_WHOLE)
        for step, s in zip(plans.network.steps, peaks, strict=True)
    ]
    found: list[Amplification] = []
    with ThreadPoolExecutor(cores()) if plans.x.size >= SEVERAL else nullcontext() as pool:
        for state in states:
            plans.know(state.stages, terms)
            known = [plans.known.get(at) for at in range(len(terms))]
            parts = zip(state.stages, peaks, terms, known, strict=True)
            new = done(lambda part: amplified(*part), parts, pool)
            found = [merged(a, b) for a, b in zip(found, new, strict=True)] if found else new
    return found


def chord_errors(plans: Plans, planned: Planned, channels: int, rounding: float) -> ChordErrors:
    """The errors of a network whose pairs are carried as defects."""
    assert plans.defects is not None
    boundaries = [
        Boundary(
            number, layout.stretch.first + len(layout.steps), layout.stretch.grid.positions,
            planned.apart[number] if layout.stretch.leaves[0].mixes else None,
        )
        for number, layout in enumerate(plans.layouts)
        if plans.defects.has_average(layout)
    ]  # fmt: skip
    start = pixel_chord(channels)
    return ChordErrors(planned.layers, boundaries, planned.readout, rounding, start, planned.widest)


def _factor_of(stage: Stage) -> float:
    """k_E at R = 1 at the first position."""
    second = float(stage.moments.second[0])
    return float(stage.variance[0] * stage.moments.slope[0]) / second if second > 0 else 0.0


def _dearest(stage: Stage) -> Stage:
    """The layer at the position that amplifies errors most."""
    table, second = stage.moments, stage.moments.second
    factor = stage.variance * table.slope / np.where(second > 0, second, np.inf)
    one = np.array([int(factor.argmax())])
    lines: dict[str, Any] = {
        field.name: value[one]
        for field in fields(table)
        if isinstance(value := getattr(table, field.name), np.ndarray)
    }
    moments = replace(table, **lines)
    return replace(
        stage, variance=stage.variance[one], trained=stage.trained[one], gamma=stage.gamma[one],
        moments=moments, junctions=(), wide=None,
    )  # fmt: skip


def _peaks(s: Array) -> Array:
    """The largest s of every octave."""
    octaves = np.frexp(np.maximum(s, 2.0 ** (LOWEST - 1)))[1]
    parts = (s[octaves == octave] for octave in range(octaves.min(), octaves.max() + 1))
    return np.array([part.max() for part in parts if part.size])
