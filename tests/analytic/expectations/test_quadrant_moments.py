"""Units of cubic pieces at small angles: the compiled sums against panels in two dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.pieces import dual

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


def _sums(
    name: str, s: np.ndarray, small: np.ndarray, side: int, allowed: float = 0.0
) -> tuple[Any, Any, float]:
    """E and D of the first unit and the others over their norms, and the error."""
    table = moments(Activation(name), s)
    form = kink_powers(Activation(name), s, table.second, table.slope, allowed)
    assert form is not None
    asked = form.of_inputs(s, s, s)
    own, room = np.repeat(asked[:, :1], small.size, axis=1), np.zeros(CLOSE_POWERS)
    pairs = np.concatenate([small[None], np.zeros((2, TOGETHER)), own, asked[:, 1:]])
    line, bits = room.reshape(-1), room.view(np.int64)
    quadrant_sums(form.numbers, side, form.rank, pairs, TOGETHER, room, line, bits)
    found = pairs[1:3]
    r, slope = np.sqrt(table.second), np.sqrt(table.slope)
    return found[0] / (r[0] * r[1:]), found[1] / (slope[0] * slope[1:]), form.error


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [0.0, 1e-12, 1e-8])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", PIECES)
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
                PIECES[name], float(s[0]), float(s[k + 1]), float(sign * (1 - small[k])),
            )  # fmt: skip
            assert abs(found[k] - exact / (norm[0] * norm[k + 1])) <= error + 4e-14, (k, order)


def test_far_kinks_are_not_seen() -> None:
    """At deviations of 1e-6 hardswish is x/2 + x^2/6: the square adds some 1e-13."""
    s, small = np.full(TOGETHER + 1, 1e-6), np.geomspace(1e-12, FARTHEST_LINES, TOGETHER)
    e, d, error = _sums("hardswish", s, small, 0)
    np.testing.assert_allclose(e, 1 - small, rtol=0, atol=error + 1e-12)
    np.testing.assert_allclose(d, 1.0, rtol=0, atol=error + 1e-12)


@pytest.mark.parametrize("name", PIECES)
def test_equal_units_have_their_own_moments(name: str) -> None:
    s = np.full(TOGETHER + 1, 1.3)
    e, d, error = _sums(name, s, np.zeros(TOGETHER), 0)
    np.testing.assert_allclose((e, d), 1.0, rtol=0, atol=error)


@pytest.mark.parametrize("name", PIECES)
def test_nearly_parallel_units_differ_by_a_slope(name: str) -> None:
    """E(1) - E(rho) = s^2 E w'^2 (1 - rho) to the first order; what is behind is (1 - rho)^1.5."""
    s, small = np.full(TOGETHER + 1, 0.9), np.geomspace(1e-15, 1e-9, TOGETHER)
    e, _, error = _sums(name, s, small, 0)
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
