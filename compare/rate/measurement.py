r"""Measure how fast K_0 approaches K_inf over widths and seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import Network, kernel
from compare.provenance import versions
from compare.rate.convergence_record import Convergence
from compare.rate.predicted_constant import predicted_mean
from compare.rate.width_sweep import check_design, sweep
from compare.rho import Inputs
from compare.store import Store, digest

__all__ = ["convergence"]

Array = NDArray[np.float64]


def convergence(
    network: Network,
    inputs: Inputs,
    widths: Sequence[int],
    seeds: int | Sequence[int] = 100,
    *,
    points: int = 256,
    store: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
    limit: Network | Callable[[Network, Array], Array] | None = None,
) -> Convergence:
    r"""Measure ||K_0 - K_inf||^2 over widths and seeds, and judge Assumption 3.6.

    Args:
        network: the description.
        inputs: the distribution rho.
        widths: at least three different ones.
        seeds: the number of networks, at least 2; or one number for every width.
        points: size of the sample of inputs, at least 3, capped at the population's.
        store: a file for finished cells (``compare.store``): a sweep that was killed at any
            instant goes on from there to the same bits, with more widths or seeds as well.
        executor: any ``concurrent.futures.Executor``; threads by default.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.
        limit: a network whose kernel takes the place of K_inf, or a function of (network, x)
            that gives another kernel: a negative control.

    Returns:
        the record ``Convergence``.

    Raises:
        ValueError: a number is out of its range, all distances of a width are 0 or not finite,
            or the store belongs to another measurement or is damaged.
        OSError: the store cannot be read or written.

    References:
        Bowman and Montufar (2022), Assumption 3.6.

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("tanh"))
        >>> result = convergence(network, Inputs.sphere(3), [16, 32, 64], 20, points=8)
        >>> result.widths, [d.shape for d in result.distances]
        ((16, 32, 64), [(20,), (20,), (20,)])
    """
    widths, counts, points = check_design(inputs, widths, seeds, points)
    x = inputs.sample(points)
    against = _limit_kernel(limit, network, x)
    arguments: dict[str, Any] = {
        "population": inputs.population, "executor": executor, "device": device, "dtype": dtype,
        "progress": progress,
    }  # fmt: skip
    if store is None:
        groups = sweep(network, x, against, widths, counts, **arguments)
    else:
        with Store(store, _decisive(network, inputs, x, against, device, dtype)) as cells:
            groups = sweep(network, x, against, widths, counts, store=cells, **arguments)
    config = {
        "network": repr(network),
        "inputs": inputs.name,
        "points": points,
        "population": inputs.population,
        "widths": list(widths),
        "seeds": list(counts),
        "limit": None if limit is None else repr(limit),
        "dtype": str(dtype),
        "device": device,
        "confidence": 0.99,
        "predicted": predicted_mean(network, x, inputs.population) if limit is None else None,
        "versions": versions(),
    }
    distances, bias = tuple(g.distances for g in groups), tuple(g.bias for g in groups)
    rounding = tuple(g.rounding for g in groups)
    return Convergence(config, tuple(widths), distances, bias, rounding)


def _decisive(
    network: Network, inputs: Inputs, x: Array, limit: Array, device: str, dtype: torch.dtype
) -> dict[str, Any]:
    """What decides the bits of a cell."""
    return {
        "network": repr(network),
        "inputs": inputs.name,
        "population": inputs.population,
        "points": len(x),
        "sample": digest(x),
        "limit": digest(limit),
        "dtype": str(dtype),
        "device": device,
        "versions": versions(),
    }


def _limit_kernel(limit: Any, network: Network, x: Array) -> Array:
    """The kernel that takes the place of K_inf."""
    if limit is None or isinstance(limit, Network):
        return kernel(limit or network, x)
    found = np.asarray(limit(network, x), dtype=np.float64)
    if found.shape != (len(x), len(x)) or not np.isfinite(found).all():
        raise ValueError(
            f"expected a limit of shape {(len(x), len(x))} with finite numbers, got shape"
            f" {found.shape}{' with NaN or infinity' if not np.isfinite(found).all() else ''};"
            " evaluate it at all pairs of inputs"
        )
    if not np.allclose(found, found.T, rtol=1e-6, atol=1e-9 * np.abs(found).max()):
        raise ValueError("expected a symmetric limit, got one that is not; a kernel is symmetric")
    return found
