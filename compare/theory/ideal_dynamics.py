r"""The ideal dynamics exp(-T_K t) r_0 at the evaluation points, eigenspace by eigenspace.

    phi_i    orthonormal eigenfunctions of T_K, c_i = <f*, phi_i>
    Pi_k     projection on the k-th complete eigenspace, P_k = Pi_1 + ... + Pi_k
    sigma_k  its eigenvalue
    exp(-T_K t) r_0 = r_0 + sum_k (exp(-sigma_k t) - 1) Pi_k r_0,    r_0 = -f*

What lies outside the known eigenspaces stands still; the largest eigenvalue left out bounds
the error of that.

On the sphere S^{d-1} of radius sqrt(d) the c_i are exact for sums of ridges g(e.u): by Funk
and Hecke c_i = E[g P_l] phi_i(sqrt(d) u) for phi_i of degree l. On a finite population they
are sums. For other targets on the circle and S^2 they come from quadrature, elsewhere from a
sample, whose error is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analytic import Network, nystrom, sphere_spectrum
from analytic.spectrum import Eigenspaces, SphereSpectrum
from compare.rho import Inputs, Points, Target, evaluation_points, sphere_dimension
from compare.theory.ridges import (
    degrees_of,
    firsts,
    ridge_coefficients,
    ridge_parts,
    zonal_integrals,
)

__all__ = ["Reference", "reference"]

Array = NDArray[np.float64]
CIRCLE_DEGREES = 256
"""Degrees of harmonics on the circle; elsewhere a quarter of it."""
SAMPLED_FUNCTIONS = 1024
"""Most eigenfunctions that are written out at sampled points."""
RULE = 2**14
"""Inputs over which a target is integrated where it is not done exactly."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """T_K and the target, seen from the evaluation points.

    Attributes:
        spaces: the leading eigenspaces, those that are known and that the points resolve.
        labels: what each of them is.
        functions: phi_i of them at the points, shape (N, M).
        coefficients: <f*, phi_i>, shape (M,).
        parts: (sigma, Pi f*) for all known eigenspaces, shapes (q,) and (q, N), q >= k.
        error: of exp(-T_K t) r_0 in L2(rho): from sampled coefficients, and the rate at
            which it grows with t by what was left out.
        values: f* at the points, shape (N,).
        square_norm: ||f*||^2.
        supremum: largest |f*| seen, the supremum itself on a finite population.
    """  # nine fields: what the trajectories need, computed once

    spaces: Eigenspaces
    labels: tuple[str, ...]
    functions: Array
    coefficients: Array
    parts: tuple[Array, Array]
    error: tuple[float, float]
    values: Array
    square_norm: float
    supremum: float

    @property
    def eigenvalues(self) -> Array:
        """sigma_k, shape (k,)."""
        return self.spaces.eigenvalues

    @property
    def groups(self) -> NDArray[np.int64]:
        """The eigenspace of each eigenfunction, shape (M,)."""
        return np.repeat(np.arange(len(self.eigenvalues)), self.spaces.multiplicities)

    @property
    def energies(self) -> Array:
        """||Pi_k f*||^2, shape (k,)."""
        return self.spaces.energy(self.coefficients)

    def flow(self, times: Array) -> Array:
        """exp(-T_K t) r_0 at the points, shape (T, N)."""
        rates, parts = self.parts
        return -(self.values + np.expm1(-np.multiply.outer(times, rates)) @ parts)

    def error_at(self, time: float) -> float:
        """L2(rho) error of ``flow`` at some time."""
        return self.error[0] + self.error[1] * time

    def leading(self, count: int) -> Reference:
        """The same with ``count`` eigenspaces for projections.

        Raises:
            ValueError: there are not that many trustworthy ones.
        """
        last = len(self.eigenvalues)
        if not 1 <= count <= last:
            raise ValueError(
                f"expected from 1 to {last} eigenspaces, got {count}: the last trustworthy one is"
                f" {self.labels[-1]} with eigenvalue {self.eigenvalues[-1]:.3g} and error"
                f" {self.spaces.errors[-1]:.1g}, those after it are below the noise or not resolved"
                " by the points; lower the number"
            )
        kept = _truncated(self.spaces, count)
        functions = int(kept.multiplicities.sum())
        return replace(
            self,
            spaces=kept,
            labels=self.labels[:count],
            functions=self.functions[:, :functions],
            coefficients=self.coefficients[:functions],
        )

    def amplitudes(self, residuals: Array, points: Points) -> Array:
        """<r, Pi_k r_0>/||Pi_k r_0||^2 for values (..., N) of r; shape (..., k).

        For exp(-T_K t) r_0 it is exp(-sigma_k t); NaN where f* has nothing in the eigenspace.
        """
        products = -points.coefficients(residuals, self.functions) * self.coefficients
        energies = self.energies
        seen = energies > 1e-10 * self.square_norm
        sums = np.add.reduceat(products, firsts(self.spaces), axis=-1)
        return np.where(seen, sums / np.where(seen, energies, 1.0), np.nan)


def reference(network: Network, inputs: Inputs, target: Target, points: Points) -> Reference:
    """The operator of K_inf with the target, for the given evaluation points."""
    dimension = sphere_dimension(inputs)
    if dimension == 1:
        raise ValueError("expected a sphere of dimension 2 or more, got 1; it has two points")
    if dimension:
        return _on_sphere(sphere_spectrum(network, dimension, _degrees(dimension)), target, points)
    rule = _whole(inputs)
    if inputs.points is None:
        known = nystrom(network, inputs.sample(RULE // 8, seed=17))
        f, values = target(rule.x), target(points.x)
    else:
        known = nystrom(network, inputs.points, population=True)
        f = target.on_population(inputs)
        values = f if points.index is None else f[points.index]
    spaces = _truncated(known, max(1, known.last))
    labels = tuple(str(k + 1) for k in range(len(spaces.eigenvalues)))
    return _averaged(spaces, known, labels, points, rule, f, values)


def _degrees(dimension: int) -> int:
    return CIRCLE_DEGREES if dimension == 2 else CIRCLE_DEGREES // 4


def _whole(inputs: Inputs) -> Points:
    """Points that integrate over rho as well as can be."""
    return evaluation_points(inputs, inputs.population or RULE, seed=1)


def _on_sphere(spectrum: SphereSpectrum, target: Target, points: Points) -> Reference:
    known = spectrum.eigenspaces()
    inputs = Inputs.sphere(spectrum.dimension)
    spaces = spectrum.eigenspaces(_resolved(known, points))
    labels = _labels(spaces)
    rule = _whole(inputs)
    f, values = target(rule.x), target(points.x)
    if not target.ridges:
        if points.degree is None:
            known = spaces
        return _averaged(spaces, known, labels, points, rule, f, values)
    integrals = [zonal_integrals(r, spectrum.dimension, len(spectrum.error)) for r in target.ridges]
    return Reference(
        spaces,
        labels,
        spaces.functions(points.x),
        ridge_coefficients(target, spaces, spectrum.dimension, integrals),
        ridge_parts(spectrum, target, integrals, points),
        (0.0, 0.0),
        values,
        float(rule.square_norms(f)),
        float(max(np.abs(f).max(), np.abs(values).max())),
    )


def _truncated(spaces: Eigenspaces, count: int) -> Eigenspaces:
    """The leading eigenspaces alone."""
    return replace(
        spaces,
        eigenvalues=spaces.eigenvalues[:count],
        multiplicities=spaces.multiplicities[:count],
        errors=spaces.errors[:count],
        last=count,
    )


def _resolved(spaces: Eigenspaces, points: Points) -> int:
    """How many leading eigenspaces the points resolve."""
    if points.degree is None:
        fits = np.cumsum(spaces.multiplicities) <= SAMPLED_FUNCTIONS
    else:
        highest = np.maximum.reduceat(degrees_of(spaces), firsts(spaces))
        fits = np.maximum.accumulate(highest) <= points.degree
    return max(1, int(np.sum(fits)))


def _averaged(
    spaces: Eigenspaces,
    known: Eigenspaces,
    labels: tuple[str, ...],
    points: Points,
    rule: Points,
    f: Array,
    values: Array,
) -> Reference:
    """The reference for a target that is integrated numerically."""
    coefficients, variance = _averages(known, f, rule)
    functions = known.functions(points.x)
    first = firsts(known)
    parts = np.add.reduceat((functions * coefficients).T, first, axis=0)
    count = int(spaces.multiplicities.sum())
    norm = float(rule.square_norms(f))
    outside = max(0.0, norm - float(np.sum(coefficients**2)))
    sampled = np.sqrt(variance) if rule.kind == "sample" else 0.0
    return Reference(
        spaces,
        labels,
        functions[:, :count],
        coefficients[:count],
        (known.eigenvalues, parts),
        (float(sampled), known.rest * float(np.sqrt(outside))),
        values,
        norm,
        float(max(np.abs(f).max(), np.abs(values).max())),
    )


def _averages(spaces: Eigenspaces, f: Array, rule: Points) -> tuple[Array, float]:
    """<f*, phi_i> as weighted sums, and the sum of their variances if the points are a sample."""
    count = int(spaces.multiplicities.sum())
    first, second = np.zeros(count), np.zeros(count)
    block = max(1, 2**24 // count)
    for start in range(0, len(rule.x), block):
        part = slice(start, start + block)
        functions, weights = spaces.functions(rule.x[part]), rule.weights[part]
        first += (f[part] * weights) @ functions
        second += (f[part] ** 2 * weights) @ functions**2
    return first, float(np.sum(second - first**2) / len(rule.x))


def _labels(spaces: Eigenspaces) -> tuple[str, ...]:
    """The degrees in each eigenspace of a sphere."""
    degrees, first = degrees_of(spaces), firsts(spaces)
    return tuple(
        "degree " + ", ".join(map(str, np.unique(degrees[a : a + size])))
        for a, size in zip(first, spaces.multiplicities, strict=True)
    )
