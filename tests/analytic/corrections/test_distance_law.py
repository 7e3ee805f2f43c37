"""The law of a weighted sum of chi-squares, and of the distance of finite networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy
import torch
from networks.fluctuating import NETWORKS, points
from oracles.conditional_sampling import sample_kernels

from analytic import AccuracyError, kernel
from analytic.corrections import DistanceLaw, distance_law, fluctuation

X = points()


@pytest.mark.parametrize("degrees", [1, 2, 5, 40])
def test_equal_eigenvalues_are_a_chi_square(degrees: int) -> None:
    law = DistanceLaw(np.full(degrees, 3.0))
    for q in (0.1, 1.0, 3.0 * degrees, 10.0 * degrees):
        exact = scipy.stats.chi2.cdf(q / 3, degrees)
        assert abs(law.probability(q) - exact) <= law.error(q)
    assert law.error(3.0) < (1e-14 if degrees == 1 else 1e-5 if degrees == 2 else 2e-7)


def test_pairs_of_eigenvalues_are_a_sum_of_exponentials() -> None:
    """2 a Exp + 2 b Exp: P(Q > q) = (a exp(-q/2a) - b exp(-q/2b))/(a - b)."""
    a, b = 2.0, 0.5
    law = DistanceLaw(np.array([a, a, b, b]))
    for q in (0.5, 2.0, 8.0, 30.0):
        exact = 1 - (a * math.exp(-q / 2 / a) - b * math.exp(-q / 2 / b)) / (a - b)
        assert abs(law.probability(q) - exact) <= law.error(q) < 2e-7


def test_quantiles_and_widths_invert_the_probability() -> None:
    law = DistanceLaw(np.array([2.0, 1.0, 0.5, 0.25, 0.1]))
    for p in (0.01, 0.5, 0.99):
        assert law.probability(law.quantile(p)) == pytest.approx(p, abs=1e-8)
    m = law.required_width(0.01, 0.05)
    assert law.probability(m * 0.01) >= 0.95 > law.probability((m - 1) * 0.01)
    assert m < law.mean / (0.01 * 0.05)  # Markov


@pytest.mark.slow
def test_its_mean_is_the_mean_of_the_variances() -> None:
    """Eigenvalues below 1e-10 of the sum are dropped, ten of them at most; rules at 2e-7."""
    network = NETWORKS["tanh, 2 layers"]
    c = fluctuation(network, X)
    assert distance_law(network, X).mean == pytest.approx(c.mean(), rel=4e-7)
    off = c[~np.eye(4, dtype=bool)].mean()
    assert distance_law(network, X, diagonal=False).mean == pytest.approx(off, rel=4e-7)


@pytest.mark.slow
def test_the_distance_of_wide_networks_has_the_law() -> None:
    """Kolmogorov's distance of 4000 networks stays below its 99.9 % point, 1.95/sqrt(4000).

    At width 1024 the corrections to the law, of 3 % of m D, move its distribution function by
    less than 0.01, a third of that. A chi-square of as many degrees as pairs, with the same
    mean, fails.
    """
    network, width, count = NETWORKS["tanh, 2 layers"], 1024, 4000
    generator = torch.Generator().manual_seed(2)
    k = np.concatenate(
        [
            sample_kernels(network, torch.from_numpy(X), width, 500, generator).numpy()
            for _ in range(count // 500)
        ]
    )
    distances = np.sort(width * ((k - kernel(network, X)) ** 2).mean(axis=(1, 2)))
    law = distance_law(network, X)
    naive = DistanceLaw(np.full(10, law.mean / 10))
    ranks = (np.arange(count) + 0.5) / count
    places = slice(0, None, 40)

    def kolmogorov(which: DistanceLaw) -> float:
        found = np.array([which.probability(float(q)) for q in distances[places]])
        return float(np.abs(found - ranks[places]).max())

    assert kolmogorov(law) < 1.95 / math.sqrt(count)
    assert kolmogorov(naive) > 3 * 1.95 / math.sqrt(count)


def test_far_tails_are_certain_and_their_quantiles_refused() -> None:
    """The trapezoidal rule ends somewhere: its sum at 1e10 was 0.5, a quantile of 1e-12 zero."""
    law = DistanceLaw(np.array([2.0, 1.0, 0.5, 0.25]))
    for q in (1e3, 1e10, 1e300, math.inf):
        assert law.probability(q) == 1
        assert law.error(q) <= 1e-9
    for p in (1e-12, 1 - 1e-9, 1 - 1e-16):
        with pytest.raises(AccuracyError, match="further from 0 and 1 than its error"):
            law.quantile(p)
    with pytest.raises(AccuracyError):
        law.required_width(0.1, 1e-12)


@pytest.mark.parametrize("wrong", [[], [0.0], [1.0, 2.0], [1.0, -1.0], [math.nan], [math.inf, 1.0]])
def test_eigenvalues_are_positive_and_decreasing(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="expected positive, finite, decreasing eigenvalues"):
        DistanceLaw(np.array(wrong))


def test_bad_input_is_refused() -> None:
    law = DistanceLaw(np.ones(3))
    with pytest.raises(TypeError, match="array of float64 as eigenvalues, got list"):
        DistanceLaw([1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a number as q, got str"):
        law.probability("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a number as q, got nan"):
        law.error(math.nan)
    with pytest.raises(ValueError, match="0 < probability < 1, got 1"):
        law.quantile(1)
    with pytest.raises(ValueError, match="epsilon > 0 and 0 < delta < 1"):
        law.required_width(0.1, 0)
    for epsilon in (1e-320, 1e-300):
        with pytest.raises(ValueError, match="expected an epsilon that some network reaches"):
            law.required_width(epsilon, 0.1)
    with pytest.raises(ValueError, match="at least two inputs"):
        distance_law(NETWORKS["tanh, 1 layer"], X[:1], diagonal=False)
    with pytest.raises(ValueError, match="got one that is always the same"):
        distance_law(NETWORKS["tanh, 2 layers"], np.zeros((2, 5)))
