"""Coefficient tables against closed forms, identities and mpmath."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles.rounding import of_sum

from analytic import Activation
from analytic.expectations.activation_moments import moments
from analytic.expectations.hermite_coefficients import coefficients, length
from analytic.expectations.octaves import MOST_TERMS_WHOLE

SPREAD = np.array([0.0, 1e-12, 2.0**-8, 0.1, 0.5, 0.999, 1.0, 1.001, 1.9, 3.3])


def test_coefficients_of_sin() -> None:
    # c_k = E[cos(s z) h_k] = (-1)^(k/2) s^k exp(-s^2/2)/sqrt(k!) for even k
    table, c = moments(Activation("sin"), SPREAD), coefficients(Activation("sin"), SPREAD, 20)
    for k in range(0, 20, 2):
        exact = (-1) ** (k // 2) * SPREAD**k * np.exp(-(SPREAD**2) / 2)
        exact /= math.sqrt(math.factorial(k)) * math.sqrt(k + 1)
        assert_allclose(c.b[k], exact, atol=1e-15)
    assert_allclose(table.second, -np.expm1(-2 * SPREAD**2) / 2, rtol=4e-15)
    assert_allclose(table.slope, (1 + np.exp(-2 * SPREAD**2)) / 2, rtol=4e-15)


def test_moments_of_erf() -> None:
    table = moments(Activation("erf"), SPREAD)
    v = SPREAD**2
    assert_allclose(table.second, 2 / np.pi * np.arcsin(2 * v / (1 + 2 * v)), rtol=4e-15)
    assert_allclose(table.slope, 4 / np.pi / np.sqrt(1 + 4 * v), rtol=4e-15)
    # E w'' w'' = second derivative of E w w by the covariance
    assert_allclose(table.curvature, 16 * v / np.pi / (1 + 4 * v) ** 1.5, rtol=1e-12, atol=1e-30)


@pytest.mark.parametrize("name", ["tanh", "softplus", "sigmoid", "gelu", "silu", "gaussian", "cos"])
def test_parseval(name: str) -> None:
    activation = Activation(name)
    terms = length(activation, SPREAD, 1e-14)
    table, c = moments(activation, SPREAD), coefficients(activation, SPREAD, terms)
    order = np.arange(1, terms + 1)
    squares = c.b**2
    missing = table.slope - order @ squares
    assert np.all(missing <= (c.rest + 1e-14) * table.slope)
    assert np.all(c.rest[SPREAD <= 1] <= 3e-14)  # tanh at s = 3.3 would need more than 1024
    variance = table.second - table.mean**2
    assert_allclose(variance, SPREAD**2 * squares.sum(axis=0), atol=1e-14, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "softplus", "sigmoid"])
@pytest.mark.parametrize("s", [0.7, 2.6])
def test_coefficients_match_mpmath(name: str, s: float) -> None:
    function = {
        "tanh": lambda x: mpmath.sech(x) ** 2,
        "softplus": lambda x: 1 / (1 + mpmath.exp(-x)),
        "sigmoid": lambda x: mpmath.sech(x / 2) ** 2 / 4,
    }[name]
    b = coefficients(Activation(name), np.array([s]), 24).b
    with mpmath.workdps(30):
        for k in (0, 1, 2, 9, 16):

            def integrand(z: Any, k: int = k) -> Any:
                hermite = mpmath.hermite(k, z / mpmath.sqrt(2)) / mpmath.sqrt(
                    2**k * mpmath.factorial(k)
                )
                return function(s * z) * hermite * mpmath.npdf(z)

            exact = mpmath.quad(integrand, mpmath.linspace(-14, 14, 29)) / mpmath.sqrt(k + 1)
            assert abs(b[k, 0] - float(exact)) < 4e-15


def test_interpolation_in_s_is_invisible() -> None:
    s = np.random.default_rng(0).uniform(0.3, 3.0, 500)
    many = moments(Activation("tanh"), s)
    for index in (0, 100, 499):
        rule_by_hand = np.linspace(-13, 13, 2001)
        p = np.exp(-(rule_by_hand**2) / 2)
        exact = np.tanh(s[index] * rule_by_hand) ** 2 @ p / p.sum()
        assert abs(many.second[index] - exact) < 4e-15


def test_relu_needs_no_table() -> None:
    s = np.array([0.0, 2.0])
    assert length(Activation("relu"), s, 1e-12) == 0
    assert coefficients(Activation("relu"), s, 0).b.shape == (0, 2)
    assert_allclose(moments(Activation("relu"), s).second, [0, 2])


def test_inputs_of_all_sizes_get_equally_many_terms() -> None:
    """What one input has beyond the table of another may not be lost."""
    s, activation = np.array([0.1, 5.0]), Activation("cos")
    terms = length(activation, s, 1e-15)
    assert terms > length(activation, s[:1], 1e-15)
    b = coefficients(activation, s, terms).b[:, 0]
    exact = [0.1**k * np.exp(-0.005) / math.sqrt(math.factorial(k) * (k + 1)) for k in range(30)]
    # c_k(s) is a sum over the nodes of a rule, of sizes that add to E |w'(sz) h_k| <= s = 0.1
    rounding = of_sum(MOST_TERMS_WHOLE, 0.1)
    assert_allclose(np.abs(b[1:30:2]), exact[1:30:2], rtol=0, atol=rounding)


@pytest.mark.parametrize("name", ["tanh", "softplus", "selu", "erf"])
def test_bits_do_not_depend_on_how_many_are_asked_for(name: str) -> None:
    """Images ask for more as they need them, in an order that is that of their threads."""
    activation, s = Activation(name), np.geomspace(0.01, 3, 60)
    whole = coefficients(activation, s, 256).b
    for terms in (16, 48, 160):
        assert_array_equal(coefficients(activation, s, terms, most=256).b, whole[:terms])
