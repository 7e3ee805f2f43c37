"""Piecewise linear units at small angles: the compiled sums against panels in two dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.kink_sums import ClosedForm, apart_from_panels

from analytic.activation import Activation
from analytic.expectations import CLOSE_LINES, FARTHEST_LINES, TOGETHER, kink_lines, line_sums
from analytic.expectations.activation_moments import moments

LINES = {
    "max(min(x, 1), -1)": (-1.0, 1.0),
    "min(max(x, 0), 6)": (0.0, 6.0),
    "max(min(x/6 + 1/2, 1), 0)": (-3.0, 3.0),
    "max(x - 1/2, 0) + min(x + 1/2, 0)": (-0.5, 0.5),
    "max(x, 0) + max(x + 1/4, 0)/3 - 2*max(x - 2, 0) + 1": (-0.25, 0.0, 2.0),
}
"""hardtanh, relu6, hardsigmoid, softshrink, one without symmetry and their kinks."""


FORM = ClosedForm(kink_lines, line_sums, CLOSE_LINES)


@pytest.mark.parametrize("allowed", [0.0, 1e-12, 1e-8])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", LINES)
def test_sums_agree_with_panels(name: str, side: int, allowed: float) -> None:
    apart, error = apart_from_panels(FORM, name, LINES[name], side, allowed)
    assert apart.max() <= error + 4e-14


def test_far_kinks_are_not_seen() -> None:
    """At deviations of 1e-10 hardtanh is the line: E = s s' rho, D = 1."""
    s, small = np.full(TOGETHER + 1, 1e-10), np.geomspace(1e-12, FARTHEST_LINES, TOGETHER)
    e, d, error = FORM.relative("max(min(x, 1), -1)", s, small, 0)
    np.testing.assert_allclose(e, 1 - small, rtol=0, atol=error)
    np.testing.assert_allclose(d, 1.0, rtol=0, atol=error)


def test_equal_units_have_their_own_moments() -> None:
    s = np.full(TOGETHER + 1, 1.3)
    for name in LINES:
        e, d, error = FORM.relative(name, s, np.zeros(TOGETHER), 0)
        np.testing.assert_allclose((e, d), 1.0, rtol=0, atol=error)


def test_the_error_grows_where_pieces_cancel() -> None:
    """Far beyond the kinks of hardtanh the terms are s^2 where E is 1."""
    s = np.array([1.0, 1e4])
    table = moments(Activation("hardtanh"), s)
    near, far = (
        kink_lines(
            Activation("hardtanh"), s[k : k + 1], table.second[k : k + 1], table.slope[k : k + 1]
        )
        for k in (0, 1)
    )
    assert near is not None
    assert far is not None
    assert near.error < 1e-13 < 1e-7 < far.error


def test_other_activations_have_no_lines() -> None:
    one = np.ones(1)
    for name in ("tanh", "relu", "hardswish", "elu"):
        assert kink_lines(Activation(name), one, one, one) is None
