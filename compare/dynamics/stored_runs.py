"""The runs of trained networks in a store: one row for each network and sample.

run  ->  the arrays of ``TrainedNetwork`` and its ``checks``, by their names; ``stopped`` as text
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import Network
from compare.dynamics.trajectories import Comparison, TrainedNetwork
from compare.provenance import versions
from compare.rho import Target
from compare.store import Store, digest
from compare.theory import Checks

__all__ = ["open_runs", "read_run", "write_run"]


class Measured(Protocol):
    """What decides the bits of a run; ``Training`` has it."""

    @property
    def problem(self) -> Comparison: ...
    @property
    def network(self) -> Network: ...
    @property
    def target(self) -> Target: ...
    @property
    def rtol(self) -> float: ...
    @property
    def device(self) -> str: ...
    @property
    def dtype(self) -> torch.dtype: ...


def open_runs(
    path: str | os.PathLike[str] | None, measured: Measured
) -> AbstractContextManager[Store | None]:
    """The store of a measurement, or nothing.

    Raises:
        ValueError, OSError: as ``compare.store.Store``.
    """
    if path is None:
        return nullcontext()
    problem, target = measured.problem, measured.target
    return Store(
        path,
        {
            "network": repr(measured.network),
            "inputs": problem.inputs.name,
            "population": problem.inputs.population,
            "target": target.name,
            "values": digest(problem.reference.values),
            "limit": digest(problem.limit),
            "points": digest(problem.points.x),
            "times": digest(problem.times),
            "eigenvalues": digest(problem.reference.eigenvalues),
            "rtol": measured.rtol,
            "dtype": str(measured.dtype),
            "device": measured.device,
            "versions": versions(),
        },
    )


def write_run(store: Store, name: str, run: TrainedNetwork) -> None:
    """Keep a finished run."""
    arrays = {f.name: np.asarray(getattr(run, f.name)) for f in fields(run) if f.name != "checks"}
    checks = {f"checks.{f.name}": np.asarray(getattr(run.checks, f.name)) for f in fields(Checks)}
    store.put(name, arrays | checks)


def read_run(store: Store, name: str) -> TrainedNetwork | None:
    """A finished run with the same bits, or None."""
    found = store.get(name)
    if found is None:
        return None
    checks = {f.name: _value(found.pop(f"checks.{f.name}")) for f in fields(Checks)}
    values: Mapping[str, Any] = {name: _value(array) for name, array in found.items()}
    return TrainedNetwork(**values, checks=Checks(**checks))


def _value(array: NDArray[Any]) -> Any:
    """Numbers and text that were no arrays come back as they were."""
    return array.item() if array.ndim == 0 else array
