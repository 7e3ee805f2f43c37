"""The unbiased distance and its standard error."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare import kernel_distance


def features(x: np.ndarray) -> np.ndarray:
    """A random-looking symmetric function of two inputs."""
    return np.cos(x[:, None] + x) + np.exp(-((x[:, None] - x) ** 2))


def test_the_estimate_is_unbiased_and_its_error_calibrated(rng: np.random.Generator) -> None:
    # for x uniform on a fine grid the double integral is a double sum
    grid = np.linspace(-2, 2, 2001)
    exact = np.mean(features(grid) ** 2)
    estimates = []
    for _ in range(600):
        x = rng.uniform(-2, 2, 30)
        estimates.append(kernel_distance(features(x), np.zeros((30, 30))))
    means = np.array([e.mean for e in estimates])
    errors = np.array([e.stderr for e in estimates])
    assert abs(means.mean() - exact) < 4 * means.std() / np.sqrt(600)
    # 600 draws: 4 standard errors of a standard deviation are 12 %
    assert 0.88 < means.std() / np.sqrt(np.mean(errors**2)) < 1.12
    plain = [np.mean(features(rng.uniform(-2, 2, 30)) ** 2) for _ in range(4000)]
    assert np.mean(plain) - exact > 5 * np.std(plain) / np.sqrt(4000)  # the diagonal biases


def test_a_whole_population_has_no_sampling_error(rng: np.random.Generator) -> None:
    e = rng.standard_normal((12, 12))
    e += e.T
    result = kernel_distance(e, np.zeros((12, 12)), population=12)
    assert_allclose(result.mean, np.mean(e**2), rtol=1e-14)
    assert result.stderr == 0
    assert_allclose(result.operator, np.abs(np.linalg.eigvalsh(e)).max() / 12, rtol=1e-12)
    assert result.maximal == np.abs(e).max()
    assert result.relative == np.inf


def test_a_sample_of_a_population_is_unbiased(rng: np.random.Generator) -> None:
    population = rng.uniform(-2, 2, 25)
    exact = np.mean(features(population) ** 2)
    results = []
    for _ in range(2000):
        x = rng.permutation(population)[:10]
        results.append(kernel_distance(features(x), np.zeros((10, 10)), population=25))
    means = np.array([r.mean for r in results])
    assert abs(means.mean() - exact) < 4 * means.std() / np.sqrt(2000)
    assert 0.7 < means.std() / np.sqrt(np.mean([r.stderr**2 for r in results])) < 1.2


def test_the_relative_distance_has_a_calibrated_error(rng: np.random.Generator) -> None:
    grid = np.linspace(-2, 2, 2001)
    exact = np.mean(features(grid) ** 2) / np.mean((1 + np.multiply.outer(grid, grid)) ** 2)
    found = []
    for _ in range(600):
        x = rng.uniform(-2, 2, 40)
        other = 1 + np.multiply.outer(x, x)
        found.append(kernel_distance(other + features(x), other))
    values = np.array([f.relative for f in found])
    errors = np.array([f.relative_stderr for f in found])
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(600) + values.var() / exact
    assert 0.85 < values.std() / np.sqrt(np.mean(errors**2)) < 1.15


def test_the_square_of_the_bias_is_not_inflated_by_noise(rng: np.random.Generator) -> None:
    n, s = 6, 5
    bias = 0.1 * features(np.linspace(-1, 1, n))
    squared = (np.sum(bias**2) - np.sum(np.diag(bias) ** 2)) / (n * (n - 1))
    found = []
    for _ in range(800):
        noise = rng.standard_normal((s, n, n))
        found.append(kernel_distance(bias + noise + noise.swapaxes(1, 2), np.zeros((n, n))))
    estimates = np.array([f.bias for f in found])
    assert abs(estimates.mean() - squared) < 4 * estimates.std() / np.sqrt(800)
    means = np.array([f.mean for f in found])
    assert abs(means.mean() - squared - 2) < 4 * means.std() / np.sqrt(800)  # variance 1 + 1
    assert np.isnan(kernel_distance(bias, np.zeros((n, n))).bias)


def test_of_several_kernels_the_mean_and_the_worst_are_given() -> None:
    stack = np.stack([np.ones((4, 4)), 3 * np.ones((4, 4))])
    found = kernel_distance(stack, np.zeros((4, 4)))
    assert (found.mean, found.maximal, round(found.operator, 12)) == (5.0, 3.0, 3.0)
    assert found.bias == 3.0


@pytest.mark.parametrize(
    ("a", "b", "named", "message"),
    [
        (np.ones((3, 4)), np.ones((3, 4)), {}, "expected two square matrices"),
        (np.ones((3, 3)), np.ones((4, 4)), {}, "expected two square matrices"),
        (np.ones((2, 2)), np.ones((2, 2)), {}, "at least 3 rows"),
        (np.ones((0, 3, 3)), np.ones((3, 3)), {}, "at least 3 rows"),
        (np.triu(np.ones((3, 3))), np.ones((3, 3)), {}, "expected symmetric kernels"),
        (np.ones((3, 3)), np.triu(np.ones((3, 3))), {}, "expected symmetric kernels"),
        (np.full((3, 3), np.nan), np.ones((3, 3)), {}, "expected finite kernels"),
        (np.ones((3, 3)), np.ones((3, 3)), {"population": 2}, "population of at least 3"),
    ],
)
def test_bad_matrices_are_refused(a: np.ndarray, b: np.ndarray, named: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel_distance(a, b, **named)
