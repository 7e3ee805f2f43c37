r"""Theorem 3.5 and its corollaries: both sides of every inequality, as functions of arrays.

    r_t     residual of the network,    e_t = r_t - exp(-T_K t) r_0
    P_k     projection on the top k eigenspaces of T_K, sigma_k the last eigenvalue in it
    (I)     ||P_k e_t||^2 <= [(1 - exp(-sigma_k t))/sigma_k]^2 [4 ||f*||^2 ||K - K_0||^2 + eps]
    (II)    ||e_t||^2     <= t^2                               [4 ||f*||^2 ||K - K_0||^2 + eps]

Corollary 3.7 is the same with K = K_inf and without the term of the kernels. P_k is taken on
complete eigenspaces, because inside one the eigenfunctions are a choice. (II) is (I) for
sigma -> 0. All of it is deterministic once r_t is known; probability enters through the
network and its sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Inequalities",
    "mode_factor",
    "rkhs_bound",
    "smallest_epsilon",
    "stopping_times",
    "theorem",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Inequalities:
    """Left and right sides of the inequalities (I) and (II) with eps = 0.

    Attributes:
        left: shape (..., T, k + 1); the last column is (II).
        right: of the same shape: the prefactor times 4 ||f*||^2 ||K - K_0||^2.
        factor: the prefactor, shape (T, k + 1).
    """

    left: Array
    right: Array
    factor: Array

    @property
    def epsilon(self) -> Array:
        """Smallest eps >= 0 with which all hold up to each time, shape (..., T)."""
        return smallest_epsilon(self.left - self.right, self.factor)

    @property
    def slack(self) -> float:
        """The largest left/right, at most 1 if the theorem holds with eps = 0; inf without K_0."""
        positive = self.left[..., self.factor > 0]
        bound = self.right[..., self.factor > 0]
        if not bound.size or not np.any(bound):
            return float("inf")
        return float(np.max(positive / bound))


def mode_factor(eigenvalues: ArrayLike, times: ArrayLike) -> Array:
    r"""(1 - exp(-sigma t))/sigma, which is t at sigma = 0; shape (T, k).

    Example:
        >>> mode_factor([np.log(2), 0.0], [1.0]).round(4).tolist()
        [[0.7213, 1.0]]
    """
    sigma = np.asarray(eigenvalues, dtype=np.float64)
    t = np.asarray(times, dtype=np.float64)[:, None]
    safe = np.where(sigma > 0, sigma, 1.0)
    return np.where(sigma > 0, -np.expm1(-safe * t) / safe, t)


def theorem(
    times: Array,
    eigenvalues: Array,
    spaces: Array,
    total: Array,
    supremum: float = 0.0,
    distance: ArrayLike = 0.0,
) -> Inequalities:
    """Both sides of Theorem 3.5; of Corollary 3.7 without the last two arguments.

    Args:
        times: shape (T,).
        eigenvalues: of the eigenspaces, descending, shape (k,).
        spaces: ||Pi_j e_t||^2 for the single eigenspaces, shape (..., T, k).
        total: ||e_t||^2, shape (..., T).
        supremum: ||f*||_inf.
        distance: ||K - K_0||^2, shape (...).

    References:
        Bowman and Montufar (2022), Theorem 3.5 and Corollary 3.7.
    """
    projected = np.cumsum(spaces, axis=-1)
    left = np.concatenate([projected, total[..., None]], axis=-1)
    factor = mode_factor(np.append(eigenvalues, 0.0), times) ** 2
    mismatch = 4 * supremum**2 * np.asarray(distance, dtype=np.float64)
    return Inequalities(left, mismatch[..., None, None] * factor, factor)


def smallest_epsilon(excess: Array, factor: Array) -> Array:
    """Running maximum over time of excess/factor over all eigenspaces, at least 0.

    Args:
        excess: left minus right sides, shape (..., T, k).
        factor: prefactors, shape (T, k); times with prefactor 0 say nothing.
    """
    safe = np.where(factor > 0, factor, 1.0)
    needed = np.where(factor > 0, excess / safe, 0.0).max(axis=-1)
    return np.maximum(np.maximum.accumulate(needed, axis=-1), 0.0)


def stopping_times(eigenvalues: ArrayLike, supremum: float, epsilon: float) -> Array:
    """T_k = log(||f*||_inf / eps)/sigma_k, at least 0, inf for sigma_k = 0; shape (k,).

    At T_k the ideal dynamics have ||P_k exp(-T_K t) r_0|| <= eps.

    Raises:
        ValueError: epsilon is not positive.

    References:
        Bowman and Montufar (2022), before Corollary 3.10.
    """
    if not epsilon > 0:
        raise ValueError(f"expected epsilon > 0, got {epsilon!r}; raise it")
    sigma = np.asarray(eigenvalues, dtype=np.float64)
    number = max(np.log(supremum / epsilon), 0.0) if supremum > 0 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sigma > 0, number / sigma, np.inf if number else 0.0)


def rkhs_bound(square_norm: float, times: ArrayLike) -> Array:
    r"""||f*||_H^2/(2 e t), which bounds ||exp(-T t) r_0||^2 since sigma exp(-2 sigma t) <= 1/(2et).

    Example:
        >>> sigma, t = 0.25, np.linspace(0.1, 50, 500)
        >>> decay = np.exp(-2 * sigma * t)  # f* = phi with ||f*||_H^2 = 1/sigma
        >>> float((decay / rkhs_bound(1 / sigma, t)).max().round(4))  # touched at t = 1/(2 sigma)
        1.0
    """
    t = np.asarray(times, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.where(t > 0, square_norm / (2 * np.e * np.where(t > 0, t, 1.0)), np.inf)
