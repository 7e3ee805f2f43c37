r"""The method where activations jump: every pair by the complements of its cosine.

E w(u) w(v) of an activation with jumps has an infinite slope at rho = 1, and its series falls
like a power. So no pair goes through the tiles: all are taken like the nearly parallel ones of
other networks (``analytic.pairs.nearly_parallel``), whose relative errors jumps do not amplify.
There is no tangent kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytic.machine import LANES, UNIT, Array
from analytic.network import Network
from analytic.pairs.close_inputs import Close
from analytic.pairs.nearly_parallel import nearly_parallel_pairs
from analytic.recursion import Data, Problem, RowBlock, diagonal, mean_squares

__all__ = ["Angles", "prepare_angles"]

PAIRS = 2**14
"""Most pairs that are taken at a time."""
SAMPLED, NEAREST = 2**9, 2**8
"""Inputs, and nearest pairs among them, that foretell the bound."""
NUMBERS = 2**22
"""Features of such pairs, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Angles:
    """The method (``analytic.recursion.problem.Method``) for networks whose activations jump.

    Attributes:
        close: the network and its inputs.
        columns: the place of the first column among the inputs of ``close``.
        x: inputs of the rows, (n, d).
        y: of the columns.
    """

    close: Close
    columns: int
    x: Array
    y: Array

    @property
    def error(self) -> float:
        """The largest bound of the nearest pairs among some of the inputs: these are the worst."""
        rows, columns = (
            np.unique(np.linspace(0, len(a) - 1, SAMPLED).astype(np.intp)) for a in (self.x, self.y)
        )
        sizes = [np.sqrt(np.sum(a**2, axis=1)) for a in (self.x[rows], self.y[columns])]
        unit, unit_ = (
            a / np.where(r > 0, r, 1.0)[:, None]
            for a, r in zip((self.x[rows], self.y[columns]), sizes, strict=True)
        )
        near = np.abs(unit @ unit_.T)
        if self.columns == 0:
            near[rows[:, None] >= columns] = -1.0  # each pair once
        chosen = np.argsort(-near, axis=None, kind="stable")[:NEAREST]
        i, j = np.unravel_index(chosen[near.ravel()[chosen] >= 0], near.shape)
        if i.size == 0:
            return self.diagonal
        return float(self._pairs(rows[i], columns[j])[1].max())

    @property
    def diagonal(self) -> float:
        return self.close.sigmas[-1] + 2 * UNIT

    @property
    def bytes(self) -> int:
        return 64 * PAIRS

    def step(self, n: int) -> int:
        return max(min(LANES, n), 1)

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
        """See ``Method``; there is no pair that is left out."""
        outs, k = [out for out in (block.nngp, block.ntk) if out.size], len(self.y)
        by_pair = bound.shape[1] == k
        together = max(1, min(PAIRS, NUMBERS // self.x.shape[1]) // k)
        for first in range(block.row, block.end, together):
            last = min(first + together, block.end)
            rows, columns = np.divmod(np.arange(first * k, last * k), k)
            if data.own:
                later = columns > rows
                rows, columns = rows[later], columns[later]
            sigma, error = self._pairs(rows, columns)
            for out in outs:  # a plan has room for both
                out[rows - block.shift, columns] = sigma
                if block.mirror:
                    out[columns, rows] = sigma
            np.maximum.at(bound, (rows, columns if by_pair else columns // LANES), error)
        return 0, 0

    def _pairs(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> tuple[Array, Array]:
        """Sigma and the bound of its relative error."""
        shift = self.columns
        found = nearly_parallel_pairs(self.close, self.x[i], self.y[j], i, j + shift)
        return found.sigma, found.error


def prepare_angles(network: Network, x: Array, y: Array | None) -> Problem:
    """The problem of a network whose activations jump.

    Args:
        network: the description.
        x: inputs, shape (n, d).
        y: other inputs, shape (k, d), or None for x itself.
    """
    own = y is None
    columns = x if y is None else y
    ends = diagonal(network, mean_squares(x if own else np.concatenate([x, columns])))
    method = Angles(Close.of(network, ends), 0 if own else len(x), x, columns)
    return Problem(network, x, columns, own, ends, method)
