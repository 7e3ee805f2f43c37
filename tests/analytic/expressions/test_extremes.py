"""Largest and smallest of polynomials, by numpy and by the slopes of the piece that wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analytic import Activation
from analytic.expressions import values
from analytic.machine import UNIT, Array

X = np.linspace(-3, 3, 1001) + 1e-3
"""No piece meets another there."""
Derivatives = tuple[Any, Any, Any]


def _parabola(x: Array) -> Derivatives:
    inside = abs(x) < 1
    return inside * (1 - x * x), inside * -2 * x, inside * -2.0


def _cubic(x: Array) -> Derivatives:
    some = (x < -1) | ((x > 0) & (x < 1))
    return some * (x - x**3), some * (1 - 3 * x * x), some * -6 * x


def _nested(x: Array) -> Derivatives:
    """x times the larger of x^2 and the smaller of x^4 and 1 + x^3."""
    quartic = x**4 < 1 + x**3
    low = np.where(quartic, x**4, 1 + x**3)
    found = (
        np.where(quartic, x**5, x + x**4),
        np.where(quartic, 5 * x**4, 1 + 4 * x**3),
        np.where(quartic, 20 * x**3, 12 * x**2),
    )
    square = x * x > low
    plain = x**3, 3 * x**2, 6 * x
    w, slope, curvature = (np.where(square, a, b) for a, b in zip(plain, found, strict=True))
    return w, slope, curvature


def _beside_one(x: Array) -> Derivatives:
    """x times the largest of 0 and x^2 - 1, of which sympy takes powers apart."""
    outside = abs(x) > 1
    return outside * (x**3 - x), outside * (3 * x * x - 1), outside * 6 * x


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("max(0, 1 - x**2)", _parabola),
        ("max(0, x - x**3)", _cubic),
        ("x*max(x**2, min(x**4, 1 + x**3))", _nested),
        ("x*max(x**2 - 1, 0)", _beside_one),
    ],
)
def test_extremes_of_polynomials(
    text: str, exact: Callable[[Array], Derivatives], order: int
) -> None:
    """Their powers are written out as products, which sympy cannot compare.

    Alone, w is compiled with other common parts than beside its derivatives.
    """
    found = values(Activation(text).expression, X, order)
    for value, wanted in zip(found, exact(X)[: order + 1], strict=True):
        np.testing.assert_allclose(value, wanted, rtol=0, atol=16 * UNIT * 3**5 * 20)
