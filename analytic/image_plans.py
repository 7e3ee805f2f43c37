"""What a kernel of images will cost, by series or position by position, as it will be taken."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analytic.images import (
    MOST,
    PositionAngles,
    beyond_series,
    middle,
    pairs_of_positions,
    prepare_images,
    prepare_positions,
    reads_all,
    sample_size,
)
from analytic.inputs import check_inputs, positions_first
from analytic.machine import Array, cores
from analytic.network import Network, Shape, first_jump_of
from analytic.recursion import Problem, stage_growth
from analytic.request import Kind, checked, goes_by_positions, image_problem
from analytic.solve import KINDS, KernelSizes, Plan, at_work, foresee, foresee_images

__all__ = ["image_plan"]

FEW = 4
"""Images that foretell the time of a kernel that goes position by position."""


def image_plan(
    network: Network, x: ArrayLike, y: ArrayLike | None, kind: Kind, tolerance: float
) -> Plan:
    """Plan a kernel of images from some of them, evenly spaced.

    The bound is the certain one where that keeps the tolerance, else the sample's.
    """
    rows = x if hasattr(x, "__array__") and hasattr(x, "shape") else np.asarray(x)
    columns = rows if y is None else y if hasattr(y, "shape") else np.asarray(y)
    few, others = _some(rows, FEW), None if y is None else _some(columns, FEW)
    network, few, others = checked(network, few, others, kind, tolerance)
    sizes = KernelSizes(len(rows), len(columns), y is None, len(KINDS[kind]), few[0].size)  # type: ignore[arg-type]
    spatial = few.shape[2:]
    images = positions_first(few), None if others is None else positions_first(others)
    if first_jump_of(network) is not None:
        image_problem(network, *images, spatial, kind, tolerance, tight=False)  # or the reason
        return _slow_plan(network, *images, spatial, sizes)
    beyond = beyond_series(network, images[0], spatial, tolerance)
    slow = _pairs(sizes) * pairs_of_positions(network, spatial) <= MOST
    if beyond and slow:
        return _slow_plan(network, *images, spatial, sizes)

    def some_pairs(count: int) -> Problem:
        parts = check_inputs("x", _some(rows, count), network), _some(columns, 2 * count)
        x, y = positions_first(parts[0]), positions_first(check_inputs("y", parts[1], network))
        return prepare_images(network, x, y, tolerance, spatial=spatial)

    most = min(sample_size(network, spatial), sizes.n)
    series = foresee_images(some_pairs, most, sizes, cores(), tolerance)
    if series.bound <= tolerance or not slow or not goes_by_positions(some_pairs(1)):
        return series
    by_positions = _slow_plan(network, *images, spatial, sizes)
    return min(series, by_positions, key=lambda plan: plan.bound)


def _some(x: Any, count: int) -> Any:
    """So many inputs, evenly spaced."""
    return x[np.linspace(0, len(x) - 1, min(len(x), count)).astype(int)]


def _pairs(sizes: KernelSizes) -> int:
    return sizes.n * (sizes.n + 1) // 2 if sizes.own else sizes.n * sizes.k


def _slow_plan(
    network: Network, x: Array, y: Array | None, spatial: Shape, sizes: KernelSizes
) -> Plan:
    """Plan a kernel that goes position by position, from a few images (n, positions, channels)."""
    mixes = reads_all(network.summed(len(spatial)))
    start = time.perf_counter()
    given = (x[:1], None) if mixes else (x, y)
    problem = prepare_positions(network, *given, spatial, most=math.inf)
    prepared = time.perf_counter() - start
    if not mixes:
        start = time.perf_counter()
        prepare_positions(network, *given, spatial, most=math.inf)  # now that tables have been made
        prepared = time.perf_counter() - start
    assert isinstance(problem, Problem)
    if not mixes:
        return foresee(problem, (sizes.n, sizes.k), sizes.kinds, cores(), prepared)
    pairs, images = _pairs(sizes), sizes.n if sizes.own else sizes.n + sizes.k
    an_image, a_pair, seen = _seconds_of_images(network, x, spatial)
    if not an_image < prepared:  # none are known, or not all tables were made
        an_image, a_pair = prepared, 2 * prepared / cores()
    others = pairs - images if sizes.own else pairs
    seconds = an_image * images + a_pair * others
    memory = sizes.kinds * sizes.n * sizes.k * 8 + problem.method.bytes + 8 * images * sizes.pixels
    growth = stage_growth(problem.diagonal.stages)
    bound = max(float(problem.method.diagonal), seen)
    return Plan("positionangles", pairs, memory, seconds, bound, growth)


def _seconds_of_images(network: Network, x: Array, spatial: Shape) -> tuple[float, float, float]:
    """Of an image with itself, and of two, once tables are made, from the parts in their middle.

    Last comes the largest bound of these.
    """
    parts, shape = middle(x, spatial)
    try:
        prepare_positions(network, parts, None, shape, most=math.inf)
        start = time.perf_counter()
        problem = prepare_positions(network, parts, None, shape, most=math.inf)
        an_image = (time.perf_counter() - start) / len(x)
    except ValueError:  # too small for this network
        return math.inf, math.inf, 0.0
    if not isinstance(problem, Problem):  # they cancel
        return math.inf, math.inf, 0.0
    method, bounds = problem.method, [problem.method.diagonal]
    assert isinstance(method, PositionAngles)
    i, j = np.triu_indices(len(x), len(x) > 1)

    def act() -> None:
        bounds.append(float(method.pairs(i, j)[2].max()))

    a_pair = min(at_work(cores(), act) for _ in range(2)) / i.size
    share = pairs_of_positions(network, spatial) / pairs_of_positions(network, shape)
    return an_image * share, a_pair * share, max(bounds)
