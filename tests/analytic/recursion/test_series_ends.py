"""Where sums end: Mehler's series, the sums of its factors, and the mean squares of the inputs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from analytic import Activation, FullyConnected, Network
from analytic.expectations import coefficients, moments
from analytic.machine import UNIT
from analytic.recursion import mean_squares
from analytic.recursion.amplification_factors import Factors
from analytic.recursion.error_amplification import amplification
from analytic.recursion.layer_equations import diagonal
from analytic.recursion.normalization import amplifications

F = FullyConnected


@pytest.mark.parametrize("terms", [8, 16])
def test_truncation(terms: int) -> None:
    """E and D of x * tanh(x) after so many terms at rho = 0.97 differ from all of them."""
    layer = amplifications(diagonal(Network(F("x*tanh(x)")), np.array([4.0])), 1e-16)[0]
    b = coefficients(Activation("x*tanh(x)"), np.array([2.0]), layer.terms).b[:, 0]
    order, rho = np.arange(len(b)), 0.97
    lost_e = 4 * float((b[terms:] ** 2 * rho ** (order[terms:] + 1)).sum())
    lost_d = float(((order[terms:] + 1) * b[terms:] ** 2 * rho ** order[terms:]).sum())
    table = moments(Activation("x*tanh(x)"), np.array([2.0]))
    true = max(lost_e / table.second[0], lost_d / table.slope[0])
    bound = layer.tails(np.array([terms]))[0] * rho**terms
    assert true <= bound <= 20 * true


def test_rests_of_the_factors() -> None:
    """With 8 of its coefficients a layer is bounded no better than with all of them."""
    stage = diagonal(Network(F("tanh", weight_std=4.0)), np.ones(1)).stages[0]
    radius = np.array([0.5, 0.95])
    full, short = (amplification(stage, 1e-16, most).at(radius) for most in (400, 8))
    for name, a, b in zip(Factors._fields, full, short, strict=True):
        assert np.all(b >= a * (1 - 1e-9)), name


def test_mean_squares_are_right_to_the_last_digit() -> None:
    """The bound grants 2u, of which weight and bias take one; sums in float64 err by 3 to 8."""
    x = np.random.default_rng(3).standard_normal((12, 5001)) * 10.0 ** np.arange(-6, 6)[:, None]
    exact = [sum((Fraction(float(v)) ** 2 for v in row), Fraction()) / len(row) for row in x]
    errors = [abs(Fraction(float(m)) / e - 1) for m, e in zip(mean_squares(x), exact, strict=True)]
    assert max(errors) <= UNIT * (1 + 2.0**-8)
    plain = [
        abs(Fraction(float(row @ row) / len(row)) / e - 1) for row, e in zip(x, exact, strict=True)
    ]
    assert max(plain) > 2 * UNIT
