"""The error function in extended precision, against mpmath at 30 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic.expressions.extended_functions import ERF_ROUNDINGS, extended_erf, extended_normal_cdf
from analytic.machine import EXTENDED

mp: Any = mpmath


def exactly(x: Any) -> Any:
    high = float(x)
    return mp.mpf(high) + mp.mpf(float(x - np.longdouble(high)))


def points(low: float, high: float, logarithmic: bool = False) -> np.ndarray:
    spread = np.random.default_rng(0).uniform(low, high, 1500).astype(np.longdouble)
    return np.longdouble(10) ** spread if logarithmic else spread


def roundings(found: np.ndarray, function: Any, x: np.ndarray) -> np.ndarray:
    """Relative errors in units of roundoff."""
    with mp.workdps(30):
        true = [function(exactly(value)) for value in x]
        errors = [(exactly(f) - t) / t for f, t in zip(found, true, strict=True)]
    return np.abs(np.array(errors, dtype=np.float64)) / EXTENDED


@pytest.mark.parametrize("x", [points(-6, 6), points(-9, 0.2, logarithmic=True)])
def test_the_error_function_is_known_to_its_last_digits(x: np.ndarray) -> None:
    worst = roundings(extended_erf(x), mp.erf, x).max()
    assert worst <= ERF_ROUNDINGS / 4


@pytest.mark.parametrize("x", [points(-4, 8), -points(-3, 1.5, logarithmic=True)])
def test_so_is_the_normal_distribution_function_also_in_its_tail(x: np.ndarray) -> None:
    own = ERF_ROUNDINGS + np.where(x < 0, x**2, 0)
    assert (roundings(extended_normal_cdf(x), mp.ncdf, x) <= own / 1.5).all()


def test_it_is_odd_and_goes_through_0() -> None:
    x = points(0, 7)
    assert (extended_erf(-x) == -extended_erf(x)).all()
    assert extended_erf(np.longdouble(0)) == 0


def test_erf_ends_at_one_and_has_the_shape_of_its_argument() -> None:
    assert extended_erf(np.array([[-np.inf, np.inf], [-9.0, 9.0]])).tolist() == [[-1, 1], [-1, 1]]
    assert np.isnan(extended_erf(np.nan))
    assert np.shape(extended_erf(0.25)) == ()
