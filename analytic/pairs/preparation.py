"""From a network and its inputs to a problem: the tables and the error bound."""

from __future__ import annotations

import numpy as np

from analytic.machine import UNIT, Array
from analytic.network import Network
from analytic.pairs.row_blocks import Series, roundings
from analytic.recursion import (
    Problem,
    amplifications,
    certify,
    diagonal,
    in_kernels,
    input_tables,
    mean_squares,
    program,
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
    state = diagonal(network, mean_squares(inputs))
    start = roundings(x.shape[1]) * UNIT if start is None else start
    layers = amplifications(state, tail)
    shares = in_kernels(state)
    bounds = certify(layers, tolerance, start, tight=tight, spread=spread, in_kernel=shares)
    plan = program(network, bounds)
    top, rest = ([part] * len(layers) for part in (slice(0, len(x)), slice(len(x), None)))
    rows = input_tables(state, plan, top)
    columns = rows if own else input_tables(state, plan, rest)
    return Problem(network, x, x if y is None else y, own, state, Series(plan, rows, columns))
