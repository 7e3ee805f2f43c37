"""What a kernel of images will cost, from a sample of them.

Time goes to three things: what is done once for an image, its tables, which are made again where
they cannot be kept, and the pairs. A sample of a few images tells what each of them costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from analytic.images import Images
from analytic.recursion import Problem, RowBlock
from analytic.solve.foresight import Plan

__all__ = ["KernelSizes", "foresee_images"]


SECONDS = 0.1
"""Time for a sample, beyond a first one of two images."""
FULL = 16
"""First images of a block that is full: a smaller sample may take four times as long for them."""


class KernelSizes(NamedTuple):
    """What a kernel is to be computed of.

    Attributes:
        n: first images.
        k: second ones.
        own: whether they are the same.
        kinds: 1 or 2 kinds of kernel.
        pixels: numbers of an image.
    """

    n: int
    k: int
    own: bool
    kinds: int
    pixels: int


def foresee_images(
    prepare: Callable[[int], Problem], most: int, sizes: KernelSizes, threads: int, tolerance: float
) -> Plan:
    """Plan a kernel; its bound is the certain one if that keeps the tolerance, else the sample's.

    Args:
        prepare: makes the problem of a sample, of so many first images with twice as many others.
        most: first images of a sample.
        sizes: of the whole kernel.
        threads: their number.
        tolerance: the promise.
    """
    few = min(2, most)
    _fill(prepare(few), sizes)  # compiles
    problem, prepared, cold = _timed(prepare, few, sizes)
    enough = few * SECONDS / (prepared + cold)
    more = min(int(max(enough, min(4 * enough, FULL))), most)
    if more > few:
        problem, prepared, cold = _timed(prepare, more, sizes)
    warm, seen = min(_fill(problem, sizes) for _ in range(3))
    method = problem.method
    assert isinstance(method, Images)
    n, k, own, kinds, pixels = sizes
    images, (rows, columns) = n if own else n + k, problem.shape
    sampled = rows + columns
    pairs = n * (n + 1) // 2 if own else n * k
    tables = max(cold - warm, 0.0) / sampled * method.tables_made(n, k, own)
    computed = pairs * warm / (rows * columns)
    seconds = prepared / sampled * images + (tables + computed) / threads
    memory = kinds * n * k * 8 + method.bytes + 8 * images * pixels
    bound = float(method.error)
    if not bound <= tolerance:
        bound = seen
    return Plan("images", pairs, memory, seconds, bound, method.growth)


def _timed(
    prepare: Callable[[int], Problem], few: int, sizes: KernelSizes
) -> tuple[Problem, float, float]:
    """The problem of a sample, seconds to prepare it, and of all its pairs with their tables."""
    start = time.perf_counter()
    problem = prepare(few)
    prepared = time.perf_counter() - start
    return problem, prepared, _fill(problem, sizes)[0]


def _fill(problem: Problem, sizes: KernelSizes) -> tuple[float, float]:
    """Seconds of all pairs of a sample, on one thread, and the largest bound."""
    (n, k), method = problem.shape, problem.method
    assert isinstance(method, Images)
    method.shared = False
    sigma, both = (np.empty((n if use else 0, k)) for use in (sizes.kinds == 2, True))
    bound, data = np.zeros((n, k)), problem.data()
    start = time.perf_counter()
    method.fill(data, RowBlock(0, n, 0, False, sigma, both), bound)
    seconds = time.perf_counter() - start
    if sizes.own:  # an image with itself has a bound of its own
        same = np.all(problem.x[:, None] == problem.y, axis=(2, 3))
        bound[same] = method.diagonal
    return seconds, float(bound.max())
