"""Standard errors, degrees of freedom and their intervals: exact cases and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from compare.rate.fits import fit_expansion, fit_floor, fit_joint, fit_power, leading
from compare.rate.interval_coverage import coverage
from compare.rate.sandwich import check_groups, excess_kurtosis, uncertainty
from compare.rate.statistics import clopper_pearson, student, student_of_mean

PAIR = np.array([1.0, 3.0])


def test_the_variance_of_one_mean_is_that_of_student() -> None:
    # one group, one parameter, mu the mean: the relative variance s^2/(n mean^2)
    d = np.array([1.0, 2.0, 3.0, 10.0])
    found = uncertainty(np.ones((1, 1)), np.array([d.mean()]), [d])
    assert found.stderr(0) == pytest.approx(d.std(ddof=1) / 2 / d.mean(), rel=1e-14)


def test_the_degrees_of_freedom_are_satterthwaites() -> None:
    # r = (-1/2, 1/2): v = 1, kurtosis max(6/2, 1 - 3) = 3; Var V/V^2 = 2/1 + 3/2 = 3.5
    one = uncertainty(np.ones((1, 1)), np.array([2.0]), [PAIR])
    assert one.freedom[0] == 1.0  # 2/3.5, but never below that of two values
    # nine groups of the same: each has a ninth of the variance, and nu is nine times as large
    many = uncertainty(np.ones((9, 1)), np.full(9, 2.0), [PAIR] * 9)
    assert many.freedom[0] == pytest.approx(9 * 2 / 3.5, rel=1e-14)
    # unequal groups: V = v_1/n^2 + ...; by hand for n = 2 and 4
    four = np.array([1.0, 3.0, 1.0, 3.0])
    found = uncertainty(np.ones((2, 1)), np.full(2, 2.0), [PAIR, four])
    v1, v2 = 0.5 * 2, 1.0 * 4 / 3
    k = 6 * (v1 + v2) / 6
    noise = (v1**2 * (2 / 1 + k / 2) + v2**2 * (2 / 3 + k / 4)) / 2
    assert found.freedom[0] == pytest.approx((v1 + v2) ** 2 / noise, rel=1e-14)
    assert found.covariance[0, 0] == pytest.approx((v1 + v2) / 36, rel=1e-14)


def test_the_larger_kurtosis_is_taken() -> None:
    heavy = np.concatenate([np.full(50, -0.02), [1.0]])  # one value of 51 far out
    moments = np.mean(heavy**4) / np.mean(heavy**2) ** 2 - 3
    assert moments > 6 * np.mean(heavy**2)
    assert excess_kurtosis([heavy]) == pytest.approx(moments, rel=1e-14)


def test_values_without_spread_have_no_error() -> None:
    found = uncertainty(np.ones((1, 1)), np.array([2.0]), [np.full(3, 2.0)])
    assert found.stderr(0) == 0
    assert found.interval(5.0, 0, 0.99) == (5.0, 5.0)


def test_the_power_of_two_widths_has_the_error_of_a_ratio() -> None:
    # p = log(mean_1/mean_2)/log 2 exactly; its variance is the sum of both relative ones
    a, b = np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0])
    fit = fit_power([1, 2], [a, b], 0.9)
    variance = a.var(ddof=1) / 3 / 9 + b.var(ddof=1) / 2 / 1.5**2
    assert fit.exponent == pytest.approx(1.0, rel=1e-12)  # means 3 and 3/2
    assert fit.stderr == pytest.approx(np.sqrt(variance) / np.log(2), rel=1e-10)


def test_three_widths_determine_the_law_and_its_errors() -> None:
    m = np.array([1.0, 2.0, 4.0])
    groups = [np.array([9.0, 13.0]), np.array([5.0, 7.0, 6.0]), np.array([3.0, 5.0])]
    columns = np.column_stack([1 / m, 1 / m**2, np.ones(3)])
    inverse = np.linalg.inv(columns)
    means = np.array([d.mean() for d in groups])
    variances = np.array([d.var(ddof=1) / d.size for d in groups])
    law = fit_expansion([1, 2, 4], groups, 0.99)
    assert (law.constant, law.correction, law.floor) == pytest.approx(inverse @ means, rel=1e-9)
    exact = (inverse * variances) @ inverse.T
    np.testing.assert_allclose(law.covariance, exact, rtol=1e-8)
    np.testing.assert_allclose(law.mean(m), means, rtol=1e-9)
    middle = np.mean([law.constant_interval, law.correction_interval, law.floor_interval], axis=1)
    np.testing.assert_allclose(middle, inverse @ means, rtol=1e-8)


def test_the_smallest_of_five_widths_is_left_out_of_the_exponent() -> None:
    five, d = [1, 2, 3, 4, 5], [PAIR] * 5
    assert leading(five, d) == ([2, 3, 4, 5], d[1:])
    assert leading(five[:4], d[:4]) == ([1, 2, 3, 4], d[:4])


@pytest.mark.parametrize(
    ("successes", "trials", "confidence", "low", "high"),
    [  # Clopper and Pearson (1934) and Newcombe (1998), table I, method 5
        (81, 263, 0.95, 0.2527, 0.3676),
        (15, 148, 0.95, 0.0578, 0.1617),
        (0, 20, 0.95, 0.0, 0.1684),
        (1, 29, 0.95, 0.0009, 0.1776),
    ],
)
def test_the_binomial_interval_is_the_published_one(
    successes: int, trials: int, confidence: float, low: float, high: float
) -> None:
    found = clopper_pearson(successes, trials, confidence)
    assert found == pytest.approx((low, high), abs=5.1e-5)


def test_the_binomial_interval_has_its_tails_on_both_sides() -> None:
    low, high = clopper_pearson(7, 20, 0.9)
    assert stats.binom.sf(6, 20, low) == pytest.approx(0.05, rel=1e-9)
    assert stats.binom.cdf(7, 20, high) == pytest.approx(0.05, rel=1e-9)
    assert clopper_pearson(20, 20, 0.9)[1] == 1.0


def test_students_interval_is_the_published_one() -> None:
    # t(0.975, 4) = 2.776, t(0.975, 10) = 2.228 (Student 1908, any table)
    assert student(0.0, 1.0, 0.95, 4)[1] == pytest.approx(2.776, abs=5e-4)
    values = np.arange(11.0)  # standard deviation sqrt(11)
    low, high = student_of_mean(values, 0.95)
    assert (high - low) / 2 == pytest.approx(2.228, abs=5e-4)
    assert high + low == pytest.approx(10, rel=1e-14)


def test_intervals_are_calibrated() -> None:
    """The worst of the issue's families, chi-square with one degree of freedom, 100 seeds.

    ``benchmarks/interval_coverage.py`` has all of them; docs/theory/convergence.md its table.
    """
    widths = [64, 128, 256, 512, 1024, 2048]
    found = coverage(widths, [100] * 6, np.sqrt(2), repeats=2000)
    assert all(0.93 <= share <= 0.97 for share in found[:4])


def test_intervals_of_few_seeds_cover() -> None:
    found = coverage([64, 128, 256, 512, 1024, 2048], [10] * 6, 2.0, repeats=400)
    # 0.95 less 3 standard errors of a share of 400; the number of seeds alone covers 88 %
    assert min(found[:4]) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(3), "only zeros in group 2: a distance"),
        (np.array([1.0]), "at least 2 values in every group, got 1 in group 2"),
        (np.array([1.0, np.nan]), "expected finite values of at least 0, got nan in group 2"),
        (np.array([1.0, -2.0]), r"expected finite values of at least 0, got -2.0 in group 2"),
        (np.array([1.0, np.inf]), "got inf in group 2"),
    ],
)
def test_groups_to_which_no_law_can_be_fitted_are_refused(bad: np.ndarray, message: str) -> None:
    groups, three = [PAIR, bad, PAIR], [1, 2, 4]
    with pytest.raises(ValueError, match=message):
        check_groups(groups)
    for fit in (
        lambda: fit_power(three, groups), lambda: fit_expansion(three, groups),
        lambda: fit_joint(three, three, groups), lambda: fit_floor(three, three, groups),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fit()
