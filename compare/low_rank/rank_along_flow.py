r"""The effective rank along gradient flow: p~ of the Fisher information at theta_t.

The theory needs it low at theta_0 alone, as the kernel hardly moves; whether it stays low where
the kernel does move is a question to any module and any task.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analytic.files import read_arrays, write_arrays
from compare.configuration import check_arrays, check_rising, packed, plausible, unpacked
from compare.low_rank.figures import plot_rank_path
from compare.provenance import versions
from compare.table import Table
from compare.verdict import Outcome, Verdict
from empirical import effective_rank, fisher_eigenvalues, gradient_flow, hessian_norm, stable_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RankPath", "rank_path"]

Array = NDArray[np.float64]
DOUBLE = 2.0
"""What a rank may grow by and still have stayed low."""


@dataclass(frozen=True, slots=True, eq=False)
class RankPath:
    """Spectra of the Fisher information along a flow, and the norm of the Hessian beside them.

    Attributes:
        config: what it was made with.
        times: t, shape (T,).
        eigenvalues: of F at theta_t, descending, shape (T, n).
        displacement: ``|theta_t - theta_0|``, shape (T,).
        loss: Phi, shape (T,).
        hessian: ||H(z; theta_t)|| at the first of the evaluation points, shape (T,).
    """

    config: dict[str, Any]
    times: Array
    eigenvalues: Array
    displacement: Array
    loss: Array
    hessian: Array

    def ranks(self, scale: float) -> NDArray[np.int64]:
        """p~ at a scale for every time, shape (T,)."""
        return np.array([effective_rank(row, scale) for row in self.eigenvalues])

    @property
    def judgement(self) -> Verdict:
        """Whether p~ stays below twice what it is at the start, at a tenth of lambda_1^(1/2)."""
        scale = 0.1 * float(self.eigenvalues[0, 0]) ** 0.5
        ranks = self.ranks(scale)
        holds = bool(ranks.max() <= DOUBLE * ranks[0])
        reason = (
            f"p~ at {scale:.3g} goes from {ranks[0]} to {ranks[-1]}, at most {ranks.max()}, while"
            f" the loss falls from {self.loss[0]:.3g} to {self.loss[-1]:.3g}, lambda_1 goes from"
            f" {self.eigenvalues[0, 0]:.3g} to {self.eigenvalues[-1, 0]:.3g} and ||H|| from"
            f" {self.hessian[0]:.3g} to {self.hessian[-1]:.3g}"
        )
        return Verdict(Outcome.of(holds), reason)

    @property
    def verdict(self) -> str:
        """The effective rank stays low: "holds" or "fails"."""
        return str(self.judgement.outcome)

    @property
    def holds(self) -> bool | None:
        """The effective rank stays low."""
        return self.judgement.holds

    def table(self) -> Table:
        """One row for every time."""
        start = float(self.eigenvalues[0, 0]) ** 0.5
        scales = (0.3 * start, 0.1 * start, 0.03 * start)
        rows = [
            (
                f"{t:.3g}", f"{self.loss[i]:.3g}", f"{self.displacement[i]:.3g}",
                *(str(effective_rank(self.eigenvalues[i], s)) for s in scales),
                f"{stable_rank(self.eigenvalues[i]):.2f}", f"{self.eigenvalues[i, 0]:.3g}",
                f"{self.hessian[i]:.3g}",
            )
            for i, t in enumerate(self.times)
        ]  # fmt: skip
        ranks = (f"p~ at {s:.2g}" for s in scales)
        return Table(("t", "loss", "moved", *ranks, "stable", "λ_1", "||H||"), tuple(rows))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Effective ranks against time."""
        start = float(self.eigenvalues[0, 0]) ** 0.5
        ranks = {c: self.ranks(c * start) for c in (0.3, 0.1, 0.03)}
        return plot_rank_path(self.times, ranks, self.config["module"], ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file .npz."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        write_arrays(Path(path), arrays | {"config": packed(self.config)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RankPath:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file is damaged, or holds something else or what makes no sense.
        """
        data = read_arrays(Path(path), "a record of rank_path", ("config", *_ARRAYS))
        with plausible(path, "a record of rank_path"):
            config = unpacked(data.pop("config"), ("module",))
            shapes = dict.fromkeys(_ARRAYS, "times") | {"eigenvalues": "times n"}
            check_arrays(data, shapes, {}, positive=_ARRAYS)
            check_rising("times", data["times"].tolist(), 2)
            found = cls(config, **data)
            str(found)  # it has an answer
            return found

    def __str__(self) -> str:
        return f"{self.config['module']}: p~ stays low {self.verdict} ({self.judgement.reason})"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"


_ARRAYS = ("times", "eigenvalues", "displacement", "loss", "hessian")


def rank_path(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    times: Sequence[float],
    evaluate: Tensor,
    *,
    output: int = 0,
    rtol: float = 1e-6,
) -> RankPath:
    r"""The effective rank of the Fisher information along gradient flow of the square loss.

    The module itself is not changed.

    Args:
        module: any module that ``gradient_flow`` takes.
        x: training inputs, shape (n, ...).
        y: targets, shape (n,) or (n, k).
        times: increasing, not negative; the start, 0, is added in front.
        evaluate: a sample of rho, over which F is taken, shape (N, ...).
        output: of which the Fisher information and the Hessian are.
        rtol: tolerance of the integrator.

    Returns:
        the record ``RankPath``.

    Raises:
        ValueError, FlowError: as of ``gradient_flow``, ``fisher_eigenvalues``, ``hessian_norm``.

    Example:
        >>> f = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        >>> x = torch.eye(2, dtype=torch.float64)
        >>> path = rank_path(f, x, torch.ones(2).double(), [1.0, 2.0], x)
        >>> path.times.tolist(), path.eigenvalues.shape, bool(path.loss[2] < path.loss[0])
        ([0.0, 1.0, 2.0], (3, 2), True)
    """
    grid = [0.0, *(float(t) for t in times if t != 0)]
    if any(b <= a for a, b in itertools.pairwise(grid)):
        raise ValueError(f"expected increasing times above 0, got {list(times)}; sort them")
    spectra: list[Array] = []
    norms: list[float] = []
    moved: list[float] = []
    losses: list[float] = []
    for place, away, loss in _along(module, x, y, grid, rtol):
        found = fisher_eigenvalues(place, evaluate, output=output)
        spectra.append(found.to("cpu", torch.float64).numpy())
        index = output if place(evaluate[:1]).ndim > 1 else 0
        norms.append(hessian_norm(place, evaluate[:1], output=index).value)
        moved.append(away)
        losses.append(loss)
    config = {
        "module": type(module).__name__, "samples": len(x), "points": len(evaluate),
        "parameters": sum(p.numel() for p in module.parameters()), "output": output,
        "rtol": rtol, "versions": versions(),
    }  # fmt: skip
    columns = (grid, spectra, moved, losses, norms)
    return RankPath(config, *(np.array(column, dtype=np.float64) for column in columns))


def _along(
    module: nn.Module, x: Tensor, y: Tensor, grid: list[float], rtol: float
) -> Iterator[tuple[nn.Module, float, float]]:
    """A copy of the module at theta_t for every t, with |theta_t - theta_0| and the loss."""
    flow = None
    for count in range(1, len(grid) + 1):
        flow = gradient_flow(module, x, y, grid[:count], rtol=rtol, resume=flow)
        place = copy.deepcopy(module)
        place.load_state_dict(flow.parameters, strict=False)
        yield place, float(flow.displacement[-1]), float(flow.loss[-1])
