"""The width sweep: many finite networks, cell by cell, through any executor.

A cell is a network description, a width and a block of seeds. It is a pure function of
these, so that the same sweep gives the same numbers on any executor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analytic.network import Network
from compare.executors import workers
from compare.rho import Inputs, square_norms
from empirical.network import FiniteNetwork
from empirical.tangent import tangent_kernel, tangent_kernel_estimate

__all__ = ["Cell", "Group", "check_design", "sweep"]

Array = NDArray[np.float64]


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
    wide = [int(m) for m in widths]
    counts = [seeds] * len(wide) if isinstance(seeds, int) else [int(s) for s in seeds]
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
) -> list[Group]:
    """Measure the distance of K_0 to the limit on the inputs x, for every width and seed."""
    cells = list(_cells(network, widths, seeds, population, device, dtype))
    disable = None if progress is None else not progress
    with workers(executor) as pool:
        futures = {pool.submit(_run, cell, x, limit): index for index, cell in enumerate(cells)}
        results: list[Any] = [None] * len(cells)
        with tqdm(total=sum(map(_cost, cells)), delay=1, disable=disable, bar_format=_BAR) as bar:
            for future in as_completed(futures):
                index = futures[future]
                results[index] = future.result()
                bar.update(_cost(cells[index]))
    return [
        _group(
            [r for c, r in zip(cells, results, strict=True) if c.width == m],
            population,
            _rounding(next(c for c in cells if c.width == m), x),
        )
        for m in widths
    ]


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


def _run(cell: Cell, x: Array, limit: Array) -> tuple[Array, Array]:
    """(squared distances (count,), sum of K_0 - K_inf over the seeds (n, n))."""
    inputs = torch.as_tensor(x, dtype=cell.dtype, device=cell.device)
    total = np.zeros_like(limit)
    distances = np.empty(cell.count)
    for index in range(cell.count):
        error = (
            tangent_kernel(_network(cell, index, x), inputs).to("cpu", torch.float64).numpy()
            - limit
        )
        distances[index] = square_norms(error, cell.population)
        total += error
    return distances, total


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


def _group(results: list[tuple[Array, Array]], population: int | None, rounding: float) -> Group:
    distances = np.concatenate([distances for distances, _ in results])
    total = np.sum([total for _, total in results], axis=0)
    n = distances.size
    products = float(square_norms(total, population)) - distances.sum()
    bias = products / (n * (n - 1)) if n > 1 else float("nan")
    return Group(distances, bias, rounding)
