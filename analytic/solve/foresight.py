"""What a kernel will cost, before it is computed: memory and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from analytic.machine import LANES, Array, available_memory
from analytic.pairs import Close, near_pairs
from analytic.recursion import Problem, RowBlock, stage_growth

__all__ = ["FEW", "Plan", "close_together", "foresee", "require_memory", "sample"]


NEAR = 8192
"""Close pairs taken at a time, at most: those that share tables are summed in step."""
NUMBERS = 2**23
"""Features of such pairs, at most, unless the pairs are FEW."""
FEW = 2048


def close_together(features: int) -> int:
    """How many close pairs are taken at a time."""
    return max(FEW, min(NEAR, NUMBERS // max(features, 1)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``kernel`` will do.

    Attributes:
        method: "series" (general inputs) or "zonal" (inputs of equal norm).
        pairs: pairs of inputs that are computed; symmetric ones count once.
        bytes: memory of the answer and of the tables.
        seconds: time on this machine, from a sample of rows.
        bound: error bound that is certain before a pair is computed.
        growth: of a small difference of two of these inputs, per layer on average
            (Poole et al. 2016); above 1 the network is chaotic on them.
    """

    method: str
    pairs: int
    bytes: int
    seconds: float
    bound: float
    growth: float = 1.0

    @property
    def chaotic(self) -> bool:
        """Whether small differences of these inputs grow from layer to layer."""
        return self.growth > 1.0

    def scaled(self, shape: tuple[int, int], whole: tuple[int, int], kinds: int, own: bool) -> Plan:
        """The plan of a larger problem, of which this one has ``shape`` rows and columns."""
        if shape == whole:
            return self
        (n, k), (rows, columns) = shape, whole
        pairs = rows * (rows + 1) // 2 if own else rows * columns
        each = (self.bytes - 8 * kinds * n * k) / (n + k)  # tables and inputs
        memory = 8 * kinds * rows * columns + int(each * (rows + columns))
        return replace(self, pairs=pairs, bytes=memory, seconds=self.seconds * pairs / self.pairs)


def sample(x: Array) -> Array:
    """At most MOST_SAMPLED vectors, spread evenly, with those of least and largest norm."""
    if len(x) <= MOST_SAMPLED:
        return x
    norms = np.square(x).sum(axis=1)
    spread = np.linspace(0, len(x) - 1, MOST_SAMPLED - 2).astype(int)
    return x[np.unique([*spread, int(norms.argmin()), int(norms.argmax())])]


def foresee(problem: Problem, kinds: int, threads: int, prepared: float) -> Plan:
    """Plan a problem that took ``prepared`` seconds to prepare, for 1 or 2 kinds of kernel."""
    n, k = problem.shape
    pairs = n * (n + 1) // 2 if problem.own else n * k
    seconds = prepared + pairs * _seconds_per_pair(problem, kinds) / threads
    memory = kinds * n * k * 8 + problem.method.bytes + 8 * (problem.x.size + problem.y.size)
    name = type(problem.method).__name__.lower()
    growth = stage_growth(problem.diagonal.stages)
    return Plan(name, pairs, memory, seconds, problem.method.error, growth)


MOST_SAMPLED = 2**13
"""Most rows and columns that the time of a pair is measured on."""


def _seconds_per_pair(problem: Problem, kinds: int) -> float:
    """The best of three runs of a few rows; of images, of one block of rows.

    They are those in the middle of the first inputs, as many as a sample may have: what it takes
    to foresee does not grow with the square of n.
    """
    n, k = (min(size, MOST_SAMPLED) for size in problem.shape)
    rows = LANES if problem.x.ndim == 2 else problem.method.step(n)
    row = n // 2 - n // 2 % rows
    end = min(row + rows, n)
    first = row if problem.own else 0
    sigma, both = (np.empty((end - row if use else 0, k)) for use in (kinds == 2, True))
    bound = np.zeros((end, -(-k // LANES)))
    data, block = problem.data(), RowBlock(row, end, row, False, sigma, both)
    times: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        problem.method.fill(data, block, bound)
        times.append(time.perf_counter() - start)
    pairs = (end - row) * (k - first)
    return (min(times) + _seconds_left_out(problem, row, both)) / pairs


def _seconds_left_out(problem: Problem, row: int, values: Array) -> float:
    """The pairs of these rows that the tiles leave out, from the time of a few."""
    i, j = np.nonzero(np.isnan(values))
    later = i + row < j if problem.own else np.ones(i.size, dtype=bool)
    i, j = i[later] + row, j[later]
    if i.size == 0:
        return 0.0
    few = slice(0, None, max(i.size // close_together(problem.x.shape[1]), 1))
    close = Close.of(problem.network, problem.diagonal)
    a, b = i[few], j[few]
    shift = 0 if problem.own else problem.shape[0]
    near_pairs(close, problem.x[a], problem.y[b], a, b + shift)  # makes the tables
    start = time.perf_counter()
    near_pairs(close, problem.x[a], problem.y[b], a, b + shift)
    return (time.perf_counter() - start) * i.size / a.size


def require_memory(size: int) -> None:
    """Raise MemoryError if an answer of so many bytes does not fit."""
    free = available_memory()
    if free is not None and size > free:
        raise MemoryError(
            f"expected {size / 1e9:.1f} GB of free memory for the kernel, got {free / 1e9:.1f} GB;"
            " pass a file as out (numpy.lib.format.open_memmap) or fewer inputs"
        )
