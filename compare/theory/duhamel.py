r"""Identities that a computed gradient flow must satisfy, checked along it.

    Duhamel   r_t = exp(-T t) r_0 + int_0^t exp(-T (t-s)) (T - T_n^s) r_s ds
    energy    Phi_0 - Phi_t = int_0^t ||grad Phi||^2 ds
    length    ||theta_t - theta_0||^2 <= t (Phi_0 - Phi_t)

The first is the root of the proof of Theorem 3.5 (Bowman and Montufar 2022, section 4). T_n^s
comes from the tangent kernel of the network at time s, which the integrator knows nothing of.
The integrals are Gauss-Legendre sums over times at which the flow is stopped.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compare.rho import Points
from compare.theory.ideal_dynamics import Reference
from empirical import Flow, FlowError, gradient_flow, tangent_kernel

__all__ = ["Checks", "Track", "checked_track", "duhamel_defect", "track"]

Array = NDArray[np.float64]
DUHAMEL_NODES = 20
"""Gauss-Legendre nodes: rounding for integrands that decay by factors up to e^20."""


@dataclass(frozen=True, slots=True)
class Checks:
    """How far the identities are from holding.

    Attributes:
        duhamel: norm of the difference of both sides on the known eigenspaces, over ||r_0||.
        energy: difference of both sides over Phi_0.
        length: largest excess of the left side over t Phi_0; at most 0 up to rounding.
    """

    duhamel: float
    energy: float
    length: float


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A gradient flow at the times that were reached, as numpy arrays.

    Attributes:
        predictions: at the evaluation points, shape (T, N).
        displacement: ||theta_t - theta_0||, shape (T,).
        kernels: K_t on the watched points, shape (T, w, w).
        checks: what the identities gave.
        stopped: why the integrator stopped before the last time, or "".
    """

    predictions: Array
    displacement: Array
    kernels: Array
    checks: Checks
    stopped: str


def track(network: torch.nn.Module, times: Array, **arguments: Any) -> Track:
    """Gradient flow through all times, or as far as the integrator gets."""
    flow, stopped = _advance(network, times, **arguments)
    return _track(flow, np.arange(len(flow.times)), _UNKNOWN, stopped)


def checked_track(
    network: torch.nn.Module,
    times: Array,
    reference: Reference,
    points: Points,
    **arguments: Any,
) -> Track:
    """The same, with Duhamel's formula and the energy identity checked on the way.

    Args:
        network: a module whose predictions vanish at the start.
        times: increasing from 0, shape (T,).
        reference: T, and f* at the points.
        points: the evaluation points.
        arguments: x, y, evaluate, watch, rtol, passed on to ``gradient_flow``.
    """
    end = times[times <= 10 / reference.eigenvalues[0]][-1]
    nodes, weights = np.polynomial.legendre.leggauss(DUHAMEL_NODES)
    nodes, weights = end * (nodes + 1) / 2, end * weights / 2
    grid = np.union1d(times, nodes)
    flow: Flow | None = None
    speeds = np.zeros((DUHAMEL_NODES, len(points.x)))
    for q, node in enumerate(nodes):
        flow, stopped = _advance(network, grid[grid <= node], resume=flow, **arguments)
        if stopped:
            return _track(flow, _places(flow, times), _UNKNOWN, stopped)
        speeds[q] = _speed(network, flow, arguments["x"], arguments["evaluate"])
    flow, stopped = _advance(network, grid, resume=flow, **arguments)
    at = np.searchsorted(flow.times.numpy(), [*nodes, end])
    defects = _UNKNOWN
    if at[-1] < len(flow.times):
        residuals = _numpy(flow.evaluation)[np.append(at, 0)] - reference.values
        loss, gradient = flow.loss.numpy(), flow.gradient.numpy()
        energy = abs(loss[0] - loss[at[-1]] - weights @ gradient[at[:-1]]) / loss[0]
        defect = duhamel_defect(reference, points, nodes, weights, float(end), residuals, speeds)
        defects = defect, float(energy)
    return _track(flow, _places(flow, times), defects, stopped)


def duhamel_defect(
    reference: Reference,
    points: Points,
    nodes: Array,
    weights: Array,
    end: float,
    residuals: Array,
    speeds: Array,
) -> float:
    """Difference of both sides of Duhamel's formula at t = end, over ||r_0||.

    Args:
        reference: T through its eigenspaces.
        points: the evaluation points.
        nodes: s, shape (Q,).
        weights: of the quadrature over s, shape (Q,).
        end: t.
        residuals: r_s at the nodes, then r_t, then r_0, shape (Q + 2, N).
        speeds: T_n^s r_s at the nodes, shape (Q, N).
    """
    sigma = reference.eigenvalues[reference.groups]
    c = points.coefficients(residuals, reference.functions)  # (Q + 2, M)
    forcing = sigma * c[:-2] - points.coefficients(speeds, reference.functions)
    integral = (weights[:, None] * np.exp(-np.multiply.outer(end - nodes, sigma)) * forcing).sum(0)
    difference = c[-2] - np.exp(-sigma * end) * c[-1] - integral
    return float(np.linalg.norm(difference) / np.sqrt(points.square_norms(residuals[-1])))


_UNKNOWN = (float("nan"), float("nan"))


def _advance(network: torch.nn.Module, times: Array, **arguments: Any) -> tuple[Flow, str]:
    x, y = arguments.pop("x"), arguments.pop("y")
    try:
        return gradient_flow(network, x, y, times.tolist(), **arguments), ""
    except FlowError as error:
        return error.partial, str(error)


def _speed(network: torch.nn.Module, flow: Flow, x: torch.Tensor, z: torch.Tensor) -> Array:
    """T_n^s r_s at the evaluation points, from the tangent kernel at the last time."""
    moved = copy.deepcopy(network)
    moved.load_state_dict(flow.parameters, strict=False)
    return _numpy(tangent_kernel(moved, z, x) @ flow.residuals[-1]) / len(x)


def _places(flow: Flow, times: Array) -> NDArray[np.int64]:
    """Where the wanted times stand among those of the flow."""
    return np.flatnonzero(np.isin(flow.times.numpy(), times))


def _track(flow: Flow, at: NDArray[np.int64], defects: tuple[float, float], stopped: str) -> Track:
    times, moved, loss = (a.numpy() for a in (flow.times, flow.displacement, flow.loss))
    later = times > 0
    excess = moved**2 - times * (loss[0] - loss)
    length = float(np.max(excess[later] / (times[later] * loss[0]), initial=-np.inf))
    return Track(
        _numpy(flow.evaluation)[at],
        moved[at],
        _numpy(flow.kernels)[at],
        Checks(*defects, length),
        stopped,
    )


def _numpy(tensor: torch.Tensor | None) -> Array:
    assert tensor is not None
    return tensor.detach().cpu().double().numpy()
