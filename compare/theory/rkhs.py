r"""Targets in the space of the kernel: ||exp(-T_K t) r_0||^2 = O(1/t).

    ||f*||_H^2 = sum_k ||Pi_k f*||^2/sigma_k
    ||exp(-T_K t) r_0||^2 = sum_k exp(-2 sigma_k t) ||Pi_k f*||^2 <= ||f*||_H^2/(2 e t)

since sigma exp(-2 sigma t) <= 1/(2 e t) (Bowman and Montufar 2022, after Corollary 3.10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compare.theory.bounds import rkhs_bound

__all__ = ["Decay", "ideal_decay"]

Array = NDArray[np.float64]
OUTSIDE = 1e-8
"""Share of ||f*||^2 outside the known eigenspaces that counts as rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Decay:
    """The ideal dynamics of a target, and what its norm in the space of the kernel promises.

    Attributes:
        square_norm: ||f*||_H^2; inf if f* has a part outside the known eigenspaces.
        values: ||exp(-T_K t) r_0||^2, shape (T,).
        bound: ||f*||_H^2/(2 e t), shape (T,).
    """

    square_norm: float
    values: Array
    bound: Array

    @property
    def ratio(self) -> float:
        """The largest value over bound; at most 1."""
        return float(np.max(self.values / self.bound))


def ideal_decay(
    eigenvalues: ArrayLike, energies: ArrayLike, square_norm: float, times: ArrayLike
) -> Decay:
    """The decay of exp(-T_K t) r_0 for a target with the given energies.

    Args:
        eigenvalues: sigma_k > 0, shape (k,).
        energies: ||Pi_k f*||^2, shape (k,).
        square_norm: ||f*||^2.
        times: t, shape (T,).

    Example:
        >>> decay = ideal_decay([1.0, 0.1], [0.5, 0.5], 1.0, [0.5, 5.0, 50.0])
        >>> decay.square_norm, decay.ratio <= 1
        (5.5, True)
    """
    sigma, e = np.asarray(eigenvalues, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    t = np.asarray(times, dtype=np.float64)
    outside = max(0.0, square_norm - float(e.sum()))
    values = np.exp(-2 * np.multiply.outer(t, sigma)) @ e + outside
    seen = e > 1e-20 * square_norm  # the squares of rounding errors
    norm = float(np.sum(e[seen] / sigma[seen]))
    if outside > OUTSIDE * square_norm:
        norm = float("inf")
    return Decay(norm, values, rkhs_bound(norm, t))
