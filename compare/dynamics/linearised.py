r"""Linearised networks: the control variate of what trained ones measure.

The network, linearised at its start, follows r_t^lin, which needs the tangent kernel K_0 and no
integrator: some milliseconds where the flow takes a second. It shares the error of K_0 and that
of the sample with the network; what is left, the drift of the kernel, is smaller by an order in
the width and hardly varies. So

    E eps = E eps^lin (many linearised networks) + E (eps - eps^lin) (those that were trained).
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analytic.progress import ProgressBar
from compare.dynamics.training import Job, Training, draws
from compare.dynamics.trajectories import linear_residual
from compare.executors import one_thread, run_cells
from compare.store import Store
from compare.theory import theorem

__all__ = ["FIRST_LINEARISED", "Linearised", "linearised_networks"]

Array = NDArray[np.float64]
FIRST_LINEARISED = 2**24
"""Seed of the first linearised network that was not trained; those that were lie below."""
_TOGETHER = 25
"""Networks that one task draws."""


@dataclass(frozen=True, slots=True, eq=False)
class Linearised:
    """What some linearised networks gave.

    Attributes:
        epsilon: smallest eps of Corollary 3.7 up to each time, shape (networks, T).
        gap: ||r_t^lin - exp(-T_K t) r_0||, shape (networks, T).
    """

    epsilon: Array
    gap: Array


@dataclass(frozen=True, slots=True)
class _Some:
    """Networks of one width with samples of one size, whose seeds follow each other."""

    width: int
    samples: int | None
    first: int
    count: int

    @property
    def name(self) -> str:
        """What a store calls them."""
        number = "all" if self.samples is None else self.samples
        seeds = f"seeds {self.first} to {self.first + self.count - 1}"
        return f"linearised, width {self.width}, samples {number}, {seeds}"


def linearised_networks(
    training: Training,
    cells: list[tuple[int, int | None]],
    first: list[int],
    count: int,
    executor: Executor | None,
    progress: bool | None,
    store: Store | None,
) -> list[Linearised]:
    """``count`` networks for each cell (m, n), from a seed of its own; a store keeps them."""
    tasks = [
        [_Some(m, n, seed + i, min(_TOGETHER, count - i)) for i in range(0, count, _TOGETHER)]
        for (m, n), seed in zip(cells, first, strict=True)
    ]
    every = [some for cell in tasks for some in cell]
    found = {some: None if store is None else store.get(some.name) for some in every}
    done = {s: Linearised(**arrays) for s, arrays in found.items() if arrays is not None}
    disable = None if progress is None else not progress
    with ProgressBar(
        total=len(every) * _TOGETHER, initial=len(done) * _TOGETHER, desc="linearised", delay=1,
        disable=disable, leave=False,
    ) as bar:  # fmt: skip

        def keep(some: _Some, result: Linearised) -> None:
            done[some] = result
            if store is not None:
                store.put(some.name, {"epsilon": result.epsilon, "gap": result.gap})
            bar.update(_TOGETHER)

        missing = [some for some in every if some not in done]
        run_cells(missing, partial(_draw, training), (), executor, keep)
    return [_joined([done[some] for some in cell]) for cell in tasks]


def _draw(training: Training, some: _Some) -> Linearised:
    seeds = range(some.first, some.first + some.count)
    return _joined([_one(training, Job(some.width, some.samples, seed)) for seed in seeds])


def _one(training: Training, job: Job) -> Linearised:
    problem = training.problem
    finite, sample = draws(training, job)
    with one_thread():
        apart = linear_residual(problem, sample, finite) - problem.reference.flow(problem.times)
    seen, points = problem.reference, problem.points
    spaces = points.space_norms(apart, seen.functions, seen.groups)
    squares = points.square_norms(apart)
    epsilon = theorem(problem.times, seen.eigenvalues, spaces, squares).epsilon
    return Linearised(epsilon[None], np.sqrt(squares)[None])


def _joined(parts: list[Linearised]) -> Linearised:
    return Linearised(
        np.concatenate([part.epsilon for part in parts]),
        np.concatenate([part.gap for part in parts]),
    )
