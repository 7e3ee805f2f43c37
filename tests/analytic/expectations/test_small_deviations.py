"""The table below s = 2^-32, whose columns are Taylor polynomials."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

from analytic import Activation
from analytic.activation import X
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

CUBICS = ["x", "x**2", "x**3", "1 + x**2", "1 + x**3", "x**2 - 2*x**3", "x - x**3", "2 + x + x**2"]


@pytest.mark.parametrize("text", CUBICS)
def test_the_table_near_zero(text: str) -> None:
    """Every column of a cubic at s = 2^-36, to the digits that its own size leaves."""
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
    return {
        MEAN: mean(w), SPREAD: (mean(w * w) - mean(w) ** 2) / s**2, SLOPE: mean(w1 * w1),
        CURVATURE: mean(w2 * w2), JERK: mean(w3 * w3), RESPONSE_E: mean(w1 * w1 + w * w2),
        RESPONSE_D: mean(w2 * w2 + w1 * w3), FIRST: b[0], FIRST + 1: float(b[1]) / math.sqrt(2),
        FIRST + 2: float(b[2]) / math.sqrt(6), FIRST + 3: Fraction(),
    }  # fmt: skip
