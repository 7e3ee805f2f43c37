"""What must be known of all images before a pair of them is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import LOWEST, MOST_TERMS_WHOLE, Coefficients, coefficients, length
from analytic.images.own_positions import image_diagonal
from analytic.images.position_order import Ways
from analytic.machine import UNIT, Array, cores
from analytic.network import Network
from analytic.recursion import BATCH, Amplification, Average, Diagonal, Stage, amplification, merged

__all__ = ["Planned", "Plans", "plan_images"]

Index = NDArray[np.intp]

PLANNED = 2**17
"""Pairs of positions of the images that are planned together."""
KEPT = 2**26
"""Bytes of the recursions at x = x' that are kept."""
VALUES = 16
"""Numbers that such a recursion holds for a layer at a position."""


class Planned(NamedTuple):
    """What is known of the images before a pair of them is computed."""

    layers: list[Amplification]
    sigma: Array  # Sigma at the readout at x = x', (n,)
    theta: Array
    readout: Average


class Plans:
    """The recursion at x = x' for all images, a part at a time; the parts are kept if small.

    Attributes:
        network: the description.
        own: the order in which blocks of one column go through it.
        x: images, (n, positions, channels).
    """

    def __init__(self, network: Network, own: Ways, x: Array) -> None:
        self.network, self.own, self.x = network, own, x
        self.step = max(PLANNED // own.layout.most, 1)
        size = (
            8
            * VALUES
            * len(own.layers)
            * max(part.layer.after.positions for part in own.layout.parts)
        )
        self._keeps = size * len(x) <= KEPT
        self._states: dict[int, Diagonal] = {}
        self._coefficients: dict[int, list[Array]] = {}

    def part(self, start: int) -> Diagonal:
        """The images from a multiple of ``step`` on."""
        found = self._states.get(start)
        if found is None:
            found = image_diagonal(self.network, self.own, self.x[start : start + self.step])
            if self._keeps:
                self._states[start] = found
        return found

    def images(self, chosen: Index) -> tuple[Diagonal, Index, list[Array] | None]:
        """A recursion with some images, where they stand in it, and coefficients if kept."""
        start = int(chosen[0]) - int(chosen[0]) % self.step
        if self._keeps and chosen[-1] < start + self.step:
            return self.part(start), chosen - start, self._coefficients.get(start)
        state = image_diagonal(self.network, self.own, self.x[chosen])
        return state, np.arange(chosen.size), None

    def amplifications(self, start: int, tail: float, terms: list[int]) -> list[Amplification]:
        """Those of the images from a multiple of ``step`` on."""
        state = self.part(start)
        size = sum(s.variance.size * most for s, most in zip(state.stages, terms, strict=True))
        with ThreadPoolExecutor(cores()) as pool:
            if self._keeps and 8 * size * len(self.x) <= KEPT * len(state.sigma):
                known = _coefficients(state, terms, pool)
                self._coefficients[start] = [
                    np.concatenate([found.b for found in layer], axis=1)
                    if layer
                    else np.empty((0, 1))
                    for layer in known
                ]
            else:
                known = [()] * len(terms)
            task = partial(_amplification, tail)
            return list(pool.map(task, state.stages, terms, known))

    def parts(self) -> Iterator[Diagonal]:
        """All of them."""
        return map(self.part, range(0, len(self.x), self.step))


def _amplification(
    tail: float, stage: Stage, terms: int, known: Sequence[Coefficients]
) -> Amplification:
    return amplification(stage, tail, terms, MOST_TERMS_WHOLE, known)


def _coefficients(
    state: Diagonal, terms: list[int], pool: ThreadPoolExecutor
) -> list[list[Coefficients]]:
    """The coefficients of every layer by BATCH inputs; none for max(x, 0)."""
    tasks = [
        [
            pool.submit(coefficients, stage.step.layer.activation, s, most)
            for s in np.array_split(
                np.sqrt(stage.variance), range(BATCH, stage.variance.size, BATCH)
            )
            if most
        ]
        for stage, most in zip(state.stages, terms, strict=True)
    ]
    return [[task.result() for task in layer] for layer in tasks]


def plan_images(plans: Plans, tolerance: float) -> Planned:
    """Go through all images: their kernels at x = x' and the largest errors.

    Args:
        plans: the images.
        tolerance: the promise; 0 if truncation shall cost no more than rounding.
    """
    steps = plans.network.steps
    ends: list[tuple[Array, Array]] = []
    averages, peaks = [Average()] * (len(steps) + 1), [np.empty(0)] * len(steps)
    for state in plans.parts():
        ends.append((state.sigma, state.theta))
        averages[-1] = averages[-1].joined(state.average)
        for at, stage in enumerate(state.stages):
            averages[at] = averages[at].joined(stage.average)
            peaks[at] = _peaks(np.append(peaks[at], np.sqrt(stage.variance)))
    share = 1e-2 * tolerance / np.prod([max(a.sigma, a.theta) for a in averages])
    tail = max(float(share), 16 * UNIT)
    terms = [
        length(step.layer.activation, s, tail, MOST_TERMS_WHOLE)
        for step, s in zip(steps, peaks, strict=True)
    ]
    found: list[Amplification] = []
    for start in range(0, len(plans.x), plans.step):
        new = plans.amplifications(start, tail, terms)
        found = [merged(a, b) for a, b in zip(found, new, strict=True)] if found else new
    sigma, theta = map(np.concatenate, zip(*ends, strict=True))
    return Planned(found, sigma, theta, averages[-1])


def _peaks(s: Array) -> Array:
    """The largest s of every octave."""
    octaves = np.floor(np.log2(np.maximum(s, 2.0 ** (LOWEST - 1)))).astype(int)
    return np.array([s[octaves == octave].max() for octave in np.unique(octaves)])
