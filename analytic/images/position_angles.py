r"""The method for images whose positions are taken one by one, like nearly parallel vectors.

It costs some microseconds a pair of positions and layer, a hundred times the series, and serves
where that ends: raw pixels, chaotic networks, activations that jump. For networks without branches
whose averages stand before the readout, or make one vector of all positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

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
from analytic.recursion import Data, Diagonal, Problem, RowBlock, in_kernels, kernels_at

__all__ = [
    "MOST",
    "PositionAngles",
    "Unserved",
    "pairs_of_positions",
    "position_readings",
    "prepare_positions",
    "reads_all_pairs",
]

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


class Unserved(NamedTuple):
    """Why positions do not serve.

    Attributes:
        bound: of the relative error of a part of the work, above the tolerance; infinite where
            there is no such way, or too much work.
        ends: the recursion at x = x' of that part.
    """

    bound: float = math.inf
    ends: Diagonal | None = None


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
    readings = position_readings(network, spatial)
    columns = x if y is None else y
    pairs = len(x) * (len(x) + 1) // 2 if own else len(x) * len(columns)
    if readings is None or pairs * pairs_of_positions(network, spatial) > most:
        return Unserved()
    mixes = reads_all_pairs(network)
    images = x if y is None else np.concatenate([x, y])
    ends = image_ends(network, readings, images)
    close = Close.of(network, ends.diagonal)
    walk = Walk(close, ends, readings, mixes)
    *_, rounding = in_kernels(ends.diagonal)
    diagonal = close.variations[-1] + 4 * UNIT + rounding
    if mixes:
        known = _own_pairs(walk, images, tolerance - diagonal)
        diagonal += known.wrong
        if not diagonal <= tolerance:
            return Unserved(diagonal, ends.diagonal)
        sums = replace(ends.diagonal, sigma=known.sigma, theta=known.theta)
        walk = replace(walk, ends=ends._replace(diagonal=sums))
    method = PositionAngles(
        walk, 0 if own else len(x), rounding, diagonal, x, columns,
    )  # fmt: skip
    return Problem(network, x, columns, own, walk.ends.diagonal, method)


def _relative(wrong: Array, size: Array) -> Array:
    """Errors by the sizes that they are relative to; infinite where all of these cancelled."""
    lost = np.where(wrong > 0, np.inf, 0.0)
    return np.divide(wrong, size, out=lost, where=size > 0)


class _OwnPairs(NamedTuple):
    """Sigma and Theta of images with themselves, (n,) each, and the largest relative error."""

    sigma: Array
    theta: Array
    wrong: float


def _own_pairs(walk: Walk, images: Array, allowed: float) -> _OwnPairs:
    """Those of all images, or of the first ones, up to one whose error is not allowed."""
    found, wrong = list[Array](), 0.0
    for number in range(len(images)):
        one = np.array([number])
        found.append(walk.kernels(images[one], images[one], one, one))
        sigma, theta, *errors = found[-1]
        parts = zip(errors, (sigma, theta), strict=True)
        wrong = max(wrong, *(float(_relative(error, size).max()) for error, size in parts))
        if not wrong <= allowed:
            break
    sigma, theta, *_ = np.concatenate(found, axis=1)
    return _OwnPairs(np.maximum(sigma, 0), np.maximum(theta, 0), wrong)  # positions may cancel


def reads_all_pairs(network: Network) -> bool:
    """Whether the readout wants all pairs of positions."""
    return not all(isinstance(layer, Flatten) for layer in network.readout)


def pairs_of_positions(network: Network, spatial: Shape) -> float:
    """Of a pair of images, over all layers; infinite where positions are not taken one by one."""
    network = network.summed(len(spatial))
    readings = position_readings(network, spatial)
    if readings is None:
        return math.inf
    places = [math.prod(spatial), *(reading.source.shape[1] for reading in readings)]
    return sum(p**2 if reads_all_pairs(network) else p for p in places)


def position_readings(network: Network, spatial: Shape) -> tuple[Reading, ...] | None:
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
