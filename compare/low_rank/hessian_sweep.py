r"""The norm of the Hessian against the width, and eq. (5) of the paper.

    sup_{|theta - theta_0| <= R} ||H(x; theta)|| = O~(R/sqrt(m) poly(R/sqrt(m)))

for one x. The tilde is not idle: the norm of one layer is that of its worst unit, whose v_i
is about sqrt(2 log m), so that sqrt(log m / m) is what to expect at R = 0.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import inf, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import Network
from analytic.files import read_arrays, write_arrays
from compare.configuration import check_arrays, check_rising, packed, plausible, unpacked
from compare.low_rank.cells import NetworkCell, check_widths, over_cells
from compare.low_rank.figures import plot_hessian_growth
from compare.low_rank.width_laws import LawFit, fit_laws, grows_at_most_like_a_logarithm
from compare.provenance import versions
from compare.rate import Interval, slopes, student_of_mean
from compare.rho import Inputs
from compare.table import Table
from compare.verdict import Verdict
from empirical import hessian_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HessianGrowth", "hessian_growth"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HessianGrowth:
    """Norms of the Hessian over widths and seeds, and the laws that they follow.

    Attributes:
        config: everything needed to make it again.
        norms: shape (widths, seeds).
    """

    config: dict[str, Any]
    norms: Array

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths m."""
        return tuple(self.config["widths"])

    @property
    def exponent(self) -> float:
        """The p in ||H|| = C m^p, negative."""
        return float(slopes(self.widths, self.norms).mean())

    @property
    def exponent_interval(self) -> Interval:
        """Interval of p, 95 %."""
        return student_of_mean(slopes(self.widths, self.norms), 0.95)

    @property
    def laws(self) -> LawFit:
        """How well m^(-1/2) and sqrt(log m / m) fit."""
        return fit_laws(self.widths, self.norms)

    @property
    def judgement(self) -> Verdict:
        """Eq. (5): whether sqrt(m) ||H|| grows no faster than a logarithm of m."""
        scaled = self.norms * np.sqrt(np.array(self.widths))[:, None]
        return grows_at_most_like_a_logarithm(self.widths, scaled, "sqrt(m) ||H||")[1]

    @property
    def holds(self) -> bool | None:
        """Eq. (5): True, False, or None if the measurement does not decide."""
        return self.judgement.holds

    @property
    def verdict(self) -> str:
        """Eq. (5): "holds", "fails" or "undecided"."""
        return str(self.judgement.outcome)

    def table(self) -> Table:
        """One row for every width."""
        rows = [
            (
                str(m), f"{h.mean():.4g}", f"{h.std(ddof=1) / len(h) ** 0.5:.2g}",
                f"{m**0.5 * h.mean():.3f}", f"{(m / np.log(m)) ** 0.5 * h.mean():.3f}",
            )
            for m, h in zip(self.widths, self.norms, strict=True)
        ]  # fmt: skip
        head = ("width m", "mean ||H||", "± error", "times sqrt(m)", "times sqrt(m/log m)")
        return Table(head, tuple(rows))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Norms against the width, with both laws."""
        title = f"exponent {self.exponent:.3f}, {self.laws.preferred} preferred"
        return plot_hessian_growth(self.widths, self.norms, title, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file .npz."""
        write_arrays(Path(path), {"norms": self.norms, "config": packed(self.config)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> HessianGrowth:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file is damaged, or holds something else or what makes no sense.
        """
        what = "a record of hessian_growth"
        data = read_arrays(Path(path), what, ("norms", "config"))
        with plausible(path, what):
            config = unpacked(data["config"], ("network", "widths", "radius"))
            check_rising("widths", (0, *config["widths"]), 3)
            sizes = {"widths": len(config["widths"])}
            check_arrays(data, {"norms": "widths seeds"}, sizes, positive=("norms",))
            found = cls(config, data["norms"])
            str(found)  # it has an answer
            return found

    def __str__(self) -> str:
        bound = " (a lower bound)" if self.config["radius"] else ""
        return (
            f"{self.config['network']}, R = {self.config['radius']:g}: eq. (5) {self.verdict}"
            f" ({self.judgement.reason}{bound}); {self.laws.preferred} preferred, chi^2"
            f" {self.laws.plain:.1f} for m^(-1/2) and {self.laws.logarithmic:.1f} for sqrt(log m"
            f" / m) at {self.laws.freedom} degrees of freedom"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"


def hessian_growth(
    network: Network,
    inputs: Inputs,
    widths: Sequence[int],
    seeds: int = 10,
    *,
    radius: float = 0.0,
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> HessianGrowth:
    r"""Measure the norm of the Hessian of the output over widths, at one input.

    Args:
        network: the description.
        inputs: the distribution rho, of which one input is drawn for all networks.
        widths: at least two different ones.
        seeds: number of networks of every width, at least 2.
        radius: R of the ball that is searched; 0 for the Hessian at theta_0.
        executor: any ``concurrent.futures.Executor``; threads by default.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Returns:
        the record ``HessianGrowth``.

    Raises:
        ValueError: a number is out of its range.

    References:
        Liu, Zhu and Belkin (2020); Bowman and Montufar (2022), eq. (5).

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("tanh"))
        >>> result = hessian_growth(network, Inputs.sphere(3), [16, 256], 3)
        >>> result.norms.shape, bool(result.exponent < -0.2)
        ((2, 3), True)
    """
    widths, _ = check_widths(network, inputs, widths, seeds, 1)
    if not 0 <= radius < inf:
        raise ValueError(f"expected a radius of at least 0, got {radius}; pass |theta - theta_0|")
    x = inputs.sample(1)
    cells = [NetworkCell(network, m, s, dtype, device) for m in widths for s in range(seeds)]
    norms = over_cells(cells, _norm, (x, radius), executor, progress)
    config = {
        "network": repr(network), "inputs": inputs.name, "widths": widths, "seeds": seeds,
        "radius": float(radius), "dtype": str(dtype), "device": device, "versions": versions(),
    }  # fmt: skip
    return HessianGrowth(config, np.array(norms).reshape(len(widths), seeds))


def _norm(cell: NetworkCell, x: Array, radius: float) -> float:
    """That of the antisymmetric network, whose two copies g have no parameter in common.

    Its Hessian has the blocks H_g/sqrt 2 and -H_g/sqrt 2, and all of R is best spent in one.
    """
    copied = hessian_norm(cell.finite(x), cell.tensor(x), radius, seed=cell.index)
    return copied.value / sqrt(2)
