r"""The distance of two kernels in L2(rho x rho), estimated from a sample without bias.

For a sample x_1, ..., x_n of rho the mean of (K - K')^2(x_i, x_j) over i != j is a U-statistic
for the integral over independent x and x'; including i = j would not be. If rho is uniform on
a finite population of N inputs, the integral has the diagonal with weight 1/N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["KernelDistance", "kernel_distance", "square_norms"]

Array = NDArray[np.float64]


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


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """How far two kernels are apart; the errors are those over the sample of inputs.

    Attributes:
        mean: ||K - K'||^2 in L2(rho x rho); of several kernels, their mean.
        stderr: its standard error; 0 if the sample is the whole population.
        n: the size of the sample.
        relative: ||K - K'||^2/||K'||^2, inf if K' is 0.
        relative_stderr: its standard error.
        operator: norm of T_K - T_K' on the sample, the largest of several kernels; as large as
            in L2(rho) only in the limit of many inputs, unless they are the whole population.
        maximal: the largest absolute value of K - K' at the pairs of inputs.
        bias: ||E K - K'||^2 from products of different kernels, which their noise does not
            inflate and which may therefore be negative; NaN for a single one.
    """  # eight fields: one for each sense of "far"

    mean: float
    stderr: float
    n: int
    relative: float
    relative_stderr: float
    operator: float
    maximal: float
    bias: float


def kernel_distance(
    k: ArrayLike, k_limit: ArrayLike, *, population: int | None = None
) -> KernelDistance:
    r"""The squared distance of two kernels in L2(rho x rho), with its standard error.

    Args:
        k: a kernel on a sample of rho, shape (n, n), or those of S networks, (S, n, n).
        k_limit: the other kernel on the same sample, shape (n, n).
        population: the number of inputs N if rho is uniform on a finite population from
            which the sample was drawn without replacement; None for independent draws.

    Returns:
        the record ``KernelDistance``. The standard errors are the jackknife's and shrink to 0 as
        the sample exhausts the population.

    Raises:
        ValueError: the matrices are not square, of different shapes, not symmetric, not finite,
            or have fewer than three rows.

    References:
        Hoeffding (1948) for U-statistics; Arvesen (1969) for their jackknife.

    Example:
        >>> import numpy as np
        >>> found = kernel_distance(np.ones((4, 4)), 2 * np.ones((4, 4)))
        >>> found.mean, found.stderr, found.relative, found.maximal, round(found.operator, 12)
        (1.0, 0.0, 0.25, 1.0, 1.0)
    """
    a, b = np.asarray(k, dtype=np.float64), np.asarray(k_limit, dtype=np.float64)
    _check(a, b, population)
    errors = (a - b).reshape(-1, *b.shape)
    squares, norm = (errors**2).mean(axis=0), float(square_norms(b, population))
    mean, n = float(square_norms(errors, population).mean()), len(b)
    less = _without_one(squares, population)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = less / _without_one(b**2, population)
    eigenvalues = np.linalg.eigvalsh((errors + errors.swapaxes(1, 2)) / 2)
    return KernelDistance(
        mean,
        _jackknife(less, population),
        n,
        mean / norm if norm > 0 else float("inf"),
        _jackknife(ratios, population) if norm > 0 else float("nan"),
        float(np.abs(eigenvalues).max()) / n,
        float(np.abs(errors).max()),
        _square_bias(errors, population),
    )


SYMMETRIC = 1e-5
"""Of the largest entry: kernels in float32 are symmetric up to their rounding only."""


def _check(a: Array, b: Array, population: int | None) -> None:
    if a.shape[-2:] != b.shape or a.ndim not in (2, 3) or b.ndim != 2 or b.shape[0] != b.shape[1]:
        raise ValueError(
            "expected two square matrices of the same shape, or a stack of them and one, got"
            f" {a.shape} and {b.shape}; evaluate both kernels on one sample"
        )
    n = len(b)
    if n < 3 or len(a) == 0:
        raise ValueError(
            f"expected at least 3 rows, got {n} ({a.shape} and {b.shape}): fewer inputs have no"
            " standard error; take a larger sample"
        )
    if not np.isfinite(a - b).all():
        raise ValueError("expected finite kernels, got NaN or infinity; check the inputs")
    for matrix in (a, b):
        skew = float(np.abs(matrix - matrix.swapaxes(-1, -2)).max())
        if skew > SYMMETRIC * float(np.abs(matrix).max()):
            raise ValueError(
                f"expected symmetric kernels, got one {skew:.3g} off its transpose; evaluate"
                " each at one list of inputs"
            )
    if population is not None and population < n:
        raise ValueError(f"expected a population of at least {n}, got {population}; raise it")


def _square_bias(errors: Array, population: int | None) -> float:
    """Mean of <E_s, E_t> over s != t: the square of the sum less the sum of the squares."""
    s = len(errors)
    if s < 2:
        return float("nan")
    total = float(square_norms(errors.sum(axis=0), population))
    return (total - float(square_norms(errors, population).sum())) / (s * (s - 1))


def _without_one(squares: Array, population: int | None) -> Array:
    """The estimates that leave out one input each, shape (n,)."""
    n, diagonal = len(squares), np.diag(squares)
    rows = squares.sum(axis=1) - diagonal
    off = (rows.sum() - 2 * rows) / ((n - 1) * (n - 2))
    if population is None:
        return np.asarray(off)
    return (1 - 1 / population) * off + (diagonal.sum() - diagonal) / (n - 1) / population


def _jackknife(without: Array, population: int | None) -> float:
    """The standard error from estimates without one input, less for a finite population."""
    n = len(without)
    variance = (n - 1) / n * np.sum((without - without.mean()) ** 2)
    share = 0.0 if population is None else n / population
    return float(np.sqrt(variance * (1 - share)))
