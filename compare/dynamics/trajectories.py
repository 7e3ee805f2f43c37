r"""The four trajectories at the same evaluation points, for one network and one sample.

    r_t       the network:            dr/dt = -T_n^t r          kernel K_t, n samples
    r_t^lin   its linearisation:      dr/dt = -T_n^0 r          kernel K_0, n samples
    r_t^n     the limit kernel:       dr/dt = -T_n r            kernel K_inf, n samples
    r_t^inf   the ideal dynamics:     r^inf = exp(-T t) r_0     kernel K_inf, all of rho

    r - r^inf = (r - r^lin) + (r^lin - r^n) + (r^n - r^inf)
     gap         drift         initial        sampling

The first comes from the integrator, the next two from an eigendecomposition on the sample,
the last from the eigenfunctions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import Network, kernel, predict
from analytic.spectrum import grouped
from compare.rho import Inputs, Points, Target, evaluation_points, sphere_dimension, square_norms
from compare.theory import Checks, Reference, Track, checked_track, theorem, track
from empirical import FiniteNetwork, tangent_kernel

__all__ = [
    "GAP_PARTS",
    "Comparison",
    "Sample",
    "TrainedNetwork",
    "draw",
    "everything",
    "linear_residual",
    "run",
]

Array = NDArray[np.float64]
GAP_PARTS = ("gap", "drift", "initial", "sampling")
EVERYTHING = 512
"""Largest population on which networks are trained as a whole; four times the circle's points."""
NOISE = 1e-14
"""Relative error of a tangent kernel in float64."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What all runs share.

    Attributes:
        network: the one whose kernel is K_inf; another one in a negative control.
        inputs: rho.
        points: where the trajectories are compared.
        reference: the operator of the limit, and f* at the points.
        limit: K_inf on the points, shape (N, N).
        times: increasing from 0, shape (T,).
        watch: points at which K_t is recorded, shape (w, ...).
    """  # seven fields: computed once for all seeds

    network: Network
    inputs: Inputs
    points: Points
    reference: Reference
    limit: Array
    times: Array
    watch: Array


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Training data: inputs, shape (n, ...), and targets, shape (n,)."""

    x: Array
    y: Array


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """What one network and one sample gave; k eigenspaces, T times that were reached.

    Attributes:
        norms: L2(rho) norms of gap, drift, initial and sampling, shape (4, T).
        spaces: squared norms of their parts in each eigenspace, shape (4, T, k).
        amplitudes: <r_t, Pi_k r_0>/||Pi_k r_0||^2, shape (T, k).
        residual: ||Pi_k r_t||^2 for each eigenspace, then ||r_t||^2, shape (T, k + 1).
        distance: ||K_0 - K_inf||^2 in L2(rho x rho).
        own: smallest eps of the theorem with K = K_0 up to each time, shape (T,).
        moved: ||K_t - K_0|| in L2(rho x rho), from the watched points, shape (T,).
        displacement: ||theta_t - theta_0||, shape (T,).
        checks: the identities along the flow.
        stopped: why the integrator stopped before the last time, or "".
    """  # ten fields: one for each quantity of the theory that is measured

    norms: Array
    spaces: Array
    amplitudes: Array
    residual: Array
    distance: float
    own: Array
    moved: Array
    displacement: Array
    checks: Checks
    stopped: str


def draw(inputs: Inputs, target: Target, n: int, seed: int) -> Sample:
    """n inputs from rho with their targets; without replacement from a finite population."""
    if inputs.points is None:
        x = inputs.sample(n, seed=seed)
        return Sample(x, target(x))
    index = np.random.default_rng(seed).permutation(len(inputs.points))[:n]
    return Sample(inputs.points[index], target.on_population(inputs)[index])


def everything(inputs: Inputs, target: Target) -> Sample | None:
    """A sample on which T_n is T: all of a small population, equidistant points on the circle.

    None for other inputs.
    """
    if inputs.points is not None and len(inputs.points) <= EVERYTHING:
        return Sample(inputs.points, target.on_population(inputs))
    if sphere_dimension(inputs) == 2:
        x = evaluation_points(inputs, EVERYTHING // 4, seed=2).x
        return Sample(x, target(x))
    return None


def run(
    problem: Comparison, sample: Sample, network: FiniteNetwork, *, rtol: float, check: bool
) -> TrainedNetwork:
    """All four trajectories of one network on one sample, and what is measured on them."""
    x, y, z, w = (
        _tensor(a, network) for a in (sample.x, sample.y, problem.points.x, problem.watch)
    )
    arguments = {"x": x, "y": y, "evaluate": z, "watch": w, "rtol": rtol}
    start = _kernel_at_start(problem, sample, network)
    if check:
        flow = checked_track(network, problem.times, problem.reference, problem.points, **arguments)
    else:
        flow = track(network, problem.times, **arguments)
    return _measure(problem, flow, start, _residuals(problem, sample, flow, start))


def linear_residual(problem: Comparison, sample: Sample, network: FiniteNetwork) -> Array:
    """r_t^lin at the evaluation points, shape (T, N)."""
    start = _kernel_at_start(problem, sample, network)
    return _linear(problem, sample, start, problem.times) - problem.reference.values


def _kernel_at_start(problem: Comparison, sample: Sample, network: FiniteNetwork) -> Array:
    """K_0 of the points and the sample together."""
    x = torch.cat([_tensor(problem.points.x, network), _tensor(sample.x, network)])
    return tangent_kernel(network, x).cpu().double().numpy()


def _linear(problem: Comparison, sample: Sample, start: Array, times: Array) -> Array:
    """What the linearised network predicts at the points."""
    size = len(problem.points.x)
    within, across = start[size:, size:], start[:size, size:]
    return predict(within, across, sample.y, t=times, tolerance=NOISE)


def _residuals(problem: Comparison, sample: Sample, flow: Track, start: Array) -> Array:
    """The four trajectories, shape (4, T, N)."""
    times = problem.times[: len(flow.predictions)]
    on_sample = kernel(problem.network, sample.x, progress=False)
    across = kernel(problem.network, problem.points.x, sample.x, progress=False)
    functions = [
        flow.predictions,
        _linear(problem, sample, start, times),
        predict(on_sample, across, sample.y, t=times),
    ]
    ideal = problem.reference.flow(times)
    return np.stack([*(f - problem.reference.values for f in functions), ideal])


def _measure(problem: Comparison, flow: Track, start: Array, residuals: Array) -> TrainedNetwork:
    points, reference = problem.points, problem.reference
    r, linear, limit, ideal = residuals
    differences = np.stack([r - ideal, r - linear, linear - limit, limit - ideal])
    own = start[: len(points.x), : len(points.x)]
    return TrainedNetwork(
        np.sqrt(points.square_norms(differences)),
        points.space_norms(differences, reference.functions, reference.groups),
        reference.amplitudes(r, points),
        np.concatenate(
            [
                points.space_norms(r, reference.functions, reference.groups),
                points.square_norms(r)[:, None],
            ],
            axis=1,
        ),
        points.pair_norm(own - problem.limit, problem.inputs.population),
        _own_epsilon(problem, own, r),
        np.sqrt(square_norms(flow.kernels - flow.kernels[0], problem.inputs.population)),
        flow.displacement,
        flow.checks,
        flow.stopped,
    )


def _own_epsilon(problem: Comparison, own: Array, r: Array) -> Array:
    """Smallest eps of Theorem 3.5 with K = K_0, whose operator is that of the points.

    Off the finite population and the quadrature rules the points are a sample, and so is
    T_{K_0}: then the inequality is that of the sample's own distribution.
    """
    root, times = np.sqrt(problem.points.weights), problem.times[: len(r)]
    values, vectors = np.linalg.eigh(root[:, None] * own * root)
    values, vectors = values[::-1], vectors[:, ::-1]
    floor = np.full(len(values), len(values) * NOISE * values.sum())
    known = max(1, int(np.sum(values > floor)))
    groups = grouped(values[:known], floor[:known])
    start = r[0] * root @ vectors
    coefficients = r * root @ vectors - np.exp(-np.multiply.outer(times, values)) * start
    spaces = np.add.reduceat(coefficients[:, :known] ** 2, [g.start for g in groups], axis=1)
    sigma = np.array([values[g].mean() for g in groups])
    return theorem(times, sigma, spaces, (coefficients**2).sum(axis=1)).epsilon


def _tensor(array: Array, network: FiniteNetwork) -> torch.Tensor:
    first = next(network.parameters())
    return torch.as_tensor(array, dtype=first.dtype, device=first.device)
