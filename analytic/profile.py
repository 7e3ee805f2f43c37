r"""The kernel on a sphere as a function of the correlation: f, and its Funk-Hecke integrals."""

from __future__ import annotations

import numpy as np

from analytic.harmonics import gauss, legendre
from analytic.limit import kernel_diagonal, kernel_estimate
from analytic.network import Network
from analytic.operator import Array

__all__ = ["funk_hecke", "profile"]


def profile(network: Network, t: Array) -> tuple[Array, Array]:
    """f at the correlations t, and bounds of its error, shape (len(t),) each."""
    points = np.sqrt(2) * np.stack([t, np.sqrt((1 - t) * (1 + t))], axis=1)
    pole = np.sqrt(2) * np.array([[1.0, 0.0]])
    found = kernel_estimate(network, points, pole, tolerance=1e-6, progress=False)
    return found.value[:, 0], found.error[:, 0]


def funk_hecke(network: Network, dimension: int, degrees: int, tolerance: float):
    nodes, weights = gauss(dimension, degrees + 128)
    f, e = profile(network, nodes)
    p = legendre(dimension, degrees, nodes)
    eigenvalues = p @ (weights * f)
    error = np.abs(p) @ (weights * e)
    trace = float(kernel_diagonal(network, np.ones((1, 1)))[0])
    return eigenvalues, error, True, (np.inf, np.inf), trace, float(weights @ f**2)
