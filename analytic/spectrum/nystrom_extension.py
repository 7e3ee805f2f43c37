r"""T_K for any distribution rho of inputs, from a sample x_1, ..., x_n or on a population.

The eigenvalues of K(x_i, x_j)/n estimate those of T_K, and an eigenvector v gives the
eigenfunction, on the sample phi = sqrt(n) v and everywhere by the Nystrom formula

    phi(x) = sum_j K(x, x_j) phi(x_j)/(n sigma)

(Nystrom 1930; Baker 1977, chapter 3; Koltchinskii and Gine 2000). On a finite population,
rho = sum_j delta_{x_j}/n, this is T_K itself. docs/theory/operator.md has the error estimate.
"""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from analytic.limit import kernel
from analytic.network import Network
from analytic.spectrum.operator import Array, Eigenspaces, grouped

__all__ = ["Nystrom", "nystrom"]

Kernel = Callable[[Array, Array], ArrayLike]

APART = 2.0
"""By how many times their errors neighbours must differ to be told apart.

Sampling splits a degenerate eigenvalue. Of pairs on the circle one in some 500 is torn apart, and
one in 11 with half of this (docs/theory/operator.md).
"""


@dataclass(frozen=True, slots=True, eq=False)
class Nystrom:
    """Eigenfunctions that are known on a sample, extended by the kernel, as a ``Basis``.

    Attributes:
        kernel: (N, ...) and (n, ...) points -> (N, n).
        sample: x_1, ..., x_n.
        extension: phi(x_j)/(n sigma), shape (n, M).
    """

    kernel: Kernel
    sample: Array
    extension: Array

    def rule(self) -> tuple[Array, Array]:
        n = len(self.sample)
        return self.sample, np.full(n, 1 / n)

    def values(self, x: Array) -> Array:
        return np.asarray(self.kernel(x, self.sample), dtype=np.float64) @ self.extension


def nystrom(
    network: Network | Kernel,
    x: ArrayLike,
    *,
    population: bool = False,
    tolerance: float = 1e-10,
    splits: int = 8,
    seed: int = 0,
) -> Eigenspaces:
    r"""The eigenspaces of T_K for the distribution that x is drawn from.

    .. math:: (T_K g)(x) = \int K(x, x') g(x') \, d\rho(x') \approx
        \frac{1}{n} \sum_j K(x, x_j) g(x_j)

    Neighbouring eigenvalues that differ by no more than twice their errors cannot be told
    apart: they make one eigenspace with their mean. The errors are two standard errors and
    the bias, both from independent halves of the sample: if the halves of a random split have
    the eigenvalues a and b, then mean (a - b)^2/4 over the splits estimates the variance and
    mean (a + b)/2 - sigma the bias. On a population only the error of the kernel remains.
    Where neighbours fall together with the noise, ``last`` ends, and the rest is given as
    it stands, one eigenvalue at a time.

    What a function has outside the span of the eigenfunctions does not decay: T_K is known
    on the sample only. The eigenfunctions are orthonormal over the sample, and in L^2(rho)
    up to its error.

    Args:
        network: a description, or any kernel as a function of (N, ...) and (n, ...) points.
        x: independent draws from rho, or all points of the population, shape (n, ...).
        population: whether rho is uniform on x.
        tolerance: error of the kernel, relative to the mean of K(x, x); eigenvalues below
            it are left out.
        splits: number of random splits into halves.
        seed: of the splits.

    Returns:
        the record ``Eigenspaces``.

    Raises:
        ValueError: too few points; a kernel of the wrong shape, not symmetric or not positive
            semi-definite within the tolerance.
        TypeError: the network is neither a description nor a function.
        AccuracyError: float64 cannot give the tolerance.

    Example:
        Four points on the circle as the population, and K = <x, x'>/2.

        >>> import numpy as np
        >>> square = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
        >>> found = nystrom(lambda x, y: x @ y.T / 2, square, population=True)
        >>> found.eigenvalues, found.multiplicities
        (array([0.5]), array([2]))
    """
    sample = np.asarray(x, dtype=np.float64)
    _check(sample, population, tolerance, splits)
    evaluate = _kernel(network, tolerance)
    gram = _gram(evaluate, sample)
    n = len(gram)
    floor = max(tolerance, n * np.finfo(float).eps) * float(np.trace(gram)) / n
    ascending, vectors = np.linalg.eigh(gram / n)
    values, vectors = ascending[::-1], vectors[:, ::-1]
    if values[-1] < -floor:
        raise ValueError(
            f"expected a positive semi-definite kernel, got the eigenvalue {values[-1]:.1e};"
            " pass its relative error as tolerance"
        )
    kept = int(np.count_nonzero(values > floor))
    if not kept:
        raise ValueError("expected a kernel that is not 0, got 0 on all points; scale it")
    halves = None if population else _halves(gram, splits, seed)
    errors = _errors(values, halves, floor, [slice(i, i + 1) for i in range(n)])
    runs = grouped(values, APART * errors)
    lead = int(np.argmin(np.append(values > errors, False)))  # before the first in doubt
    last = sum(g.stop <= lead for g in runs)
    start = runs[last - 1].stop if last else 0
    groups = runs[:last] + [slice(i, i + 1) for i in range(start, kept)]
    return Eigenspaces(
        np.array([values[g].mean() for g in groups]),
        np.array([g.stop - g.start for g in groups]),
        _errors(values, halves, floor, groups),
        last,
        float(values[kept:].max(initial=0.0)) + floor,
        Nystrom(evaluate, sample, vectors[:, :kept] / (values[:kept] * np.sqrt(n))),
    )


def _halves(gram: Array, splits: int, seed: int) -> Array:
    """Eigenvalues of both halves of random splits, shape (splits, 2, n/2)."""
    rng = np.random.default_rng(seed)
    size = len(gram) // 2
    found = np.empty((splits, 2, size))
    for split in found:
        order = rng.permutation(len(gram))
        for half, part in zip(split, (order[:size], order[size : 2 * size]), strict=True):
            half[:] = np.linalg.eigvalsh(gram[np.ix_(part, part)] / size)[::-1]
    return found


def _errors(values: Array, halves: Array | None, floor: float, groups: list[slice]) -> Array:
    """Of the mean eigenvalue of each group; all of it where halves have no such eigenvalue."""
    errors = np.full(len(groups), floor)
    if halves is None:
        return errors
    for i, g in enumerate(groups):
        mean = float(values[g].mean())
        if g.stop > halves.shape[2]:
            errors[i] += abs(mean)
            continue
        both: Array = halves[:, :, g].mean(axis=2)  # (splits, 2)
        errors[i] += float(np.sqrt(np.square(both[:, 0] - both[:, 1]).mean()))
        errors[i] += abs(float(both.mean()) - mean)
    return errors


def _kernel(network: Network | Kernel, tolerance: float) -> Callable[[Array, Array], Array]:
    if isinstance(network, Network):
        return partial(_limit, network, tolerance)
    if not callable(network):
        raise TypeError(
            f"expected a Network or a function of (N, ...) and (n, ...) points, got"
            f" {type(network).__name__}; write lambda a, b: kernel(network, a, b)"
        )
    return partial(_values, network)


def _limit(network: Network, tolerance: float, a: Array, b: Array) -> Array:
    return kernel(network, a, b, tolerance=tolerance, progress=False)


def _values(function: Kernel, a: Array, b: Array) -> Array:
    return np.asarray(function(a, b), dtype=np.float64)


def _gram(evaluate: Callable[[Array, Array], Array], sample: Array) -> Array:
    gram, n = evaluate(sample, sample), len(sample)
    if gram.shape != (n, n):
        raise ValueError(f"expected a kernel of shape ({n}, {n}), got {gram.shape}; change it")
    if not np.isfinite(gram).all():
        raise ValueError("expected finite values of the kernel, got NaN or infinity; change it")
    if not np.allclose(gram, gram.T, rtol=0, atol=1e-8 * np.abs(gram).max()):
        raise ValueError("expected a symmetric kernel, got K(x, y) unlike K(y, x); change it")
    return (gram + gram.T) / 2


def _check(sample: Array, population: bool, tolerance: float, splits: int) -> None:
    fewest = 1 if population else 4
    if sample.ndim < 2 or len(sample) < fewest:
        raise ValueError(
            f"expected at least {fewest} points of shape (n, ...), got shape {sample.shape};"
            " draw more, or pass population=True for a finite population"
        )
    if not np.isfinite(sample).all():
        raise ValueError("expected finite points, got NaN or infinity; remove or repair them")
    if not 0 < tolerance < 1:
        raise ValueError(f"expected a tolerance between 0 and 1, got {tolerance!r}; try 1e-10")
    if splits < 1:
        raise ValueError(f"expected at least one split into halves, got {splits!r}; try 8")
