"""Smooth layers of large deviations, where a table takes the place of a series that is too short.

The series are then as short as the table allows: up to its ``farthest`` 1 - |rho| it costs less
than more of their terms. What is gained is speed; the error of a table is an estimate, so series
that reach far enough, whose error is proved, are preferred unless most pairs ask for the longest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analytic.expectations import MOST_TERMS_WHOLE, LogTable, is_bent, log_table
from analytic.machine import Array
from analytic.pairs.correlation_samples import rough_correlations
from analytic.pairs.rays import are_on_a_line
from analytic.pairs.wide_inputs import is_straight
from analytic.recursion import Amplification, Bounds, Diagonal, Stage, amplification

__all__ = ["may_reach", "with_log_tables"]

ENOUGH = 2**16
"""Pairs beyond the series for which a table is made, at least: it takes as long as so many."""
SHARP = 2.0**-38
"""The largest error of a table."""
SHORT = (32, 64, 128)
"""Coefficients of series that are tried."""
BETTER = 1 / 2
"""The share of them that may still be left out, at most: the others have tables, too."""
LONG = 160
"""Terms of a series from which on a table costs less."""
MOSTLY = 0.5
"""The share of pairs beyond the usual series from which on longer ones are not worth their terms:
on a line they have some 2,000."""
CLOSE = 0.5
"""1 - |rho| of pairs whose series is long."""
HOPEFUL = 2.0**-12
"""What the usual number of coefficients may leave out of E w'^2 where four times as many are
tried: these leave something like the square of it."""


def with_log_tables(
    state: Diagonal,
    layers: list[Amplification],
    bounds: Bounds,
    bounded: Callable[[list[Amplification]], Bounds],
    tail: float,
    inputs: Array,
    n: int,
    own: bool,
) -> tuple[list[Amplification], Bounds]:
    """The layers with tables where many pairs of a sample are beyond their series.

    Args:
        state: the recursion at x = x'.
        layers: how each layer amplifies errors.
        bounds: their radii.
        bounded: new ones of layers.
        tail: share of E[w'^2] that series may leave out.
        inputs: the rows and, unless these are the same, the columns.
        n: rows.
        own: whether columns are the same.
    """
    pairs = n * (n - 1) / 2 if own else n * (len(inputs) - n)
    reach = bounds.radius[:, -1]
    smooth = [
        layer.beyond is None and _is_smooth(layer, stage)
        for layer, stage in zip(layers, state.stages, strict=True)
    ]
    short = [a and radius < bounds.ceiling for a, radius in zip(smooth, reach, strict=True)]
    parallel = are_on_a_line(state.stages[0], inputs.shape[1], bounds.error)  # these are quicker
    if pairs < ENOUGH or parallel or not any(short):
        return layers, bounds
    samples = list(rough_correlations(state, inputs, n, own))[: _followed(state)]
    left = 0.0
    for rho, layer, end, cut in zip(samples, layers, reach, short, strict=False):
        beyond = float((rho > end).mean())
        if cut and beyond <= MOSTLY:
            hope = _longest_reach(layer, float(bounds.truncation.max()))
            beyond = float((rho > max(end, hope)).mean())
        left = max(left, beyond) if cut else left
    if left * pairs < ENOUGH:
        return layers, bounds
    found = list(layers)
    for row, rho in enumerate(samples):  # what is estimated anyhow is taken the quickest way
        many = (rho > 1 - CLOSE).mean() * pairs >= ENOUGH and layers[row].terms > LONG
        if smooth[row] and (many or (rho > reach[row]).mean() * pairs >= ENOUGH):
            found[row] = _tabulated(state.stages[row], layers[row], bounds, tail)
    changed = bounded(found)
    if not _are_met(found, changed) or (
        changed.ceiling < 1 and _still_left(state, inputs, n, own, changed.ceiling) > BETTER * left
    ):
        return layers, bounds
    return found, changed


def may_reach(layer: Amplification) -> bool:
    """Whether more coefficients than usual may leave out no pair."""
    return layer.rest <= HOPEFUL or layer.step.layer.activation.is_erf


def _longest_reach(layer: Amplification, tau: float) -> float:
    """The |rho| that the longest series may reach: four times as many terms square the rest."""
    rest = layer.rest**2 if may_reach(layer) else 1.0
    return min(tau / max(rest, tau), 1.0) ** (1 / MOST_TERMS_WHOLE)


def _followed(state: Diagonal) -> int:
    """Of how many layers the sample knows correlations."""
    return len(state.stages) if is_straight(state) else 1


def _is_smooth(layer: Amplification, stage: Stage) -> bool:
    """Whether it is a weight layer whose pairs have no form of their own."""
    step = stage.step
    plain = not (step.normalizes or step.passes or step.noise != 1)
    own = layer.bent or layer.closed or step.layer.activation.jump is not None
    return plain and not own and not is_bent(step.layer.activation)


def _tabulated(stage: Stage, layer: Amplification, bounds: Bounds, tail: float) -> Amplification:
    """The layer with a table and a series that reaches it, or as it is."""
    s = np.sqrt(stage.variance)
    form = log_table(stage.step.layer.activation, s[s > 0]) if (s > 0).any() else None
    if form is None or not form.error <= SHARP:
        return layer
    tau = max(float(bounds.truncation.max()), form.error)
    for terms in SHORT:
        short = amplification(stage, tail, terms)
        if (tau / max(short.rest, tau)) ** (1 / terms) > 1 - form.farthest:
            return replace(short, beyond=form)
    return layer


def _are_met(layers: list[Amplification], bounds: Bounds) -> bool:
    """Whether each series reaches its table, and the table goes on up to the ceiling."""
    ends = zip(layers, bounds.radius[:, -2].tolist(), strict=True)
    return all(
        1 - layer.beyond.farthest <= end < bounds.ceiling
        for layer, end in ends
        if isinstance(layer.beyond, LogTable)
    )


def _still_left(state: Diagonal, inputs: Array, n: int, own: bool, ceiling: float) -> float:
    """The share of pairs beyond a ceiling in the first layer."""
    rho = next(rough_correlations(state, inputs, n, own))
    return float((rho > ceiling).mean())
