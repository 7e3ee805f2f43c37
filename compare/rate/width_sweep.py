"""The width sweep: many finite networks, cell by cell, through any executor.

A cell is a network description, a width and a block of seeds. It is a pure function of
these and multiplies matrices on one thread, so that the same sweep gives the same bits on any
executor of the same processors, and a sweep that was resumed from a store those of one that never
stopped.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm.auto import tqdm

from analytic.network import Network
from compare.executors import one_thread, run_cells
from compare.rho import Inputs, square_norms
from compare.store import Store
from compare.whole_numbers import whole, wholes
from empirical.network import FiniteNetwork
from empirical.tangent import tangent_kernel, tangent_kernel_estimate

__all__ = ["Cell", "Family", "Group", "check_design", "made", "run_cell", "sweep"]

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]


PARTNERS = 2**31
"""Number of the first network that another one is compared with."""
Family = Network | Callable[[int, int], nn.Module]
"""A description, or a function of (width, seed) that makes a module."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of work: finite networks of one width with consecutive seeds.

    With ``against`` every one is compared with a network of that width, not with a limit.
    """

    network: Family
    width: int
    first: int
    count: int
    population: int | None
    dtype: torch.dtype
    device: str
    against: int | None = None

    @property
    def name(self) -> str:
        """What a store calls it."""
        other = "" if self.against is None else f" against {self.against}"
        return f"width {self.width}{other}, seeds {self.first} to {self.first + self.count - 1}"


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
) -> list[Group]:
    """Measure the distance of K_0 to the limit on the inputs x, for every width and seed.

    Without a limit it is that to K_0 of the next width, for all widths but the last.
    Cells that the store has are not computed again; it gets the others as they are finished.
    """
    pairs = dict(pairwise(widths)) if limit is None else dict[int, int]()
    if pairs:
        widths, seeds = widths[:-1], seeds[:-1]
    cells = list(_cells(network, widths, seeds, pairs, population, device, dtype))
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
    network: Family,
    widths: Sequence[int],
    seeds: Sequence[int],
    pairs: Mapping[int, int],
    population: int | None,
    device: str,
    dtype: torch.dtype,
) -> Iterator[Cell]:
    """Cells of comparable size, the widest first."""
    for width, count in sorted(zip(widths, seeds, strict=True), reverse=True):
        block = max(1, 2**14 // width)
        for first in range(0, count, block):
            size = min(block, count - first)
            yield Cell(network, width, first, size, population, dtype, device, pairs.get(width))


def _cost(cell: Cell) -> int:
    """Relative cost of a cell: weights drawn and multiplied."""
    return cell.count * cell.width * (cell.width + 256)


def run_cell(cell: Cell, x: Array, limit: Array | None) -> Arrays:
    """The networks of a cell, one after the other.

    Returns:
        ``distances``, squared, shape (count,); ``total``, the sum of K_0 - K_inf over the seeds,
        shape (n, n); and ``rounding``, the floor of the first network, for the first cell of a
        width only, NaN for others.
    """
    total, distances = np.zeros((len(x), len(x))), np.empty(cell.count)
    with one_thread():
        inputs = torch.as_tensor(x, dtype=cell.dtype, device=cell.device)
        for index, number in enumerate(_numbers(cell)):
            k0 = _kernel(cell, cell.width, number, inputs)
            if cell.against is not None:
                limit = _kernel(cell, cell.against, PARTNERS + number, inputs)
            assert limit is not None
            error = k0 - limit
            distances[index] = square_norms(error, cell.population)
            total += error
        rounding = _rounding(cell, x) if cell.first == 0 else float("nan")
    return {"distances": distances, "total": total, "rounding": np.array(rounding)}


def _numbers(cell: Cell) -> range:
    """The numbers of the networks of a cell among those of its width."""
    return range(cell.first, cell.first + cell.count)


def _kernel(cell: Cell, width: int, number: int, inputs: torch.Tensor) -> Array:
    with _alone(cell):
        module = _network(cell, width, number, inputs)
        return tangent_kernel(module, inputs).to("cpu", torch.float64).numpy()


_ALONE = threading.RLock()


def _alone(cell: Cell) -> AbstractContextManager[Any]:
    """Modules of a user's function are made and measured one after the other.

    They draw from torch's generator, and a measurement leaves that as it was: it belongs to all
    threads of a process.
    """
    return nullcontext() if isinstance(cell.network, Network) else _ALONE


def _network(cell: Cell, width: int, number: int, x: Array | torch.Tensor) -> nn.Module:
    """A network of a width; no two of a sweep have the same weights."""
    if not isinstance(cell.network, Network):
        return made(cell.network, width, number).to(cell.device, cell.dtype)
    return FiniteNetwork(
        cell.network,
        tuple(x.shape[1:]),
        width,
        seed=width * 2**32 + number,  # independent across widths
        antisymmetric=False,
        dtype=cell.dtype,
        device=cell.device,
    )


def made(factory: Callable[[int, int], nn.Module], width: int, number: int) -> nn.Module:
    """The module of a user's function, which gets a seed below 2^32 of its own."""
    seed = int(np.random.SeedSequence([width, number]).generate_state(1)[0])
    with _ALONE, torch.random.fork_rng(devices=[]):
        module = factory(width, seed)
    if not isinstance(module, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            "expected a function (width, seed) that returns a torch.nn.Module, got"
            f" {type(module).__name__} from it; return the module"
        )
    return module


def _rounding(cell: Cell, x: Array) -> float:
    """The rounding floor of one network of the cell on some of the inputs."""
    some = torch.as_tensor(x[:16], dtype=cell.dtype, device=cell.device)
    with _alone(cell):
        return tangent_kernel_estimate(_network(cell, cell.width, 0, x), some).floor


def _group(cells: Sequence[Arrays], population: int | None) -> Group:
    """What the cells of one width, in the order of their seeds, give together."""
    distances = np.concatenate([cell["distances"] for cell in cells])
    total = np.sum([cell["total"] for cell in cells], axis=0)
    n = distances.size
    products = float(square_norms(total, population)) - distances.sum()
    bias = products / (n * (n - 1)) if n > 1 else float("nan")
    return Group(distances, bias, float(cells[0]["rounding"]))
