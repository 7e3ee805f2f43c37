r"""The kernel on a sphere as a function of the angle, and its Funk-Hecke integrals.

    f(cos angle)   K(x, x') for |x|^2 = |x'|^2 = d
    sigma_k        int f P_k w dt, with the letters of ``analytic.spectrum.spherical_harmonics``

Two quadratures (docs/theory/operator.md): Gauss's rule for w, with a bound from Schoenberg's
theorem, and Gauss-Legendre in the angle for kernels that series do not reach: activations
with kinks make f a function of sqrt(1 - t), which is smooth in the angle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from analytic.limit import kernel_estimate
from analytic.machine import UNIT
from analytic.network import Network
from analytic.results import AccuracyError, Estimate
from analytic.spectrum.operator import Array
from analytic.spectrum.spherical_harmonics import gauss, legendre, multiplicity

__all__ = ["Integrals", "Profile", "funk_hecke", "profile"]

Profile = Callable[[Array], tuple[Array, Array]]
"""Angles (n,) -> f and bounds of its error, (n,) each."""

SERIES = (64, 128, 256, 512, 1024)
"""Numbers of Chebyshev points that are tried, even ones."""
NODES = 8500
"""Most nodes in the angle."""


class Integrals(NamedTuple):
    """What ``funk_hecke`` finds; ``error`` is a bound if ``certified``, else an estimate.

    ``trace`` and ``square`` are E K(x, x) and ||K||^2, pairs (value, error).
    """

    eigenvalues: Array
    error: Array
    certified: bool
    trace: tuple[float, float]
    square: tuple[float, float]


def profile(network: Network, tolerance: float) -> Profile:
    """f of a network; d does not matter, for inputs enter as <x, x'>/d alone.

    The bound is doubled: the rounding of the points moves their scalar products by no more
    than the certificate allows for computing these.
    """
    pole = np.sqrt(2) * np.array([[1.0, 0.0]])

    def evaluate(angle: Array) -> tuple[Array, Array]:
        points = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        found = kernel_estimate(network, points, pole, tolerance=tolerance, progress=False)
        return found.value[:, 0], 2 * found.error[:, 0]

    return evaluate


def funk_hecke(f: Profile, dimension: int, degrees: int, tolerance: float) -> Integrals:
    """Eigenvalues of degree 0, ..., degrees - 1, within tolerance f(1).

    Raises:
        AccuracyError: the error is larger; ``estimate`` has what was found.
    """
    (top,), (top_error,) = f(np.zeros(1))
    width, rest = _truncation(f, float(top), float(top_error))
    eigenvalues, error, square, square_error = _in_angle(f, dimension, degrees)
    certified = bool(2 * rest <= tolerance * top)
    if certified:
        eigenvalues, error, _, _ = _with_gauss(f, dimension, degrees, width)
        sizes = [float(multiplicity(dimension, k)) for k in range(degrees)]
        error = error + 2 * rest / np.sqrt(sizes)
    if not np.all(error <= tolerance * top):
        raise AccuracyError(
            f"expected eigenvalues within {tolerance:.1e} of K(x, x), got {error.max() / top:.1e};"
            " raise the tolerance, or take the best values from the attribute estimate",
            Estimate(eigenvalues, error, width),
        )
    return Integrals(
        eigenvalues, error, certified, (float(top), float(top_error)), (square, square_error)
    )


def _truncation(f: Profile, top: float, top_error: float) -> tuple[int, float]:
    """A number M of Chebyshev points, and a bound of |f - p|, p their interpolant.

    f is absolutely monotone, so that |f - p| <= 2 (f(1) - p(1)): docs/theory/zonal.md.
    """
    width, bound = SERIES[0], np.inf
    for width in SERIES:
        angle = np.pi * (np.arange(width) + 0.5) / width
        sign = 1.0 - 2 * (np.arange(width) % 2)
        lagrange = sign / np.tan(angle / 2) / width  # of the points, at t = 1
        values, errors = f(angle)
        noise = top_error + np.abs(lagrange) @ errors
        gap = abs(top - lagrange @ values)
        bound = float(2 * (gap + noise))
        if gap <= noise:
            break
    return width, bound


class _Sums(NamedTuple):
    """Quadratures of f P_k, (degrees,), and of f^2, each with its error from f and rounding."""

    eigenvalues: Array
    error: Array
    square: float
    square_error: float


def _with_gauss(f: Profile, dimension: int, degrees: int, width: int) -> _Sums:
    """Gauss's rule under w, exact for a polynomial of degree < width times P_k."""
    nodes, weights = gauss(dimension, (width + degrees) // 2)
    return _sums(f, dimension, degrees, np.arccos(nodes), weights)


def _in_angle(f: Profile, dimension: int, degrees: int) -> _Sums:
    """Gauss-Legendre in the angle, doubled until the sums stand still; adds the last change."""
    count = 64 + degrees
    found = _legendre(f, dimension, degrees, count)
    while 2 * count <= NODES:
        count *= 2
        new = _legendre(f, dimension, degrees, count)
        change = np.abs(new.eigenvalues - found.eigenvalues)
        error = new.square_error + abs(new.square - found.square)
        found = _Sums(new.eigenvalues, new.error + change, new.square, error)
        if np.all(change <= new.error):
            break
    return found


def _legendre(f: Profile, dimension: int, degrees: int, count: int) -> _Sums:
    nodes, weights = gauss(3, count)
    angle = np.pi * (1 + nodes) / 2
    weights = weights * np.sin(angle) ** (dimension - 2)
    return _sums(f, dimension, degrees, angle, weights / weights.sum())


def _sums(f: Profile, dimension: int, degrees: int, angle: Array, weights: Array) -> _Sums:
    values, errors = f(angle)
    p = legendre(dimension, degrees, np.cos(angle))
    rounding = 4 * UNIT * (np.arange(degrees) + 2)[:, None] * np.abs(values)
    error = (np.abs(p) * (errors + rounding)) @ weights
    square_error = float(weights @ (2 * np.abs(values) * errors + errors**2))
    return _Sums(p @ (weights * values), error, float(weights @ values**2), square_error)
