r"""The operator T_K and its flow exp(-T_K t), on complete eigenspaces.

    (T_K g)(x) = int K(x, x') g(x') drho(x') = sum_i sigma_i <g, phi_i> phi_i(x)
    exp(-T_K t) g = g - sum_i (1 - exp(-sigma_i t)) <g, phi_i> phi_i

(Bowman and Montufar 2022, (1) and section 2.2). The second line keeps what g has outside the
eigenfunctions at hand, and lets it stand still. docs/theory/operator.md has the derivations.

    sigma   eigenvalues of the k complete eigenspaces, (k,)
    phi     M eigenfunctions, orthonormal in L^2(rho), columns by eigenspace, (N, M) at N points
    c       coefficients <g, phi_i>, (..., M)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.machine import Array

__all__ = ["Basis", "Eigenspaces", "grouped"]

Target = Callable[[Array], ArrayLike] | ArrayLike


class Basis(Protocol):
    """Eigenfunctions, and a rule that integrates against rho."""

    def rule(self) -> tuple[Array, Array]:
        """Points (n, ...) and weights (n,) that sum to 1."""
        ...

    def values(self, x: Array) -> Array:
        """phi_i(x), shape (N, M)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Eigenspaces:
    """The leading eigenspaces of T_K, each one complete.

    Attributes:
        eigenvalues: one for each eigenspace, descending, shape (k,).
        multiplicities: their dimensions, shape (k,).
        errors: absolute errors of the eigenvalues, shape (k,): bounds or estimates, as the
            maker says.
        last: number of leading eigenspaces that are certain: their eigenvalues stand out of
            the errors, and apart from all that follow.
        rest: no eigenvalue left out is larger.
        basis: the eigenfunctions.
    """

    eigenvalues: Array
    multiplicities: NDArray[np.int64]
    errors: Array
    last: int
    rest: float
    basis: Basis

    def functions(self, x: ArrayLike) -> Array:
        """The eigenfunctions at x, shape (N, M), M the sum of the multiplicities."""
        return self.basis.values(np.asarray(x, dtype=np.float64))

    def coefficients(self, target: Target, x: ArrayLike | None = None) -> Array:
        """c_i = <g, phi_i> in L^2(rho), shape (..., M).

        Args:
            target: g as a function of points, or its values, shape (..., N).
            x: a sample of rho, shape (N, ...), over which is averaged; None takes the rule
                of the basis (a product rule on spheres, the sample of ``nystrom``).
        """
        points, weights = _rule(self.basis, x)
        return (_values(target, points) * weights) @ self.functions(points)

    def decay(
        self,
        target: Target,
        times: ArrayLike,
        x: ArrayLike | None = None,
        *,
        coefficients: ArrayLike | None = None,
    ) -> Array:
        """exp(-T_K t) g at the points x, shape (T, N).

        What g has outside the eigenspaces stands still; ``neglected`` bounds what that costs.

        Args:
            target: g as a function of points, or its values at x, shape (N,).
            times: t, shape (T,).
            x: points, shape (N, ...); None for those of the basis.
            coefficients: <g, phi_i>, shape (M,). If None they come from the rule of the
                basis for a function, from x as a sample of rho for values.

        Raises:
            ValueError: values that do not fit the points, negative times.

        Example:
            On the circle, the linear network has T_K = 1 on the two linear functions.

            >>> from analytic import FullyConnected, Network, sphere_spectrum
            >>> found = sphere_spectrum(Network(FullyConnected("identity")), 2, 3).eigenspaces()
            >>> x = np.array([[1.0, 1.0]])
            >>> found.decay(lambda x: x[:, 0] + 5, [0.0, np.log(2)], x).round(12)
            array([[6. ],
                   [5.5]])
        """
        points, _ = _rule(self.basis, x)
        known = self._coefficients(target, x, coefficients)
        rates = np.repeat(self.eigenvalues, self.multiplicities)
        lost = -np.expm1(-np.multiply.outer(_times(times), rates)) * known  # (T, M)
        return _values(target, points) - lost @ self.functions(points).T

    def neglected(self, norm: float, times: ArrayLike) -> Array:
        """Bound of the L^2 norm of what ``decay`` leaves out, (1 - exp(-rest t)) norm.

        Args:
            norm: that of (I - P) g, the part of g outside the eigenspaces.
            times: t, shape (T,).
        """
        return -np.expm1(-self.rest * _times(times)) * norm

    def project(
        self,
        k: int,
        target: Target,
        x: ArrayLike | None = None,
        *,
        coefficients: ArrayLike | None = None,
    ) -> Array:
        """P_k g at x, the part in the k leading eigenspaces, shape (..., N).

        Args:
            k: 1, ..., ``last``.
            target: g as a function of points, or its values at x, shape (..., N).
            x: points, shape (N, ...); None for those of the basis.
            coefficients: as for ``decay``.

        Raises:
            ValueError: k is larger than ``last``, the last trustworthy eigenspace.
        """
        count = self.columns(k)
        points, _ = _rule(self.basis, x)
        known = self._coefficients(target, x, coefficients)
        return known[..., :count] @ self.functions(points)[:, :count].T

    def energy(self, coefficients: ArrayLike) -> Array:
        """Squared norm of the part of g in each eigenspace, shape (..., k).

        Their cumulative sum is ||P_k g||^2, by Parseval.
        """
        squares = np.asarray(coefficients, dtype=np.float64) ** 2
        first = np.append(0, np.cumsum(self.multiplicities)[:-1])
        return np.add.reduceat(squares, first, axis=-1)

    def columns(self, k: int) -> int:
        """How many eigenfunctions the k leading eigenspaces have, k at most ``last``."""
        if not 1 <= k <= self.last:
            raise ValueError(
                f"expected k from 1 to {self.last}, the last trustworthy eigenspace, got {k};"
                " take a smaller k, or more degrees or points"
            )
        return int(self.multiplicities[:k].sum())

    def _coefficients(
        self, target: Target, x: ArrayLike | None, coefficients: ArrayLike | None
    ) -> Array:
        count = int(self.multiplicities.sum())
        if coefficients is None:
            return self.coefficients(target, None if callable(target) else x)
        found = np.asarray(coefficients, dtype=np.float64)
        if found.shape[-1:] != (count,):
            raise ValueError(
                f"expected {count} coefficients, one for each function, got shape {found.shape};"
                " take them from coefficients()"
            )
        return found


def grouped(values: Array, errors: Array) -> list[slice]:
    """Runs of descending values whose neighbours differ by no more than their errors together."""
    apart = values[:-1] - values[1:] > errors[:-1] + errors[1:]
    edges = [0, *(np.flatnonzero(apart) + 1), len(values)]
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _rule(basis: Basis, x: ArrayLike | None) -> tuple[Array, Array]:
    if x is None:
        return basis.rule()
    points = np.asarray(x, dtype=np.float64)
    return points, np.full(len(points), 1 / len(points))


def _values(target: Any, points: Array) -> Array:
    values = np.asarray(target(points) if callable(target) else target, dtype=np.float64)
    if values.shape[-1:] != (len(points),):
        raise ValueError(
            f"expected values of shape (..., {len(points)}), one for each point, got"
            f" {values.shape}; evaluate the function at those points"
        )
    return values


def _times(times: ArrayLike) -> Array:
    found = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if found.ndim != 1 or not np.all(found >= 0):
        raise ValueError(f"expected times >= 0 of shape (T,), got {times!r}; sort them out")
    return found
