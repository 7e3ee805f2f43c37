"""What must be known of all images before a pair of them is computed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.amplification import Amplification, amplification, merged
from analytic.duals import length
from analytic.images import image_diagonal
from analytic.network import Network
from analytic.positions import Layout
from analytic.recursion import Average
from analytic.segments import LONGEST

__all__ = ["Planned", "plan_images"]

Array = NDArray[np.float64]

PLANNED = 2**20
"""Pairs of positions of the images that are planned together."""


class Planned(NamedTuple):
    """What is known of the images before a pair of them is computed."""

    layers: list[Amplification]
    sigma: Array  # Sigma at the readout at x = x', (n,)
    theta: Array
    readout: Average


def plan_images(network: Network, pairs: Layout, x: Array, tail: float) -> Planned:
    """Go through all images, some at a time: their kernels at x = x' and the largest errors."""
    step = max(PLANNED // pairs.most, 1)
    parts = [x[start : start + step] for start in range(0, len(x), step)]
    states = [image_diagonal(network, pairs, part) for part in parts[:1]]
    terms = [0] * len(network.steps)
    for index, part in enumerate(parts):
        state = states[0] if index == 0 else image_diagonal(network, pairs, part)
        for at, stage in enumerate(state.stages):
            s = np.sqrt(stage.variance)
            terms[at] = max(terms[at], length(stage.step.layer.activation, s, tail, LONGEST))
    found: list[Amplification] = []
    readout = Average()
    ends: list[tuple[Array, Array]] = []
    for index, part in enumerate(parts):
        state = states[0] if index == 0 else image_diagonal(network, pairs, part)
        new = [
            amplification(stage, tail, least, LONGEST)
            for stage, least in zip(state.stages, terms, strict=True)
        ]
        found = [merged(a, b) for a, b in zip(found, new, strict=True)] if found else new
        readout = readout.joined(state.average)
        ends.append((state.sigma, state.theta))
    return Planned(found, *map(np.concatenate, zip(*ends, strict=True)), readout)
