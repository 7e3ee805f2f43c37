r"""Leading eigenvalues of the Gram matrices of K_0 and K_inf, over seeds and batches.

Every seed has its own initialisation and its own batch, as in Figure 1 of the paper. The
eigenvalues are those of K/n, and so of the Fisher information.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from analytic import Network, kernel
from compare.low_rank.cells import over_cells
from compare.low_rank.spectrum_record import Spectrum
from compare.provenance import versions
from compare.rho import Inputs
from empirical import tangent_kernel
from empirical.network import FiniteNetwork

__all__ = ["spectrum"]

Array = NDArray[np.float64]
Maker = Callable[[int], nn.Module]


def spectrum(
    network: Network | Maker,
    inputs: Inputs,
    *,
    width: int = 4096,
    seeds: int = 10,
    points: int = 2000,
    eigenvalues: int = 1000,
    output: int = 0,
    limit: Network | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> Spectrum:
    r"""The leading spectrum of the Gram matrix of K_0, and of K_inf where there is one.

    Args:
        network: a description, of which finite networks are made and which has a K_inf; or a
            function of a seed that gives a module, such as ``compare.low_rank.lenet5``.
        inputs: the distribution rho; every seed draws its own batch.
        width: of the networks of a description.
        seeds: number of initialisations, each with its batch.
        points: size of a batch, at most the size of a finite population.
        eigenvalues: how many of them are kept, at most ``points``.
        output: which output of a module, the logit.
        limit: a description whose kernel takes the place of K_inf.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Returns:
        the record ``Spectrum``.

    Raises:
        ValueError: a number is out of its range; more eigenvalues than points are asked for.
        TypeError: the network is neither a description nor a function of a seed.
        MemoryError: a kernel does not fit.

    References:
        Bowman and Montufar (2022), Figure 1.

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("softplus"))
        >>> result = spectrum(
        ...     network, Inputs.digits(), width=64, seeds=2, points=40, eigenvalues=20
        ... )
        >>> result.eigenvalues.shape, result.limit.shape
        ((2, 20), (2, 20))
    """
    _check(network, inputs, seeds, points, eigenvalues, output)
    described = network if isinstance(network, Network) else None
    compared = limit or described
    cells = [_Cell(network, width, s, output, dtype, device) for s in range(seeds)]
    found = over_cells(cells, _spectra, (inputs, points, eigenvalues, compared), None, progress)
    config: dict[str, Any] = {
        "network": repr(network) if described else getattr(network, "__name__", repr(network)),
        "width": width if described else None, "inputs": inputs.name, "points": points,
        "population": inputs.population, "seeds": seeds, "output": output,
        "limit": None if compared is None else repr(compared),
        "parameters": found[0].parameters, "dtype": str(dtype), "device": device,
        "versions": versions(),
    }  # fmt: skip
    limits = None if compared is None else np.array([f.limit for f in found])
    floors = np.array([f.floor for f in found])
    return Spectrum(config, np.array([f.values for f in found]), floors, limits)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One initialisation with its batch."""

    network: Network | Maker
    width: int
    seed: int
    output: int
    dtype: torch.dtype
    device: str

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        if not isinstance(self.network, Network):
            return self.network(self.seed).to(self.device, self.dtype)
        return FiniteNetwork(
            self.network, shape, self.width, seed=self.seed, antisymmetric=False,
            dtype=self.dtype, device=self.device,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Spectra:
    values: Array
    floor: float
    limit: Array | None
    parameters: int


def _spectra(
    cell: _Cell, inputs: Inputs, points: int, most: int, limit: Network | None
) -> _Spectra:
    x = inputs.sample(points, seed=cell.seed)
    module = cell.module(inputs.shape)
    batch = torch.as_tensor(x, dtype=cell.dtype, device=cell.device)
    gram = tangent_kernel(module, batch, output=cell.output)
    values = _descending(gram.to("cpu", torch.float64).numpy() / points)
    floor = max(-float(values[-1]), torch.finfo(cell.dtype).eps * float(values[0]))
    compared = None if limit is None else _descending(kernel(limit, x) / points)[:most]
    count = sum(p.numel() for p in module.parameters())
    return _Spectra(np.maximum(values[:most], 0), floor, compared, count)


def _descending(gram: Array) -> Array:
    return np.asarray(np.linalg.eigvalsh(gram)[::-1], dtype=np.float64)


def _check(
    network: object, inputs: Inputs, seeds: int, points: int, eigenvalues: int, output: object
) -> None:
    if not isinstance(network, Network) and (
        isinstance(network, nn.Module) or not callable(network)
    ):
        raise TypeError(
            f"expected a Network or a function of a seed that makes a module, got"
            f" {type(network).__name__}; pass lambda seed: module to use one module"
        )
    if seeds < 1:
        raise ValueError(f"expected at least 1 seed, got {seeds}; raise the number")
    if points < 1:
        raise ValueError(f"expected at least 1 point, got {points}; raise the number")
    if inputs.population is not None and points > inputs.population:
        raise ValueError(
            f"expected at most {inputs.population} points of {inputs.name}, got {points}; lower"
            " the number"
        )
    if not 1 <= eigenvalues <= points:
        raise ValueError(
            f"expected between 1 and {points} eigenvalues of {points} points, got {eigenvalues};"
            " there are no more"
        )
    if isinstance(output, bool) or not isinstance(output, int):
        raise TypeError(f"expected an index as output, got {output!r}; pass an int")
