r"""Targets made of ridges g(e.u) on the sphere: exact projections on the harmonics.

Funk and Hecke: the projection of g(e.u) on degree l is N_l E[g P_l] P_l(e.u), and its
coefficient with an orthonormal phi_i of that degree E[g P_l] phi_i(sqrt(d) u). The integrals
are one-dimensional.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_legendre

from analytic import Eigenspaces, SphereSpectrum
from analytic.spectrum import Harmonics, multiplicity
from compare.rho import Points, Ridge, Target, zonal

__all__ = ["degrees_of", "firsts", "ridge_coefficients", "ridge_parts", "zonal_integrals"]

Array = NDArray[np.float64]


def ridge_coefficients(
    target: Target, spaces: Eigenspaces, dimension: int, integrals: list[Array]
) -> Array:
    """E[g P_l] phi_i(sqrt(d) u), summed over the ridges."""
    degrees = degrees_of(spaces)
    axes = np.sqrt(dimension) * np.array([_axis(r, dimension) for r in target.ridges])
    return np.einsum("ji,ji->i", np.array(integrals)[:, degrees], spaces.functions(axes))


def ridge_parts(
    spectrum: SphereSpectrum, target: Target, integrals: list[Array], points: Points
) -> tuple[Array, Array]:
    """Eigenvalues and N_l E[g P_l] P_l(e.u), for every degree that is known."""
    d, degrees = spectrum.dimension, np.arange(len(spectrum.error))
    directions = points.x / np.linalg.norm(points.x, axis=1, keepdims=True)
    parts = np.zeros((len(degrees), len(directions)))
    for ridge, values in zip(target.ridges, integrals, strict=True):
        cosines = directions @ _axis(ridge, d)
        for k in degrees:
            parts[k] += multiplicity(d, int(k)) * values[k] * zonal(int(k), d, cosines)
    known = ~spectrum.zeros & (spectrum.eigenvalues > spectrum.error)
    return np.where(known, spectrum.eigenvalues, 0.0), parts


def _axis(ridge: Ridge, dimension: int) -> Array:
    return np.eye(dimension)[0] if ridge.axis is None else ridge.axis


def zonal_integrals(ridge: Ridge, dimension: int, degrees: int) -> Array:
    """E[g(t) P_l(t)] for t = e.u and e uniform on the sphere, l = 0, 1, ..., degrees - 1.

    Gauss-Legendre in the angle, piece by piece between the jumps of g.
    """
    nodes, weights = roots_legendre(2 * degrees + 64)
    edges = np.arccos([1.0, *sorted(ridge.breaks, reverse=True), -1.0])
    integrals, mass = np.zeros(degrees), 0.0
    for a, b in pairwise(edges):
        angle = (a + b) / 2 + (b - a) / 2 * nodes
        density = (b - a) / 2 * weights * np.sin(angle) ** (dimension - 2)
        cosine = np.cos(angle)
        mass += density.sum()
        values = density * ridge.profile(cosine)
        integrals += [zonal(k, dimension, cosine) @ values for k in range(degrees)]
    return integrals / mass


def degrees_of(spaces: Eigenspaces) -> NDArray[np.int64]:
    """The degree of every eigenfunction on a sphere, shape (M,)."""
    basis = spaces.basis
    assert isinstance(basis, Harmonics)
    sizes = [multiplicity(basis.dimension, degree) for degree in basis.degrees]
    return np.repeat(basis.degrees, sizes)


def firsts(spaces: Eigenspaces) -> NDArray[np.int64]:
    """The first eigenfunction of each eigenspace."""
    return np.append(0, np.cumsum(spaces.multiplicities)[:-1])
