r"""The effective rank of the Fisher information against the width: p~ = O~(1) while p grows.

    p~(F^(1/2), 0.75 eps/R) = #{i : lambda_i^(1/2) > 0.75 eps/R}

of K_0/n on a sample of rho, beside the number of parameters p, and beside the rank of K_inf/n
on the same sample, to which it tends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import Network, kernel
from analytic.files import read_arrays, write_arrays
from compare.configuration import check_arrays, check_rising, packed, plausible, unpacked
from compare.low_rank.cells import NetworkCell, check_widths, over_cells
from compare.low_rank.figures import plot_rank_growth
from compare.low_rank.width_laws import grows_at_most_like_a_logarithm
from compare.provenance import versions
from compare.rate import Interval
from compare.rho import Inputs
from compare.table import Table
from compare.verdict import Verdict
from empirical import (
    FiniteNetwork,
    effective_rank,
    log_covering_number,
    stable_rank,
    streamed_tangent_kernel,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RankGrowth", "covering_table", "rank_growth"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RankGrowth:
    """Spectra of the Fisher information over widths and seeds, and ranks read off them.

    Attributes:
        config: everything needed to make it again.
        eigenvalues: of K_0/n, descending, shape (widths, seeds, n).
        limit: of K_inf/n on the same sample, shape (n,).
        parameters: p for every width, shape (widths,).
    """

    config: dict[str, Any]
    eigenvalues: Array
    limit: Array
    parameters: NDArray[np.int64]

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths m."""
        return tuple(self.config["widths"])

    def ranks(self, scale: float) -> Array:
        """p~ at a scale for every network, shape (widths, seeds)."""
        effective_rank(self.limit, scale)  # refuses a scale out of range
        return (np.sqrt(self.eigenvalues) > scale).sum(axis=2).astype(np.float64)

    def exponent_interval(self, scale: float) -> Interval:
        """Interval of the p in p~ = C m^p, 95 %."""
        return self._judged(scale)[0]

    def judgement(self, scale: float) -> Verdict:
        """Whether p~ at a scale grows no faster than a logarithm of m."""
        return self._judged(scale)[1]

    @property
    def holds(self) -> bool | None:
        """p~ = O~(1) at all scales of the configuration: True, False, or None."""
        found = [self.judgement(scale).holds for scale in self.config["scales"]]
        return False if False in found else None if None in found else True

    @property
    def verdict(self) -> str:
        """The answer in words."""
        return {True: "holds", False: "fails", None: "undecided"}[self.holds]

    def table(self) -> Table:
        """One row for every width, and one for the limit."""
        scales = self.config["scales"]
        rows = [
            (
                str(m), str(p), *(f"{self.ranks(s)[i].mean():.1f}" for s in scales),
                f"{np.mean([stable_rank(e) for e in self.eigenvalues[i]]):.3f}",
            )
            for i, (m, p) in enumerate(zip(self.widths, self.parameters, strict=True))
        ]  # fmt: skip
        limits = (str(effective_rank(self.limit, s)) for s in scales)
        last = ("∞", "∞", *limits, f"{stable_rank(self.limit):.3f}")
        head = ("width m", "p", *(f"p~ at {s:g}" for s in scales), "stable rank")
        return Table(head, (*rows, last))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Effective ranks and p against the width."""
        ranks = {s: self.ranks(s) for s in self.config["scales"]}
        limits = {s: effective_rank(self.limit, s) for s in ranks}
        return plot_rank_growth(self.widths, self.parameters, ranks, limits, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file .npz."""
        arrays = {"eigenvalues": self.eigenvalues, "limit": self.limit}
        arrays["parameters"] = self.parameters  # pyright: ignore[reportArgumentType]
        write_arrays(Path(path), arrays | {"config": packed(self.config)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RankGrowth:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file is damaged, or holds something else or what makes no sense.
        """
        what, names = "a record of rank_growth", ("eigenvalues", "limit", "parameters")
        data = read_arrays(Path(path), what, (*names, "config"))
        with plausible(path, what):
            config = unpacked(data["config"], ("network", "widths", "scales"))
            check_rising("widths", (0, *config["widths"]), 3)
            shapes = {"eigenvalues": "widths seeds n", "limit": "n", "parameters": "widths"}
            check_arrays(data, shapes, {"widths": len(config["widths"])}, positive=names)
            found = cls(config, *(data[name] for name in names))
            found.judgement(config["scales"][0])  # it has an answer
            return found

    def __str__(self) -> str:
        scales = self.config["scales"]
        reasons = "; ".join(f"at {s:g} {self.judgement(s).reason}" for s in scales)
        return f"{self.config['network']}: p~ = O~(1) {self.verdict} ({reasons})"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"

    def _judged(self, scale: float) -> tuple[Interval, Verdict]:
        ranks = self.ranks(scale)
        return grows_at_most_like_a_logarithm(self.widths, np.maximum(ranks, 0.5), "p~")


def rank_growth(
    network: Network,
    inputs: Inputs,
    widths: Sequence[int],
    seeds: int = 4,
    *,
    points: int = 256,
    scales: Sequence[float] = (0.3, 0.1, 0.03),
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> RankGrowth:
    r"""Measure the effective rank of the Fisher information over widths.

    Args:
        network: the description.
        inputs: the distribution rho.
        widths: at least two different ones; no weights are held, so they may be large.
        seeds: number of networks of every width, at least 2.
        points: size of the sample of rho, the same for all networks.
        scales: at which p~ is counted, 0.75 epsilon/R each.
        executor: any ``concurrent.futures.Executor``; threads by default.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Returns:
        the record ``RankGrowth``.

    Raises:
        ValueError: a number is out of its range.

    References:
        Bowman and Montufar (2022), section 4.

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("tanh"))
        >>> result = rank_growth(network, Inputs.sphere(3), [16, 64], 3, points=20)
        >>> result.eigenvalues.shape, result.parameters.tolist()
        ((2, 3, 20), [64, 256])
    """
    widths, points = check_widths(network, inputs, widths, seeds, points)
    for scale in scales:
        effective_rank([1.0], scale)
    x = inputs.sample(points)
    cells = [NetworkCell(network, m, s, dtype, device) for m in widths for s in range(seeds)]
    found = over_cells(cells, _eigenvalues, (x,), executor, progress)
    config = {
        "network": repr(network), "inputs": inputs.name, "points": points, "widths": widths,
        "seeds": seeds, "scales": [float(s) for s in scales], "dtype": str(dtype),
        "device": device, "versions": versions(),
    }  # fmt: skip
    counts = [_parameters(network, x.shape[1:], m) for m in widths]
    limit = np.maximum(np.linalg.eigvalsh(kernel(network, x) / points)[::-1], 0)
    spectra = np.array(found).reshape(len(widths), seeds, points)
    return RankGrowth(config, spectra, limit, np.array(counts))


def covering_table(eigenvalues: Array, radii: Sequence[float], epsilons: Sequence[float]) -> Table:
    """p~(F^(1/2), 0.75 epsilon/R) and the bound of log N for every R and epsilon.

    Args:
        eigenvalues: those of F, shape (n,).
        radii: R.
        epsilons: radii of the balls.

    Example:
        >>> print(covering_table(np.array([1.0, 0.01]), [1.0], [0.5]))
        R  epsilon  p~  log N at most
        1      0.5   1            2.2
    """
    rows: list[tuple[str, ...]] = []
    for radius in radii:
        for epsilon in epsilons:
            if not radius > 0:
                raise ValueError(f"expected a positive radius, got {radius}; pass a norm")
            bound = log_covering_number(eigenvalues, radius, epsilon)
            rank = effective_rank(eigenvalues, 0.75 * epsilon / radius)
            rows.append((f"{radius:g}", f"{epsilon:g}", str(rank), f"{bound:.1f}"))
    return Table(("R", "epsilon", "p~", "log N at most"), tuple(rows))


def _eigenvalues(cell: NetworkCell, x: Array) -> Array:
    kernel_0 = streamed_tangent_kernel(cell.network, cell.tensor(x), cell.width, cell.seed)
    values = np.linalg.eigvalsh(kernel_0.to("cpu", torch.float64).numpy() / len(x))
    return np.maximum(values[::-1], 0)


def _parameters(network: Network, shape: tuple[int, ...], width: int) -> int:
    """p of one copy."""
    copied = FiniteNetwork(network, shape, width, antisymmetric=False, device="meta")
    return sum(p.numel() for p in copied.parameters())
