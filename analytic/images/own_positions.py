r"""The recursion at x = x' for images: all positions, and the pairs of them that averages mix.

At a single position p = q the recursion is that of ``analytic.recursion``, with the sums
over what a layer reads. Averages mix different positions of one image: then the pairs of
positions of an image with itself go through the compiled recursion too, and the variances
of the next layer come from them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import MOST_TERMS_WHOLE, moments
from analytic.images.patches import State, advance, average
from analytic.images.position_order import Runs, Walk, Ways
from analytic.images.position_pairs import Part, Reading
from analytic.machine import LANES, UNIT, Array, cores
from analytic.network import Network, Step
from analytic.recursion import (
    Average,
    Diagonal,
    Stage,
    amplification,
    input_tables,
    new_tile,
    own_bounds,
    plain,
    preactivation,
    program,
    residual,
)

__all__ = ["image_diagonal"]

Triple = tuple[Array, Array, Array]
"""Sigma and Theta at pairs of positions, (n, pairs), and mu at positions, (n, P)."""


def image_diagonal(network: Network, own: Ways, x: Array) -> Diagonal:
    """Run the recursion for images with themselves.

    Args:
        network: the description.
        own: the order in which blocks of one column go through it.
        x: images, shape (n, positions, channels).
    """
    layout, last = own.layout, len(own.layers)
    p, q = np.divmod(layout.input.codes, layout.input.positions)
    products = np.zeros((len(x), p.size), dtype=np.longdouble)
    for c in range(x.shape[2]):
        products += x[:, p, c] * x[:, q, c].astype(np.longdouble)
    sigma = (products / x.shape[2]).astype(np.float64)
    state: Triple = (sigma, np.zeros_like(sigma), np.zeros(x.shape[:2]))
    stages: list[Stage] = []
    branches: list[Triple] = []
    for at, (step, part) in enumerate(zip(network.steps, layout.parts, strict=True)):
        state, factor = _averaged(part.averages, own.averages[at], state)
        branches += [state] * step.opens
        skipped = branches.pop() if step.closes else None
        stage = _stage(step, part, state, skipped, factor)
        stages.append(stage)
        state = _after(stage, part, own.own[at], state, skipped)
    (sigma, theta, _), factor = _averaged(layout.readout, own.averages[last], state)
    return Diagonal(tuple(stages), sigma[:, 0], theta[:, 0], factor)


def _stage(step: Step, part: Part, state: Triple, skipped: Triple | None, factor: Average) -> Stage:
    """What the layer sees at every position, (n P,) each."""
    reading, layer = part.layer, step.layer
    weight, bias = layer.weight_std**2, layer.bias_std**2
    sources = reading.sources[reading.after.own]
    sigma, theta = _sum(state[0], sources), _sum(state[1], sources)
    covariance, tangent = preactivation(sigma, theta, weight, bias)
    variance, gamma = np.ravel(covariance), np.ravel(tangent)
    before = None
    if skipped is not None and part.skip is not None:
        own = part.skip[reading.after.own]
        before = skipped[0][:, own].ravel(), skipped[1][:, own].ravel(), skipped[2].ravel()
    table = moments(layer.activation, np.sqrt(variance))
    none = np.empty(0)
    return Stage(step, none, none, variance, gamma, table, before, reading.count, factor)


def _sum(values: Array, sources: NDArray[np.int32]) -> Array:
    """The sum of what is read, one reading after the other; -1 reads 0."""
    padded = np.append(values, np.zeros((len(values), 1)), axis=1)
    total = np.zeros((len(values), len(sources)))
    for k in range(sources.shape[1]):
        total += padded[:, sources[:, k]]
    return total


def _after(stage: Stage, part: Part, way: Walk, state: Triple, skipped: Triple | None) -> Triple:
    """(Sigma, Theta, mu) after the layer, at all pairs of positions."""
    n = len(state[0])
    table = stage.moments
    sigma, theta = plain(table.second, table.slope, stage.gamma)
    mu = table.mean
    if stage.skipped is not None:
        sigma0, theta0, mu0 = stage.skipped
        sigma, theta = residual(sigma0, theta0, mu0, mu0, sigma, theta, mu, mu)
        mu = mu0 + mu
    sigma, theta, mu = (a.reshape(n, -1) for a in (sigma, theta, mu))
    if part.layer.after.is_diagonal:
        return sigma, theta, mu
    own = part.layer.after.own
    all_sigma, all_theta = _between_positions(stage, part, way, state, skipped)
    all_sigma[:, own], all_theta[:, own] = sigma, theta
    return all_sigma, all_theta, mu


def _between_positions(
    stage: Stage, part: Part, way: Walk, state: Triple, skipped: Triple | None
) -> tuple[Array, Array]:
    """(Sigma, Theta) after the layer at the pairs of positions of each image with itself."""
    n, positions = len(state[0]), part.layer.after.positions
    layer = amplification(stage, 16 * UNIT, most=MOST_TERMS_WHOLE)
    alone = Diagonal((stage,), np.empty(0), np.empty(0))
    plan = program([stage.step], own_bounds(layer))
    tables = input_tables(alone, plan, [slice(None)], LANES)
    coef = tables.table[:, : n * positions].T.copy()
    skip = np.empty(0, dtype=np.int64) if part.skip is None else part.skip
    after = part.layer.after
    sigma, theta = np.empty((2, n, len(after)))

    def image(i: int) -> None:
        one, first = slice(i, i + 1), i * positions
        before = State(state[0][one], state[1][one], np.zeros((2, 1)))
        start = before if skipped is None else State(skipped[0][one], skipped[1][one], before.error)
        advance(
            plan, 0, new_tile(1), way, skip, before, start, tables, coef[first : first + positions],
            first, tables, first, 1, State(sigma[one], theta[one], np.zeros((2, 1))),
        )  # fmt: skip

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(image, range(n)))
    p, q = np.divmod(after.codes, after.positions)
    lower, mirror = p > q, after.mirror
    sigma[:, lower], theta[:, lower] = (a[:, mirror[lower]] for a in (sigma, theta))
    return sigma, theta


def _averaged(
    readings: tuple[Reading, ...], runs: tuple[Runs, ...], state: Triple
) -> tuple[Triple, Average]:
    """The state after some averages, and what they do to relative errors."""
    sigma, theta, mu = state
    most_sigma = most_theta = 1.0
    for reading, run in zip(readings, runs, strict=True):
        new_sigma, new_theta = (_average(reading, run, a) for a in (sigma, theta))
        own = reading.after.own
        for values in (new_sigma, new_theta):
            values[:, own] = np.maximum(values[:, own], 0)  # positions may cancel
        if reading.mixes:
            most_sigma *= _enlargement(reading, sigma, new_sigma)
            most_theta *= _enlargement(reading, theta, new_theta)
        sigma, theta, mu = new_sigma, new_theta, mu[:, reading.reads].mean(axis=2)
    return (sigma, theta, mu), Average(most_sigma, most_theta)


def _average(reading: Reading, runs: Runs, values: Array) -> Array:
    """The means that the pairs after an average read."""
    out = np.empty((len(values), len(reading.after)))
    average(runs, reading.sources.shape[1], 1, values, out)
    return out


def _enlargement(reading: Reading, before: Array, after: Array) -> float:
    """The largest (mean_p sqrt(Sigma_pp))^2 / mean_pq Sigma_pq over images and windows."""
    roots = np.sqrt(np.maximum(before[:, reading.before.own], 0))
    upper = roots[:, reading.reads].mean(axis=2) ** 2
    lower = after[:, reading.after.own]
    ratio = upper / np.where(lower > 0, lower, np.where(upper > 0, 1e-300, np.inf))
    return max(1.0, float(ratio.max()))
