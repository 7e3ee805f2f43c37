r"""How the eps of Corollary 3.7 depends on width, samples and time.

The corollary says that m = Omega(T^4/eps^2) and n = Omega(T^2/eps^2) suffice: the eps that is
needed is at most of order T^2 m^(-1/2) + T n^(-1/2), up to logarithms. Measured are the
smallest eps for every network and sample, and fitted

    E eps = a m^(-p) + b n^(-q)       one-sided: the corollary asks for p, q >= 1/2
    E eps = A/m + B/n + F             a wrong kernel leaves F > 0
    eps ~ T^s                         the corollary asks for s <= 1 (n) and s <= 2 (m)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from analytic import Network
from compare.dynamics.design import Resolution, check_grid, check_growth, check_linearised
from compare.dynamics.doubt import DynamicsError
from compare.dynamics.linearised import FIRST_LINEARISED, Linearised, linearised_networks
from compare.dynamics.measurement import prepare
from compare.dynamics.scaling_record import CONFIDENCE, DynamicsScaling
from compare.dynamics.stored_runs import open_runs
from compare.dynamics.training import Job, Training, run_all
from compare.dynamics.trajectories import Comparison, TrainedNetwork, everything
from compare.rate import Controlled, Distances, Power, fit_power
from compare.rho import Inputs, Target
from compare.store import Store
from compare.theory import theorem

__all__ = ["dynamics_growth", "dynamics_scaling"]

Array = NDArray[np.float64]
AnyTarget = Target | Callable[[Array], ArrayLike] | ArrayLike
COARSE = Resolution(times=24)
"""Times of a scaling: it needs the running maximum of eps, not its course."""


def dynamics_scaling(
    network: Network,
    inputs: Inputs,
    target: AnyTarget,
    *,
    widths: Sequence[int],
    samples: Sequence[int],
    horizon: float,
    seeds: int = 8,
    points: int = 128,
    linearised: int = 250,
    limit: Network | None = None,
    rtol: float = 1e-5,
    store: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> DynamicsScaling:
    """Measure the eps of Corollary 3.7 over a grid of widths and numbers of samples.

    Args:
        network: the description.
        inputs: the distribution rho.
        target: f*, as for ``dynamics_gap``.
        widths: m, at least two.
        samples: n, at least two. Where rho allows it (the circle, a population of at most 512)
            networks are trained on all of rho too, which shows the width alone.
        horizon: the largest T.
        seeds: networks, each with a sample of its own, for every pair (m, n).
        points: evaluation points.
        linearised: networks for every pair that are linearised at their start instead of trained,
            each with a sample of its own: a control variate that takes most of the spread away.
            0 for none.
        limit: a network whose kernel takes the place of K_inf: a negative control, whose eps
            must level off.
        rtol: tolerance of the integrator.
        store: a file for finished networks, as of ``convergence``.
        executor: any ``concurrent.futures.Executor``; threads by default.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Returns:
        the record ``DynamicsScaling``.

    Raises:
        ValueError: a number is out of its range.
        DynamicsError: a horizon that the integrator does not reach; ``error.partial`` is the
            record up to the last time that all flows reached.

    References:
        Bowman and Montufar (2022), Corollary 3.7.
    """
    wide, many = check_grid(inputs, widths, samples, horizon, seeds)
    check_linearised(linearised)
    aim = Target.of(target, inputs)
    columns: list[int | None] = [*many]
    if everything(inputs, aim) is not None:
        columns.append(None)
    cells = [(m, n) for m in wide for n in columns]
    problem = _problem(limit or network, inputs, aim, horizon, points)
    training = Training(problem, network, aim, rtol, device, dtype)
    with open_runs(store, training) as finished:
        runs = _measure(training, cells, seeds, executor, progress, finished)
        controls = _controls(training, cells, (seeds, linearised), executor, progress, finished)
    config = training.config() | {
        "widths": wide, "samples": columns, "horizon": horizon, "seeds": seeds,
        "linearised": linearised, "confidence": CONFIDENCE,
    }  # fmt: skip
    times, arrays = _collected(problem, runs, controls, (len(wide), len(columns)))
    result = DynamicsScaling(config, times, *arrays)
    stopped = [run.stopped for cell in runs for run in cell if run.stopped]
    if stopped:
        raise DynamicsError(stopped[0], result)
    return result


def _collected(
    problem: Comparison,
    runs: list[list[TrainedNetwork]],
    controls: tuple[list[Linearised], list[Linearised]],
    shape: tuple[int, int],
) -> tuple[Array, list[Array]]:
    """The times that all runs reached, and what the record keeps of runs and models."""
    reached = min(len(run.own) for cell in runs for run in cell)
    arrays = [
        np.array([[pick(problem, run)[:reached] for run in cell] for cell in runs])
        for pick in (_corollary, _own, _gap, _moved)
    ]
    arrays += [np.array([cell.epsilon[:, reached - 1] for cell in model]) for model in controls]
    return problem.times[:reached], [array.reshape(*shape, *array.shape[1:]) for array in arrays]


def dynamics_growth(
    network: Network,
    inputs: Inputs,
    target: AnyTarget,
    *,
    ratios: Sequence[float],
    samples: Sequence[int],
    horizon: float,
    seeds: int = 8,
    points: int = 128,
    linearised: int = 250,
    rtol: float = 1e-5,
    store: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> dict[float, Power]:
    """Observation 3.9: the gap at the horizon when the width grows linearly, m = c n.

    Args:
        network: the description.
        inputs: the distribution rho.
        target: f*, as for ``dynamics_gap``.
        ratios: c.
        samples: n, at least two.
        horizon: T.
        seeds: networks, each with a sample of its own, for every pair (m, n).
        points: evaluation points.
        linearised: as for ``dynamics_scaling``.
        rtol: tolerance of the integrator.
        store: a file for finished networks, as of ``convergence``.
        executor: any ``concurrent.futures.Executor``; threads by default.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Returns:
        for every c the fit E ||r_T - exp(-T_K T) r_0||^2 = C n^(-p) with the interval of p;
        the observation asks for p > 0.

    Raises:
        ValueError: a number is out of its range.
    """
    many = check_growth(inputs, ratios, samples, horizon, seeds)
    check_linearised(linearised)
    aim = Target.of(target, inputs)
    cells: list[tuple[int, int | None]] = [(max(1, round(c * n)), n) for c in ratios for n in many]
    problem = _problem(network, inputs, aim, horizon, points)
    training = Training(problem, network, aim, rtol, device, dtype)
    with open_runs(store, training) as finished:
        runs = _measure(training, cells, seeds, executor, progress, finished)
        controls = _controls(training, cells, (seeds, linearised), executor, progress, finished)
    for run in (run for cell in runs for run in cell):
        if run.stopped:
            raise DynamicsError(run.stopped, None)
    squares = _squares(runs, controls)
    count = len(many)
    return {
        c: fit_power(many, squares[i * count : (i + 1) * count], CONFIDENCE)
        for i, c in enumerate(ratios)
    }


def _squares(
    runs: list[list[TrainedNetwork]], controls: tuple[list[Linearised], list[Linearised]]
) -> list[Distances]:
    """The squared gaps at the horizon, with their control variates."""
    found = [np.array([run.norms[0, -1] ** 2 for run in cell]) for cell in runs]
    same, others = ([cell.gap[:, -1] ** 2 for cell in one] for one in controls)
    if not others[0].size:
        return list(found)
    return [Controlled(*group) for group in zip(found, same, others, strict=True)]


def _problem(
    network: Network, inputs: Inputs, target: Target, horizon: float, points: int
) -> Comparison:
    return prepare(network, inputs, target, horizon, points=points, resolution=COARSE)[0]


def _measure(
    training: Training,
    cells: list[tuple[int, int | None]],
    seeds: int,
    executor: Executor | None,
    progress: bool | None,
    store: Store | None = None,
) -> list[list[TrainedNetwork]]:
    """All runs of all cells (m, n), no two with the same network or sample."""
    jobs = [Job(m, n, i * seeds + s) for i, (m, n) in enumerate(cells) for s in range(seeds)]
    runs = run_all(training, jobs, executor, progress, store)
    return [runs[i : i + seeds] for i in range(0, len(runs), seeds)]


def _controls(
    training: Training,
    cells: list[tuple[int, int | None]],
    counts: tuple[int, int],
    executor: Executor | None,
    progress: bool | None,
    store: Store | None,
) -> tuple[list[Linearised], list[Linearised]]:
    """The linearisations of the networks that were trained, and of others, for each cell."""
    seeds, others = counts
    if not others:
        none = Linearised(*np.empty((2, 0, len(training.problem.times))))
        return [none] * len(cells), [none] * len(cells)
    number = range(len(cells))
    first = [[i * seeds for i in number], [FIRST_LINEARISED + i * others for i in number]]
    same, more = (
        linearised_networks(training, cells, start, count, executor, progress, store)
        for start, count in zip(first, counts, strict=True)
    )
    return same, more


def _corollary(problem: Comparison, run: TrainedNetwork) -> Array:
    times = problem.times[: len(run.own)]
    found = theorem(times, problem.reference.eigenvalues, run.spaces[0], run.norms[0] ** 2)
    return found.epsilon


def _own(problem: Comparison, run: TrainedNetwork) -> Array:
    return run.own


def _gap(problem: Comparison, run: TrainedNetwork) -> Array:
    return run.norms[0]


def _moved(problem: Comparison, run: TrainedNetwork) -> Array:
    return run.moved
