"""The width sweep: many finite networks, cell by cell, through any executor.

A cell is a network description, a width and a block of seeds. It is a pure function of
these and multiplies matrices on one thread, so that the same sweep gives the same bits on any
executor of the same processors, and a sweep that was resumed from a store those of one that never
stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from analytic.progress import ProgressBar
from compare.executors import run_cells
from compare.rate.network_cells import PARTNERS, Arrays, Cell, Family, Weights, run_cell
from compare.rho import Inputs, square_norms
from compare.store import Store
from compare.whole_numbers import whole, wholes

__all__ = ["Group", "check_design", "check_first", "sweep"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What was measured at one width.

    Attributes:
        distances: ||K_0 - K_inf||^2 for every seed, shape (seeds,).
        bias: estimate of ||E K_0 - K_inf||^2 from products of different seeds.
        rounding: the rounding floor of K_0, relative to sqrt(K(x, x) K(x', x')).
    """

    distances: Array
    bias: float
    rounding: float

    def relative(self, norm: float) -> Group:
        """Of distances relative to a limit of this squared norm."""
        return replace(self, distances=self.distances / norm, bias=self.bias / norm)

    def of_one(self, width: int, other: int) -> Group:
        """Of a difference of two widths, E ||...||^2 = C/m + C/m', the part C/m."""
        return replace(self, distances=self.distances * (other / (width + other)))


def check_design(
    inputs: Inputs, widths: Sequence[int], seeds: int | Sequence[int], points: int
) -> tuple[list[int], list[int], int]:
    """Widths in increasing order, a number of seeds for each, and the size of the sample.

    Raises:
        ValueError: a number is out of its range.
    """
    wide, points = wholes("widths", widths), whole("points", points)
    several = isinstance(seeds, Iterable)
    counts = wholes("seeds", seeds) if several else [whole("seeds", seeds)] * len(wide)
    if len(counts) != len(wide):
        raise ValueError(
            f"expected one number of seeds for each of the {len(wide)} widths, got {len(counts)};"
            " give a single number or one for each"
        )
    if min(wide, default=1) < 1:
        raise ValueError(f"expected widths of at least 1, got {min(wide)}; raise it")
    if len(set(wide)) < 3 or len(set(wide)) < len(wide):
        raise ValueError(f"expected at least 3 different widths, got {wide}; add some")
    if min(counts) < 2:
        raise ValueError(f"expected at least 2 seeds, got {min(counts)}; raise the number")
    points = min(points, inputs.population or points)
    if points < 3:
        raise ValueError(f"expected at least 3 points, got {points}; raise the number")
    order = np.argsort(wide)
    return [wide[k] for k in order], [counts[k] for k in order], points


def check_first(first: int, count: int) -> int:
    """The number of the first network as an int, if no number reaches those of partners."""
    first = whole("first", first)
    if not 0 <= first <= PARTNERS - count:
        raise ValueError(
            f"expected first from 0 to {PARTNERS - count}, got {first}; choose another range"
        )
    return first


def sweep(
    network: Family,
    x: Array,
    limit: Array | None,
    widths: Sequence[int],
    seeds: Sequence[int],
    *,
    population: int | None,
    executor: Executor | None,
    device: str,
    dtype: torch.dtype,
    progress: bool | None,
    store: Store | None = None,
    weights: Weights = "drawn",
    first: int = 0,
    scales: Sequence[float] | None = None,
) -> list[Group]:
    """Measure the distance of K_0 to the limit on the inputs x, for every width and seed.

    Without a limit it is that to K_0 of the next width, for all widths but the last, each divided
    by its scale if there are ``scales``, one for every width.
    Cells that the store has are not computed again; it gets the others as they are finished.
    """
    pairs = dict(pairwise(widths)) if limit is None else dict[int, int]()
    sizes = dict(zip(widths, pairwise(scales or [1.0] * len(widths)), strict=False))
    if pairs:
        widths, seeds = widths[:-1], seeds[:-1]
    cells = [
        replace(cell, weights=weights, scales=sizes.get(cell.width, (1.0, 1.0)))
        for cell in _cells(network, widths, seeds, pairs, population, device, dtype, first)
    ]
    results: dict[Cell, Arrays] = {}
    for cell in cells if store is not None else []:
        found = store.get(cell.name) if store is not None else None
        if found is not None:
            results[cell] = found
    missing = [cell for cell in cells if cell not in results]
    disable = None if progress is None else not progress
    total, done = sum(map(_cost, cells)), sum(map(_cost, results))
    often = 0.1 if sys.stderr.isatty() else 30.0  # seconds; a log needs no more
    bar = ProgressBar(
        total=total, initial=done, delay=1, disable=disable, bar_format=_BAR, mininterval=often
    )

    def keep(cell: Cell, found: Arrays) -> None:
        results[cell] = found
        if store is not None:
            store.put(cell.name, found)
        bar.update(_cost(cell))

    with bar:
        run_cells(missing, run_cell, (x, limit), executor, keep)
    return [_group([results[c] for c in cells if c.width == m], population) for m in widths]


_BAR = "{l_bar}{bar}| {elapsed}<{remaining}"


def _cells(
    network: Family,
    widths: Sequence[int],
    seeds: Sequence[int],
    pairs: Mapping[int, int],
    population: int | None,
    device: str,
    dtype: torch.dtype,
    first: int = 0,
) -> Iterator[Cell]:
    """Cells of comparable size, the widest first."""
    for width, count in sorted(zip(widths, seeds, strict=True), reverse=True):
        block = max(1, 2**14 // width)
        for start in range(0, count, block):
            yield Cell(
                network, width, first + start, min(block, count - start), population, dtype,
                device, pairs.get(width), leads=start == 0,
            )  # fmt: skip


def _cost(cell: Cell) -> int:
    """Relative cost of a cell: weights drawn and multiplied."""
    return cell.count * cell.width * (cell.width + 256)


def _group(cells: Sequence[Arrays], population: int | None) -> Group:
    """What the cells of one width, in the order of their seeds, give together."""
    distances = np.concatenate([cell["distances"] for cell in cells])
    total = np.sum([cell["total"] for cell in cells], axis=0)
    n = distances.size
    products = float(square_norms(total, population)) - distances.sum()
    bias = products / (n * (n - 1)) if n > 1 else float("nan")
    return Group(distances, bias, float(cells[0]["rounding"]))
