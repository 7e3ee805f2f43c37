"""What a kernel will cost, before it is computed: memory and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.machine import LANES, Array, available_memory
from analytic.pairs import NEAR, Close, cheap_entries, left_out_pairs
from analytic.recursion import Data, Problem, RowBlock, stage_growth

__all__ = ["LEAST_TAKEN", "Plan", "at_work", "foresee", "measured", "require_memory", "sample"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``kernel`` will do.

    Attributes:
        method: "series" (general inputs) or "zonal" (inputs of equal norm).
        pairs: pairs of inputs that are computed; symmetric ones count once.
        bytes: memory of the answer and of the tables.
        seconds: time on this machine, from a sample of rows; without the tables of activations that
            have been made for the plan, which are kept.
        bound: error bound that is certain before a pair is computed, and that of the close pairs
            among those whose time was taken.
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


def sample(x: ArrayLike) -> tuple[ArrayLike, int]:
    """At most MOST_SAMPLED of the inputs, spread evenly, and the number of all.

    Nothing else of an array is looked at: it may be on a disk.
    """
    if not (hasattr(x, "dtype") and getattr(x, "shape", ())):
        x = np.asarray(x)
    rows: Any = x
    size = len(rows) if rows.shape else 0
    if size <= MOST_SAMPLED:
        return rows, size
    return rows[np.linspace(0, size - 1, MOST_SAMPLED).astype(int)], size


def foresee(
    problem: Problem, sizes: tuple[int, int], kinds: int, threads: int, prepared: float
) -> Plan:
    """Plan a problem.

    Args:
        problem: that of a sample, or the whole one.
        sizes: first and second inputs of the whole one.
        kinds: 1 or 2 kinds of kernel.
        threads: their number.
        prepared: seconds that it takes to prepare the sample.
    """
    n, k = sizes
    own, method = problem.own, problem.method
    few, all_ = (a if own else a + b for a, b in (problem.shape, sizes))
    share = all_ / few  # of the inputs
    pairs = n * (n + 1) // 2 if own else n * k
    name = type(method).__name__.lower()
    once = 1.0 if name == "zonal" else share  # a table for all inputs, or one for each
    a_pair, worst = _cost_per_pair(problem, kinds, threads)
    seconds = prepared * once + pairs * a_pair
    bound = max(method.error, worst, method.diagonal if own else 0.0)
    tables = int(method.bytes * once) + 8 * all_ * problem.x.shape[1] * (2 if own else 1)
    growth = stage_growth(problem.diagonal.stages)
    return Plan(name, pairs, kinds * n * k * 8 + tables, seconds, bound, growth)


MOST_SAMPLED = 2**11
"""Most rows and columns that are looked at; ``kernel`` takes the zonal form of as many."""
CLOSE_SAMPLED = (2**7, 2**10, NEAR)
"""Most of the pairs left out whose time is measured; more where the first are quick: pairs that
share tables cost a twentieth in a block as large as those of the answer."""
QUICK = 0.25
"""Seconds that are no waste of time."""
LEAST_TAKEN = 2**11
"""Fewest pairs left out that a thread takes at a time."""
PLACES = (1, 3, 5)
"""Sixths of the rows around which some are looked at: inputs that are sorted differ in them."""


def measured(plan: Plan, act: Callable[[], object]) -> Plan:
    """A plan whose time, if short, is not foreseen but taken.

    Args:
        plan: what was foreseen.
        act: the computation itself, which may be refused.
    """
    if plan.seconds > QUICK:
        return plan
    best, again = np.inf, True
    while again:
        start = time.perf_counter()
        try:
            act()
        except MemoryError:
            return plan
        except (ArithmeticError, ValueError):
            pass
        took = time.perf_counter() - start
        again, best = best == np.inf and took < 5 * QUICK, min(best, took)
    return replace(plan, seconds=best)


class _Rows(NamedTuple):
    """A few rows: seconds of the tiles, their number of pairs, and the pairs left out."""

    seconds: float
    pairs: int
    i: NDArray[np.intp]
    j: NDArray[np.intp]


def _cost_per_pair(problem: Problem, kinds: int, threads: int) -> tuple[float, float]:
    """Seconds, the best of three runs of a few rows each, and the bound of close pairs there."""
    data, n = problem.data(), problem.shape[0]
    starts = {n * place // 6 // LANES * LANES for place in PLACES}
    found = [_rows(problem, kinds, data, row, threads) for row in sorted(starts)]
    i, j = (np.concatenate([part[field] for part in found]) for field in (2, 3))
    pairs = sum(part.pairs for part in found)
    n, k = problem.shape
    more = n * k / (1 + problem.own) / pairs
    seconds, worst = _cost_of_close_pairs(problem, i, j, more, threads)
    return (sum(part.seconds for part in found) + seconds) / pairs, worst


def at_work(threads: int, task: Callable[[], object]) -> float:
    """Seconds that a task takes by itself where as many threads share them out.

    They do not get as much faster as there are more of them: memory, the interpreter and
    other programs are shared.
    """
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        for done in [pool.submit(task) for _ in range(threads)]:
            done.result()
        return (time.perf_counter() - start) / threads


def _rows(problem: Problem, kinds: int, data: Data, row: int, threads: int) -> _Rows:
    """At most LANES rows from one on."""
    n, k = problem.shape
    end = min(row + LANES, n)
    first = row if problem.own else 0

    def fill() -> Array:
        sigma, both = (np.empty((end - row if use else 0, k)) for use in (kinds == 2, True))
        bound = np.zeros((end, -(-k // LANES)))
        problem.method.fill(data, RowBlock(row, end, row, False, sigma, both), bound)
        return both

    both = fill()
    seconds = min(at_work(threads, fill) for _ in range(3))
    i, j = np.nonzero(np.isnan(both[:, first:]))
    later = i < j if problem.own else np.ones(i.size, dtype=bool)
    return _Rows(seconds, (end - row) * (k - first), i[later] + row, j[later] + first)


def _cost_of_close_pairs(
    problem: Problem, i: NDArray[np.intp], j: NDArray[np.intp], more: float, threads: int
) -> tuple[float, float]:
    """Seconds of the pairs that the tiles leave out, and a bound, from some of them.

    In the whole there are ``more`` times as many.
    """
    if i.size == 0:
        return 0.0, 0.0
    close = Close.of(problem.network, problem.diagonal)
    entries = cheap_entries(problem, close, round(i.size * more), i, j)
    shared = min(threads, max(-(-round(i.size * more) // LEAST_TAKEN), 1))
    once = a_pair = worst = before = 0.0
    size = 0
    for most in CLOSE_SAMPLED:
        few = _runs(i.size, most)
        a, b = i[few], j[few]
        found = left_out_pairs(problem, close, entries, a, b)
        worst = max(worst, float(found.error.max()))  # the tables are made
        took = at_work(shared, lambda a=a, b=b: left_out_pairs(problem, close, entries, a, b))
        once, a_pair = _line((size, before), (a.size, took))
        size, before = a.size, took
        if took * shared > QUICK or a.size == i.size:
            break
    return once / more + a_pair * i.size, worst


def _line(first: tuple[int, float], second: tuple[int, float]) -> tuple[float, float]:
    """Seconds of a block of pairs, whatever its size, and of each pair, from two blocks."""
    (few, short), (many, long) = first, second
    slope = (long - short) / (many - few)
    if not 0 < few < many or not 0 < slope < long / many:
        return 0.0, long / many
    return long - slope * many, slope


RUNS = 8
"""Places at which pairs are looked at that follow each other, as those of a row do."""


def _runs(size: int, most: int) -> NDArray[np.intp]:
    """At most so many of some numbers, in runs that are spread evenly."""
    if size <= most:
        return np.arange(size)
    long = most // RUNS
    starts = np.linspace(0, size - long, RUNS).astype(np.intp)
    return np.unique((starts[:, None] + np.arange(long)).ravel())


def require_memory(size: int) -> None:
    """Raise MemoryError if an answer of so many bytes does not fit."""
    free = available_memory()
    if free is not None and size > free:
        raise MemoryError(
            f"expected {size / 1e9:.1f} GB of free memory for the kernel, got {free / 1e9:.1f} GB;"
            " pass a file as out (numpy.lib.format.open_memmap) or fewer inputs"
        )
