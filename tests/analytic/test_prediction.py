"""Predictions of a kernel against the differential equation and independent solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from analytic import FullyConnected, Kernels, Network, ensemble, kernel, predict
from empirical import FiniteNetwork

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


def kernels(network: Network, x: np.ndarray, new: np.ndarray) -> tuple[Kernels, Kernels, Kernels]:
    """On training points, between new and training points, and on new points."""
    return tuple(kernel(network, *p, kind="both") for p in ((x,), (new, x), (new,)))  # pyright: ignore


def printed(blocks: tuple[Kernels, Kernels, Kernels], y: np.ndarray, t: float) -> tuple:
    """Lee et al. (2019), (15) and (16) with eta = 1/n, as they stand there."""
    train, cross, test = blocks
    decay = np.eye(len(y)) - expm(-train.ntk * t / len(y))
    inverse = np.linalg.inv(train.ntk)
    mean = cross.ntk @ inverse @ decay @ y
    both = cross.ntk @ inverse @ decay @ cross.nngp.T
    middle = cross.ntk @ inverse @ decay @ train.nngp @ decay @ inverse @ cross.ntk.T
    return mean, test.nngp + middle - (both + both.T)


@pytest.fixture
def points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, new = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))
    return x, new, rng.standard_normal((4, 2))


@pytest.mark.parametrize("t", [0.0, 0.7, 5.0, 40.0])
def test_the_ensemble_is_the_printed_definition(points: tuple, t: float) -> None:
    x, new, y = points
    blocks = kernels(NETWORK, x, new)
    law = ensemble(*blocks, y, t=t)
    mean, covariance = printed(blocks, y, t)
    assert_allclose(law.mean, mean, atol=1e-12)
    assert_allclose(law.covariance, covariance, atol=1e-12)


def test_the_ensemble_at_several_times_and_late_ones(points: tuple) -> None:
    x, new, y = points
    blocks = kernels(NETWORK, x, new)
    law = ensemble(*blocks, y[:, 0], t=[0.0, 1.0, np.inf])
    assert law.mean.shape == (3, 3)
    assert law.covariance.shape == (3, 3, 3)
    assert not law.mean[0].any()
    assert_allclose(law.covariance[0], blocks[2].nngp, atol=1e-15)  # nothing is learnt at t = 0
    assert_allclose(law.mean[2], predict(blocks[0].ntk, blocks[1].ntk, y[:, 0]), rtol=1e-10)
    at_data = ensemble(blocks[0], blocks[0], blocks[0].nngp, y)
    assert_allclose(at_data.mean, y, rtol=1e-9)
    assert_allclose(at_data.covariance, 0, atol=1e-9)  # every network interpolates


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("t", [2.0, np.inf])
def test_proportional_kernels_give_a_posterior(points: tuple, ridge: float, t: float) -> None:
    """With T = c S and t = inf: the posterior of S, but for the noise of the ridge."""
    x, new, y = points
    s = [block.nngp for block in kernels(NETWORK, x, new)]
    blocks = [Kernels(k, 3 * k) for k in s]
    law = ensemble(blocks[0], blocks[1], blocks[2], y, t=t, ridge=3 * ridge)
    if np.isinf(t):
        exact = predict(s[0], s[1], y, ridge=ridge, prior=s[2])
        gain = s[1] @ np.linalg.inv(s[0] + ridge * np.eye(4))
        assert_allclose(law.mean, exact.mean, rtol=1e-10)
        assert_allclose(law.covariance, exact.covariance - ridge * gain @ gain.T, atol=1e-12)
    else:
        assert np.all(np.diag(law.covariance) < np.diag(s[2]))


@pytest.mark.slow
def test_linearised_networks_have_the_law_of_the_ensemble(points: tuple) -> None:
    """2,000 networks of width 256, each with its own J and start, in standard errors."""
    x, new, y = points
    network, seeds, width, t, ridge = Network(FullyConnected("erf")), 2000, 256, 20.0, 0.2
    both = torch.tensor(np.concatenate([x, new]))
    values = np.empty((seeds, 3, 2))
    for seed in range(seeds):
        starts, rows = _linearised(network, both, width, seed)
        theta = rows @ rows.T
        own, cross = theta[:4, :4] + ridge * np.eye(4), theta[4:, :4]
        learnt = np.linalg.solve(own, (np.eye(4) - expm(-own * t / 4)) @ (y - starts[:4, None]))
        values[seed] = starts[4:, None] + cross @ learnt
    law = ensemble(*kernels(network, x, new), y, t=t, ridge=ridge)
    bias = 3 / width  # of the kernels of a network of finite width, relative
    for output in range(2):
        sample = values[:, :, output]
        deviations = np.sqrt(np.diag(law.covariance))
        error = 4 * deviations / np.sqrt(seeds) + bias * (np.abs(law.mean[:, output]) + 1)
        assert np.all(np.abs(sample.mean(0) - law.mean[:, output]) < error)
        spread = np.outer(deviations, deviations) * (4 * np.sqrt(2 / seeds) + bias)
        assert np.all(np.abs(np.cov(sample.T) - law.covariance) < spread)
    train, cross, _ = kernels(network, x, new)
    posterior = predict(train.nngp, cross.nngp, y, ridge=ridge)
    assert np.max(np.abs(posterior - law.mean)) > 0.05  # another law


def _linearised(
    network: Network, x: torch.Tensor, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """f_0 and J at initialisation, for one hidden layer without biases: by hand."""
    f = FiniteNetwork(network, (3,), width, seed=seed, antisymmetric=False)
    w, v = (p.detach() for p in f.parameters())
    h = x @ w.T / 3**0.5
    slope = 2 / np.pi**0.5 * torch.exp(-(h**2))
    inner = (slope * v)[:, :, None] * x[:, None, :] / (3 * width) ** 0.5
    rows = torch.cat([torch.erf(h) / width**0.5, inner.flatten(1)], dim=1)
    return (torch.erf(h) @ v / width**0.5).numpy(), rows.numpy()


def test_blocks_of_different_kernels_are_refused(points: tuple) -> None:
    x, new, y = points
    train, cross, test = kernels(NETWORK, x, new)
    with pytest.raises(ValueError, match=r"got -[0-9.]+ where the error .* both kernels to ens"):
        predict(train.ntk, cross.ntk, y, prior=test.nngp)  # what users wrote before
    other = kernel(Network(FullyConnected("relu")), new, kind="nngp")
    with pytest.raises(ValueError, match="its blocks are not of one kernel"):
        ensemble(train, cross, other / 50, y)
    predict(train.nngp, cross.nngp, y, prior=test.nngp)


def test_duplicates_do_not_break_the_covariance(points: tuple) -> None:
    x, new, y = points
    x = np.concatenate([x, x])
    y = np.concatenate([y, y + 1])
    blocks = kernels(NETWORK, x, np.concatenate([new, x]))
    for t in (1.0, np.inf):
        law = ensemble(*blocks, y, t=t)
        assert np.all(np.diag(law.covariance) >= 0)
    posterior = predict(blocks[0].nngp, blocks[1].nngp, y, prior=blocks[2].nngp)
    assert np.all(np.diag(posterior.covariance) >= 0)
