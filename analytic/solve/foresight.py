"""What a kernel will cost, before it is computed: memory and time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from analytic.machine import LANES, Array, available_memory
from analytic.pairs import near_pairs
from analytic.recursion import Problem, RowBlock, stage_growth

__all__ = ["Plan", "foresee", "require_memory"]


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


def foresee(problem: Problem, kinds: int, threads: int, prepared: float) -> Plan:
    """Plan a problem that took ``prepared`` seconds to prepare, for 1 or 2 kinds of kernel."""
    n, k = problem.shape
    pairs = n * (n + 1) // 2 if problem.own else n * k
    seconds = prepared + pairs * _seconds_per_pair(problem, kinds) / threads
    memory = kinds * n * k * 8 + problem.method.bytes + 8 * (problem.x.size + problem.y.size)
    name = type(problem.method).__name__.lower()
    growth = stage_growth(problem.diagonal.stages)
    return Plan(name, pairs, memory, seconds, problem.method.error, growth)


def _seconds_per_pair(problem: Problem, kinds: int) -> float:
    """The best of three runs of a few rows in the middle; of images, of one block of rows."""
    n, k = problem.shape
    rows = LANES if problem.x.ndim == 2 else problem.method.step(n)
    row = n // 2 - n // 2 % rows
    end = min(row + rows, n)
    first = row if problem.own else 0
    sigma, both = (np.empty((end - row if use else 0, k)) for use in (kinds == 2, True))
    bound = np.zeros((n, -(-k // LANES)))
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
    few = slice(0, None, max(i.size // 8, 1))
    start = time.perf_counter()
    near_pairs(problem.network, problem.x[i[few]], problem.y[j[few]])
    return (time.perf_counter() - start) * i.size / i[few].size


def require_memory(size: int) -> None:
    """Raise MemoryError if an answer of so many bytes does not fit."""
    free = available_memory()
    if free is not None and size > free:
        raise MemoryError(
            f"expected {size / 1e9:.1f} GB of free memory for the kernel, got {free / 1e9:.1f} GB;"
            " pass a file as out (numpy.lib.format.open_memmap) or fewer inputs"
        )
