r"""The recursion at x = x' for images: all positions, and the pairs of them that averages mix.

At a single position p = q the recursion is that of ``analytic.recursion``, with the sums
over what a layer reads: the fields of the shift 0. Averages mix different positions of one image:
then its fields of the other shifts go through the layers too, and the variances behind an average
come from them (``analytic.images.shifted_positions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from analytic.expectations import MOST_TERMS_WHOLE, length, moments, rests
from analytic.images.defect_propagation import DefectPropagation, Defects
from analytic.images.field_expectations import ARCCOSINE, ARCSINE, FieldLayer
<<<<<<< HEAD
from analytic.images.fields import Pairing, Shifts, window_sums
from analytic.images.lane_tables import (
    Sight,
    Tables,
    before_average,
    compiled_layer,
    form_of,
    pixels,
    sights,
)
from analytic.images.opposite_shifts import add_opposite, half
from analytic.images.own_norms import STILL, norms_behind, shares, window_means
from analytic.images.propagation import Fields, NextFields, PairedImages, Propagation, Room
from analytic.images.stretch_layouts import Layout, all_shifts, batches
from analytic.images.unit_norms import NormTables, pixel_lines
from analytic.machine import UNIT, Array, cores
from analytic.network import fold
=======
from analytic.images.fields import window_sums
from analytic.images.lane_tables import Sight, compiled_layer, form_of
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields, Layout
from analytic.images.shifted_positions import STILL, add_other_shifts
from analytic.images.stretches import Leave
from analytic.machine import UNIT, Array, cores
from analytic.network import Network, fold
>>>>>>> main
from analytic.recursion import (
    Amplification,
    Average,
    AveragedNorms,
    Bounds,
    Diagonal,
    Stage,
    amplification,
    erf_amplification,
    own_bounds,
    plain,
    preactivation,
)

<<<<<<< HEAD
__all__ = ["amplified", "image_diagonal"]
=======
__all__ = ["amplified", "image_diagonal", "sights"]
>>>>>>> main

Triple = tuple[Array, Array, Array]
"""Sigma, Theta and mu at every position, (n, P) each."""


<<<<<<< HEAD
def image_diagonal(layouts: Sequence[Layout], x: Array, defects: Defects | None) -> Diagonal:
=======
def sights(state: Diagonal, first: int = 0) -> dict[int, Sight]:
    """What every layer sees of the images of a recursion; ``first`` is the number of the first."""
    n = len(state.sigma)
    return {
        at: Sight(
            stage.step,
            np.sqrt(stage.variance).reshape(n, -1),
            stage.moments.mean.reshape(n, -1),
            [
                (junction.total[2].reshape(n, -1), junction.branch[2].reshape(n, -1))
                for junction in stage.junctions
            ],
        )
        for at, stage in enumerate(state.stages, first)
    }


def image_diagonal(network: Network, layouts: Sequence[Layout], x: Array) -> Diagonal:
>>>>>>> main
    """Run the recursion for images with themselves.

    Args:
        layouts: the stretches of a network, one image wide.
        x: images, shape (n, positions, channels).
        defects: how the network carries them, None if it carries covariances.
    """
    own = np.mean(np.square(x, dtype=np.longdouble), axis=2).astype(np.float64)
    states: list[Triple] = [(own, np.zeros_like(own), np.zeros_like(own))]
    entries: list[Fields] = []
    stages: list[Stage] = []
<<<<<<< HEAD
    norms: list[AveragedNorms | None] = []
    factor, read = Average(), own
    widest = np.zeros(len(defects.sources) if defects else 0)
    for number, (layout, after) in enumerate(zip(layouts, [*layouts[1:], None], strict=True)):
        passed, state = _layers(layout, state, factor, None if defects is None else read)
        stages += passed
        factor = factor if not passed else Average()
        if after is None:
            break
        way = _Way(number, layout, after, passed, defects, widest)
        entry = _left(way, x, entry, state)
        read = state[0]
        state, new, averaged = _diagonal_of(way, entry, state)
        norms.append(averaged)
        read = read if layout.stretch.leave and layout.stretch.leave.kind == "sum" else state[0]
        factor = Average(factor.sigma * new.sigma, factor.theta * new.theta)
    return Diagonal(tuple(stages), state[0][:, 0], state[1][:, 0], factor, tuple(norms), widest)


class _Way(NamedTuple):
    """A stretch on the way to the next one, the stages of its layers, and the widest of defects."""

    number: int
    layout: Layout
    after: Layout
    passed: list[Stage]
    defects: Defects | None
    widest: Array

    @property
    def carries(self) -> bool:
        """Whether defects enter the next stretch."""
        return self.defects is not None and self.defects.goes_on(self.layout)


def _layers(
    layout: Layout, state: Triple, factor: Average, read: Array | None
) -> tuple[list[Stage], Triple]:
    """The layers of a stretch at equal positions; ``read`` is Sigma where the first one reads.

    Stages have the Sigma that is read if ``read`` is given.
    """
=======
    factor = Average()
    for layout, after in zip(layouts, [*layouts[1:], None], strict=True):
        passed, state = _layers(layout, states, factor)
        states = [state]
        stages += passed
        factor = factor if not passed else Average()
        if after is not None:
            entries = _left(layout, after, x, entries, state, passed)
            found = [
                _diagonal_of(layout, after, leave, entry, state)
                for leave, entry in zip(layout.stretch.leaves, entries, strict=True)
            ]
            states, new = [triple for triple, _ in found], found[0][1]
            factor = Average(factor.sigma * new.sigma, factor.theta * new.theta)
    return Diagonal(tuple(stages), states[0][0][:, 0], states[0][1][:, 0], factor)


def _layers(
    layout: Layout, states: Sequence[Triple], factor: Average
) -> tuple[list[Stage], Triple]:
    """The layers of a stretch at equal positions, from one state for each branch that begins."""
>>>>>>> main
    stages: list[Stage] = []
    n = len(states[0][0])

    def after(number: int, state: Triple) -> Triple:
        step, window = layout.steps[number], layout.windows[number]
        sigma, theta, _ = state
        known = np.empty(0)
        if read is not None:
            known = np.ravel(read if number == 0 and window is None else sigma)
        if window is not None:
            sigma, theta = (_window_sums(layout, number, values) for values in (sigma, theta))
        given = preactivation(sigma, theta, step.weight, step.bias, step.rate)
        variance, gamma = map(np.ravel, given)
        table, none = moments(step.layer.activation, np.sqrt(variance)), np.empty(0)
        reads, averaged = layout.stretch.reads[number], Average() if number else factor
<<<<<<< HEAD
        stages.append(Stage(step, known, none, variance, gamma, table, skipped, reads, averaged))
        sigma, theta = plain(table.second, table.slope, gamma)
        mu = table.mean
        if skipped is not None:
            mu0 = skipped[2]
            sigma, theta = residual(*skipped, mu0, sigma, theta, mu, mu)
            mu = mu0 + mu
        return sigma.reshape(n, -1), theta.reshape(n, -1), mu.reshape(n, -1)
=======
        stages.append(Stage(step, none, none, variance, gamma, table, reads, averaged))
        return _by_image(n, (*plain(table.second, table.slope, gamma), table.mean))
>>>>>>> main

    def added(_: int, number: int, total: Triple, branch: Triple) -> Triple:
        (sigma0, theta0, mu0), (sigma, theta, mu) = (
            map(np.ravel, part) for part in (total, branch)
        )
        stages[-1] = stages[-1].joined((sigma0, theta0, mu0), (sigma, theta, mu))
        return _by_image(n, stages[-1].junctions[number].state)

    first, *others = states
    parts = range(len(layout.flow))
    state = fold(parts, first, after, added, step=layout.flow.__getitem__, aside=reversed(others))
    return stages, state


def _by_image(n: int, state: Triple) -> Triple:
    sigma, theta, mu = state
    return sigma.reshape(n, -1), theta.reshape(n, -1), mu.reshape(n, -1)


def _window_sums(layout: Layout, number: int, values: Array) -> Array:
    """The sums over the windows of a layer at equal positions, (n, P)."""
    window, size = layout.windows[number], values.shape[1]
    assert window is not None
    before = np.pad(values, ((0, 0), (0, layout.lanes - size)))
    after = np.empty_like(before)
    line = np.zeros(layout.lanes + 2 * layout.shape[1])
    window_sums(*window, STILL, layout.shape, before, line, after)
    return after[:, :size]


<<<<<<< HEAD
def _left(way: _Way, x: Array, entry: Fields | None, state: Triple) -> Fields:
    """The fields of the next stretch, (n, shifts, Q) each."""
    n, layout = len(x), way.layout
    target = NextFields(layout, way.after, n)
    ends = [np.pad(a, ((0, 0), (0, layout.lanes - a.shape[1]))) for a in state[:2]]
    ends[0] *= not way.carries  # the defect of a position with itself
    target.add(STILL, Fields(ends[0], ends[1], np.zeros((2, n))))
    if layout.stretch.grid.shifts == 1:
        return target.finish()
    layers = _own_layers(way)
    alone = Diagonal(tuple(way.passed), np.empty(n), np.empty(n))
=======
def _left(
    layout: Layout, after: Layout, x: Array, entries: list[Fields], state: Triple,
    passed: list[Stage],
) -> list[Fields]:  # fmt: skip
    """The fields of the next stretch, (n, shifts, Q) each, for every branch that begins with it."""
    n = len(x)
    targets = NextFields.all_of(layout, after, n)
    ends = [np.pad(a, ((0, 0), (0, layout.lanes - a.shape[1]))) for a in state[:2]]
    for target in targets:
        target.add(STILL, Fields(ends[0], ends[1], np.zeros((2, n))))
    still = [target.finish() for target in targets]
    if layout.stretch.grid.shifts == 1:
        return still
    layers = _own_layers(layout, passed)
    alone = Diagonal(tuple(passed), np.empty(n), np.empty(n))
>>>>>>> main
    seen = sights(alone, layout.stretch.first)
    if way.carries and layout.stretch.leave and layout.stretch.leave.mixes:
        share = shares(layout, way.after, np.sqrt(state[0]))
        seen[before_average(way.number)] = Sight(None, {"share": share})

<<<<<<< HEAD
    def image(i: int) -> tuple[Fields, Array]:
        one = slice(i, i + 1)
        given = None if entry is None else Fields(entry.sigma[one], entry.theta[one], np.empty(0))
        own = {at: sight.of(np.array([i])) for at, sight in seen.items()}
        return _other_shifts(way, x[one], given, layers, own)

    with ThreadPoolExecutor(cores()) as pool:
        others = list(pool.map(image, range(n)))
    first = target.finish()
    for i, (fields, widest) in enumerate(others):
        first.sigma[i] += fields.sigma[0]
        first.theta[i] += fields.theta[0]
        np.maximum(way.widest, widest, out=way.widest)
    matched = [fields.matched for fields, _ in others if fields.matched is not None]
    return first._replace(matched=np.concatenate(matched) if matched else None)
=======
    def image(i: int) -> list[Fields]:
        one = slice(i, i + 1)
        parts = NextFields.all_of(layout, after, 1)
        given = [Fields(entry.sigma[one], entry.theta[one], np.empty(0)) for entry in entries]
        own = {at: sight.of(np.array([i])) for at, sight in seen.items()}
        add_other_shifts(layout, x[one], given, layers, own, parts)
        return [part.finish() for part in parts]

    with ThreadPoolExecutor(cores()) as pool:
        others = list(pool.map(image, range(n)))
    for i, found in enumerate(others):
        for first, fields in zip(still, found, strict=True):
            first.sigma[i] += fields.sigma[0]
            first.theta[i] += fields.theta[0]
    return still
>>>>>>> main


def _own_layers(way: _Way) -> dict[int, tuple[FieldLayer, Bounds]]:
    """The layers of a stretch, at the least truncation."""
    found: dict[int, tuple[FieldLayer, Bounds]] = {}
    for at, stage in enumerate(way.passed, way.layout.stretch.first):
        deviation = np.sqrt(stage.variance)
        terms = length(stage.step.layer.activation, deviation, 16 * UNIT, MOST_TERMS_WHOLE)
        layer = amplified(stage, deviation, terms)
        bounds = own_bounds(layer)
        found[at] = compiled_layer(stage.step, 0, bounds, layer.terms), bounds
    return found


ONE_BY_ONE = 64
"""Coefficients that are looked at one by one; the others by their sums."""


def amplified(stage: Stage, deviations: Array, terms: int) -> Amplification:
    """How a layer amplifies errors.

    Args:
        stage: what the layer sees of some images.
        deviations: s, of more images perhaps.
        terms: of the series.
    """
    form = form_of(stage.step)
    if form == ARCSINE:
        return erf_amplification(stage)
    if form == ARCCOSINE:
        return amplification(stage, 0.0)
    shares, noise = rests(stage.step.layer.activation, deviations, terms)
    return amplification(stage, 0.0, ONE_BY_ONE, shares=shares, noise=noise)


<<<<<<< HEAD
def _propagation(
    way: _Way, x: Array, layers: dict[int, tuple[FieldLayer, Bounds]], seen: dict[int, Sight]
) -> Propagation:
    """That of one image with itself; x is None behind the first stretch."""
    panel, pairing = np.zeros((1, 1), dtype=np.int64), Pairing(STILL.row, np.array([0, 1]))
    if way.defects is not None:
        lines = pixel_lines(x, panel, way.layout.lanes)
        norms = NormTables(seen, way.defects.sources, panel)
        alone = PairedImages(norms, norms, lines, lines)
        return DefectPropagation(layers, alone, pairing, Room(), way.defects)
    own = pixels(x, panel, way.layout.lanes)
    tables = Tables(seen, {at: layer for at, (layer, _) in layers.items()}, panel, {})
    return Propagation(layers, PairedImages(tables, tables, own, own), pairing, Room())


def _other_shifts(
    way: _Way, x: Array, entry: Fields | None, layers: dict[int, tuple[FieldLayer, Bounds]],
    seen: dict[int, Sight],
) -> tuple[Fields, Array]:  # fmt: skip
    """The fields of the next stretch from all shifts but 0, and the widest of defects."""
    layout = way.layout
    propagation = _propagation(way, x if entry is None else x[:, :0], layers, seen)
    target = propagation.target(way.number, layout, way.after)
    shifts = all_shifts(layout.stretch.grid)
    chosen, opposite = half(layout.stretch.grid, shifts)
    some_shifts = Shifts(*(part[chosen] for part in shifts))
    for part, some in batches(some_shifts, 1, layout.lanes):
        none = np.zeros((2, 1))
        if entry is None:
            fields = propagation.start(layout, some, none)
        else:
            here = chosen[part]
            picked = Fields(entry.sigma[:, here], entry.theta[:, here], none)
            fields = propagation.enter(picked, some.row.size, slice(None), none)
        fields = propagation.through(layout, some, fields)
        target.add(some, fields)
        add_opposite(layout, shifts, opposite[part], some, fields, target)
        propagation.room.give(*fields[:2])
    return target.finish(), propagation.widest


def _diagonal_of(
    way: _Way, entry: Fields, state: Triple
) -> tuple[Triple, Average, AveragedNorms | None]:
    """The state at equal positions of the next stretch, what it does to errors, and norms."""
    layout, after = way.layout, way.after
    leave, size = layout.stretch.leave, after.stretch.grid.positions
    assert leave is not None
=======
def _diagonal_of(
    layout: Layout, after: Layout, leave: Leave, entry: Fields, state: Triple
) -> tuple[Triple, Average]:
    """The state at equal positions of the next stretch, and what it does to relative errors."""
    size = after.stretch.grid.positions
>>>>>>> main
    sigma, theta = (values[:, 0, :size].copy() for values in entry[:2])
    averaged = None
    if way.carries:
        sigma, averaged = norms_behind(layout, after, entry, state[0])
    if leave.kind == "sum":
        return (sigma, theta, np.zeros_like(sigma)), Average(), averaged
    for values in (sigma, theta):
        np.maximum(values, 0, out=values)  # positions may cancel
    mu = window_means(layout, after, state[2])
    if not leave.mixes:
        return (sigma, theta, mu), Average(), averaged
    factors = (
        _enlargement(window_means(layout, after, np.sqrt(np.maximum(old, 0))), new)
        for old, new in zip(state[:2], (sigma, theta), strict=True)
    )
    return (sigma, theta, mu), Average(*factors), averaged


def _enlargement(roots: Array, after: Array) -> float:
    """The largest (mean_p sqrt(Sigma_pp))^2 / mean_pq Sigma_pq over images and windows."""
    upper = roots**2
    ratio = upper / np.where(after > 0, after, np.where(upper > 0, 1e-300, np.inf))
    return max(1.0, float(ratio.max()))
