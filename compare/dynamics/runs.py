r"""What all seeds of a measurement gave, in arrays with the seed first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.configuration import check_arrays, check_rising
from compare.dynamics.trajectories import GAP_PARTS, TrainedNetwork

__all__ = ["SHAPES", "Modes", "StackedRuns", "from_arrays", "mean_error", "stack_runs", "stderr"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """The eigenspaces of T_K that were resolved, and what the target has in them.

    Attributes:
        eigenvalues: sigma_k, descending, shape (k,).
        multiplicities: shape (k,).
        errors: of the eigenvalues, shape (k,).
        energies: ||Pi_k f*||^2, shape (k,).
        square_norm: ||f*||^2.
        supremum: largest |f*| seen.
    """

    eigenvalues: Array
    multiplicities: NDArray[np.int64]
    errors: Array
    energies: Array
    square_norm: Array
    supremum: Array


@dataclass(frozen=True, slots=True, eq=False)
class StackedRuns:
    """What S networks, each with its sample, gave: the fields of ``TrainedNetwork``, stacked.

    Attributes:
        norms: gap, drift, initial and sampling, shape (S, 4, T).
        spaces: their squared norms in each eigenspace, shape (S, 4, T, k).
        amplitudes: shape (S, T, k).
        residual: shape (S, T, k + 1).
        distance: ||K_0 - K_inf||^2, shape (S,).
        own: shape (S, T).
        moved: shape (S, T).
        displacement: shape (S, T).
        checks: defects of Duhamel's formula, the energy identity and the length, shape (S, 3).
    """  # nine fields: those of TrainedNetwork

    norms: Array
    spaces: Array
    amplitudes: Array
    residual: Array
    distance: Array
    own: Array
    moved: Array
    displacement: Array
    checks: Array


def stderr(values: Array) -> Array:
    """Standard error of the mean over the seeds, NaN for one seed."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def mean_error(values: Array) -> str:
    """Mean and standard error as text."""
    error = float(stderr(np.asarray(values, dtype=np.float64)))
    return f"{np.mean(values):.3g} ± {error:.1g}"


def stack_runs(runs: Sequence[TrainedNetwork]) -> StackedRuns:
    """All runs up to the last time that every one of them reached."""
    reached = min(len(run.displacement) for run in runs)

    def stack(name: str, axis: int = 0) -> Array:
        """The arrays of one name, cut at the common last time."""
        return np.stack([getattr(run, name).take(range(reached), axis) for run in runs])

    return StackedRuns(
        stack("norms", 1),
        stack("spaces", 1),
        stack("amplitudes"),
        stack("residual"),
        np.array([run.distance for run in runs]),
        stack("own"),
        stack("moved"),
        stack("displacement"),
        np.array([[run.checks.duhamel, run.checks.energy, run.checks.length] for run in runs]),
    )


def from_arrays(data: Mapping[str, NDArray[Any]], spaces: int) -> tuple[Modes, StackedRuns]:
    """Modes and runs from arrays that are named as in ``SHAPES``.

    Raises:
        ValueError: they do not fit together, or have numbers that are none.
    """
    sizes = {"parts": len(GAP_PARTS), "checks": 3, "k": spaces}
    partial = ("runs.checks", "runs.amplitudes")
    check_arrays(data, SHAPES, sizes, positive=POSITIVE, partial=partial)
    check_rising("times", data["times"].tolist(), 2)
    modes = Modes(*(data[f"modes.{f.name}"] for f in fields(Modes)))
    return modes, StackedRuns(*(data[f"runs.{f.name}"] for f in fields(StackedRuns)))


SHAPES = {
    "times": "times",
    **dict.fromkeys((f"modes.{n}" for n in ("eigenvalues", "multiplicities", "errors")), "k"),
    "modes.energies": "k", "modes.square_norm": "", "modes.supremum": "",
    "runs.norms": "seeds parts times", "runs.spaces": "seeds parts times k",
    "runs.amplitudes": "seeds times k", "runs.residual": "seeds times more",
    "runs.distance": "seeds", "runs.checks": "seeds checks",
    **dict.fromkeys((f"runs.{n}" for n in ("own", "moved", "displacement")), "seeds times"),
}  # fmt: skip
"""The axes of what a record of ``dynamics_gap`` holds."""
POSITIVE = ("modes.multiplicities", "modes.energies", "modes.square_norm", "modes.supremum",
             "runs.norms", "runs.spaces", "runs.moved", "runs.displacement")  # fmt: skip
"""Arrays of it without negative numbers."""
