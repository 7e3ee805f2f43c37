r"""What a kernel itself predicts: gradient flow in closed form, and its Gaussian process.

With the loss |f(X) - y|^2/(2n) and f = 0 at the start, the residual r_t of kernel gradient
flow obeys dr_t/dt = -K r_t/n on the training points (Bowman and Montufar 2022, section 2.2).
An eigendecomposition K = U diag(lambda) U^T gives the function at any time,

    f_t(x) = k(x, X) U g_t(lambda) U^T y,    g_t(lambda) = (1 - exp(-lambda t/n))/lambda,

for the eigenvalues that are known; those that the error of the kernel may have made are left
out at every t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analytic.machine import Array

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A Gaussian process given the data.

    Attributes:
        mean: shape (N,) or (N, outputs).
        covariance: of the N values, shape (N, N).
    """

    mean: Array
    covariance: Array


def predict(
    k_train: ArrayLike,
    k_test: ArrayLike,
    y: ArrayLike,
    *,
    t: ArrayLike = np.inf,
    ridge: float = 0.0,
    prior: ArrayLike | None = None,
    tolerance: float = 1e-10,
) -> Any:
    r"""The prediction of the kernel at time t of gradient flow.

    .. math:: f_t(x) = k(x, X) (K + \lambda)^{-1} (1 - e^{-(K + \lambda) t/n}) y

    for the loss of half the mean square, with lambda = ``ridge``: at t = inf kernel ridge
    regression, and the interpolant of least norm without a ridge. Eigenvalues of K that the
    error of the kernel may have made, those below ``tolerance`` tr K, count as 0; what y has
    along them is not fitted.

    Args:
        k_train: K(X, X), shape (n, n), symmetric.
        k_test: K(x, X) at N other points, shape (N, n).
        y: targets, shape (n,) or (n, outputs).
        t: time, or T times in an array of shape (T,).
        ridge: lambda, in units of the kernel: the variance of the noise of y.
        prior: K(x, x) at the N points, shape (N, N); asks for the posterior of the Gaussian
            process with covariance K and noise ``ridge``, at t = inf.
        tolerance: relative error of the kernel, as given to ``kernel``.

    Returns:
        f_t, shape (N,) or (N, outputs); (T, ...) for an array of times; with ``prior`` the
        record ``Prediction(mean, covariance)``.

    Raises:
        ValueError: shapes that do not fit, NaN, a kernel that is not symmetric or has an
            eigenvalue below -tolerance tr K, a negative time or ridge, or both ``prior``
            and a finite time.

    References:
        Jacot, Gabriel and Hongler (2018), section 5; Rasmussen and Williams (2006), (2.25).

    Example:
        >>> import numpy as np
        >>> k = np.array([[2.0, 1.0], [1.0, 2.0]])
        >>> predict(k, k, [1.0, 2.0]).round(12)  # interpolates
        array([1., 2.])
        >>> predict(k, k[:1], [1.0, 0.0], t=[0.0, 1e-3]).round(6).tolist()  # then K y t/n
        [[0.0], [0.000999]]
    """
    train, test, target = _check(k_train, k_test, y)
    times = np.asarray(t, dtype=np.float64)
    if times.ndim > 1 or times.size == 0 or not np.all(times >= 0):
        raise ValueError(f"expected times >= 0 in one dimension, got {t!r}; leave t out for inf")
    if not 0 <= tolerance < 1:
        raise ValueError(f"expected a tolerance between 0 and 1, got {tolerance!r}; try 1e-10")
    if not 0 <= ridge < np.inf:
        raise ValueError(f"expected a ridge >= 0, got {ridge!r}; it is the variance of the noise")
    values, vectors = _spectrum(train, tolerance)
    weights = vectors.T @ target.reshape(len(target), -1)  # (n, outputs)
    basis = test @ vectors  # (N, n)
    flow = [basis @ (_filter(values, ridge, time / len(train)) * weights) for time in times.flat]
    mean = np.stack(flow).reshape(*times.shape, len(test), *target.shape[1:])
    if prior is None:
        return mean
    if not np.all(np.isinf(times)) or times.ndim:
        raise ValueError(f"expected t = inf with a prior, got {t!r}; leave out one of them")
    before = _matrix("prior", prior, (len(test), len(test)))
    gain = basis * _filter(values, ridge, np.inf)[:, 0]
    covariance = before - gain @ basis.T
    covariance = (covariance + covariance.T) / 2
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0))  # rounding
    return Prediction(mean, covariance)


def _filter(values: Array, ridge: float, time: float) -> Array:
    """(1 - exp(-(lambda + ridge) time))/(lambda + ridge), shape (n, 1); 0 for lambda = 0."""
    known = values > 0
    rate = np.where(known, values + ridge, 1.0)
    return np.where(known, -np.expm1(-rate * time) / rate, 0.0)[:, None]


def _spectrum(kernel: Array, tolerance: float) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of K; what may be an error of K is set to 0."""
    values, vectors = np.linalg.eigh(kernel)
    floor = max(tolerance, len(kernel) * np.finfo(float).eps) * float(np.trace(kernel))
    if values[0] < -floor:
        raise ValueError(
            f"expected a positive semi-definite k_train, got the eigenvalue {values[0]:.1e};"
            " pass a kernel, or its relative error as tolerance"
        )
    return np.where(values > floor, values, 0.0), vectors


def _check(k_train: ArrayLike, k_test: ArrayLike, y: ArrayLike) -> tuple[Array, Array, Array]:
    target = np.asarray(y, dtype=np.float64)
    if target.ndim not in (1, 2) or not target.size:
        raise ValueError(f"expected y of shape (n,) or (n, outputs), got {target.shape}; reshape")
    n = len(target)
    train = _matrix("k_train", k_train, (n, n))
    test = _matrix("k_test", k_test, (np.shape(k_test)[0] if np.ndim(k_test) else 0, n))
    _finite("y", target)
    if not np.allclose(train, train.T, rtol=0, atol=1e-8 * np.abs(train).max()):
        raise ValueError("expected a symmetric k_train, got another; pass kernel(network, x)")
    return (train + train.T) / 2, test, target


def _matrix(name: str, value: ArrayLike, shape: tuple[int, int]) -> Array:
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.shape != shape:
        raise ValueError(
            f"expected {name} of shape {shape}, got {matrix.shape}; rows are the points asked"
            " for, columns the training points"
        )
    _finite(name, matrix)
    return matrix


def _finite(name: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers in {name}, got NaN or infinity; remove them")
