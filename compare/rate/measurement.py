r"""Measure how fast K_0 approaches K_inf over widths and seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from analytic import AccuracyError, Network, kernel
from compare.provenance import versions
from compare.rate.convergence_record import Convergence
from compare.rate.lifted_limits import ModuleLimits, module_limits
from compare.rate.module_families import (
    OWN_LIMITS,
    SUCCESSIVE,
    check_family,
    check_widths,
    fingerprint,
    named,
)
from compare.rate.network_cells import Family, Weights, check_weights, mean_diagonal
from compare.rate.predicted_constant import predicted_mean
from compare.rate.width_sweep import Group, check_design, check_first, sweep
from compare.rho import Inputs, square_norms
from compare.store import Store, digest

__all__ = ["convergence"]

Array = NDArray[np.float64]
LIMIT_TOLERANCE = 1e-8
"""Of K_inf where 1e-10 is refused: K_0 of a million units is a thousandth off it."""


def convergence(
    network: Family,
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
    limit: Network | Callable[[Any, Array], ArrayLike] | ArrayLike | str | None = None,
    weights: Weights = "drawn",
    first: int = 0,
) -> Convergence:
    r"""Measure ||K_0 - K_inf||^2 over widths and seeds, and judge Assumption 3.6.

    Args:
        network: the description, or a function (width, seed) that makes any ``torch.nn.Module``
            with weights of its own for every seed (below 2^32); it is moved to ``dtype`` and
            ``device``, and its first output counts. Threads take turns with such modules, which
            share torch's generator; processes (``executor``) do not have to.
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
        limit: what takes the place of K_inf: a network, a function of (network, x), or the kernel
            of ``inputs.sample(points)``. For a description it is a negative control. For modules
            K_inf is that of their description (``network_of``) at each width; where that grows
            with the width, as in torch's parametrisation, distances are relative to it. If they
            have no description, or for "successive", K_0 of successive widths m, m' is compared,
            and D is ||K_0^m - K_0^m'||^2 m'/(m + m'), which is C/m as before; at least four
            widths are needed then, and the verdict is about the rate, whatever the limit. Without
            a description each K_0 is first divided by the mean of K_0(x, x) at its width, over
            inputs and a few further modules, as it may grow; for "successive" it is not.
        weights: "drawn", or "integrated" for kernels that are drawn without weights, from exactly
            the law that they have: O(width) random numbers for a network instead of O(width^2),
            but O(points^2 width) operations, where every position of an image is a point
            (docs/theory/convergence.md). On the CPU, for the networks of ``fluctuation``.
        first: number of the first network of a width; sweeps of disjoint ranges of numbers are
            independent, those of the same numbers draw the same weights.

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
    first = check_first(first, max(counts))
    check_weights(weights, network, inputs.shape, device)
    check_family(network, widths[0])
    x = inputs.sample(points)
    found = _own_limits(network, limit, x, widths)
    against = found.values if isinstance(found, ModuleLimits) else _limit_kernel(limit, network, x)
    check_widths(network, against, found, widths)
    scales = _scales(network, found, x, widths, dtype, device)
    arguments: dict[str, Any] = {
        "population": inputs.population, "executor": executor, "device": device, "dtype": dtype,
        "progress": progress, "weights": weights, "first": first,
        "scales": scales,
    }  # fmt: skip
    if store is None:
        groups = _groups(network, x, against, widths, counts, arguments)
    else:
        decisive = _decisive(network, inputs, x, against, device, dtype)
        others = {  # as stores before had none
            "weights": (weights, "drawn"), "first": (first, 0), "scales": (scales, None),
        }  # fmt: skip
        decisive |= {key: value for key, (value, usual) in others.items() if value != usual}
        with Store(store, decisive) as cells:
            groups = _groups(network, x, against, widths, counts, arguments | {"store": cells})
    if isinstance(found, ModuleLimits) and found.relative:
        norms = square_norms(found.values, inputs.population)
        groups = [g.relative(norm) for g, norm in zip(groups, norms, strict=True)]
    predicted = _predicted(network, x, inputs.population, limit)
    config = {
        "network": named(network), "inputs": inputs.name, "points": points,
        "population": inputs.population, "widths": list(widths), "seeds": list(counts),
        "limit": _limit_name(limit, network, found), "dtype": str(dtype), "device": device,
        "weights": weights, "first": first, "confidence": 0.99, "versions": versions(), **predicted,
        **_described(found, scales),
    }  # fmt: skip
    fields = zip(*((g.distances, g.bias, g.rounding) for g in groups), strict=True)
    return Convergence(config, tuple(widths[: len(groups)]), *fields)


def _own_limits(
    network: Family, limit: Any, x: Array, widths: Sequence[int]
) -> ModuleLimits | str | None:
    """The limits that modules have by themselves, or why they are not known."""
    if isinstance(network, Network) or limit is not None:
        return None
    return module_limits(network, x, widths)


def _groups(
    network: Family,
    x: Array,
    against: Array | None,
    widths: Sequence[int],
    counts: Sequence[int],
    arguments: dict[str, Any],
) -> list[Group]:
    """The distances at every width, each from its own limit if there are several."""
    if against is not None and against.ndim == 3:
        each = zip(against, widths, counts, strict=True)
        return [sweep(network, x, k, [m], [count], **arguments)[0] for k, m, count in each]
    groups = sweep(network, x, against, widths, counts, **arguments)
    if against is None:
        groups = [g.of_one(a, b) for g, (a, b) in zip(groups, pairwise(widths), strict=True)]
    return groups


def _scales(
    network: Family,
    found: ModuleLimits | str | None,
    x: Array,
    widths: Sequence[int],
    dtype: torch.dtype,
    device: str,
) -> list[float] | None:
    """The size of K_0 at every width of modules without a limit: it may grow with the width."""
    if not isinstance(found, str):
        return None
    return [mean_diagonal(network, width, x, dtype, device) for width in widths]


def _described(found: ModuleLimits | str | None, scales: list[float] | None) -> dict[str, Any]:
    """What a record keeps of the description of modules."""
    if found is None:
        return {}
    if isinstance(found, str):
        return {"described": None, "why": found, "scales": scales}
    return {
        "described": found.text, "relative": found.relative, "first_layer": found.first,
        "limit_error": found.error,
    }  # fmt: skip


def _predicted(
    network: Family, x: Array, population: int | None, limit: Any
) -> dict[str, float | None]:
    """C and its standard error, where they are known."""
    value = error = None
    if isinstance(network, Network) and limit is None:
        value, error = predicted_mean(network, x, population)
    return {"predicted": value, "predicted_error": error}


def _limit_name(limit: Any, network: Family, found: ModuleLimits | str | None) -> str | None:
    if isinstance(found, ModuleLimits):
        return OWN_LIMITS
    if isinstance(limit, str):
        return SUCCESSIVE
    if limit is None:
        return None if isinstance(network, Network) else SUCCESSIVE
    return repr(limit) if isinstance(limit, Network) or callable(limit) else "an array"


def _decisive(
    network: Family, inputs: Inputs, x: Array, limit: Array | None, device: str, dtype: torch.dtype
) -> dict[str, Any]:
    """What decides the bits of a cell."""
    found = {
        "network": named(network),
        "inputs": inputs.name,
        "population": inputs.population,
        "points": len(x),
        "sample": digest(x),
        "limit": SUCCESSIVE if limit is None else digest(limit),
        "dtype": str(dtype),
        "device": device,
        "versions": versions(),
    }
    return found if isinstance(network, Network) else found | {"module": fingerprint(network)}


def _kernel(network: Network, x: Array) -> Array:
    """K_inf, where need be to fewer digits than ``kernel`` asks for."""
    try:
        return kernel(network, x)
    except AccuracyError:
        return kernel(network, x, tolerance=LIMIT_TOLERANCE)


def _limit_kernel(limit: Any, network: Family, x: Array) -> Array | None:
    """The kernel that takes the place of K_inf; None where successive widths are compared."""
    if isinstance(limit, Network):
        return _kernel(limit, x)
    if isinstance(limit, str) and limit != "successive":
        raise ValueError(
            f"expected a limit, or 'successive', got {limit!r}; pass a network, a function or an"
            " array"
        )
    if limit is None or isinstance(limit, str):
        described = network if isinstance(network, Network) else None
        return None if described is None else _kernel(described, x)
    given = limit(network, x) if callable(limit) else limit
    found = np.asarray(given, dtype=np.float64)
    if found.shape != (len(x), len(x)) or not np.isfinite(found).all():
        raise ValueError(
            f"expected a limit of shape {(len(x), len(x))} with finite numbers, got shape"
            f" {found.shape}{' with NaN or infinity' if not np.isfinite(found).all() else ''};"
            " evaluate it at all pairs of inputs"
        )
    if not np.allclose(found, found.T, rtol=1e-6, atol=1e-9 * np.abs(found).max()):
        raise ValueError("expected a symmetric limit, got one that is not; a kernel is symmetric")
    return found
