r"""Networks trained one by one, through any executor and past what a store has of them."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from analytic import Network
from analytic.progress import ProgressBar
from compare.dynamics.stored_runs import read_run, write_run
from compare.dynamics.trajectories import (
    Comparison,
    Sample,
    TrainedNetwork,
    draw,
    everything,
    run,
)
from compare.executors import one_thread, run_cells
from compare.provenance import versions
from compare.rho import Target
from compare.store import Store
from empirical import FiniteNetwork

__all__ = ["Job", "Training", "draws", "run_all", "train"]


@dataclass(frozen=True, slots=True)
class Job:
    """One network to train.

    Attributes:
        width: m.
        samples: n; None for all of rho.
        seed: of the network; sample_seed: of the sample, the same by default.
        check: whether the identities of the flow are checked.
    """

    width: int
    samples: int | None
    seed: int
    sample_seed: int | None = None
    check: bool = False

    @property
    def name(self) -> str:
        """What a store calls it."""
        sample = self.seed if self.sample_seed is None else self.sample_seed
        number = "all" if self.samples is None else self.samples
        checked = ", checked" if self.check else ""
        return f"width {self.width}, samples {number}, seeds {self.seed} and {sample}{checked}"


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What the training of all networks has in common, but for their widths and samples.

    Attributes:
        problem: with what they are compared.
        network: the description.
        target: f*.
        rtol: tolerance of the integrator.
        device: of the networks; dtype: theirs.
    """

    problem: Comparison
    network: Network
    target: Target
    rtol: float
    device: str
    dtype: torch.dtype

    def config(self) -> dict[str, Any]:
        """What a record keeps of it, as plain data."""
        problem = self.problem
        other = problem.network != self.network
        return {
            "network": repr(self.network),
            "limit": repr(problem.network) if other else None,
            "inputs": problem.inputs.name,
            "target": self.target.name,
            "points": len(problem.points.x),
            "rtol": self.rtol,
            "dtype": str(self.dtype),
            "device": self.device,
            "versions": versions(),
        }


def draws(training: Training, job: Job) -> tuple[FiniteNetwork, Sample]:
    """The network of a job and its sample."""
    inputs, target = training.problem.inputs, training.target
    finite = FiniteNetwork(
        training.network,
        inputs.shape,
        job.width,
        seed=job.width * 2**32 + job.seed,  # independent across widths
        dtype=training.dtype,
        device=training.device,
    )
    if job.samples is None:
        sample = everything(inputs, target)
        assert sample is not None
    else:
        own = job.seed if job.sample_seed is None else job.sample_seed
        stream = np.random.SeedSequence([job.samples, own])
        sample = draw(inputs, target, job.samples, int(stream.generate_state(1)[0]))
    return finite, sample


def train(training: Training, job: Job) -> TrainedNetwork:
    """One network, trained on its sample, with its four trajectories."""
    finite, sample = draws(training, job)
    with one_thread():
        return run(training.problem, sample, finite, rtol=training.rtol, check=job.check)


def run_all(
    training: Training,
    jobs: list[Job],
    executor: Executor | None,
    progress: bool | None,
    store: Store | None = None,
) -> list[TrainedNetwork]:
    """What all jobs give, in their order; a store keeps each as soon as it is finished."""
    found = {job: None if store is None else read_run(store, job.name) for job in jobs}
    runs = {job: run for job, run in found.items() if run is not None}
    disable = None if progress is None else not progress
    bar = ProgressBar(
        total=len(jobs), initial=len(runs), desc="networks", delay=1, disable=disable, leave=False
    )

    def keep(job: Job, run: TrainedNetwork) -> None:
        runs[job] = run
        if store is not None:
            write_run(store, job.name, run)
        bar.update()

    with bar:
        missing = [job for job in jobs if job not in runs]
        run_cells(missing, partial(train, training), (), executor, keep)
    return [runs[job] for job in jobs]
