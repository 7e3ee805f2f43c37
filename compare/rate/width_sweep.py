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
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analytic.network import Network
from compare.executors import one_thread, run_cells
from compare.rho import Inputs, square_norms
from compare.store import Store
from compare.whole_numbers import whole, wholes
from empirical.network import FiniteNetwork
from empirical.tangent import tangent_kernel, tangent_kernel_estimate

__all__ = ["Cell", "Group", "check_design", "run_cell", "sweep"]

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of work: finite networks of one width with consecutive seeds."""

    network: Network
    width: int
    first: int
    count: int
    population: int | None
    dtype: torch.dtype
    device: str

    @property
    def name(self) -> str:
        """What a store calls it."""
        return f"width {self.width}, seeds {self.first} to {self.first + self.count - 1}"


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


def sweep(
    network: Network,
    x: Array,
    limit: Array,
    widths: Sequence[int],
    seeds: Sequence[int],
    *,
    population: int | None,
    executor: Executor | None,
    device: str,
    dtype: torch.dtype,
    progress: bool | None,
    store: Store | None = None,
) -> list[Group]:
    """Measure the distance of K_0 to the limit on the inputs x, for every width and seed.

    Cells that the store has are not computed again; it gets the others as they are finished.
    """
    cells = list(_cells(network, widths, seeds, population, device, dtype))
    results: dict[Cell, Arrays] = {}
    for cell in cells if store is not None else []:
        found = store.get(cell.name) if store is not None else None
        if found is not None:
            results[cell] = found
    missing = [cell for cell in cells if cell not in results]
    disable = None if progress is None else not progress
    total, done = sum(map(_cost, cells)), sum(map(_cost, results))
    often = 0.1 if sys.stderr.isatty() else 30.0  # seconds; a log needs no more
    bar = tqdm(
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
    network: Network,
    widths: Sequence[int],
    seeds: Sequence[int],
    population: int | None,
    device: str,
    dtype: torch.dtype,
) -> Iterator[Cell]:
    """Cells of comparable size, the widest first."""
    for width, count in sorted(zip(widths, seeds, strict=True), reverse=True):
        block = max(1, 2**14 // width)
        for first in range(0, count, block):
            size = min(block, count - first)
            yield Cell(network, width, first, size, population, dtype, device)


def _cost(cell: Cell) -> int:
    """Relative cost of a cell: weights drawn and multiplied."""
    return cell.count * cell.width * (cell.width + 256)


def run_cell(cell: Cell, x: Array, limit: Array) -> Arrays:
    """The networks of a cell, one after the other.

    Returns:
        ``distances``, squared, shape (count,); ``total``, the sum of K_0 - K_inf over the seeds,
        shape (n, n); and ``rounding``, the floor of the first network, for the first cell of a
        width only, NaN for others.
    """
    total, distances = np.zeros_like(limit), np.empty(cell.count)
    with one_thread():
        inputs = torch.as_tensor(x, dtype=cell.dtype, device=cell.device)
        for index in range(cell.count):
            k0 = tangent_kernel(_network(cell, index, x), inputs)
            error = k0.to("cpu", torch.float64).numpy() - limit
            distances[index] = square_norms(error, cell.population)
            total += error
        rounding = _rounding(cell, x) if cell.first == 0 else float("nan")
    return {"distances": distances, "total": total, "rounding": np.array(rounding)}


def _network(cell: Cell, index: int, x: Array) -> FiniteNetwork:
    return FiniteNetwork(
        cell.network,
        x.shape[1:],
        cell.width,
        seed=cell.width * 2**32 + cell.first + index,  # independent across widths
        antisymmetric=False,
        dtype=cell.dtype,
        device=cell.device,
    )


def _rounding(cell: Cell, x: Array) -> float:
    """The rounding floor of one network of the cell on some of the inputs."""
    some = torch.as_tensor(x[:16], dtype=cell.dtype, device=cell.device)
    return tangent_kernel_estimate(_network(cell, 0, x), some).floor


def _group(cells: Sequence[Arrays], population: int | None) -> Group:
    """What the cells of one width, in the order of their seeds, give together."""
    distances = np.concatenate([cell["distances"] for cell in cells])
    total = np.sum([cell["total"] for cell in cells], axis=0)
    n = distances.size
    products = float(square_norms(total, population)) - distances.sum()
    bias = products / (n * (n - 1)) if n > 1 else float("nan")
    return Group(distances, bias, float(cells[0]["rounding"]))
