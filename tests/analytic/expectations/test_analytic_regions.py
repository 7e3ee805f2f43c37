"""What lies between the real line and a contour is enclosed, not only the contour."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy

from analytic import Activation
from analytic.expectations import moments
from analytic.expectations.analytic_regions import is_analytic_below
from analytic.expectations.quadrature import uniform_rule
from analytic.expressions import X

POLE = "1/(1.02 - exp(-x**2))"


@pytest.mark.parametrize(
    ("expression", "pole"),
    [
        (sympy.tanh(X), math.pi / 2),
        (sympy.log(2 + X**2), math.sqrt(2)),
        (Activation(POLE).expression, math.sqrt(math.log(1.02))),
        (sympy.sqrt(sympy.Float(1.1) - sympy.cos(X)), math.acosh(1.1)),
    ],
)
@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_contours_are_admitted_up_to_the_first_pole(
    expression: sympy.Expr, pole: float, beta: float
) -> None:
    """At s = 1/2 the pole is seen at z = 2 i pole, on the axis, whatever the map."""
    height = 2 * pole if beta == 0 else math.asin(min(2 * pole * beta, 1.0))
    below, above = 0.9 * height, 1.1 * height
    assert is_analytic_below(expression, 0.5, beta, min(below, 0.7 if beta else below), 6.0)
    if beta == 0 or 2 * pole * beta < 0.9:
        assert not is_analytic_below(expression, 0.5, beta, above, 6.0)


@pytest.mark.parametrize("s", [0.27, 0.3, 0.44])
def test_a_pole_below_a_contour_is_seen(s: float) -> None:
    """The rule whose contour passed above the pole was wrong by 3e-12, and certified to 2e-14."""
    found, rule = moments(Activation(POLE), np.array([s])), uniform_rule(4000)
    y = np.longdouble(s) * rule.extended
    w = 1 / (np.longdouble(1.02) - np.exp(-(y**2)))
    exact = np.sum((w * rule.root) ** 2) / np.sum(rule.root**2)
    assert found.noise.certified
    assert abs(float(found.second[0] / exact - 1)) <= found.noise.second < 1e-12
