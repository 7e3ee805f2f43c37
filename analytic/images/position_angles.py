r"""The method for images whose positions are taken one by one, like nearly parallel vectors.

It costs some microseconds a pair of positions and layer, a hundred times the series, and serves
where that ends: raw pixels, chaotic networks, activations that jump. For networks without branches
whose averages stand before the readout, or make one vector of all positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analytic.images.angle_propagation import Reading, Walk, image_ends
from analytic.images.layer_sources import sources
from analytic.machine import LANES, UNIT, Array
from analytic.network import (
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Shape,
    Step,
)
from analytic.pairs import Close
from analytic.recursion import Data, Problem, RowBlock, in_kernels, kernels_at

__all__ = ["PositionAngles", "prepare_positions"]

TOGETHER = 2**17
"""Pairs of positions that are taken at a time."""
MOST = 2**26
"""Pairs of positions, over all layers, from which on the work is not begun: some minutes."""
FORETOLD = 2**12
"""Pairs of positions that foretell the bound."""


@dataclass(frozen=True, slots=True, eq=False)
class PositionAngles:
    """The method (``analytic.recursion.problem.Method``).

    Attributes:
        walk: the network and its images.
        columns: the place of the first column among these.
        rounding: what the readout rounds.
        diagonal: bound of the relative error at x = x'.
        x: images of the rows, (n, P, channels).
        y: of the columns.
    """

    walk: Walk
    columns: int
    rounding: float
    diagonal: float
    x: Array
    y: Array

    @property
    def error(self) -> float:
        """That of some pairs: of the first image with others."""
        few = min(len(self.y), max(FORETOLD // self._grid, 2))
        j = np.unique(np.linspace(0, len(self.y) - 1, few).astype(np.int64))
        return float(self._pairs(np.zeros_like(j), j)[2].max())

    @property
    def bytes(self) -> int:
        return 512 * max(TOGETHER, self._grid)

    @property
    def _grid(self) -> int:
        """Pairs of positions of a pair of images."""
        positions = max(norms.shape[1] for norms in self.walk.ends.sigma)
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
            *values, error = self._pairs(i, j)
            for value, out in zip(values, outs, strict=True):
                if out.size:
                    out[i - block.shift, j] = value
                    if block.mirror:
                        out[j, i] = value
            np.maximum.at(bound, (i, j if bound.shape[1] == k else j // LANES), error)
        return 0, 0

    def _pairs(self, i: np.ndarray, j: np.ndarray) -> tuple[Array, Array, Array]:
        """Both kernels, and a bound of their relative errors."""
        ends = self.walk.ends.diagonal
        sigma, theta, *wrong = self.walk.kernels(self.x[i], self.y[j], i, j + self.columns)
        sizes = [np.sqrt(part[i] * part[j + self.columns]) for part in (ends.sigma, ends.theta)]
        parts = map(_relative, wrong, sizes)
        found = kernels_at(ends.output, sigma, theta)
        return found.nngp, found.ntk, np.maximum(*parts) + 4 * UNIT + self.rounding


def prepare_positions(
    network: Network, x: Array, y: Array | None, spatial: Shape, most: float = MOST
) -> Problem | None:
    """The problem of images, position by position; None where it does not serve.

    Args:
        network: the description.
        x: images, shape (n, positions, channels).
        y: other images, or None for x itself.
        spatial: the shape of the images.
        most: pairs of positions, over all layers, from which on the work is not begun.
    """
    own, network = y is None, network.summed(len(spatial))
    readings = _readings(network, spatial)
    if readings is None:
        return None
    readout = [layer for layer in network.readout if not isinstance(layer, Flatten)]
    mixes = bool(readout)
    columns = x if y is None else y
    images = x if y is None else np.concatenate([x, y])
    places = [x.shape[1], *(reading.source.shape[1] for reading in readings)]
    pairs = len(x) * (len(x) + 1) // 2 if own else len(x) * len(columns)
    if pairs * sum(p**2 if mixes else p for p in places) > most:
        return None
    ends = image_ends(network, readings, images)
    close = Close.of(network, ends.diagonal)
    walk = Walk(close, ends, readings, mixes)
    *_, rounding = in_kernels(ends.diagonal)
    diagonal = close.variations[-1] + 4 * UNIT + rounding
    if mixes:
        every = np.arange(len(images))
        parts = [walk.kernels(images[[i]], images[[i]], every[[i]], every[[i]]) for i in every]
        sigma, theta, *wrong = np.concatenate(parts, axis=1)
        sigma, theta = (np.maximum(part, 0) for part in (sigma, theta))  # positions may cancel
        known = replace(ends.diagonal, sigma=sigma, theta=theta)
        walk = replace(walk, ends=ends._replace(diagonal=known))
        diagonal += max(map(np.max, map(_relative, wrong, (sigma, theta))))
    method = PositionAngles(
        walk, 0 if own else len(x), rounding, diagonal, x, columns,
    )  # fmt: skip
    return Problem(network, x, columns, own, walk.ends.diagonal, method)


def _relative(wrong: Array, size: Array) -> Array:
    """Errors by the sizes that they are relative to; infinite where all of these cancelled."""
    lost = np.where(wrong > 0, np.inf, 0.0)
    return np.divide(wrong, size, out=lost, where=size > 0)


def _readings(network: Network, spatial: Shape) -> tuple[Reading, ...] | None:
    """What every layer reads; None where there are branches, or averages of several windows."""
    found: list[Reading] = []
    for step, source in zip(network.steps, sources(network, spatial), strict=True):
        if not _is_plain(step):
            return None
        if step.averages:
            before = found[-1].source.shape[1] if found else int(np.prod(spatial))
            found.append(Reading(np.arange(before)[:, None], 1 / before))
        else:
            found.append(Reading(source, 1.0))
    kinds = Flatten, GlobalAveragePooling
    return tuple(found) if all(isinstance(part, kinds) for part in network.readout) else None


PLAIN = Convolution, FullyConnected, Nonlinearity


def _is_plain(step: Step) -> bool:
    branches = step.opens or step.closes or step.switches
    flat = all(isinstance(part, Flatten) for part in step.averages)
    return flat and not branches and isinstance(step.layer, PLAIN)
