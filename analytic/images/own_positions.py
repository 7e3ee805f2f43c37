r"""The recursion at x = x' for images: all positions, and the pairs of them that averages mix.

At a single position p = q the recursion is that of ``analytic.recursion``, with the sums
over what a layer reads: the fields of the shift 0. Averages mix different positions of one image:
then its fields of the other shifts go through the layers too, and the variances behind an average
come from them (``analytic.images.shifted_positions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from analytic.expectations import MOST_TERMS_WHOLE, length, moments, rests
from analytic.images.field_expectations import ARCCOSINE, ARCSINE, FieldLayer
from analytic.images.fields import window_sums
from analytic.images.lane_tables import Sight, compiled_layer, form_of
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields, Layout
from analytic.images.shifted_positions import STILL, add_other_shifts
from analytic.images.stretches import Leave
from analytic.machine import UNIT, Array, cores
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

__all__ = ["amplified", "image_diagonal", "sights"]

Triple = tuple[Array, Array, Array]
"""Sigma, Theta and mu at every position, (n, P) each."""


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
        add_other_shifts(layout, x[one], given, layers, own, parts)
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
