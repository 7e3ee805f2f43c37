"""The closed form of the Hermite coefficients of erf, against integrals and balls."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from analytic.expectations.coefficients_of_erf import (
    ERF_COEFFICIENTS,
    erf_coefficients,
    erf_length,
    erf_rest,
)

SIZES = [0.0, 2.0**-30, 0.01, 0.3, 1.0, 1.7, 6.0, 40.0, 3e3]


def _exact(s: float, j: int) -> Any:
    """b_2j in 60 digits."""
    v = mpmath.mpf(s) ** 2
    t = 2 * v / (1 + 2 * v)
    root = mpmath.sqrt(mpmath.binomial(2 * j, j) / mpmath.mpf(4) ** j / (2 * j + 1))
    return 2 / mpmath.sqrt(mpmath.pi * (1 + 2 * v)) * root * (-t) ** j


@pytest.mark.parametrize("s", SIZES)
def test_every_coefficient_is_within_its_error(s: float) -> None:
    b = erf_coefficients(np.array([s]), np.zeros(1), 2000)[:, 0]
    with mpmath.workdps(60):
        for j in (0, 1, 2, 3, 10, 100, 999):
            exact = _exact(s, j)
            wrong = abs(mpmath.mpf(float(b[j])) - exact)
            assert wrong <= ERF_COEFFICIENTS * abs(exact) + mpmath.mpf(2) ** -1000


@pytest.mark.parametrize("s", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("order", [0, 2, 8])
def test_the_formula_is_the_integral(s: float, order: int) -> None:
    with mpmath.workdps(30):

        def integrand(z: Any) -> Any:
            basis = mpmath.hermite(order, z / mpmath.sqrt(2)) / mpmath.mpf(2) ** (order / 2)
            slope = 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-((s * z) ** 2))
            return slope * basis / mpmath.sqrt(math.factorial(order)) * mpmath.npdf(z)

        c = mpmath.quad(integrand, [-12, -2, 0, 2, 12])
        assert abs(c / mpmath.sqrt(order + 1) - _exact(s, order // 2)) < mpmath.mpf(10) ** -20


@pytest.mark.parametrize("s", SIZES[2:])
@pytest.mark.parametrize("terms", [0, 1, 8, 40, 400])
def test_the_rest_is_bounded_and_not_by_much_more(s: float, terms: int) -> None:
    with mpmath.workdps(2000):
        v = mpmath.mpf(s) ** 2
        t = 2 * v / (1 + 2 * v)
        whole, part = 1 / mpmath.sqrt(1 - t**2), mpmath.mpf(0)
        for j in range(-(-terms // 2)):
            part += mpmath.binomial(2 * j, j) / mpmath.mpf(4) ** j * t ** (2 * j)
        share = 1 - part / whole
        bound = erf_rest(np.array([s]), terms)[0]
        assert share <= bound <= max(1.3 * share, mpmath.mpf(2) ** -900)


def test_the_length_leaves_no_more_than_the_tail() -> None:
    for s in SIZES[2:-1]:
        terms = erf_length(s, 1e-13, 8192)
        assert terms == 8192 or erf_rest(np.array([s]), terms)[0] <= 1e-13
        assert terms == 8 or erf_rest(np.array([s]), terms - 8)[0] > 1e-13
