r"""The distance of two kernels in L2(rho x rho), estimated from a sample without bias.

For a sample x_1, ..., x_n of rho the mean of (K - K')^2(x_i, x_j) over i != j is a U-statistic
for the integral over independent x and x'; including i = j would not be. If rho is uniform on
a finite population of N inputs, the integral has the diagonal with weight 1/N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Sampled", "kernel_distance", "square_norms"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sampled:
    """An estimate from a sample.

    Attributes:
        mean: the estimate.
        stderr: its standard error.
        n: the size of the sample.
    """

    mean: float
    stderr: float
    n: int


def square_norms(errors: ArrayLike, population: int | None = None) -> Array:
    """Estimates of ||E||^2 in L2(rho x rho) for error matrices E on a sample.

    Args:
        errors: shape (..., n, n).
        population: size of the finite population the sample was drawn from, or None.

    Returns:
        shape (...).
    """
    squares = np.asarray(errors, dtype=np.float64) ** 2
    n = squares.shape[-1]
    diagonal = np.trace(squares, axis1=-2, axis2=-1)
    if n == 1:
        return np.asarray(diagonal)
    off = (squares.sum(axis=(-2, -1)) - diagonal) / (n * (n - 1))
    if population is None:
        return np.asarray(off)
    return np.asarray((1 - 1 / population) * off + diagonal / n / population)


def kernel_distance(k: ArrayLike, k_limit: ArrayLike, *, population: int | None = None) -> Sampled:
    r"""The squared distance of two kernels in L2(rho x rho), with its standard error.

    Args:
        k: a kernel on a sample of rho, shape (n, n).
        k_limit: the other kernel on the same sample, shape (n, n).
        population: the number of inputs N if rho is uniform on a finite population from
            which the sample was drawn without replacement; None for independent draws.

    Returns:
        the record ``Sampled(mean, stderr, n)``. The standard error is the jackknife's and
        shrinks to 0 as the sample exhausts the population.

    Raises:
        ValueError: the matrices are not square, of different shapes, not finite, or have
            fewer than three rows.

    References:
        Hoeffding (1948) for U-statistics; Arvesen (1969) for their jackknife.

    Example:
        >>> import numpy as np
        >>> kernel_distance(np.ones((4, 4)), np.zeros((4, 4)))
        Sampled(mean=1.0, stderr=0.0, n=4)
    """
    a, b = np.asarray(k, dtype=np.float64), np.asarray(k_limit, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[0] != a.shape[1] or len(a) < 3:
        raise ValueError(
            "expected two square matrices of the same shape with at least 3 rows, got"
            f" {a.shape} and {b.shape}; evaluate both kernels on one sample"
        )
    if not np.isfinite(a - b).all():
        raise ValueError("expected finite kernels, got NaN or infinity; check the inputs")
    n = len(a)
    if population is not None and population < n:
        raise ValueError(f"expected a population of at least {n}, got {population}; raise it")
    mean = float(square_norms(a - b, population))
    return Sampled(mean, _stderr((a - b) ** 2, population), n)


def _stderr(squares: Array, population: int | None) -> float:
    """Jackknife over the inputs, with the correction for a finite population."""
    n = len(squares)
    rows = squares.sum(axis=1) - np.diag(squares)
    without = (rows.sum() - 2 * rows) / ((n - 1) * (n - 2))  # the U-statistic less one input
    variance = (n - 1) / n * np.sum((without - without.mean()) ** 2)
    if population is not None:
        variance *= 1 - n / population
    return float(np.sqrt(variance))
