r"""T_K for any distribution of inputs, from a sample or on a finite population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analytic.limit import kernel
from analytic.network import Network
from analytic.operator import Array, Eigenspaces, grouped

__all__ = ["Nystrom", "nystrom"]

Kernel = Callable[[Array, Array], ArrayLike]


@dataclass(frozen=True, slots=True, eq=False)
class Nystrom:
    """Eigenfunctions phi_i(x) = sum_j K(x, x_j) phi_i(x_j)/(n sigma_i) as a ``Basis``."""

    kernel: Kernel
    sample: Array
    extension: Array

    def rule(self) -> tuple[Array, Array]:
        n = len(self.sample)
        return self.sample, np.full(n, 1 / n)

    def values(self, x: Array) -> Array:
        return np.asarray(self.kernel(x, self.sample)) @ self.extension


def nystrom(
    network: Network | Kernel,
    x: ArrayLike,
    *,
    population: bool = False,
    tolerance: float = 1e-10,
) -> Eigenspaces:
    """The eigenspaces of T_K from a sample x of rho."""
    sample = np.asarray(x, dtype=np.float64)

    def evaluate(a: Array, b: Array) -> Array:
        if isinstance(network, Network):
            return kernel(network, a, b, tolerance=tolerance, progress=False)
        return np.asarray(network(a, b), dtype=np.float64)

    n = len(sample)
    gram = evaluate(sample, sample)
    gram = (gram + gram.T) / 2
    values, vectors = np.linalg.eigh(gram / n)
    values, vectors = values[::-1], vectors[:, ::-1]
    floor = max(tolerance, n * np.finfo(float).eps) * float(np.trace(gram)) / n
    errors = np.full(n, floor)
    if not population:
        halves = np.stack([_half(gram, start) for start in (0, 1)])
        errors[: halves.shape[1]] += np.abs(halves[0] - halves[1])
        errors[halves.shape[1] :] += values[halves.shape[1] :]
    kept = int(np.argmin(values > errors)) if not np.all(values > errors) else n
    groups = grouped(values[:kept], errors[:kept], 1e-8)
    basis = Nystrom(evaluate, sample, vectors[:, :kept] / values[:kept] / np.sqrt(n))
    return Eigenspaces(
        np.array([values[g].mean() for g in groups]),
        np.array([g.stop - g.start for g in groups]),
        np.array([errors[g].max() for g in groups]),
        len(groups),
        float(values[kept:].max(initial=0.0)),
        basis,
    )


def _half(gram: Array, start: int) -> Array:
    half = gram[start::2, start::2]
    return np.linalg.eigvalsh(half / len(half))[::-1][: len(gram) // 2]
