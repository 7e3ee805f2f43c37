r"""The dynamics gap: trained networks against exp(-T_K t) r_0, and where the gap comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from analytic import Network, kernel
from compare.dynamics.design import Repetition, Resolution, check_cell
from compare.dynamics.doubt import DynamicsError
from compare.dynamics.gap_record import DynamicsGap
from compare.dynamics.runs import Modes, stack_runs
from compare.dynamics.stored_runs import open_runs
from compare.dynamics.training import Job, Training, run_all
from compare.dynamics.trajectories import Comparison
from compare.rho import Inputs, Target, evaluation_points
from compare.theory import Reference, reference, stopping_times

__all__ = ["dynamics_gap", "prepare", "time_grid"]

Array = NDArray[np.float64]
WATCHED = 32
"""Points at which the tangent kernel is watched along the flow."""


def dynamics_gap(
    network: Network,
    inputs: Inputs,
    target: Target | Callable[[Array], ArrayLike] | ArrayLike,
    *,
    width: int,
    samples: int,
    horizon: float,
    seeds: int = 5,
    points: int = 1000,
    limit: Network | None = None,
    rtol: float = 1e-6,
    store: str | os.PathLike[str] | None = None,
    resolution: Resolution | None = None,
    repetition: Repetition | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
) -> DynamicsGap:
    r"""Train finite networks on n samples and compare them with the ideal dynamics.

    .. math:: r_t - e^{-T_K t} r_0 = (r_t - r_t^{lin}) + (r_t^{lin} - r_t^n)
              + (r_t^n - e^{-T_K t} r_0)

    with the linearisation at the start and the flow of K_inf on the same samples in between:
    the drift of the kernel, the error of the initial kernel, the sampling.

    Args:
        network: the description.
        inputs: the distribution rho; fully connected networks take flat inputs.
        target: f*: a ``Target``, a function of inputs (n, ...), or values on the population.
        width: m, of each of the two antisymmetric copies.
        samples: n.
        horizon: T, in the time of the flow; 10/sigma_1 shows the leading eigenspaces.
        seeds: the number of networks, each with a sample of its own.
        points: evaluation points, at least 8; all of a smaller finite population.
        limit: a network whose kernel takes the place of K_inf: a negative control.
        rtol: tolerance of the integrator.
        store: a file for finished networks, as of ``convergence``.
        resolution: how many times and eigenspaces, ``Resolution()`` by default.
        repetition: what differs between the networks, ``Repetition()`` by default.
        executor: any ``concurrent.futures.Executor``; by default threads, one network each.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Returns:
        the record ``DynamicsGap``.

    Raises:
        ValueError: a number is out of its range, the target has values of the wrong shape or
            is unbounded, there are fewer inputs than samples, or fewer trustworthy eigenspaces
            than asked for.
        DynamicsError: the integrator did not reach the horizon; ``error.partial`` is the
            record up to where it came.

    References:
        Bowman and Montufar (2022), Theorem 3.5 and section 4.

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("tanh"))
        >>> result = dynamics_gap(network, Inputs.sphere(2), Target.step(), width=64,
        ...     samples=32, horizon=4.0, seeds=2, points=64)
        >>> result.labels[:3], result.gap.shape == result.times.shape
        (('degree 1', 'degree 3', 'degree 5'), True)
        >>> bool(np.all(result.gap <= result.drift + result.initial + result.sampling + 1e-9))
        True
    """
    fine, again = resolution or Resolution(), repetition or Repetition()
    check_cell(inputs, width, samples, horizon, seeds, fine.times)
    aim = Target.of(target, inputs)
    problem, modes, epsilon = prepare(
        limit or network, inputs, aim, horizon, points=points, resolution=fine
    )
    training = Training(problem, network, aim, rtol, device, dtype)
    config = training.config() | {
        "width": width, "samples": samples, "horizon": horizon, "seeds": seeds,
        "kind": problem.points.kind, "spaces": fine.spaces, "epsilon": epsilon,
        "times": fine.times, "share_sample": again.share_sample, "first_seed": again.first_seed,
        "population": inputs.population, "reference_error": problem.reference.error_at(horizon),
        "confidence": 0.95,
    }  # fmt: skip
    with open_runs(store, training) as finished:
        runs = run_all(training, _jobs(width, samples, seeds, again), executor, progress, finished)
    found = stack_runs(runs)
    labels = problem.reference.labels
    result = DynamicsGap(config, labels, problem.times[: found.own.shape[1]], modes, found)
    for seed, one in enumerate(runs, again.first_seed):
        if one.stopped:
            raise DynamicsError(f"{one.stopped} (seed {seed})", result)
    return result


def _jobs(width: int, samples: int, seeds: int, again: Repetition) -> list[Job]:
    first = again.first_seed
    return [
        Job(width, samples, s, first if again.share_sample else s, s < first + again.checked)
        for s in range(first, first + seeds)
    ]


def prepare(
    network: Network,
    inputs: Inputs,
    target: Target,
    horizon: float,
    *,
    points: int,
    resolution: Resolution,
) -> tuple[Comparison, Modes, float]:
    """Everything that all seeds share: points, operator, limit kernel, times; and eps of 3.10."""
    chosen = evaluation_points(inputs, points)
    seen = reference(network, inputs, target, chosen)
    if resolution.spaces is not None:
        seen = seen.leading(resolution.spaces)
    epsilon = seen.supremum / 10 if resolution.epsilon is None else resolution.epsilon
    grid = time_grid(seen, horizon, epsilon, resolution.times)
    watch = inputs.sample(min(WATCHED, inputs.population or WATCHED), seed=3)
    limit = kernel(network, chosen.x, progress=False)
    modes = Modes(
        seen.eigenvalues, seen.spaces.multiplicities, seen.spaces.errors, seen.energies,
        np.array(seen.square_norm), np.array(seen.supremum),
    )  # fmt: skip
    return Comparison(network, inputs, chosen, seen, limit, grid, watch), modes, float(epsilon)


def time_grid(seen: Reference, horizon: float, epsilon: float, count: int) -> Array:
    """0, a geometric grid from well before 1/sigma_1 to the horizon, 1/sigma_k and T_k."""
    sigma = seen.eigenvalues
    first = min(0.05 / sigma[0], horizon / 20)
    marks = np.concatenate([1 / sigma[:10], stopping_times(sigma[:10], seen.supremum, epsilon)])
    marks = marks[(marks > first) & (marks < horizon)]
    grid = np.concatenate([[0.0], np.geomspace(first, horizon, count - 1), marks])
    grid = np.unique(grid)
    apart = np.append(np.diff(grid) > 1e-9 * horizon, True)
    return grid[apart]
