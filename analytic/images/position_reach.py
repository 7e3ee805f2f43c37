r"""Whether images are to be taken position by position, before much of the work is done.

Series end where pre-activations have large deviations: what N of their coefficients leave out
falls like r^N or exp(-c N^(1/2)), so that four times as many terms leave the fourth power of it at
the least. Where that is above the tolerance, longer tables are not begun. Positions end where their
own bound does; a part of some images tells it in a moment.
"""

from __future__ import annotations

import math

import numpy as np

from analytic.expectations import MOST_TERMS, has_formulas, is_bent, length
from analytic.images.position_angles import MOST, PositionAngles, Unserved, prepare_positions
from analytic.images.position_readings import is_plain, pairs_of_positions, reads_all
from analytic.images.position_walk import Pass, Plan
from analytic.images.shifts import Index
from analytic.machine import Array
from analytic.network import Network, Shape
from analytic.recursion import Problem, Stage

__all__ = ["beyond_series", "middle", "try_positions"]

CROP = 12
"""Positions along an axis of the part that is tried."""
CERTAIN = 4.0
"""How far the bound of a part must be above the tolerance: others may be better."""
SEEN = 4
"""Images that tell whether series, or positions, reach."""
BEGUN = 2.0**-30
"""Share that half of the terms must take for the rest to fall as it will fall."""


def beyond_series(network: Network, x: Array, spatial: Shape, tolerance: float) -> bool:
    """Whether the series cannot meet the tolerance.

    They have to go to |rho| = 1, where they fall like a power if w' or w'' jumps; of others that is
    found out where the readout mixes positions, and every image has pairs of equal ones.
    """
    network = network.summed(len(spatial))
    if any(is_bent(step.layer.activation) for step in network.steps):
        return True
    if not is_plain(network) or not reads_all(network):
        return False
    few = x[_spread(len(x))]
    way = Pass(Plan.of(network, spatial, few), None, None, None)
    way.run(few)
    stages = (layer.stage for layer in way.found.layers)
    return any(_is_beyond(stage, tolerance) for stage in stages)


def _is_beyond(stage: Stage, tolerance: float) -> bool:
    """Whether four times MOST_TERMS coefficients leave out more than the tolerance."""
    activation, s = stage.step.layer.activation, np.sqrt(stage.variance)
    if has_formulas(activation):
        return False
    left = tolerance**0.25
    if length(activation, s, left) < MOST_TERMS:
        return False
    return length(activation, s, 1 - BEGUN) <= MOST_TERMS // 2


def try_positions(
    network: Network, x: Array, y: Array | None, spatial: Shape, tolerance: float
) -> Problem | Unserved:
    """``prepare_positions``, unless a part of some images tells that it will not serve."""
    pairs = len(x) * (len(x) + 1) // 2 if y is None else len(x) * len(y)
    if pairs * pairs_of_positions(network, spatial) > MOST:
        return Unserved()
    found = _of_a_part(network, x, y, spatial)
    if found.bound > CERTAIN * tolerance:
        return found
    return prepare_positions(network, x, y, spatial, tolerance)


def _spread(n: int, few: int = SEEN) -> Index:
    """Some of n images, evenly."""
    return np.unique(np.linspace(0, n - 1, few).astype(np.int64))


def _of_a_part(network: Network, x: Array, y: Array | None, spatial: Shape) -> Unserved:
    """The bound of the middles of some images, and of the first one with others."""
    images = (x,) if y is None else (x, y)
    for most, few in ((CROP, SEEN), (math.inf, 1)):
        places = [_spread(len(part), few) for part in images]
        given = [part[some] for part, some in zip(images, places, strict=True)]
        parts, sizes = zip(*(middle(part, spatial, most) for part in given), strict=True)
        try:
            found = prepare_positions(network, parts[0], dict(enumerate(parts)).get(1), sizes[0])
        except ValueError:  # too small for this network
            continue
        if isinstance(found, Unserved):
            return found
        method = found.method
        assert isinstance(method, PositionAngles)
        bound, (i, j) = method.foretold
        pair = int(places[0][i]), int(places[-1][j])
        return Unserved(bound, found.diagonal, pair, method.costs((int(i), int(j))))
    return Unserved()


def middle(x: Array, spatial: Shape, most: float = CROP) -> tuple[Array, Shape]:
    """The middle of images (n, positions, channels), and its shape: at most ``most`` an axis."""
    image = x.reshape(len(x), *spatial, -1)
    sizes = tuple(int(min(size, most)) for size in spatial)
    for axis, (size, kept) in enumerate(zip(spatial, sizes, strict=True), 1):
        image = image.take(np.arange((size - kept) // 2, (size - kept) // 2 + kept), axis)
    return np.ascontiguousarray(image.reshape(len(x), math.prod(sizes), -1)), sizes
