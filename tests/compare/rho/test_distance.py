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
    result = kernel_distance(e, np.zeros((12, 12)), population=12)
    assert_allclose(result.mean, np.mean(e**2), rtol=1e-14)
    assert result.stderr == 0


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


@pytest.mark.parametrize(
    ("a", "b", "named", "message"),
    [
        (np.ones((3, 4)), np.ones((3, 4)), {}, "expected two square matrices"),
        (np.ones((3, 3)), np.ones((4, 4)), {}, "expected two square matrices"),
        (np.ones((2, 2)), np.ones((2, 2)), {}, "at least 3 rows"),
        (np.full((3, 3), np.nan), np.ones((3, 3)), {}, "expected finite kernels"),
        (np.ones((3, 3)), np.ones((3, 3)), {"population": 2}, "population of at least 3"),
    ],
)
def test_bad_matrices_are_refused(a: np.ndarray, b: np.ndarray, named: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel_distance(a, b, **named)
