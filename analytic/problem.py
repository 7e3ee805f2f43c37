"""A kernel that is ready to be computed: its inputs, tables and error bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analytic.amplification import amplifications
from analytic.certificate import certify
from analytic.duals import UNIT
from analytic.network import Network
from analytic.recursion import Diagonal, diagonal, mean_squares
from analytic.strips import Block, Data, Series, roundings
from analytic.tables import aligned, padded_length, program, side

__all__ = ["Block", "Data", "Method", "Problem", "prepare"]

Array = NDArray[np.float64]


class Method(Protocol):
    """How rows of the answer are computed: ``strips.Series`` or ``zonal.Zonal``."""

    @property
    def error(self) -> float:
        """Bound of the relative error of the pairs it does not leave out."""
        ...

    @property
    def diagonal(self) -> float:
        """Bound of the relative error at x = x'."""
        ...

    @property
    def bytes(self) -> int:
        """Memory of the tables."""
        ...

    def step(self, n: int) -> int:
        """Rows that a thread takes at a time, of n in all."""
        ...

    def fill(self, data: Data, block: Block, bound: Array) -> tuple[int, int]:
        """Write a block of rows, and a bound for each row and LANES columns.

        Returns:
            (largest number of terms that was used, number of pairs left out as NaN).
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A kernel that is ready to be computed.

    Attributes:
        network: the description.
        x: inputs of the rows, (n, d), or (n, positions, channels) for images.
        y: of the columns, the same.
        own: whether y is x.
        diagonal: the recursion at x = x' for the rows, then (unless ``own``) the columns.
        method: how the pairs are computed.
    """

    network: Network
    x: Array
    y: Array
    own: bool
    diagonal: Diagonal
    method: Method

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.x), len(self.y)

    def data(self) -> Data:
        """The inputs as the compiled code reads them."""
        if self.x.ndim == 3:
            return Data(self.x, self.y, self.x.shape[2], self.own)
        features = self.x.shape[1]
        x = np.ascontiguousarray(np.pad(self.x, ((0, 0), (0, -features % 8))))
        xt = aligned(x.shape[1], padded_length(len(self.y)))
        xt[:features, : len(self.y)] = self.y.T
        return Data(x, xt, features, self.own)


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
        tight: see ``analytic.certificate.certify``.
        start: relative error of the scalar products; that of their rounding if None.
        spread: relative error of |x|^2/d beyond rounding.
    """
    own = y is None
    inputs = x if y is None else np.concatenate([x, y])
    tail = 16 * UNIT if tight else max(1e-3 * tolerance, 16 * UNIT)
    state = diagonal(network, mean_squares(inputs))
    start = roundings(x.shape[1]) * UNIT if start is None else start
    layers = amplifications(state, tail)
    plan = program(network.steps, certify(layers, tolerance, start, tight=tight, spread=spread))
    top, rest = ([part] * len(layers) for part in (slice(0, len(x)), slice(len(x), None)))
    rows = side(state, plan, top)
    columns = rows if own else side(state, plan, rest)
    return Problem(network, x, x if y is None else y, own, state, Series(plan, rows, columns))
