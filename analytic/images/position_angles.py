r"""The method for images whose positions are taken one by one, like nearly parallel vectors.

It costs some microseconds a pair of positions and layer, a hundred times the series, and serves
where that ends: raw pixels, chaotic networks, activations that jump, kinks behind pooling, relu
beside other activations or ``LayerNorm``. Jumps in networks without branches whose averages stand
before the readout, or make one vector of all positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analytic.images.position_kernels import Unknown, Walk, errors_of, relative
from analytic.images.position_readings import is_plain, pairs_of_positions
from analytic.machine import LANES, UNIT, Array
from analytic.network import Network, Shape, first_jump_of
from analytic.recursion import (
    Cost,
    Data,
    Diagonal,
    Problem,
    RowBlock,
    in_kernels,
    kernels_at,
    read_out,
)

__all__ = ["MOST", "PositionAngles", "Unserved", "prepare_positions"]

TOGETHER = 2**17
"""Pairs of positions that are taken at a time."""
MOST = 2**26
"""Pairs of positions, over all layers, from which on the work is not begun: some minutes."""
FORETOLD = 2**12
"""Pairs of positions that foretell the bound."""


Pair = tuple[int, int]
"""A first image and a second one."""


@dataclass(frozen=True, slots=True, eq=False)
class PositionAngles:
    """The method (``analytic.recursion.problem.Method``).

    Attributes:
        walk: the network and its images.
        ends: their kernels with themselves.
        columns: the place of the first column among these.
        rounding: what the readout rounds.
        diagonal: bound of the relative error at x = x'.
        x: all images, (n, P, channels).
        y: of the columns.
    """

    walk: Walk
    ends: Diagonal
    columns: int
    rounding: float
    diagonal: float
    x: Array
    y: Array

    @property
    def error(self) -> float:
        """That of some pairs: of the first image with others."""
        return self._of_some()[0]

    @property
    def foretold(self) -> tuple[float, Pair]:
        """The larger one of ``error`` and ``diagonal``, and a pair that has it."""
        bound, pair = self._of_some()
        if bound > self.diagonal:
            return bound, pair
        image = 0 if self.walk.alone is None else int(errors_of(self.walk.alone).argmax())
        return self.diagonal, _pair(image, self.columns)

    def costs(self, pair: Pair) -> list[Cost]:
        """What the operations of the network make of the errors of a pair."""
        i, j = pair
        bound = float(self.pairs(np.array([i]), np.array([j]))[2][0])
        return read_out(self.walk.costs(self.x, i, j + self.columns), bound)

    def _of_some(self) -> tuple[float, Pair]:
        few = min(len(self.y), max(FORETOLD // self._grid, 2))
        j = np.unique(np.linspace(0, len(self.y) - 1, few).astype(np.int64))
        errors = self.pairs(np.zeros_like(j), j)[2]
        return float(errors.max()), (0, int(j[errors.argmax()]))

    @property
    def bytes(self) -> int:
        return 512 * max(TOGETHER, self._grid)

    @property
    def _grid(self) -> int:
        """Pairs of positions of a pair of images."""
        positions = max(layer.norms.shape[1] for layer in self.walk.ledger.layers)
        return positions**2 if self.walk.mixes else positions

    def step(self, n: int) -> int:
        return max(min(LANES, n), 1)

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
        """See ``Method``; there is no pair that is left out."""
        k, outs = len(self.y), (block.nngp, block.ntk)
        rows, columns = (part.ravel() for part in np.mgrid[block.row : block.end, :k])
        if data.own:
            later = columns > rows
            rows, columns = rows[later], columns[later]
        together = max(TOGETHER // self._grid, 1)
        for start in range(0, rows.size, together):
            i, j = rows[start : start + together], columns[start : start + together]
            *values, error = self.pairs(i, j)
            for value, out in zip(values, outs, strict=True):
                if out.size:
                    out[i - block.shift, j] = value
                    if block.mirror:
                        out[j, i] = value
            np.maximum.at(bound, (i, j if bound.shape[1] == k else j // LANES), error)
        return 0, 0

    def pairs(self, i: np.ndarray, j: np.ndarray) -> tuple[Array, Array, Array]:
        """Both kernels, and a bound of their relative errors."""
        ends, j = self.ends, j + self.columns
        sigma, theta, *wrong = self.walk.kernels(self.x, i, j)
        sizes = [np.sqrt(part[i] * part[j]) for part in (ends.sigma, ends.theta)]
        parts = map(relative, wrong, sizes)
        found = kernels_at(ends.output, sigma, theta)
        return found.nngp, found.ntk, np.maximum(*parts) + 4 * UNIT + self.rounding


class Unserved(NamedTuple):
    """Why positions do not serve.

    Attributes:
        bound: of the relative error of a part of the work, above the tolerance; infinite where
            there is no such way, or too much work.
        ends: the recursion at x = x' of that part.
        pair: a pair of images that has the bound.
        costs: what the operations make of its errors.
    """

    bound: float = math.inf
    ends: Diagonal | None = None
    pair: Pair = (0, 0)
    costs: Sequence[Cost] = ()


def prepare_positions(
    network: Network,
    x: Array,
    y: Array | None,
    spatial: Shape,
    tolerance: float = math.inf,
    most: float = MOST,
) -> Problem | Unserved:
    """The problem of images, position by position.

    Args:
        network: the description.
        x: images, shape (n, positions, channels).
        y: other images, or None for x itself.
        spatial: the shape of the images.
        tolerance: the promise; where one image with itself breaks it, others are not begun.
        most: pairs of positions, over all layers, from which on the work is not begun.
    """
    own, network = y is None, network.summed(len(spatial))
    pairs = len(x) * (len(x) + 1) // 2 if own else len(x) * len(x if y is None else y)
    served = is_plain(network) or first_jump_of(network) is None
    if not served or pairs * pairs_of_positions(network, spatial) > most:
        return Unserved()
    images = x if y is None else np.concatenate([x, y])
    columns = 0 if own else len(x)
    walk = Walk.of(network, spatial, images, tolerance)
    if isinstance(walk, Unknown):
        pair = _pair(walk.image, columns)
        ends = _ends(network, walk) if walk.stages else None
        return Unserved(walk.error, ends, pair, read_out(walk.costs, walk.error))
    end, ends = walk.end, _ends(network, walk)
    *_, rounding = in_kernels(ends)
    diagonal = end.wrong + 4 * UNIT + rounding
    if walk.alone is not None:
        errors = errors_of(walk.alone)
        diagonal += float(errors.max())
        if not diagonal <= tolerance:
            worst = int(errors.argmax())
            costs = read_out(walk.costs(images, worst, worst), diagonal)
            return Unserved(diagonal, ends, _pair(worst, columns), costs)
    method = PositionAngles(walk, ends, columns, rounding, diagonal, images, images[columns:])
    return Problem(network, x, images[columns:], own, ends, method)


def _pair(image: int, columns: int) -> Pair:
    """A pair with one of all images, of which the columns begin at ``columns``."""
    if columns == 0:
        return image, image
    return (image, 0) if image < columns else (0, image - columns)


def _ends(network: Network, walk: Walk | Unknown) -> Diagonal:
    """The recursion at x = x'; where positions mix they may cancel."""
    if walk.alone is not None:
        sigma, theta = np.maximum(walk.alone[:2], 0)
    else:
        sigma, theta = (part.mean(axis=1) for part in walk.end[:2])
    return Diagonal(walk.stages, sigma, theta, output=network.output.coefficients)
