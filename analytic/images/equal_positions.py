"""The layers of a stretch at x = x' and equal positions: what each of them sees of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analytic.expectations import moments
from analytic.images.fields import window_sums
from analytic.images.shifted_positions import STILL
from analytic.images.stretch_layouts import Layout
from analytic.images.wide_sums import wide_window_sums
from analytic.machine import UNIT, Array
from analytic.network import fold
from analytic.recursion import Average, Junction, Stage, wide_preactivation, wide_root

__all__ = ["Own", "own_layers"]

Own = tuple[Any, Array, Array, Any]
"""Sigma, Theta and mu at every position, (n, P) each, and the Sigma that the next layer reads: that
before the sum over its windows, where this has been taken."""


def own_layers(
    layout: Layout, states: Sequence[Own], factor: Average, reads_norms: bool, entered: bool
) -> tuple[list[Stage], Own]:
    """The layers of a stretch at equal positions, from its state and those that wait for it.

    Stages have the Sigma that is read if ``reads_norms``. Behind the first layer Sigma has extended
    precision, before it only where no fields have ``entered``.
    """
    stages: list[Stage] = []
    n = len(states[0][0])

    def after(number: int, state: Own) -> Own:
        averaged, again = (Average(), False) if number else (factor, entered)
        stages.append(_stage(layout, number, state, averaged, reads_norms, again))
        return _by_image(n, stages[-1].end)

    def added(at: int, number: int, total: Own, branch: Own) -> Own:
        (sigma0, theta0, mu0), (sigma, theta, mu) = (
            map(np.ravel, part[:3]) for part in (total, branch)
        )
        both = (sigma0, theta0, mu0), (sigma, theta, mu)
        stages[-1] = stages[-1].joined(*both)
        return _by_image(n, Junction.of(*both, layout.steps[at].shares[number]).state)

    first, *others = states
    parts = range(len(layout.flow))
    last = fold(parts, first, after, added, step=layout.flow.__getitem__, aside=reversed(others))
    with np.errstate(over="ignore"):  # what is infinite is refused by the layer that reads it
        sigma, theta, mu, read = (np.asarray(part, np.float64) for part in last)
    return stages, (sigma, theta, mu, read)


def _stage(
    layout: Layout, number: int, state: Own, averaged: Average, reads_norms: bool, entered: bool
) -> Stage:
    """What a layer sees of each image at every position."""
    step, window, reads = layout.steps[number], layout.windows[number], layout.stretch.reads[number]
    sigma, theta, mu, read = state
    known, none = (
        np.asarray(np.ravel(read), np.float64) if reads_norms else np.empty(0),
        np.empty(0),
    )
    if window is not None:
        sigma = wide_window_sums(*window, layout.shape, sigma)
        theta = _window_sums(layout, number, theta)
    with np.errstate(over="ignore"):
        given = wide_preactivation(step, (sigma, theta, mu))
        variance = np.asarray(given[0].ravel(), np.float64)
    wide, trained, gamma = given[0].ravel(), given[1].ravel(), given[2].ravel()
    if step.over_positions:
        reads = sigma.shape[1]
    return Stage(
        step=step,
        sigma=known,
        theta=none,
        variance=variance,
        trained=trained,
        gamma=gamma,
        moments=moments(step.layer.activation, wide_root(wide)),
        mu=np.ravel(mu),
        reads=reads,
        average=averaged,
        wide=wide,
        summed=reads * UNIT if entered else 0.0,
        additions=layout.stretch.additions[number],
    )


def _by_image(n: int, state: tuple[Array, Array, Array]) -> Own:
    sigma, theta, mu = (part.reshape(n, -1) for part in state)
    return sigma, theta, mu, sigma


def _window_sums(layout: Layout, number: int, values: Array) -> Array:
    """The sums over the windows of a layer at equal positions, (n, P)."""
    window, size = layout.windows[number], values.shape[1]
    assert window is not None
    before = np.pad(values, ((0, 0), (0, layout.lanes - size)))
    after = np.empty_like(before)
    line = np.zeros(layout.lanes + 2 * layout.shape[1])
    window_sums(*window, STILL, layout.shape, before, line, after)
    return after[:, :size]
