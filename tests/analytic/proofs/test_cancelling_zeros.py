"""Values beside 0 where an expression cancels there, against mpmath at 90 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.expressions import X, derivative, elementary, values
from analytic.proofs import sharp_extended_values, sharp_values

SMOOTH = ["x - sin(x)", "x - tanh(x)", "cosh(x) - 1", "log(1 + x**2)", "sigmoid(x) - 1/2"]
KINKED = [
    "log(1 + abs(x))", "sqrt(1 + max(x, 0)) - 1", "1 - 1/(1 + abs(x))", "log(cosh(x)) + abs(x)",
    "abs(x) - tanh(abs(x))", "abs(x) - tanh(x)", "sign(x)*log(1 + abs(x))",
]  # fmt: skip
PLACES = 10.0 ** np.array([-18.0, -14.0, -9.3, -5.1, -3.0, -1.4, -0.7, -0.35, 0.2, 0.9])
X_ = np.concatenate([-PLACES, PLACES])


def _exact(name: str, order: int) -> list[Any]:
    expression = elementary(derivative(Activation(name).expression, order))
    function = sympy.lambdify(X, expression, "mpmath")
    with mpmath.workdps(90):
        return [mpmath.mpf(function(mpmath.mpf(x))) for x in X_.tolist()]


@pytest.mark.parametrize("name", SMOOTH + KINKED)
def test_no_digits_are_lost(name: str) -> None:
    """Eight roundings of w and of w' at distances from 10^-18 to 8 on either side."""
    expression = Activation(name).expression
    for order, found in enumerate(sharp_values(expression, X_, 1)):
        for value, exact in zip(found.tolist(), _exact(name, order), strict=True):
            assert abs(value - exact) <= 8e-16 * abs(exact) + 1e-300


@pytest.mark.parametrize("name", SMOOTH + KINKED)
@pytest.mark.parametrize("order", [0, 1])
def test_extended_values_are_within_their_bounds_which_are_small(name: str, order: int) -> None:
    x = X_.astype(np.longdouble)
    found, error = sharp_extended_values(Activation(name).expression, x, order, 0)
    exact = _exact(name, order)
    with mpmath.workdps(40):
        for value, wrong, true in zip(found, error.tolist(), exact, strict=True):
            high = float(value)
            off = abs(mpmath.mpf(high) + mpmath.mpf(float(value - high)) - true)
            assert off <= wrong
    sides = np.array([abs(float(value)) for value in exact]).reshape(2, -1)
    size, beside = np.tile(sides.max(axis=0), 2), np.abs(X_) < 0.25  # a unit sees both
    assert np.all(error[beside] <= 1e-16 * size[beside])


@pytest.mark.parametrize("name", ["tanh", "elu", "softsign", "gelu", "hardswish", "log(1 + x**4)"])
def test_what_does_not_cancel_stays_as_it_is(name: str) -> None:
    """So does what has a zero of a high order, and what has kinks elsewhere."""
    expression = Activation(name).expression if name != "log(1 + x**4)" else sympy.log(2 + X**4)
    for found, plain in zip(
        sharp_values(expression, X_, 2), values(expression, X_, 2), strict=True
    ):
        assert np.array_equal(found, plain)


@pytest.mark.parametrize("name", ["log(1 + abs(x))", "abs(x) - tanh(abs(x))", "x - sin(x)"])
def test_their_kernels_are_computed(name: str) -> None:
    """They were refused, with an error of 90: nodes crowd at the kink, or units are tiny."""
    x = np.linspace(-1, 1, 6)[:, None]
    network = Network(FullyConnected(name, weight_std=0.5), FullyConnected(name))
    found = kernel_estimate(network, x)
    root = np.sqrt(np.diag(found.value))
    assert np.all(found.error <= 1e-10 * np.outer(root, root))
