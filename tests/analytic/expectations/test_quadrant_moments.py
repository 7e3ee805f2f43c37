"""Units of cubic pieces at small angles: the compiled sums against panels in two dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.kink_sums import ClosedForm, apart_from_panels

from analytic.activation import Activation
from analytic.expectations import (
    CLOSE_POWERS,
    FARTHEST_LINES,
    TOGETHER,
    kink_powers,
    quadrant_sums,
)
from analytic.expectations.activation_moments import moments

PIECES = {
    "hardswish": (-3.0, 3.0),
    "max(x, 0)*max(1 - x, 0)": (0.0, 1.0),
    "max(x, 0)**2": (0.0,),
    "max(x, 0)**3 - max(x - 1, 0)**3 + max(-x - 1/2, 0)**2": (-0.5, 0.0, 1.0),
    "max(x + 1, 0)**2/2 + x + x**3/5 - 1": (-1.0,),
}
"""Quadratic and cubic ones, with kinks on both sides of 0 and there, and where they are."""


FORM = ClosedForm(kink_powers, quadrant_sums, CLOSE_POWERS)


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [0.0, 1e-12, 1e-8])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", PIECES)
def test_sums_agree_with_panels(name: str, side: int, allowed: float) -> None:
    apart, error = apart_from_panels(FORM, name, PIECES[name], side, allowed)
    assert apart.max() <= error + 4e-14


def test_far_kinks_are_not_seen() -> None:
    """At deviations of 1e-6 hardswish is x/2 + x^2/6: the square adds some 1e-13."""
    s, small = np.full(TOGETHER + 1, 1e-6), np.geomspace(1e-12, FARTHEST_LINES, TOGETHER)
    e, d, error = FORM.relative("hardswish", s, small, 0)
    np.testing.assert_allclose(e, 1 - small, rtol=0, atol=error + 1e-12)
    np.testing.assert_allclose(d, 1.0, rtol=0, atol=error + 1e-12)


@pytest.mark.parametrize("name", PIECES)
def test_equal_units_have_their_own_moments(name: str) -> None:
    s = np.full(TOGETHER + 1, 1.3)
    e, d, error = FORM.relative(name, s, np.zeros(TOGETHER), 0)
    np.testing.assert_allclose((e, d), 1.0, rtol=0, atol=error)


@pytest.mark.parametrize("name", PIECES)
def test_nearly_parallel_units_differ_by_a_slope(name: str) -> None:
    """E(1) - E(rho) = s^2 E w'^2 (1 - rho) to the first order; what is behind is (1 - rho)^1.5."""
    s, small = np.full(TOGETHER + 1, 0.9), np.geomspace(1e-15, 1e-9, TOGETHER)
    e, _, error = FORM.relative(name, s, small, 0)
    table = moments(Activation(name), s[:1])
    slope = float((s[:1] ** 2 * table.slope / table.second)[0])
    np.testing.assert_allclose(1 - e, slope * small, rtol=0, atol=error + 100 * 1e-9**1.5)


def test_the_error_grows_where_pieces_cancel() -> None:
    """Far beyond its kinks max(x, 0) max(1 - x, 0) is s times a mass, of terms s^4."""
    found = []
    for s in (np.array([0.2]), np.array([50.0])):
        table = moments(Activation("max(x, 0)*max(1 - x, 0)"), s)
        form = kink_powers(Activation("max(x, 0)*max(1 - x, 0)"), s, table.second, table.slope)
        assert form is not None
        found.append(form.error)
    assert found[0] < 1e-12 < 1e-4 < found[1]


def test_other_activations_have_no_powers() -> None:
    one = np.ones(1)
    for name in ("tanh", "hardtanh", "elu", "max(x - 1, 0)**4", "exp(-abs(x - 1))"):
        assert kink_powers(Activation(name), one, one, one) is None
