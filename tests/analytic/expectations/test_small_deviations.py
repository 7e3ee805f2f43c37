"""The table below s = 2^-32, whose columns are Taylor polynomials."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.activation import X
from analytic.expectations import moments
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    SLOPE,
    SPREAD,
)
from analytic.expectations.small_deviations import origin
from analytic.machine import UNIT

QUARTICS = [
    "x**3 + x**4",
    "x**4",
    "x**2 - x**4",
    "x",
    "x**2",
    "x**3",
    "1 + x**2",
    "1 + x**3",
    "x**2 - 2*x**3",
    "x - x**3",
    "2 + x + x**2",
]


@pytest.mark.parametrize("text", QUARTICS)
def test_the_table_near_zero(text: str) -> None:
    """Every column of a quartic at s = 2^-36, to the digits that its own size leaves."""
    activation, s = Activation(text), Fraction(1, 2**36)
    found = origin(activation)
    assert found is not None
    table = found.table(np.array([float(s)]), 4)[:, 0]
    for column, exact in _columns(activation, s).items():
        assert float(table[column]) == pytest.approx(float(exact), rel=16 * UNIT, abs=0), column


def _columns(activation: Activation, s: Fraction) -> dict[int, Any]:
    """Moments of a polynomial by those of the normal distribution, exactly."""
    w, w1, w2, w3 = (sympy.Poly(activation.differentiate(k), X) for k in range(4))

    def mean(p: Any) -> Fraction:
        """E p(s z), with E z^n = 1 * 3 * ... * (n - 1) for even n."""
        total = Fraction()
        for (n,), c in p.terms():
            if n % 2 == 0:
                total += int(c) * s**n * math.prod(range(1, n, 2))
        return total

    x = sympy.Poly(X, X)
    b = mean(w1), mean(w1 * x) / s, mean(w1 * x * x) / s**2 - mean(w1)  # times roots of 1, 2, 6
    b = (*b, mean(w1 * x**3) / s**3 - 3 * b[1])  # and 24
    return {
        MEAN: mean(w), SPREAD: (mean(w * w) - mean(w) ** 2) / s**2, SLOPE: mean(w1 * w1),
        CURVATURE: mean(w2 * w2), JERK: mean(w3 * w3), RESPONSE_E: mean(w1 * w1 + w * w2),
        RESPONSE_D: mean(w2 * w2 + w1 * w3), FIRST: b[0], FIRST + 1: float(b[1]) / math.sqrt(2),
        FIRST + 2: float(b[2]) / math.sqrt(6), FIRST + 3: float(b[3]) / math.sqrt(24),
    }  # fmt: skip


@pytest.mark.parametrize(("text", "power"), [("x**3 + x**4", 4), ("x**4 + x**5", 5)])
def test_a_small_input_beside_a_large_one(text: str, power: int) -> None:
    """E u^m u'^n = s^m E z^(m + n) for u = s z and u' = z: the next power is s of what is kept."""
    s = 2.0**-33
    x, tolerance = np.array([[s], [1.0]]), 1e-10 if power == 4 else 1e-7
    network = Network(FullyConnected(text))
    found = kernel_estimate(network, x, kind="nngp", tolerance=tolerance)
    low = power - 1
    moment = {n: math.prod(range(1, 2 * n, 2)) for n in range(11)}  # E z^(2n)
    exact = s**low * moment[low] + s**power * moment[power]
    assert abs(found.value[0, 1] - exact) <= found.error[0, 1]
    assert found.certified
    size = math.sqrt(found.value[0, 0] * found.value[1, 1])
    assert found.error[0, 1] <= (1e-13 if power == 4 else 32 * 2.0**-32) * size


def test_a_zero_input_costs_gelu_no_accuracy() -> None:
    """Its derivatives at 0 are known as well as those of other activations."""
    x = np.random.default_rng(0).standard_normal((3, 4))
    x[2] = 0
    network = Network(FullyConnected("gelu"))
    with_zero, without = kernel_estimate(network, x), kernel_estimate(network, x[:2])
    roundings = 24 * UNIT * without.value[0, 0]  # the expansion at 0 has 8 in its coefficients
    assert with_zero.error[0, 0] <= without.error[0, 0] + roundings


@pytest.mark.parametrize("text", ["softplus", "gaussian", "tanh", "gelu"])
def test_a_zero_input_is_known_as_well_as_what_w_is_at_0(text: str) -> None:
    """w(0) and w'(0) are rounded and squared, and no table is read."""
    activation, found = Activation(text), moments(Activation(text), np.zeros(1))
    w, slope = (activation.differentiate(k).subs(X, 0) for k in range(2))
    for value, exact, error in (
        (found.mean[0], w, found.noise.mean),
        (found.second[0], w**2, found.noise.second),
        (found.slope[0], slope**2, found.noise.square),
        (found.exact[0], w**2, found.noise.carried),
    ):
        apart = abs(sympy.Float(str(np.longdouble(value)), 30) - sympy.N(exact, 40))
        assert apart <= error * abs(sympy.N(exact, 40)) + sympy.Float("1e-25")
        assert error <= 6 * UNIT
