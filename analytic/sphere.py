r"""T_K on the sphere S^{d-1} of radius sqrt(d), under the uniform measure.

There K(x, x') = f(t), t = <x, x'>/d, and the eigenfunctions are the spherical harmonics
(Funk 1916, Hecke 1918):

    sigma_k = int f(t) P_k(t) w(t) dt,    multiplicity N_k,    f = sum_k sigma_k N_k P_k

with the letters of ``analytic.harmonics``. For d = 2 these are Fourier coefficients.
docs/theory/operator.md derives the error bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytic.harmonics import harmonics, multiplicity
from analytic.network import Network
from analytic.operator import Array, Eigenspaces, grouped
from analytic.profile import funk_hecke

__all__ = ["SphereSpectrum", "sphere_spectrum"]

FUNCTIONS = 4096
"""Most eigenfunctions that are written out."""


@dataclass(frozen=True, slots=True, eq=False)
class SphereSpectrum:
    """The eigenvalues of T_K on a sphere, one for each degree of the harmonics.

    Attributes:
        dimension: d; the sphere is S^{d-1}.
        eigenvalues: sigma_k, shape (degrees,).
        error: absolute error of each, shape (degrees,).
        certified: whether ``error`` is a bound; otherwise it is an estimate.
        powers: highest even and odd power of t in f: -1 for none, inf for no end.
        trace: E K(x, x).
        square: ||K||^2 in L^2(rho x rho).
    """

    dimension: int
    eigenvalues: Array
    error: Array
    certified: bool
    powers: tuple[float, float]
    trace: float
    square: float

    @property
    def multiplicities(self) -> NDArray[np.int64]:
        """N_k, shape (degrees,)."""
        counts = [multiplicity(self.dimension, k) for k in range(len(self.eigenvalues))]
        return np.array(counts)

    @property
    def zeros(self) -> NDArray[np.bool_]:
        """Which eigenvalues are 0 exactly, shape (degrees,)."""
        degrees = np.arange(len(self.eigenvalues))
        return degrees > np.take(self.powers, degrees % 2)

    @property
    def last(self) -> int:
        """Last degree up to which every eigenvalue is 0 exactly or above its error."""
        known = self.zeros | (self.eigenvalues > self.error)
        return int(np.argmin(known)) - 1 if not known.all() else len(known) - 1

    @property
    def trace_gap(self) -> float:
        """E K(x, x) - sum sigma_k N_k: the share of the degrees left out."""
        return float(self.trace - self.eigenvalues @ self.multiplicities)

    @property
    def square_gap(self) -> float:
        """||K||^2 - sum sigma_k^2 N_k: the share of the degrees left out."""
        return float(self.square - self.eigenvalues**2 @ self.multiplicities)

    def eigenspaces(self, count: int | None = None) -> Eigenspaces:
        """The leading eigenspaces by eigenvalue, as functions on the sphere.

        Args:
            count: how many; None for all that are trustworthy, up to 4,096 functions.
        """
        order = np.flatnonzero(~self.zeros)
        order = order[np.argsort(-self.eigenvalues[order], kind="stable")]
        values, errors = self.eigenvalues[order], self.error[order]
        groups = grouped(values, errors, 0.0)
        sizes = self.multiplicities[order]
        kept = [g for g in groups if np.all(values[g] > errors[g])]
        total = np.cumsum([sizes[g].sum() for g in kept])
        kept = kept[: int(np.count_nonzero(total <= FUNCTIONS))]
        if count is not None:
            kept = kept[:count]
        rest = values[kept[-1].stop :]
        basis = Harmonics(self.dimension, [int(k) for g in kept for k in order[g]])
        return Eigenspaces(
            np.array([np.average(values[g], weights=sizes[g]) for g in kept]),
            np.array([sizes[g].sum() for g in kept]),
            np.array([errors[g].max() + np.ptp(values[g]) / 2 for g in kept]),
            len(kept),
            float(rest.max(initial=0.0)),
            basis,
        )


def sphere_spectrum(
    network: Network, dimension: int, degrees: int, *, tolerance: float = 1e-10
) -> SphereSpectrum:
    r"""The eigenvalues of T_K on S^{d-1} of radius sqrt(d), by degree."""
    found = funk_hecke(network, dimension, degrees, tolerance)
    return SphereSpectrum(dimension, *found)


class Harmonics:
    """Spherical harmonics of the given degrees as a ``Basis``."""

    def __init__(self, dimension: int, degrees: Sequence[int]) -> None:
        self.dimension = dimension
        self.degrees = list(degrees)

    def rule(self) -> tuple[Array, Array]:
        """Equispaced points, shifted by half a step."""
        count = 4096
        angle = 2 * np.pi * (np.arange(count) + 0.5) / count
        points = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return points, np.full(count, 1 / count)

    def values(self, x: Array) -> Array:
        """Their values at points of the sphere of radius sqrt(d), shape (N, M)."""
        y = x / np.linalg.norm(x, axis=1)[:, None]
        found = harmonics(self.dimension, max(self.degrees) + 1, y)
        return np.concatenate([found[k] for k in self.degrees], axis=1)
