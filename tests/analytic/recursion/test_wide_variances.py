"""Variances in extended precision, and tables at deviations that have it."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from oracles import exact_tables

from analytic import Activation, FullyConnected, Network, Residual
from analytic.expectations import coefficients, moments
from analytic.machine import EXTENDED, UNIT
from analytic.recursion import diagonal, mean_squares

extended = pytest.mark.skipif(EXTENDED == UNIT, reason="needs extended precision")
NAMES = ["tanh", "softplus", "erf", "sin", "exp(-x**2)", "x**3 - x", "relu"]


def _deviations() -> np.ndarray:
    """Thirds of an ulp of float64 above its numbers, where rounding loses most."""
    s = np.linspace(0.3, 2.9, 23).astype(np.longdouble)
    return s * (1 + np.longdouble(0.9) * UNIT)


@extended
@pytest.mark.parametrize("name", NAMES)
def test_mean_squares_keep_what_float64_has_not(name: str) -> None:
    activation, s = Activation(name), _deviations()
    found = moments(activation, s)
    near = moments(activation, s.astype(np.float64))
    if name == "relu":
        exact = s**2 / 2
    else:
        exact = exact_tables.tables(activation, s).second
    off = np.abs(found.exact / exact - 1)
    assert off.max() <= found.noise.carried + 16 * EXTENDED
    assert found.noise.carried < found.noise.second
    if name == "x**3 - x":  # its series is one over a power of s, which float64 takes
        assert found.noise.unseen == 2 * UNIT
        return
    assert found.noise.unseen == 0
    moved = np.abs(near.exact / exact - 1) - off  # at s that are rounded
    assert moved.max() > 0.5 * UNIT


@extended
@pytest.mark.parametrize("name", NAMES[:5])
def test_coefficients_are_those_of_the_deviation_that_is_given(name: str) -> None:
    """Of a function that turns fast at s, so that a rounding of s shows."""
    activation, s = Activation(name), _deviations()
    found = coefficients(activation, s, 40)
    exact = exact_tables.tables(activation, s).c[:, :40] / np.sqrt(np.arange(1.0, 41))
    norm = np.sqrt(exact_tables.tables(activation, s).second)
    off = np.linalg.norm((found.b.T - exact).astype(float), axis=1) * s.astype(float) / norm
    assert off.max() <= found.noise.spread


def test_erf_turns_with_the_low_half() -> None:
    """d b_k/d log s is large at a high order, where a rounding of s is k roundings of b_k."""
    s = np.array([2.0], dtype=np.longdouble) * (1 + np.longdouble(0.99) * UNIT)
    b = coefficients(Activation("erf"), s, 400).b[-2:]
    near = coefficients(Activation("erf"), s.astype(np.float64), 400).b[-2:]
    assert EXTENDED == UNIT or np.any(b != near)


@extended
def test_variances_have_the_roundings_of_extended_precision() -> None:
    """Three layers of sin with a skip, against 40 digits."""
    network = Network(
        FullyConnected("sin", weight_std=1.3, bias_std=0.1),
        Residual(FullyConnected("sin", weight_std=0.7)),
        FullyConnected("sin", weight_std=1.1, bias_std=0.3),
    )
    x = np.random.default_rng(2).standard_normal((5, 7))
    stages = diagonal(network, mean_squares(x)).stages
    for i, row in enumerate(x):
        with mpmath.workdps(40):
            sigma = mpmath.fsum(mpmath.mpf(v) ** 2 for v in row) / 7
            for stage, weight, bias, skip in zip(
                stages, (1.3, 0.7, 1.1), (0.1, 0.0, 0.3), (False, True, False), strict=True
            ):
                v = mpmath.mpf(weight) ** 2 * sigma + mpmath.mpf(bias) ** 2
                assert stage.wide is not None
                high = float(stage.wide[i])
                found = mpmath.mpf(high) + mpmath.mpf(float(stage.wide[i] - high))
                assert abs(found / v - 1) < 200 * EXTENDED
                assert stage.variance[i] == high
                sigma = (sigma if skip else 0) + (1 - mpmath.exp(-2 * v)) / 2
