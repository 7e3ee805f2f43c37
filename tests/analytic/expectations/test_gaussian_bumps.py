"""Moments of a exp(-k x^2), and which activations are of this kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from analytic.activation import Activation
from analytic.expectations import moments
from analytic.expectations.gaussian_bumps import Bump, gaussian_bump
from analytic.machine import EXTENDED, UNIT

DEVIATIONS = (1e-12, 0.3, 0.9, 40.0)


def _mean(f: Callable[[Any], Any], s: Any) -> Any:
    """E f(s z) for an f that falls like exp(-x^2): by the trapezoidal rule, 35 digits."""
    width = 1 / mpmath.sqrt(1 + s**2)  # of f(s z) times the density
    step = width / 12
    terms = (f(s * k * step) * mpmath.exp(-((k * step) ** 2) / 2) for k in range(-230, 231))
    return mpmath.fsum(terms) * step / mpmath.sqrt(2 * mpmath.pi)


def test_moments_of_a_bump() -> None:
    """3 exp(-x^2/2) and its derivatives, whose squares fall like exp(-x^2)."""
    s = np.array(DEVIATIONS)
    found = moments(Activation("3*exp(-x**2/2)"), s)
    slopes = [lambda x: 1, lambda x: -x, lambda x: x**2 - 1, lambda x: 3 * x - x**3]
    with mpmath.workdps(50):
        for row, deviation in enumerate(map(mpmath.mpf, DEVIATIONS)):
            exact = [
                _mean(lambda x, p=p: 9 * p(x) ** 2 * mpmath.exp(-(x**2)), deviation) for p in slopes
            ]
            named = (found.second, found.slope, found.curvature, found.jerk)
            for value, moment in zip(named, exact, strict=True):
                assert abs(value[row] - moment) <= 2 * UNIT * moment, (deviation, moment)
            wide = mpmath.mpf(float(found.exact[row])) + float(
                found.exact[row] - float(found.exact[row])
            )
            assert abs(wide - exact[0]) <= 48 * EXTENDED * exact[0]
            mean = 3 / mpmath.sqrt(1 + deviation**2)
            assert abs(found.mean[row] - mean) <= 2 * UNIT * mean


def test_responses_of_a_bump() -> None:
    """E w^2 and E w'^2 by quotients of differences in 60 digits."""
    s = np.array([0.3, 0.9, 40.0])
    found = moments(Activation("3*exp(-x**2/2)"), s)
    with mpmath.workdps(60):
        for row, v in enumerate(mpmath.mpf(a) ** 2 for a in s.tolist()):
            second = mpmath.diff(lambda t: 9 / mpmath.sqrt(1 + 2 * t), v)
            slope = mpmath.diff(lambda t: 9 * t * (1 + 2 * t) ** -1.5, v)
            assert found.response_e[row] == pytest.approx(float(second), rel=4 * UNIT)
            assert found.response_d[row] == pytest.approx(float(slope), rel=64 * UNIT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian", Bump(1.0, 1.0)),
        ("-exp(-x**2/4)/8", Bump(-0.125, 0.25)),
        ("exp(-x**2/3)", None),
        ("exp(-(x - 1)**2)", None),
        ("x*exp(-x**2)", None),
        ("exp(-x**4)", None),
        ("exp(-x**2) + 1", None),
    ],
)
def test_what_is_a_bump(text: str, expected: Bump | None) -> None:
    assert gaussian_bump(Activation(text)) == expected


def test_derivatives_take_the_numbers_of_w() -> None:
    """0.558^2 is no double: w' with a rounded one is that of another function, by 1e-15."""
    a, b, s = 0.558, 4.33566, np.array([4.15, 5.0, 6.5])
    found = moments(Activation(f"exp(-({a}*x + {b})**2)"), s)
    for deviation, value in zip(s.tolist(), found.second.tolist(), strict=True):
        with mpmath.workdps(30):
            width = 1 + 4 * mpmath.mpf(a) ** 2 * mpmath.mpf(deviation) ** 2
            exact = mpmath.exp(-2 * mpmath.mpf(b) ** 2 / width) / mpmath.sqrt(width)
            assert abs(value / exact - 1) <= found.noise.second
