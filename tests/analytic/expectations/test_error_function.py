"""Moments of erf by their formula, against more digits and against the tables of its integrals."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import Activation
from analytic.expectations import LOWEST, moments
from analytic.expectations.chebyshev_sums import fill_moments
from analytic.expectations.error_function import ERF_SECOND, ERF_SLOPE, erf_moments
from analytic.expectations.node_tables import CURVATURE, FIRST, JERK, RESPONSE_D, RESPONSE_E, SLOPE
from analytic.expectations.octaves import segment
from analytic.machine import UNIT


def _exact(s: float) -> tuple[Any, Any]:
    """E w^2 and E w'^2."""
    v = mpmath.mpf(s) ** 2
    return (
        2 / mpmath.pi * mpmath.asin(2 * v / (1 + 2 * v)),
        4 / mpmath.pi / mpmath.sqrt(1 + 4 * v),
    )


def test_moments_keep_their_bounds(rng: np.random.Generator) -> None:
    """At all sizes of s, and on both sides of t = 1/2, where the formula changes."""
    middle = np.sqrt(0.5) * (1 + np.arange(-20, 20) * 2.0**-52)
    s = np.concatenate([2.0 ** rng.uniform(-60, 60, 400), 2.0 ** rng.uniform(-4, 4, 2000), middle])
    found, _ = erf_moments(s, np.zeros_like(s))
    with mpmath.workdps(60):
        for at, second, slope in zip(s, *found[:2], strict=True):
            exact = _exact(at)
            assert abs(second / exact[0] - 1) <= ERF_SECOND
            assert abs(slope / exact[1] - 1) <= ERF_SLOPE


def test_ends_of_the_range() -> None:
    s = np.array([0.0, 1e-150, 1e150])
    found = moments(Activation("erf"), s)
    np.testing.assert_allclose(found.second, [0, 4 / np.pi * 1e-300, 1], rtol=4 * UNIT)
    np.testing.assert_allclose(found.slope, 4 / np.pi / np.array([1, 1, 2e150]), rtol=4 * UNIT)


@pytest.mark.parametrize("octave", [-3, 0, 2])
def test_they_are_what_the_tables_say(octave: int) -> None:
    """Integrals of w'' and w''' by quadrature, with the error that amplification grants them."""
    s = 2.0**octave * np.linspace(1, 2, 7, endpoint=False)
    assert octave > LOWEST
    table, second = np.empty((FIRST, s.size)), np.empty(s.size)
    none, part = np.zeros_like(s), segment(Activation("erf"), octave)
    fill_moments(part, (s, none), np.arange(s.size), table, (second, none.copy()))
    rows = (SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D)
    for found, known in zip(
        erf_moments(s, np.zeros_like(s))[0], (second, *table[list(rows)]), strict=True
    ):
        np.testing.assert_allclose(found, known, rtol=2e-12)
