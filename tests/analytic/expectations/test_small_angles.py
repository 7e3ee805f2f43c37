"""Piecewise linear units at small angles: the compiled sums against panels in two dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.pieces import dual

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


def _sums(
    name: str, s: np.ndarray, small: np.ndarray, side: int, allowed: float = 0.0
) -> tuple[Any, Any, float]:
    """E and D of the first unit and the others over their norms, and the error."""
    table = moments(Activation(name), s)
    form = kink_lines(Activation(name), s, table.second, table.slope, allowed)
    assert form is not None
    asked = form.of_inputs(s, s, s)
    own, room = np.repeat(asked[:, :1], small.size, axis=1), np.zeros(CLOSE_LINES)
    pairs = np.concatenate([small[None], np.zeros((2, TOGETHER)), own, asked[:, 1:]])
    line, bits = room.reshape(-1), room.view(np.int64)
    line_sums(form.numbers, side, form.rank, pairs, TOGETHER, room, line, bits)
    found = pairs[1:3]
    r, slope = np.sqrt(table.second), np.sqrt(table.slope)
    return found[0] / (r[0] * r[1:]), found[1] / (slope[0] * slope[1:]), form.error


@pytest.mark.parametrize("allowed", [0.0, 1e-12, 1e-8])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", LINES)
def test_sums_agree_with_panels(name: str, side: int, allowed: float) -> None:
    """64 pairs each, equal and unequal deviations; the oracle has some 1e-14."""
    activation, rng = Activation(name), np.random.default_rng(3)
    s = np.exp(rng.uniform(np.log(0.3), np.log(6), TOGETHER + 1))
    s[1:9], s[9:20] = s[0], s[0] * (1 + 0.05 * rng.standard_normal(11))
    small = FARTHEST_LINES * 10 ** rng.uniform(-6, 0, TOGETHER)
    small[-1] = FARTHEST_LINES
    e, d, error = _sums(name, s, small, side, allowed)
    table, sign = moments(activation, s), 1 - 2 * side
    r, slope = np.sqrt(table.second), np.sqrt(table.slope)
    for k in range(TOGETHER):
        for order, (found, norm) in enumerate(((e, r), (d, slope))):
            exact = dual(
                lambda x, n=order: activation.derivatives(x, n)[n],
                LINES[name], float(s[0]), float(s[k + 1]), float(sign * (1 - small[k])),
            )  # fmt: skip
            assert abs(found[k] - exact / (norm[0] * norm[k + 1])) <= error + 4e-14, (k, order)


def test_far_kinks_are_not_seen() -> None:
    """At deviations of 1e-10 hardtanh is the line: E = s s' rho, D = 1."""
    s, small = np.full(TOGETHER + 1, 1e-10), np.geomspace(1e-12, FARTHEST_LINES, TOGETHER)
    e, d, error = _sums("max(min(x, 1), -1)", s, small, 0)
    np.testing.assert_allclose(e, 1 - small, rtol=0, atol=error)
    np.testing.assert_allclose(d, 1.0, rtol=0, atol=error)


def test_equal_units_have_their_own_moments() -> None:
    s = np.full(TOGETHER + 1, 1.3)
    for name in LINES:
        e, d, error = _sums(name, s, np.zeros(TOGETHER), 0)
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
