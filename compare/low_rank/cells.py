"""Cells of work over widths and seeds, through any executor, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from analytic.inputs import check_inputs
from analytic.network import Network
from analytic.progress import ProgressBar
from compare.executors import run_cells
from compare.rho import Inputs
from compare.whole_numbers import whole, wholes
from empirical.network import FiniteNetwork

__all__ = ["NetworkCell", "check_widths", "over_cells"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NetworkCell:
    """One finite network.

    Attributes:
        network: its description.
        width: m.
        index: which network of this width.
        dtype, device: where it lives.
    """

    network: Network
    width: int
    index: int
    dtype: torch.dtype
    device: str

    @property
    def seed(self) -> int:
        """Independent across widths."""
        return self.width * 2**32 + self.index

    def tensor(self, x: Array) -> torch.Tensor:
        """Inputs where the network lives."""
        return torch.as_tensor(x, dtype=self.dtype, device=self.device)

    def finite(self, x: Array) -> FiniteNetwork:
        """One copy of the network for inputs like x."""
        return FiniteNetwork(
            self.network, x.shape[1:], self.width, seed=self.seed, antisymmetric=False,
            dtype=self.dtype, device=self.device,
        )  # fmt: skip


class Wide(Protocol):
    """What has a width."""

    @property
    def width(self) -> int: ...


def over_cells(
    cells: Sequence[Wide],
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
    executor: Executor | None,
    progress: bool | None,
) -> list[Any]:
    """work(cell, *arguments) for every cell, in their order; the widest begin first."""
    order = sorted(range(len(cells)), key=lambda i: -cells[i].width)
    results: list[Any] = [None] * len(cells)
    disable = None if progress is None else not progress
    with ProgressBar(total=len(cells), disable=disable, leave=False) as bar:

        def keep(place: tuple[int, Wide], result: Any) -> None:
            results[place[0]] = result
            bar.update()

        numbered = [(i, cells[i]) for i in order]
        run_cells(numbered, _numbered, (work, arguments), executor, keep)
    return results


def _numbered(place: tuple[int, Wide], work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return work(place[1], *arguments)


def check_widths(
    network: Network, inputs: Inputs, widths: Sequence[int], seeds: int, points: int
) -> tuple[list[int], int]:
    """The widths in order and the points there are; raises unless all of it fits."""
    found, points = sorted(set(wholes("widths", widths))), whole("points", points)
    if len(found) < 2 or found[0] < 2 or len(found) < len(widths):
        raise ValueError(
            f"expected at least two different widths of at least 2, got {list(widths)}; add some"
        )
    if whole("seeds", seeds) < 2:
        raise ValueError(f"expected at least 2 seeds, got {seeds}; raise the number")
    points = min(points, inputs.population or points)
    check_inputs("x", inputs.sample(points), network)
    network.shapes(inputs.shape[1:])
    return found, points
