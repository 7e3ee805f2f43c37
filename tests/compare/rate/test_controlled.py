"""Groups with a control variate: unbiased, as narrow as they say, and what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.rate import Controlled, Distances, fit_floor, fit_joint, fit_power
from compare.rate.sandwich import uncertainty

PAIRS = [(m, n) for m in (32, 128, 512) for n in (32, 128, 512)]
M, N = [m for m, _ in PAIRS], [n for _, n in PAIRS]


def drawn(rng: np.random.Generator, mean: float, few: int = 6, many: int = 200) -> Controlled:
    """A gamma law (coefficient of variation 1) whose model misses a tenth, and noise of a tenth."""
    model = rng.gamma(1, mean, few)
    values = model * 1.1 + rng.gamma(1, 0.1 * mean, few)
    return Controlled(values, model, rng.gamma(1, mean, many))


def mean_of(law: float) -> float:
    """E D = 1.1 E D' + 0.1 E D'."""
    return law / 1.2


def test_the_mean_is_unbiased_and_varies_as_it_says(rng: np.random.Generator) -> None:
    groups = [drawn(rng, 1.0) for _ in range(4000)]
    means = np.array([group.mean() for group in groups])
    said = np.mean([sum(group.variances()) for group in groups])
    assert abs(means.mean() - 1.2) < 4 * means.std() / np.sqrt(len(means))
    exact = 1 / 200 + (0.01 + 0.01) / 6  # of the model's mean; of D - D' = (D' + noise)/10
    assert_allclose([means.var(), said], exact, rtol=4 * np.sqrt(6 / 4000))


def test_intervals_of_exponents_are_calibrated_and_narrow(rng: np.random.Generator) -> None:
    covered, width, repeats = np.zeros(4), [], 400
    for _ in range(repeats):
        bent: list[Distances] = [drawn(rng, mean_of(2 / m + 3 / n**0.75)) for m, n in PAIRS]
        fit = fit_joint(M, N, bent, 0.9)
        covered[0] += fit.width_interval[0] <= 1.0 <= fit.width_interval[1]
        covered[1] += fit.sample_interval[0] <= 0.75 <= fit.sample_interval[1]
        straight: list[Distances] = [drawn(rng, mean_of(2 / m + 3 / n)) for m, n in PAIRS]
        low, high = fit_floor(M, N, straight, 0.9).interval
        covered[2] += low <= 0 <= high
        line: list[Distances] = [drawn(rng, mean_of(2 / m)) for m in (32, 128, 512)]
        low, high = fit_power([32, 128, 512], line, 0.9).interval
        covered[3] += low <= 1 <= high
        plain = fit_power([32, 128, 512], [g.values for g in line if isinstance(g, Controlled)])
        width.append((high - low) / (plain.interval[1] - plain.interval[0]))
    assert np.all(np.abs(covered / repeats - 0.9) < 4 * np.sqrt(0.09 / repeats)), covered
    assert np.median(width) < 0.2  # sqrt(1/200 + 0.02/6) against sqrt(1/6), and fewer degrees


def test_a_control_that_knows_nothing_says_so(rng: np.random.Generator) -> None:
    """Independent of the values: the interval is then wider than without."""
    values = [rng.gamma(4, 1 / m, 8) for m in (8, 32, 128)]
    groups: list[Distances] = [
        Controlled(d, rng.permutation(d), rng.permutation(d)) for d in values
    ]
    with_, without = fit_power([8, 32, 128], groups), fit_power([8, 32, 128], values)
    assert with_.stderr > 1.2 * without.stderr
    bad = Controlled(np.ones(3), np.full(3, 5.0), np.ones(4))
    with pytest.raises(
        ValueError, match="expected a mean above 0 in group 2, got -3 by its control"
    ):
        fit_power([8, 16], [np.ones(2), bad])


def test_degrees_of_freedom_are_those_of_both_means() -> None:
    """One group and one parameter: V = V_1 + V_2 with 2/(n - 1) + k/n each."""
    apart = np.array([-1.0, 0.0, 1.0])
    group = Controlled(10 + apart, np.full(3, 10.0), np.array([9.0, 9.0, 11.0, 11.0]))
    found = uncertainty(np.ones((1, 1)), np.array([10.0]), [group])
    first, second = (4 / 3) / 4, 1 / 3
    assert_allclose(found.covariance, (first + second) / 100, rtol=1e-12)
    kurtosis = max(6 * 0.04 / 3, 1 - 3)  # a gamma law's with that spread, or the sample's
    shares = np.array([first, second]) / (first + second)
    noise = shares**2 @ (2 / np.array([3, 2]) + kurtosis / np.array([4, 3]))
    assert_allclose(found.freedom, 2 / noise, rtol=1e-12)
