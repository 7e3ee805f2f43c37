"""What is proved of the tails holds at points far out, evaluated in high precision."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import pytest
import sympy

from analytic.expressions.order import START, Order, total
from analytic.expressions.rewrite import derivative
from analytic.expressions.vocabulary import NAMES, X, sigmoid, softplus
from analytic.proofs.asymptotics import tail

ROOT = sympy.sqrt(1 + X**2)
EXPRESSIONS: dict[str, Any] = {
    **NAMES,
    "logcosh": sympy.log(sympy.cosh(X)),
    "mish": X * sympy.tanh(softplus(X)),
    "root": ROOT,
    "root decay": sympy.exp(-ROOT),
    "bounded oscillation": sympy.tanh(X) + sympy.sin(3 * X) / 10,
    "growing oscillation": X * sympy.exp(sympy.sin(X)),
    "polynomial": X**3 - 5 * X + 1,
    "logarithm": sympy.log(1 + X**2),
    "quick decay": sympy.exp(-(X**4)) * X**2,
    "rational": (X + 1) ** 2 / (X**2 + 1),
    "cancelling": (sympy.tanh(X) - 1) ** 2 * X,
    "atan": sympy.atan(2 * X + 1),
    "asinh": sympy.asinh(X),
    "softplus of asinh": softplus(sympy.asinh(X)),
    "softplus of a wave": softplus(X * sympy.sin(X)),
    "one sign": X * sympy.Abs(X) + 2 * X**2 * sympy.tanh(X),
    "leaky": sympy.Max(X, X / 10),
    "elu": X * sympy.Heaviside(X) + (sympy.exp(X) - 1) * sympy.Heaviside(-X),
    "exp": sympy.exp(X) * sympy.cos(X),
    "shifted": sigmoid(1 - 3 * X) * X**2,
}


FUNCTIONS: dict[str, Any] = {
    "normal_cdf": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "Heaviside": lambda x, _=None: mpmath.mpf(x > 0),
}


def log_order(order: Order, x: Any) -> Any:
    a, b, p = (mpmath.mpf(k.numerator) / k.denominator for k in order.rank)
    return order.scale + p * mpmath.log(x) + b * x + a * x**2


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("side", [1, -1])
def test_bounds_hold_far_out(name: str, order: int, side: int) -> None:
    expression = derivative(EXPRESSIONS[name], order)
    end = tail(expression, side)
    with mpmath.workdps(80):
        function = sympy.lambdify(X, expression, [FUNCTIONS, "mpmath"])
        for x in (mpmath.mpf(START), mpmath.mpf(START) * 3.7, mpmath.mpf(10) ** 25):
            value = function(side * x)
            assert end.low <= value <= end.high
            if value == 0:
                assert end.below is None
                continue
            size = mpmath.log(abs(value))
            slack = 1e-12  # log C is computed in float64
            if end.above is not None:
                assert size <= log_order(end.above, x) + slack
            if end.below is not None:
                assert size >= log_order(end.below, x) - slack
            if end.limit is not None and end.limit.is_finite:
                # at 2^64 an algebraic rest may be left of the limit
                assert abs(value - mpmath.mpf(sympy.N(end.limit, 60))) < 1e-18


@pytest.mark.parametrize(
    ("expression", "side", "limit"),
    [
        (softplus(X), -1, 0),
        (sigmoid(X), 1, 1),
        (X * sigmoid(X), 1, sympy.oo),
        (X * sigmoid(X), -1, 0),
        (sympy.tanh(X) * 3 - 1, -1, -4),
        (sympy.atan(X), -1, -sympy.pi / 2),
        (X / ROOT, 1, 1),
        (softplus(X) - X, 1, 0),
        (X**3 - X, -1, -sympy.oo),
        (sympy.sin(X), 1, None),
    ],
)
def test_limits(expression: Any, side: int, limit: Any) -> None:
    assert tail(expression, side).limit == limit


def test_growth_is_proved_where_it_is_there() -> None:
    growing = [X**2, sympy.exp(X), X * sympy.exp(sympy.sin(X)), sympy.cosh(X), X**3 - 9 * X**2]
    for expression in growing:
        below = tail(expression, 1).below
        assert below is not None
        assert below.grows
    for expression in (sympy.sin(X**2) * X, sympy.tanh(X), sympy.exp(-X)):
        below = tail(expression, 1).below
        assert below is None or not below.grows


def test_orders_compare_and_add() -> None:
    line, square = Order(power=Fraction(1)), Order(power=Fraction(2))
    assert square.ratio(line) is None
    assert line.ratio(square) == pytest.approx(-44.36, abs=0.01)  # 1/START
    both = total([line, square])
    assert both is not None
    assert both.rank == square.rank
    assert 0 < both.scale < 1e-12
    assert str(Order(power=Fraction(1), rate=Fraction(-2))) == "|x| exp(-2 |x|)"
    assert str(Order(curvature=Fraction(1))) == "exp(x^2)"
    assert str(Order()) == "1"
