r"""Evaluation points: where trajectories are compared, and how norms come from them.

rule         quadrature on the circle and on S^2, exact for products of harmonics up to
             a degree: norms and projections in L2(rho) are exact for what it resolves
population   all points of a finite population: rho itself
sample       draws from rho: norms and projections are unbiased estimates
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compare.rho.distance import square_norms
from compare.rho.inputs import Inputs

__all__ = ["Points", "evaluation_points", "sphere_dimension"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points with weights that add up to 1.

    Attributes:
        x: shape (N, ...).
        weights: shape (N,).
        kind: "rule", "population" or "sample".
        degree: the largest degree of harmonics a rule resolves, None for other kinds.
        index: where the points stand in a finite population, shape (N,), or None.
        share: N over the size of the population, 0 for other kinds.
    """

    x: Array
    weights: Array
    kind: Literal["rule", "population", "sample"]
    degree: int | None = None
    index: NDArray[np.int64] | None = None
    share: float = 0.0

    def square_norms(self, g: Array) -> Array:
        """||g||^2 in L2(rho) of functions given by their values (..., N); shape (...)."""
        return np.asarray(g**2 @ self.weights)

    def space_norms(self, g: Array, functions: Array, groups: NDArray[np.int64]) -> Array:
        """||Pi_k g||^2 for every eigenspace k; shape (..., k).

        Args:
            g: values (..., N).
            functions: an orthonormal basis at the points, shape (N, M).
            groups: the eigenspace of each basis function, 0, 1, ..., shape (M,).

        From a sample the square of an estimated coefficient is too large by its variance,
        which is taken off: the estimates are unbiased and may be negative.
        """
        squares = self.coefficients(g, functions) ** 2
        if self.kind == "sample":
            second = (g**2 * self.weights) @ functions**2
            factor = (1 - self.share) / (len(self.weights) - 1)
            squares = squares - factor * (second - squares)
        return np.asarray(np.add.reduceat(squares, _starts(groups), axis=-1))

    def coefficients(self, g: Array, functions: Array) -> Array:
        """<g, phi_i> for values (..., N) and basis functions (N, M); shape (..., M)."""
        return np.asarray((g * self.weights) @ functions)

    def pair_norm(self, error: Array, population: int | None) -> float:
        """||E||^2 in L2(rho x rho) for the values of E at all pairs of points, (N, N)."""
        if self.kind == "sample":
            return float(square_norms(error, population))
        return float(self.weights @ error**2 @ self.weights)


def sphere_dimension(inputs: Inputs) -> int | None:
    """The d of ``Inputs.sphere(d)``, None for other inputs."""
    kind, _, rest = inputs.name.partition("(")
    return int(rest[:-1]) if kind == "sphere" and inputs.population is None else None


def evaluation_points(inputs: Inputs, count: int, seed: int = 0) -> Points:
    """About ``count`` evaluation points, the best there are for these inputs.

    Raises:
        ValueError: fewer than 8 points were asked for.

    Example:
        >>> points = evaluation_points(Inputs.sphere(2), 16)
        >>> points.kind, points.degree, round(float(points.square_norms(points.x[:, 0])), 12)
        ('rule', 7, 1.0)
    """
    if count < 8 and count < (inputs.population or count + 1):
        raise ValueError(f"expected at least 8 evaluation points, got {count}; raise the number")
    rng = np.random.default_rng([seed, 1])
    dimension = sphere_dimension(inputs)
    if inputs.points is not None:
        size = len(inputs.points)
        count = min(count, size)
        index = np.sort(rng.permutation(size)[:count]) if count < size else np.arange(size)
        kind = "population" if count == size else "sample"
        return Points(
            inputs.points[index], np.full(count, 1 / count), kind, None, index, count / size
        )
    if dimension == 2:
        return _circle(count, rng.uniform())
    if dimension == 3:
        return _two_sphere(count, rng.uniform())
    x = inputs.sample(count, seed=int(rng.integers(2**31)))
    return Points(x, np.full(count, 1 / count), "sample")


def _circle(count: int, offset: float) -> Points:
    """Equidistant points; the trapezoidal rule is exact below degree ``count``."""
    angle = 2 * np.pi * (np.arange(count) + offset) / count
    x = np.sqrt(2) * np.column_stack([np.cos(angle), np.sin(angle)])
    return Points(x, np.full(count, 1 / count), "rule", (count - 1) // 2)


def _two_sphere(count: int, offset: float) -> Points:
    """Gauss-Legendre in the height times equidistant longitudes."""
    rings = max(2, round(np.sqrt(count / 2)))
    height, weight = np.polynomial.legendre.leggauss(rings)
    angle = np.pi * (np.arange(2 * rings) + offset) / rings
    z, phi = (a.ravel() for a in np.meshgrid(height, angle, indexing="ij"))
    radius = np.sqrt(1 - z**2)
    x = np.sqrt(3) * np.column_stack([radius * np.cos(phi), radius * np.sin(phi), z])
    return Points(x, np.repeat(weight, 2 * rings) / (4 * rings), "rule", rings - 1)


def _starts(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each group begins."""
    return np.flatnonzero(np.diff(groups, prepend=-1))
