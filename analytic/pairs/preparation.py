"""From a network and its inputs to a problem: the tables and the error bound."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from analytic.expectations import FARTHEST, LogTable, band_width
from analytic.machine import UNIT, Array
from analytic.network import Network
from analytic.pairs.close_forms import with_close_forms
from analytic.pairs.correlation_samples import rough_correlations
from analytic.pairs.input_products import roundings
from analytic.pairs.near_layouts import with_near_tiles
from analytic.pairs.pair_sums import share_or_zero, some_places
from analytic.pairs.rays import are_on_a_line
from analytic.pairs.row_blocks import Series
from analytic.pairs.wide_forms import may_reach, with_log_tables
from analytic.pairs.wide_inputs import ENOUGH, are_wide, is_straight
from analytic.recursion import (
    NO_AVERAGE,
    Amplification,
    Bounds,
    Diagonal,
    ErrorPropagation,
    Problem,
    Stage,
    amplification,
    amplifications,
    certify,
    certify_behind,
    diagonal,
    in_kernels,
    input_tables,
    lay_out,
    mean_squares,
    program,
    with_classes,
    with_sizes,
)

__all__ = ["own_ends", "prepare"]


def prepare(
    network: Network,
    x: Array,
    y: Array | None,
    tolerance: float,
    *,
    tight: bool = False,
    start: float | None = None,
    spread: float = 0.0,
) -> Problem:
    """Tabulate the layers and fix the error bound.

    Args:
        network: the description.
        x: inputs, shape (n, d).
        y: other inputs, shape (k, d), or None for x itself.
        tolerance: the promise.
        tight: see ``analytic.recursion.certificate.certify``.
        start: relative error of the scalar products; that of their rounding if None.
        spread: relative error of |x|^2/d beyond rounding.
    """
    own = y is None
    inputs = x if y is None else np.concatenate([x, y])
    tail = 2 * UNIT if tight else max(1e-3 * tolerance, 16 * UNIT)
    squares = mean_squares(inputs)
    state = diagonal(network, squares)
    start = roundings(x.shape[1]) * UNIT if start is None else start
    promise = _Promise(tolerance, start, tight, spread, in_kernels(state))
    layers = amplifications(state, tail)
    bounds = promise.bounded(layers)
    if not tight:
        layers, bounds = with_close_forms(
            state, layers, bounds, promise.bounded, inputs, len(x), own
        )
        layers, bounds = with_log_tables(
            state, layers, bounds, promise.bounded, tail, inputs, len(x), own
        )
    left = _share_left(state, inputs, len(x), own, bounds)
    pairs = left * len(x) * (len(x) / 2 if own else len(inputs) - len(x))
    layers, bounds = _of_best_lengths(promise, state, layers, bounds, tail, left, pairs, x.shape[1])
    if tight:
        bounds = with_classes(bounds, network, squares, len(x), layers, tail=tail, spread=spread)
    else:
        bounds = with_sizes(bounds, layers, state, squares, len(x))
    behind = None if tight else promise.entered(layers, bounds)
    if behind is not None and _is_vain(state, inputs, len(x), own, behind.ceiling):
        behind = None
    method = _laid_out(network, state, layers, (bounds, behind), len(x), own)
    problem = Problem(network, x, x if y is None else y, own, state, method)
    return problem if tight else with_near_tiles(problem)


def own_ends(network: Network, x: Array) -> tuple[Diagonal, float]:
    """The recursion at x = x' of inputs (n, d), and the largest relative error of K(x, x)."""
    state = diagonal(network, mean_squares(x))
    layers = amplifications(state, 16 * UNIT)
    chain = ErrorPropagation(layers, NO_AVERAGE, 0.0, 0.0, in_kernels(state))
    return state, chain.diagonal


class _Promise(NamedTuple):
    """What error bounds are made from, beside the layers; see ``certify``."""

    tolerance: float
    start: float
    tight: bool
    spread: float
    in_kernel: tuple[float, float, float]

    def bounded(self, layers: list[Amplification]) -> Bounds:
        """The bounds of all layers."""
        return certify(
            layers, self.tolerance, self.start, tight=self.tight, spread=self.spread,
            in_kernel=self.in_kernel,
        )  # fmt: skip

    def entered(self, layers: list[Amplification], bounds: Bounds) -> Bounds | None:
        """Those of pairs that come back behind the first layer, if they may."""
        return certify_behind(
            layers, bounds, self.start, spread=self.spread, in_kernel=self.in_kernel
        )


def _of_best_lengths(
    promise: _Promise, state: Diagonal, layers: list[Amplification], bounds: Bounds, tail: float,
    left: float, pairs: float, features: int,
) -> tuple[list[Amplification], Bounds]:  # fmt: skip
    """The layers with a shorter first series where other ways are as quick, or with longer ones.

    ``left`` is the share of pairs that the series leave out, and ``pairs`` their number.
    """
    usual = promise.tight or left <= MOST
    reach = None if usual else _reach(state.stages[0], features, bounds.error, pairs)
    if reach is not None:
        short = [amplification(state.stages[0], tail, SHORT), *layers[1:]]
        fewer = promise.bounded(short)
        returns = len(layers) == 1 or promise.entered(short, fewer) is not None
        if fewer.radius[0, -1] >= reach and (returns or _are_all_wide(state, bounds.error)):
            return short, fewer
    longer = _worth_more_terms(layers, bounds)
    if not (left and any(longer)):
        return layers, bounds
    found = zip(amplifications(state, tail, longer), layers, strict=True)
    layers = [
        b if isinstance(b.beyond, LogTable) else replace(a, beyond=b.beyond) for a, b in found
    ]
    return layers, promise.bounded(layers)


def _laid_out(
    network: Network,
    state: Diagonal,
    layers: list[Amplification],
    bounds: tuple[Bounds, Bounds | None],
    n: int,
    own: bool,
) -> Series:
    """The plan and the tables; the bounds are those of all layers, and behind the first one."""
    width = band_width(max(n, len(state.stages[0].variance) - n))
    forms = [
        lay_out(layer.beyond, stage, n, own, width)
        for layer, stage in zip(layers, state.stages, strict=True)
    ]
    plan = program(network, bounds[0], forms)
    top, rest = ([part] * len(layers) for part in (slice(0, n), slice(n, None)))
    asked = [None if laid is None else laid.rows for laid in forms]
    rows = columns = input_tables(state, plan, top, asked=asked, width=width)
    if not own:
        asked = [None if laid is None else laid.columns for laid in forms]
        columns = input_tables(state, plan, rest, asked=asked, width=width)
    back = None if bounds[1] is None else plan._replace(bounds=bounds[1])
    return Series(plan, rows, columns, back)


def _is_vain(state: Diagonal, inputs: Array, n: int, own: bool, ceiling: float) -> bool:
    """Whether many pairs of a sample that are taken behind the first layer are beyond a ceiling."""
    if ceiling == 1 or not is_straight(state):
        return False
    deeper = list(rough_correlations(state, inputs, n, own))[1:]
    return any((rho > ceiling).mean() > VAIN for rho in deeper)


def _reach(stage: Stage, features: int, bound: float, pairs: float) -> float | None:
    """The |rho| that series of a first layer need to reach where other ways are as quick."""
    if are_on_a_line(stage, features, bound) and stage.variance.max() > NEAREST**2:
        return 0.0
    return 1 - FARTHEST if pairs >= ENOUGH and are_wide(stage, bound) else None


def _are_all_wide(state: Diagonal, bound: float) -> bool:
    """Whether pairs go through all layers by tables."""
    return is_straight(state) and all(are_wide(stage, bound) for stage in state.stages)


VAIN = 0.1
"""The share of pairs beyond a ceiling from which on none is taken behind the first layer."""
NEAREST = 4.0
"""The largest deviation of inputs on a line up to which long series are tried: they have proofs."""
MOST = 0.5
"""A share of pairs that is left out, from which on series may be shorter: few use them."""
SHORT = 256
"""Coefficients of the first layer where most pairs have tables of wide deviations."""


def _worth_more_terms(layers: list[Amplification], bounds: Bounds) -> list[bool]:
    """Of which layers more coefficients would leave out fewer pairs."""
    short = bounds.radius[:, -1] < bounds.ceiling
    hopeful = (may_reach(layer) for layer in layers)
    return [bool(hope and cut) for hope, cut in zip(hopeful, short, strict=True)]


def _share_left(state: Diagonal, inputs: Array, n: int, own: bool, bounds: Bounds) -> float:
    """The share of a sample of pairs that the series leave out, if they leave out any.

    By the correlations of the first layer, which those of deeper ones mostly exceed. The first
    ``n`` inputs are the rows; the columns are the others, or the same (``own``).
    """
    if not (bounds.radius[:, -1] < bounds.ceiling).any():
        return 0.0
    weight, bias, *_ = state.stages[0].step.coefficients
    s = np.sqrt(state.stages[0].variance)
    i = some_places(n)
    j = i if own else n + some_places(len(inputs) - n)
    covariance = weight * (inputs[i] @ inputs[j].T) / inputs.shape[1] + bias
    rho = np.abs(share_or_zero(covariance, np.outer(s[i], s[j])))
    if own:
        np.fill_diagonal(rho, 0.0)
    return float((rho > bounds.radius[:, -1].min()).mean())
