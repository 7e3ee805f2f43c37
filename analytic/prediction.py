r"""What a kernel itself predicts: gradient flow in closed form, and its Gaussian process.

With the loss |f(X) - y|^2/(2n) and f = 0 at the start, the residual r_t of kernel gradient
flow obeys dr_t/dt = -K r_t/n on the training points (Bowman and Montufar 2022, section 2.2).
An eigendecomposition K = U diag(lambda) U^T gives the function at any time,

    f_t(x) = k(x, X) U g_t(lambda) U^T y,    g_t(lambda) = (1 - exp(-lambda t/n))/lambda,

for the eigenvalues that are known; those that the error of the kernel may have made are left
out at every t.

A wide network starts at a draw of the Gaussian process with covariance S (the NNGP kernel) and
follows the flow of the tangent kernel T from there. With A_t = U g_t U^T of T(X, X) the trained
networks are f_t = f_0 + T(x, X) A_t (y - f_0(X)), another Gaussian process (``ensemble``):

    mean = G y,    cov = S(x, x) - G S(X, x) - S(x, X) G^T + G S(X, X) G^T,    G = T(x, X) A_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analytic.arrays import numbers
from analytic.machine import Array
from analytic.results import Kernels

__all__ = ["Prediction", "ensemble", "predict"]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A Gaussian process given the data.

    Attributes:
        mean: shape (N,) or (N, outputs), or (T, ...) at T times.
        covariance: of the N values, shape (N, N), or (T, N, N).
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
            eigenvalue below -tolerance tr K, a negative time or ridge, both ``prior`` and a
            finite time, or a ``prior`` that is not of the same kernel: the covariance would have
            an eigenvalue further below 0 than the error of the kernel explains.

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
    times = _options(t, ridge, tolerance)
    values, vectors = _spectrum(train, tolerance)
    basis = test @ vectors  # (N, n)
    gains = _gains(values, vectors, basis, times, ridge)
    mean = np.stack([gain @ target for gain in gains])
    mean = mean.reshape(*times.shape, len(test), *target.shape[1:])
    if prior is None:
        return mean
    if not np.all(np.isinf(times)) or times.ndim:
        raise ValueError(f"expected t = inf with a prior, got {t!r}; leave out one of them")
    before = _matrix("prior", prior, (len(test), len(test)))
    covariance = before - (basis * _filter(values, ridge, np.inf)[:, 0]) @ basis.T
    scale = float(np.trace(before) + np.trace(train))
    return Prediction(mean, _semidefinite(covariance, gains[0], scale, tolerance, _OTHER_PRIOR))


_OTHER_PRIOR = (
    "the prior is not of the kernel of k_train and k_test; pass one kernel for all three, or for"
    " networks trained by gradient flow both kernels to ensemble()"
)
_OTHER_BLOCKS = "its blocks are not of one kernel; pass kernel(network, ..., kind='both') for each"


def ensemble(
    train: Kernels,
    cross: Kernels,
    test: Kernels | ArrayLike,
    y: ArrayLike,
    *,
    t: ArrayLike = np.inf,
    ridge: float = 0.0,
    tolerance: float = 1e-10,
) -> Prediction:
    r"""The law of wide networks with random initial weights, trained to time t.

    .. math:: f_t = f_0 + T(x, X) A_t (y - f_0(X)),
        \quad A_t = (T + \lambda)^{-1} (1 - e^{-(T + \lambda) t/n}),
        \quad f_0 \sim N(0, S)

    with the tangent kernel T and the kernel S of the Gaussian process at the start, for the
    loss ``(|f - y|^2 + lambda |theta - theta_0|^2)/(2n)``, lambda = ``ridge``. It is no
    posterior: S and T are different kernels. Networks with antisymmetric initialisation start
    at 0 and follow the mean, without any variance.

    Args:
        train: S and T on (X, X), as ``kernel(network, x, kind="both")`` returns them.
        cross: on (x, X) for N other points x, shape (N, n) each.
        test: on (x, x), or S there alone, shape (N, N).
        y: targets, shape (n,) or (n, outputs); outputs are independent and have one covariance.
        t: time, or T times in an array of shape (T,).
        ridge: lambda.
        tolerance: relative error of the kernels, as given to ``kernel``.

    Returns:
        mean, shape (N,) or (N, outputs), and covariance of the N values, shape (N, N); with T in
        front for an array of times.

    Raises:
        ValueError: shapes that do not fit, NaN, kernels that are none, or blocks of different
            kernels: the covariance would have an eigenvalue further below 0 than their error
            explains.

    References:
        Lee, Xiao, Schoenholz, Bahri, Novak, Sohl-Dickstein and Pennington (2019), (14) to (16),
        whose loss has no 1/n.

    Example:
        >>> import numpy as np
        >>> s = np.array([[1.0, 0.5], [0.5, 1.0]])  # on one training and one other point
        >>> part = lambda rows, columns: Kernels(s[rows, columns], 2 * s[rows, columns])
        >>> one, other = slice(0, 1), slice(1, 2)
        >>> law = ensemble(part(one, one), part(other, one), part(other, other), [3.0])
        >>> law.mean, law.covariance  # S and T are proportional: the posterior of S
        (array([1.5]), array([[0.75]]))
    """
    for name, given in (("train", train), ("cross", cross)):
        if not isinstance(given, Kernels):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"expected both kernels as {name}, got {type(given).__name__}; pass"
                " kernel(network, ..., kind='both')"
            )
    tangent, to_train, target = _check(train.ntk, cross.ntk, y)
    shape = to_train.shape
    start = _symmetric("train.nngp", train.nngp, len(tangent))
    start_cross = _matrix("cross.nngp", cross.nngp, shape)
    before = _symmetric("test", test.nngp if isinstance(test, Kernels) else test, shape[0])
    times = _options(t, ridge, tolerance)
    values, vectors = _spectrum(tangent, tolerance)
    scale = float(np.trace(before) + np.trace(start))
    means: list[Array] = []
    covariances: list[Array] = []
    for gain in _gains(values, vectors, to_train @ vectors, times, ridge):
        means.append(gain @ target)
        joint = gain @ start_cross.T
        covariance = before - joint - joint.T + gain @ start @ gain.T
        covariances.append(_semidefinite(covariance, gain, scale, tolerance, _OTHER_BLOCKS))
    mean = np.stack(means).reshape(*times.shape, *means[0].shape)
    return Prediction(mean, np.stack(covariances).reshape(*times.shape, *before.shape))


def _gains(values: Array, vectors: Array, basis: Array, times: Array, ridge: float) -> list[Array]:
    """K(x, X) (K + ridge)^-1 (1 - exp(-(K + ridge) t/n)) for each time, shape (N, n)."""
    n = len(values)
    return [(basis * _filter(values, ridge, time / n)[:, 0]) @ vectors.T for time in times.flat]


def _semidefinite(
    covariance: Array, gain: Array, scale: float, tolerance: float, reason: str
) -> Array:
    """The covariance, symmetric with variances >= 0; raises unless rounding explains the rest.

    To first order an error E of the kernel on all points changes it by [1, -G] E [1, -G]^T, and
    |E| <= tolerance times the trace of the kernel.
    """
    covariance = (covariance + covariance.T) / 2
    size = scale * (1 + np.linalg.norm(gain, 2) ** 2)
    floor = max(tolerance, (len(gain) + gain.shape[1]) * np.finfo(float).eps) * size
    least = float(np.linalg.eigvalsh(covariance)[0])
    if least < -floor:
        raise ValueError(
            f"expected a covariance without negative eigenvalues, got {least:.2g} where the error"
            f" of the kernel explains {-floor:.1g}: {reason}"
        )
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0))
    return covariance


def _options(t: ArrayLike, ridge: float, tolerance: float) -> Array:
    """The times; raises unless all three are in range."""
    times = np.asarray(t, dtype=np.float64)
    if times.ndim > 1 or times.size == 0 or not np.all(times >= 0):
        raise ValueError(f"expected times >= 0 in one dimension, got {t!r}; leave t out for inf")
    if not 0 <= tolerance < 1:
        raise ValueError(f"expected a tolerance between 0 and 1, got {tolerance!r}; try 1e-10")
    if not 0 <= ridge < np.inf:
        raise ValueError(f"expected a ridge >= 0, got {ridge!r}; it is the variance of the noise")
    return times


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
    target = numbers("y", y).astype(np.float64)
    if target.ndim not in (1, 2) or not target.size:
        raise ValueError(f"expected y of shape (n,) or (n, outputs), got {target.shape}; reshape")
    n = len(target)
    train = _matrix("k_train", k_train, (n, n))
    test = _matrix("k_test", k_test, (np.shape(k_test)[0] if np.ndim(k_test) else 0, n))
    _finite("y", target)
    return _even("k_train", train), test, target


def _symmetric(name: str, value: ArrayLike, size: int) -> Array:
    return _even(name, _matrix(name, value, (size, size)))


def _even(name: str, matrix: Array) -> Array:
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-8 * np.abs(matrix).max()):
        raise ValueError(f"expected a symmetric {name}, got another; pass kernel(network, x)")
    return (matrix + matrix.T) / 2


def _matrix(name: str, value: ArrayLike, shape: tuple[int, int]) -> Array:
    matrix = numbers(name, value).astype(np.float64)
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
