r"""The recursion at x = x' for images: all positions, and the pairs of them that averages mix.

At a single position p = q the recursion is that of ``analytic.recursion``, with the sums
over what a layer reads: the fields of the shift 0. Averages mix different positions of one image:
then its fields of the other shifts go through the layers too, and the variances behind an average
come from them. A shift and its opposite are the same pairs, so that half of them are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from analytic.expectations import MOST_TERMS_WHOLE, length, moments, rests
from analytic.images.field_expectations import ARCCOSINE, ARCSINE, FieldLayer
from analytic.images.fields import Pairing, Shifts, move_lines, pieces, window_sums
from analytic.images.lane_tables import Sight, Tables, compiled_layer, form_of
from analytic.images.propagation import (
    Fields,
    Layout,
    NextFields,
    PairedImages,
    Propagation,
    Room,
    all_shifts,
    batches,
)  # fmt: skip
from analytic.images.shifts import Index
from analytic.images.stretches import Grid, Leave
from analytic.machine import LANES, UNIT, Array, cores
from analytic.network import Network, fold
from analytic.recursion import (
    Amplification,
    Average,
    Bounds,
    Diagonal,
    Stage,
    amplification,
    erf_amplification,
    own_bounds,
    plain,
    preactivation,
)

__all__ = ["amplified", "image_diagonal", "pixels", "sights"]

Triple = tuple[Array, Array, Array]
"""Sigma, Theta and mu at every position, (n, P) each."""

NONE = np.zeros(1, dtype=np.int64)
STILL = Shifts(NONE, NONE, NONE, NONE)
"""The shift 0, which is the first one of every grid."""


def pixels(x: Array, panels: Index, size: int) -> Array:
    """Images (n, positions, channels) panel by panel, (panels, channels, Q)."""
    chosen = x[panels]  # (panels, copies, positions, channels)
    lines = chosen.transpose(0, 3, 1, 2).reshape(len(panels), x.shape[2], -1)
    return np.ascontiguousarray(np.pad(lines, ((0, 0), (0, 0), (0, size - lines.shape[2]))))


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
    """Run the recursion for images with themselves.

    Args:
        network: the description.
        layouts: its stretches, one image wide.
        x: images, shape (n, positions, channels).
    """
    own = np.mean(np.square(x, dtype=np.longdouble), axis=2).astype(np.float64)
    states: list[Triple] = [(own, np.zeros_like(own), np.zeros_like(own))]
    entries: list[Fields] = []
    stages: list[Stage] = []
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
    stages: list[Stage] = []
    n = len(states[0][0])

    def after(number: int, state: Triple) -> Triple:
        step, window = layout.steps[number], layout.windows[number]
        sigma, theta, _ = state
        if window is not None:
            sigma, theta = (_window_sums(layout, number, values) for values in (sigma, theta))
        given = preactivation(sigma, theta, step.weight, step.bias, step.rate)
        variance, gamma = map(np.ravel, given)
        table, none = moments(step.layer.activation, np.sqrt(variance)), np.empty(0)
        reads, averaged = layout.stretch.reads[number], Average() if number else factor
        stages.append(Stage(step, none, none, variance, gamma, table, reads, averaged))
        return _by_image(n, (*plain(table.second, table.slope, gamma), table.mean))

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
    seen = sights(alone, layout.stretch.first)

    def image(i: int) -> list[Fields]:
        one = slice(i, i + 1)
        parts = NextFields.all_of(layout, after, 1)
        given = [Fields(entry.sigma[one], entry.theta[one], np.empty(0)) for entry in entries]
        own = {at: sight.of(np.array([i])) for at, sight in seen.items()}
        _other_shifts(layout, x[one], given, layers, own, parts)
        return [part.finish() for part in parts]

    with ThreadPoolExecutor(cores()) as pool:
        others = list(pool.map(image, range(n)))
    for i, found in enumerate(others):
        for first, fields in zip(still, found, strict=True):
            first.sigma[i] += fields.sigma[0]
            first.theta[i] += fields.theta[0]
    return still


def _own_layers(layout: Layout, passed: list[Stage]) -> dict[int, tuple[FieldLayer, Bounds]]:
    """The layers of a stretch, at the least truncation."""
    found: dict[int, tuple[FieldLayer, Bounds]] = {}
    for at, stage in enumerate(passed, layout.stretch.first):
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


def _other_shifts(
    layout: Layout, x: Array, entries: list[Fields], layers: dict[int, tuple[FieldLayer, Bounds]],
    seen: dict[int, Sight], targets: list[NextFields],
) -> None:  # fmt: skip
    """Add the fields of an image with itself at all shifts but 0."""
    room, grid, panel = Room(), layout.stretch.grid, np.zeros((1, 1), dtype=np.int64)
    tables = Tables(seen, {at: layer for at, (layer, _) in layers.items()}, panel, {})
    own = np.empty((1, 0, 0)) if entries else pixels(x, panel, layout.lanes)
    pairing = Pairing(NONE, np.array([0, 1]))
    propagation = Propagation(layers, PairedImages(tables, tables, own, own), pairing, room)
    shifts = all_shifts(grid)
    chosen, opposite = _half(grid, shifts)
    half = Shifts(*(part[chosen] for part in shifts))
    for part, some in batches(half, 1, layout.lanes):
        none = np.zeros((2, 1))
        if entries:
            here = chosen[part]
            picked = [Fields(one.sigma[:, here], one.theta[:, here], none) for one in entries]
            begun = propagation.enter(picked, some.row.size, slice(None), none)
        else:
            begun = [propagation.start(layout, some, none)]
        fields = propagation.through(layout, some, begun)
        for target in targets:
            target.add(some, fields)
            _add_opposite(layout, shifts, opposite[part], some, fields, target)
        room.give(*fields[:2])


def _half(grid: Grid, shifts: Shifts) -> tuple[Index, Index]:
    """Half of the shifts, without 0, and the opposite ones; their own opposite is -1."""
    rows = np.searchsorted(grid.rows, -shifts.down % grid.height)
    columns = np.searchsorted(grid.columns, -shifts.right % grid.width)
    opposite = rows * grid.columns.size + columns
    number = np.arange(opposite.size)
    chosen = np.flatnonzero((number <= opposite) & (number > 0))
    opposite = opposite[chosen]
    return chosen, np.where(opposite == chosen, -1, opposite)


def _add_opposite(
    layout: Layout, shifts: Shifts, opposite: Index, some: Shifts, fields: Fields,
    target: NextFields,
) -> None:  # fmt: skip
    """Add Sigma(p, p - shift), which is Sigma(p - shift, p)."""
    height, width, _ = layout.shape
    runs = np.empty((2 * (height + layout.lanes // LANES) + 2, 3), dtype=np.int64)
    moved = np.zeros((2, layout.lanes))
    for number, other in enumerate(opposite):
        if other < 0:
            continue
        there = Shifts(*(part[other : other + 1] for part in shifts))
        count = pieces(height, width, 1, int(there.down[0]), int(there.right[0]), runs)
        for values, out in zip(fields[:2], moved, strict=True):
            move_lines(values[number : number + 1], runs, count, out[None])
        target.add(there, Fields(moved[:1], moved[1:], np.zeros((2, 1))))


def _diagonal_of(
    layout: Layout, after: Layout, leave: Leave, entry: Fields, state: Triple
) -> tuple[Triple, Average]:
    """The state at equal positions of the next stretch, and what it does to relative errors."""
    size = after.stretch.grid.positions
    sigma, theta = (values[:, 0, :size].copy() for values in entry[:2])
    if leave.kind == "sum":
        return (sigma, theta, np.zeros_like(sigma)), Average()
    for values in (sigma, theta):
        np.maximum(values, 0, out=values)  # positions may cancel
    mu = _window_means(layout, after, state[2])
    if not leave.mixes:
        return (sigma, theta, mu), Average()
    factors = (
        _enlargement(_window_means(layout, after, np.sqrt(np.maximum(old, 0))), new)
        for old, new in zip(state[:2], (sigma, theta), strict=True)
    )
    return (sigma, theta, mu), Average(*factors)


def _window_means(layout: Layout, after: Layout, values: Array) -> Array:
    """The means over the windows of an average, (n, P')."""
    (height, width, _), (rows, columns, _) = layout.shape, after.shape
    parts = values.reshape(-1, rows, height // rows, columns, width // columns)
    return parts.mean(axis=(2, 4)).reshape(len(values), -1)


def _enlargement(roots: Array, after: Array) -> float:
    """The largest (mean_p sqrt(Sigma_pp))^2 / mean_pq Sigma_pq over images and windows."""
    upper = roots**2
    ratio = upper / np.where(after > 0, after, np.where(upper > 0, 1e-300, np.inf))
    return max(1.0, float(ratio.max()))
