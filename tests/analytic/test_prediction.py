"""Predictions of a kernel against the differential equation and independent solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from analytic import FullyConnected, Network, kernel, predict

NETWORK = Network(FullyConnected("tanh"), FullyConnected("softplus"))


@pytest.fixture
def problem(rng: np.random.Generator) -> tuple:
    x, new, y = rng.standard_normal((12, 4)), rng.standard_normal((5, 4)), rng.standard_normal(12)
    return kernel(NETWORK, x), kernel(NETWORK, new, x), y, kernel(NETWORK, new)


@pytest.mark.parametrize("t", [0.0, 0.3, 7.0, 300.0])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_the_flow_solves_its_differential_equation(problem: tuple, t: float, ridge: float) -> None:
    """In the dual variable: f = k a, da/dt = -((K + ridge) a - y)/n."""
    train, test, y, _ = problem
    slope = lambda _, a: (y - train @ a - ridge * a) / len(y)  # noqa: E731
    flow: Any = solve_ivp(slope, (0, t), np.zeros(12), rtol=1e-11, atol=1e-12, method="LSODA")
    a = flow.y[:, -1]
    assert_allclose(predict(train, test, y, t=t, ridge=ridge), test @ a, rtol=1e-7, atol=1e-9)


def test_the_residual_decays_by_the_matrix_exponential(problem: tuple) -> None:
    train, _, y, _ = problem
    times = np.array([0.1, 1.0, 10.0])
    residual = y - predict(train, train, y, t=times)
    exact = np.stack([expm(-train * t / len(y)) @ y for t in times])
    assert_allclose(residual, exact, atol=1e-12)


def test_ridge_regression_and_several_outputs(problem: tuple) -> None:
    train, test, y, _ = problem
    targets = np.stack([y, y**2], axis=1)
    exact = test @ np.linalg.solve(train + 0.1 * np.eye(12), targets)
    assert_allclose(predict(train, test, targets, ridge=0.1), exact, rtol=1e-10)
    assert_allclose(predict(train, test, targets, ridge=0.1, t=1e9), exact, rtol=1e-10)
    assert predict(train, test, targets, t=[1.0, 2.0]).shape == (2, 5, 2)


def test_the_posterior_agrees_with_another_library(rng: np.random.Generator) -> None:
    x, new, y = rng.standard_normal((9, 2)), rng.standard_normal((4, 2)), rng.standard_normal(9)
    rbf: Any = RBF(1.3)
    other: Any = GaussianProcessRegressor(rbf, alpha=0.2)
    other.optimizer = None
    other.fit(x, y)
    mean, covariance = map(np.asarray, other.predict(new, return_cov=True))
    ours = predict(rbf(x), rbf(new, x), y, ridge=0.2, prior=rbf(new))
    assert_allclose(ours.mean, mean, rtol=1e-10)
    assert_allclose(ours.covariance, covariance, atol=1e-12)


def test_a_singular_kernel_gives_the_interpolant_of_least_norm(rng: np.random.Generator) -> None:
    """Duplicates with different targets: their mean is predicted, and nothing explodes."""
    x = rng.standard_normal((8, 5))
    x[1] = x[0]
    y, new = rng.standard_normal(8), rng.standard_normal((6, 5))
    train, test = kernel(NETWORK, x), kernel(NETWORK, new, x)
    merged = np.append((y[0] + y[1]) / 2, y[2:])
    exact = kernel(NETWORK, new, x[1:]) @ np.linalg.solve(kernel(NETWORK, x[1:]), merged)
    assert_allclose(predict(train, test, y), exact, rtol=1e-6)
    assert_allclose(predict(train, test, y, t=1e12), exact, rtol=1e-4, atol=1e-4)
    assert_allclose(predict(train, train, y)[:2], merged[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.ones(5)}, r"expected k_train of shape \(5, 5\)"),
        ({"k_test": np.ones((5, 3))}, r"expected k_test of shape \(5, 12\)"),
        ({"k_train": np.tri(12)}, "expected a symmetric k_train"),
        ({"k_train": -np.eye(12)}, "expected a positive semi-definite k_train"),
        ({"y": np.full(12, np.nan)}, "expected finite numbers in y"),
        ({"t": -1.0}, "expected times >= 0"),
        ({"ridge": -1.0}, "expected a ridge >= 0"),
        ({"prior": np.eye(5), "t": 1.0}, "expected t = inf with a prior"),
        ({"prior": np.eye(4)}, r"expected prior of shape \(5, 5\)"),
    ],
)
def test_bad_input_gets_one_sentence(problem: tuple, change: dict, message: str) -> None:
    train, test, y, _ = problem
    arguments = {"k_train": train, "k_test": test, "y": y} | change
    with pytest.raises(ValueError, match=message):
        predict(**arguments)


def test_late_times_and_small_ridges_tend_to_the_limit(rng: np.random.Generator) -> None:
    """Eigenvalues that may be errors of the kernel do not grow with t, nor with 1/ridge."""
    x = rng.standard_normal((8, 5))
    x[:4] = x[4:]
    y = rng.standard_normal(8)
    train, test = kernel(NETWORK, x), kernel(NETWORK, rng.standard_normal((3, 5)), x)
    limit = predict(train, test, y)
    assert_allclose(predict(train, test, y, t=1e18), limit, rtol=1e-9)
    assert_allclose(predict(train, test, y, ridge=1e-15), limit, rtol=1e-6)
    posterior = predict(train, train, y, ridge=1e-15, prior=train)
    assert np.all(np.diag(posterior.covariance) >= 0)
