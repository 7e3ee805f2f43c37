"""A kernel that is ready to be computed: its inputs, tables and error bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from analytic.machine import Array, aligned, padded_length
from analytic.network import Network
from analytic.recursion.layer_equations import Diagonal

__all__ = ["Data", "Method", "Problem", "RowBlock"]


class Data(NamedTuple):
    """The inputs of a problem; images as (n, positions, channels), both of them."""

    x: Array  # of the rows, (n, features padded to a multiple of 8)
    xt: Array  # of the columns, transposed, (features padded, k padded)
    features: int
    own: bool  # whether they are the same: only pairs i < j are computed


class RowBlock(NamedTuple):
    """Rows of the answer, and where they go.

    Attributes:
        row: the first row.
        end: one past the last row.
        shift: the row of the answer that the first row of the arrays stands for.
        mirror: whether to write the entries (j, i) too; the arrays must hold all rows then.
        nngp: Sigma at the readout, shape (rows, k), or without rows where not wanted.
        ntk: Sigma + Theta, the same.
    """

    row: int
    end: int
    shift: int
    mirror: bool
    nngp: Array
    ntk: Array


class Method(Protocol):
    """How rows of the answer are computed: ``Series`` (``analytic.pairs``) or ``Zonal``."""

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

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
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

    @property
    def is_bent(self) -> bool:
        """Whether all activations are a x + b |x|, whose pairs have closed forms."""
        return all(step.layer.activation.bent_line is not None for step in self.network.steps)

    def data(self) -> Data:
        """The inputs as the compiled code reads them."""
        if self.x.ndim == 3:
            return Data(self.x, self.y, self.x.shape[2], self.own)
        features = self.x.shape[1]
        short = -features % 8
        x = np.ascontiguousarray(np.pad(self.x, ((0, 0), (0, short))) if short else self.x)
        xt = aligned(x.shape[1], padded_length(len(self.y)))
        xt[:features, : len(self.y)] = self.y.T
        return Data(x, xt, features, self.own)
