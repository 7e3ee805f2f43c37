"""One cell of a width sweep: finite networks of one width, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from analytic.corrections import stack
from analytic.network import Network
from compare.executors import one_thread
from compare.rate.integrated_weights import DrawnNetworks, draw_networks, normal_numbers
from compare.rho import square_norms
from empirical.network import FiniteNetwork
from empirical.tangent import tangent_kernel, tangent_kernel_estimate

__all__ = [
    "PARTNERS",
    "Arrays",
    "Cell",
    "Family",
    "Weights",
    "check_weights",
    "made",
    "mean_diagonal",
    "run_cell",
]

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]

PARTNERS = 2**31
"""Number of the first network that another one is compared with."""
SIZED_FROM, SIZED = 2**33, 32
"""Number of the first network that tells the size of K_0, and how many do."""
AT_ONCE = 2**19
"""Units of a layer, at all points, of the networks that are drawn together without weights."""
Family = Network | Callable[[int, int], nn.Module]
"""A description, or a function of (width, seed) that makes a module."""
Weights = Literal["drawn", "integrated"]
"""Whether a network has weights, or only the law of its kernel (``integrated_weights``)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of work: finite networks of one width with consecutive seeds.

    With ``against`` every one is compared with a network of that width, not with a limit. The
    first cell of a width ``leads``: the rounding floor is that of its first network. K_0 and what
    it is compared with are divided by ``scales``.
    """

    network: Family
    width: int
    first: int
    count: int
    population: int | None
    dtype: torch.dtype
    device: str
    against: int | None = None
    weights: Weights = "drawn"
    leads: bool = False
    scales: tuple[float, float] = (1.0, 1.0)

    @property
    def name(self) -> str:
        """What a store calls it."""
        other = "" if self.against is None else f" against {self.against}"
        return f"width {self.width}{other}, seeds {self.first} to {self.first + self.count - 1}"


def check_weights(weights: str, network: Family, shape: tuple[int, ...], device: str) -> None:
    """Raise ``ValueError`` unless networks can be drawn in this way."""
    if weights not in ("drawn", "integrated"):
        raise ValueError(f"expected weights 'drawn' or 'integrated', got {weights!r}; pass one")
    if weights == "drawn":
        return
    if not isinstance(network, Network) or torch.device(device).type != "cpu":
        what = f"a module on {device}" if not isinstance(network, Network) else f"device {device!r}"
        raise ValueError(
            f"expected a Network on the CPU for weights='integrated', got {what}; leave it out"
        )
    if not network.is_spatial or len(shape) > 1:  # the kernel says what does not fit
        stack(network, shape[1:], 1)


def run_cell(cell: Cell, x: Array, limit: Array | None) -> Arrays:
    """The networks of a cell, one after the other.

    Returns:
        ``distances``, squared, shape (count,); ``total``, the sum of K_0 - K_inf over the seeds,
        shape (n, n); and ``rounding``, the floor of the first network, for the first cell of a
        width only, NaN for others.
    """
    total, distances = np.zeros((len(x), len(x))), np.empty(cell.count)
    with one_thread():
        for index, (k0, other) in enumerate(_kernels(cell, x)):
            against = limit if other is None else other
            assert against is not None
            error = k0 / cell.scales[0] - against / cell.scales[1]
            distances[index] = square_norms(error, cell.population)
            total += error
        rounding = _rounding(cell, x) if cell.leads else float("nan")
    return {"distances": distances, "total": total, "rounding": np.array(rounding)}


def _kernels(cell: Cell, x: Array) -> Iterator[tuple[Array, Array | None]]:
    """K_0 of every network, and that of the one it is compared with, if it is with one."""
    if cell.weights == "integrated":
        for numbers in _batches(cell, x):
            for k0 in _drawn(cell, numbers, x).kernel.numpy():
                yield k0, None
        return
    inputs = torch.as_tensor(x, dtype=cell.dtype, device=cell.device)
    for number in _numbers(cell):
        k0 = _kernel(cell, cell.width, number, inputs)
        against = cell.against
        yield k0, None if against is None else _kernel(cell, against, PARTNERS + number, inputs)


def mean_diagonal(network: Family, width: int, x: Array, dtype: torch.dtype, device: str) -> float:
    """The mean of K_0(x, x) over inputs and a few networks that no sweep measures."""
    cell = Cell(network, width, SIZED_FROM, SIZED, None, dtype, device)
    inputs = torch.as_tensor(x, dtype=dtype, device=device)
    diagonals = [_kernel(cell, width, number, inputs).diagonal() for number in _numbers(cell)]
    return float(np.mean(diagonals))


def _batches(cell: Cell, x: Array) -> Iterator[range]:
    """Networks that are drawn together, so that they fit into the cache."""
    numbers = _numbers(cell)
    size = max(1, AT_ONCE // (len(x) * int(np.prod(x.shape[2:])) * cell.width))
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _drawn(cell: Cell, numbers: range, x: Array) -> DrawnNetworks:
    """Networks whose weights are integrated out."""
    assert isinstance(cell.network, Network)
    normal = normal_numbers(cell.width, numbers, cell.dtype)
    inputs = torch.from_numpy(x)
    return draw_networks(cell.network, inputs, cell.width, len(numbers), normal, cell.dtype)


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
    """The rounding floor of the first network of the cell on some of the inputs."""
    number, some = cell.first, x[:16]
    if cell.weights == "integrated":  # what moves the law is the lift
        layers = _drawn(cell, range(number, number + 1), some).layers
        return max(
            float(one.lift / one.covariance.diagonal(dim1=1, dim2=2).max()) for one in layers
        )
    inputs = torch.as_tensor(some, dtype=cell.dtype, device=cell.device)
    with _alone(cell):
        return tangent_kernel_estimate(_network(cell, cell.width, number, inputs), inputs).floor
