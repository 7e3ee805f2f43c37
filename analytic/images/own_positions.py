r"""The recursion at x = x' for images: all positions, and the pairs of them that averages mix.

At a single position p = q the recursion is that of ``analytic.recursion``, with the sums
over what a layer reads: the fields of the shift 0. Averages mix different positions of one image:
then its fields of the other shifts go through the layers too, and the variances behind an average
come from them (``analytic.images.shifted_positions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from analytic.expectations import MOST_TERMS_WHOLE, length, rests
from analytic.images.defect_propagation import DefectPropagation, Defects, targets_of
from analytic.images.equal_positions import Own, own_layers
from analytic.images.field_expectations import ARCCOSINE, ARCSINE, FieldLayer
from analytic.images.fields import Pairing
from analytic.images.lane_places import Known
from analytic.images.lane_tables import (
    Sight,
    Tables,
    before_average,
    compiled_layer,
    form_of,
    sights,
)
from analytic.images.next_fields import NextFields
from analytic.images.own_norms import enlargement, norms_behind, shares, window_means
from analytic.images.propagation import Fields, PairedImages, Propagation, Room
from analytic.images.shifted_positions import STILL, add_other_shifts, pixels
from analytic.images.stretch_layouts import Layout
from analytic.images.stretches import put, taken
from analytic.images.unit_norms import NormTables, pixel_lines
from analytic.machine import Array, cores
from analytic.recursion import (
    OWN,
    Amplification,
    Average,
    AveragedNorms,
    Bounds,
    Diagonal,
    Stage,
    amplification,
    erf_amplification,
    normalized,
    own_bounds,
)

__all__ = ["amplified", "image_diagonal"]


def image_diagonal(layouts: Sequence[Layout], x: Array, defects: Defects | None) -> Diagonal:
    """Run the recursion for images with themselves.

    Args:
        layouts: the stretches of a network, one image wide.
        x: images, shape (n, positions, channels).
        defects: how the network carries them, None if it carries covariances.
    """
    own: Any = np.mean(np.square(x, dtype=np.longdouble), axis=2)
    start = own, np.zeros(own.shape), np.zeros(own.shape), own
    waiting: list[tuple[Own, Fields]] = []
    stages: list[Stage] = []
    norms: list[AveragedNorms | None] = []
    factor = Average()
    count = sum(len(layout.steps) for layout in layouts)
    widest, nearest = np.zeros(count if defects else 0), np.ones(count)
    state = start
    for number, layout in enumerate(layouts):
        entries, leaves = taken(waiting, layout.stretch), layout.stretch.leaves
        states = [state for state, _ in entries] or [start]
        passed, state = own_layers(layout, states, factor, defects is not None, bool(entries))
        stages += passed
        factor = factor if not passed else Average()
        if not leaves:
            break
        way = _Way(number, layout, passed, defects, widest, nearest)
        fields = _left(way, x, [fields for _, fields in entries], state)
        found = [_diagonal_of(way, place, entry, state) for place, entry in enumerate(fields)]
        (_, new, averaged), *_ = found
        put(waiting, [(a, b) for (a, *_), b in zip(found, fields, strict=True)], layout.stretch)
        norms.append(averaged)
        factor = factor.behind(new)
    sigma, theta = (part[:, 0] for part in state[:2])
    return Diagonal(tuple(stages), sigma, theta, factor, tuple(norms), widest, nearest)


class _Way(NamedTuple):
    """A stretch on the way to the next one, the stages of its layers, and what ``Diagonal`` keeps.

    ``widest`` and ``nearest`` are raised to what other shifts than 0 have.
    """

    number: int
    layout: Layout
    passed: list[Stage]
    defects: Defects | None
    widest: Array
    nearest: Array

    @property
    def carries(self) -> bool:
        """Whether defects enter the next stretch."""
        return self.defects is not None and self.defects.goes_on(self.layout)


def _left(way: _Way, x: Array, entries: list[Fields], state: Own) -> list[Fields]:
    """The fields behind a stretch, (n, shifts, Q) each, for every branch that begins there."""
    n, layout = len(x), way.layout
    targets = NextFields.all_of(layout, n, Room())
    ends = [np.pad(a, ((0, 0), (0, layout.lanes - a.shape[1]))) for a in state[:2]]
    ends[0] *= not way.carries  # the defect of a position with itself
    for target in targets:
        target.add(STILL, Fields(ends[0], ends[1], np.zeros((2, n))))
    still = [target.finish() for target in targets]
    if layout.stretch.grid.shifts == 1:
        return still
    layers = _own_layers(way)
    seen = sights(Diagonal(tuple(way.passed), np.empty(n), np.empty(n)), layout.stretch.first)
    if way.carries and layout.stretch.leaves[0].mixes:
        share = shares(layout, layout.ends[0], layout.stretch.leaves[0], np.sqrt(state[0]))
        seen[before_average(way.number)] = Sight(None, {"share": share})

    def image(i: int) -> tuple[list[Fields], Propagation]:
        one = slice(i, i + 1)
        given = [Fields(entry.sigma[one], entry.theta[one], np.empty(0)) for entry in entries]
        own = {at: sight.of(np.array([i])) for at, sight in seen.items()}
        propagation = _propagation(way, x[one, : 0 if entries else None], layers, own)
        parts = targets_of(propagation, way.number, layout)
        add_other_shifts(layout, propagation, given, parts)
        return [part.finish() for part in parts], propagation

    with ThreadPoolExecutor(cores()) as pool:
        others = list(pool.map(image, range(n)))
    for at in others[0][1].nearest:
        way.nearest[at] = max(apart.nearest[at] for _, apart in others)
    for i, (found, apart) in enumerate(others):
        np.maximum(way.widest, apart.widest, out=way.widest)
        for first, fields in zip(still, found, strict=True):
            first.sigma[i] += fields.sigma[0]
            first.theta[i] += fields.theta[0]
    matched = [found[0].matched for found, _ in others if found[0].matched is not None]
    return [still[0]._replace(matched=np.concatenate(matched)), *still[1:]] if matched else still


def _propagation(
    way: _Way, x: Array, layers: dict[int, tuple[FieldLayer, Bounds]], seen: dict[int, Sight]
) -> Propagation:
    """That of one image with itself; no pixels behind the first stretch."""
    panel, pairing = np.zeros((1, 1), dtype=np.int64), Pairing(STILL.row, np.array([0, 1]))
    if way.defects is not None:
        lines = pixel_lines(x, panel, way.layout.lanes)
        norms = NormTables(seen, way.defects.sources, panel)
        alone = PairedImages(norms, norms, lines, lines)
        return DefectPropagation(layers, alone, pairing, Room(), way.defects)
    own = pixels(x, panel, way.layout.lanes)
    tables = Tables(seen, {at: layer for at, (layer, _) in layers.items()}, panel, {})
    return Propagation(layers, PairedImages(tables, tables, own, own), pairing, Room())


def _own_layers(way: _Way) -> dict[int, tuple[FieldLayer, Bounds]]:
    """The layers of a stretch, at the least truncation."""
    found: dict[int, tuple[FieldLayer, Bounds]] = {}
    for at, stage in enumerate(way.passed, way.layout.stretch.first):
        deviation = np.sqrt(stage.variance)
        terms = length(stage.step.layer.activation, deviation, OWN, MOST_TERMS_WHOLE)
        layer = amplified(stage, deviation, terms)
        bounds = own_bounds(layer)
        found[at] = compiled_layer(stage.step, 0, bounds, layer.terms), bounds
    return found


ONE_BY_ONE = 64
"""Coefficients that are looked at one by one; the others by their sums."""


def amplified(
    stage: Stage, deviations: Array, terms: int, known: Known | None = None
) -> Amplification:
    """How a layer amplifies errors.

    Args:
        stage: what the layer sees of some images.
        deviations: s, of more images perhaps.
        terms: of the series.
        known: its coefficients, if tables will ask for them: those that are looked at are kept.
    """
    if stage.step.normalizes:
        return normalized(stage)
    form = form_of(stage.step)
    if form == ARCSINE:
        return erf_amplification(stage)
    if form == ARCCOSINE:
        return amplification(stage, 0.0)
    shares, noise = rests(stage.step.layer.activation, deviations, terms)
    found = None if known is None else known.begin(min(terms, ONE_BY_ONE), stage.moments)
    return amplification(stage, 0.0, ONE_BY_ONE, shares=shares, noise=noise, found=found)


def _diagonal_of(
    way: _Way, place: int, entry: Fields, state: Own
) -> tuple[Own, Average, AveragedNorms | None]:
    """The state at equal positions behind a stretch, what it does to errors, and norms."""
    layout, leave, averaged = way.layout, way.layout.stretch.leaves[place], None
    size = leave.grid.positions
    sigma, theta = (values[:, 0, :size].copy() for values in entry[:2])
    if way.carries:
        sigma, averaged = norms_behind(layout, place, entry, state[0])
    if leave.kind == "sum":
        return (sigma, theta, np.zeros_like(sigma), state[0]), Average(), averaged
    for values in (sigma, theta):
        np.maximum(values, 0, out=values)  # positions may cancel
    mu = window_means(layout, leave, state[2])
    if not leave.mixes:
        return (sigma, theta, mu, sigma), Average(rounding=leave.rounding), averaged
    factors = [
        enlargement(window_means(layout, leave, np.sqrt(np.maximum(old, 0))), new)
        for old, new in zip(state[:2], (sigma, theta), strict=True)
    ]
    average = Average(factors[0], factors[1], leave.rounding, True)
    return (sigma, theta, mu, sigma), average, averaged
