"""Intervals contain the true range, which ball arithmetic knows to 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flint
import numpy as np
import pytest
import sympy

from analytic.expressions.vocabulary import X, normal_cdf, sigmoid, softplus
from analytic.proofs.interval import constant, enclose
from analytic.proofs.interval_arithmetic import Interval

BALLS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "abs": (sympy.Abs(X), abs),
    "asinh": (sympy.asinh(X), lambda x: x.asinh()),
    "atan": (sympy.atan(X), lambda x: x.atan()),
    "cos": (sympy.cos(X), lambda x: x.cos()),
    "cosh": (sympy.cosh(X), lambda x: x.cosh()),
    "cube": (X**3, lambda x: x**3),
    "erf": (sympy.erf(X), lambda x: x.erf()),
    "exp": (sympy.exp(X), lambda x: x.exp()),
    "log": (sympy.log(1 + X**2), lambda x: (1 + x**2).log()),
    "max": (sympy.Max(X, X / 10), lambda x: x if x > 0 else x / 10),
    "normal_cdf": (normal_cdf(X), lambda x: (-x / flint.arb(2).sqrt()).erfc() / 2),
    "power": ((1 + X**2) ** sympy.Rational(-3, 2), lambda x: 1 / (1 + x**2) ** flint.arb("1.5")),
    "product": (X * sympy.tanh(X) * sympy.pi, lambda x: x * x.tanh() * flint.arb.pi()),
    "reciprocal": (1 / (2 + sympy.sin(X)), lambda x: 1 / (2 + x.sin())),
    "sech": (sympy.sech(X), lambda x: 1 / x.cosh()),
    "sigmoid": (sigmoid(X), lambda x: 1 / (1 + (-x).exp())),
    "sin": (sympy.sin(3 * X), lambda x: (3 * x).sin()),
    "sinh": (sympy.sinh(X), lambda x: x.sinh()),
    "softplus": (softplus(X), lambda x: (1 + x.exp()).log()),
    "sum": (X - X**2 + sympy.Rational(1, 3), lambda x: x - x**2 + flint.arb(1) / 3),
    "tan": (sympy.tan(sympy.atan(X) / 2), lambda x: (x.atan() / 2).tan()),
    "tanh": (sympy.tanh(X), lambda x: x.tanh()),
}


@pytest.mark.parametrize("name", sorted(BALLS))
def test_the_true_value_lies_in_the_interval(name: str, rng: np.random.Generator) -> None:
    flint.ctx.dps = 60
    expression, ball = BALLS[name]
    low = np.concatenate([rng.normal(size=200) * 10.0 ** rng.integers(-8, 3, 200), [0.0, -1.0]])
    width = np.concatenate([10.0 ** rng.uniform(-12, 2, 200), [0.0, 2.0]]) * (rng.random(202) > 0.2)
    box = Interval(low, low + width)
    bounds = enclose(expression, box)
    for i in range(low.size):
        for share in (0.0, 0.37, 1.0):
            x = float(low[i] + share * (box.high[i] - low[i]))
            value = ball(flint.arb(min(x, float(box.high[i]))))
            assert not value < flint.arb(float(bounds.low[i])), (name, x)
            assert not value > flint.arb(float(bounds.high[i])), (name, x)


@pytest.mark.parametrize("name", sorted(BALLS))
def test_points_have_narrow_intervals(name: str) -> None:
    x = np.array([-20.3, -3.1, -0.7, 1e-7, 0.2, 2.9, 15.7])
    low, high = enclose(BALLS[name][0], Interval(x, x))
    assert np.all(high - low <= 1e-12 * (np.abs(low) + np.abs(high)) + 1e-14)


def test_what_is_unbounded_has_infinite_ends() -> None:
    box = Interval(np.array([-1.0, 0.0, 1.0]), np.array([1.0, 1.0, np.inf]))
    low, high = enclose(1 / X, box)
    assert low[0] == -np.inf
    assert high[0] == np.inf
    assert 1 - 1e-15 < low[1] <= 1
    assert high[1] == np.inf
    assert low[2] == 0
    assert 1 <= high[2] < 1 + 1e-15
    assert enclose(sympy.log(X), box).low[0] == -np.inf
    assert enclose(sympy.exp(X), Interval(np.array(800.0), np.array(900.0))).low < np.inf


def test_zero_times_an_unbounded_factor() -> None:
    box = Interval(np.array(700.0), np.array(np.inf))
    low, high = enclose(X * sigmoid(-X), box)  # the ends 0 and inf do not meet
    assert low == 0
    assert high == np.inf


def test_constants_are_enclosed() -> None:
    for number in (sympy.pi, sympy.Rational(1, 3), sympy.sqrt(2), sympy.erf(1)):
        low, high = constant(number)
        assert low < high
        assert sympy.Rational(float(low)) < number < sympy.Rational(float(high))
    assert constant(sympy.Rational(3, 8)) == (0.375, 0.375)
