"""From a network and its inputs to a problem: the tables and the error bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic.machine import UNIT, Array
from analytic.network import Network
from analytic.pairs.pair_sums import share_or_zero
from analytic.pairs.row_blocks import Series, roundings
from analytic.recursion import (
    Amplification,
    Bounds,
    Diagonal,
    Problem,
    amplifications,
    certify,
    certify_behind,
    diagonal,
    in_kernels,
    input_tables,
    mean_squares,
    program,
    with_classes,
)

__all__ = ["prepare"]


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
    shares = in_kernels(state)

    def bounded(layers: list[Amplification]) -> Bounds:
        return certify(layers, tolerance, start, tight=tight, spread=spread, in_kernel=shares)

    layers = amplifications(state, tail)
    bounds = bounded(layers)
    longer = _worth_more_terms(layers, bounds)
    if any(longer) and _some_are_left(state, inputs, len(x), own, bounds):
        layers = amplifications(state, tail, longer)
        bounds = bounded(layers)
    if tight:
        bounds = with_classes(bounds, network, squares, len(x), layers, tail=tail, spread=spread)
    behind = certify_behind(layers, bounds, start, spread=spread, in_kernel=shares)
    plan = program(network, bounds)
    top, rest = ([part] * len(layers) for part in (slice(0, len(x)), slice(len(x), None)))
    rows = input_tables(state, plan, top)
    columns = rows if own else input_tables(state, plan, rest)
    back = None if behind is None or tight else plan._replace(bounds=behind)
    method = Series(plan, rows, columns, back)
    return Problem(network, x, x if y is None else y, own, state, method)


HOPEFUL = 2.0**-12
"""What the usual number of coefficients may leave out of E w'^2 where four times as many are
tried: these leave something like the square of it."""
SAMPLED = 128
"""Inputs whose correlations are looked at, spread evenly."""


def _worth_more_terms(layers: list[Amplification], bounds: Bounds) -> list[bool]:
    """Of which layers more coefficients would leave out fewer pairs."""
    short = bounds.radius[:, -1] < bounds.ceiling
    hopeful = (layer.rest <= HOPEFUL or layer.step.layer.activation.is_erf for layer in layers)
    return [bool(hope and cut) for hope, cut in zip(hopeful, short, strict=True)]


def _some_are_left(state: Diagonal, inputs: Array, n: int, own: bool, bounds: Bounds) -> bool:
    """Whether the series leave out some of a sample of pairs.

    By the correlations of the first layer, which those of deeper ones mostly exceed. The first
    ``n`` inputs are the rows; the columns are the others, or the same (``own``).
    """
    weight, bias, *_ = state.stages[0].step.coefficients
    s = np.sqrt(state.stages[0].variance)
    i = _spread(n)
    j = i if own else n + _spread(len(inputs) - n)
    covariance = weight * (inputs[i] @ inputs[j].T) / inputs.shape[1] + bias
    rho = np.abs(share_or_zero(covariance, np.outer(s[i], s[j])))
    if own:
        np.fill_diagonal(rho, 0.0)
    return bool((rho > bounds.radius[:, -1].min()).any())


def _spread(size: int) -> NDArray[np.intp]:
    """At most SAMPLED places among so many, spread evenly."""
    return np.linspace(0, size - 1, min(SAMPLED, size)).astype(np.intp)
