"""Activations: one expression, and what follows from it."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import sympy
from numpy.testing import assert_allclose

from analytic import Activation
from analytic.activation import NAMES, X
from analytic.expressions import JUMPING, KINKED

SMOOTH = sorted(set(NAMES) - set(KINKED) - set(JUMPING))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_match_finite_differences(name: str, order: int) -> None:
    x = np.linspace(-3, 3, 41)
    h = 1e-3
    w = lambda t: Activation(name).derivatives(t, order)[order - 1]  # noqa: E731
    stencil = (w(x - 2 * h) - 8 * w(x - h) + 8 * w(x + h) - w(x + 2 * h)) / (12 * h)
    # h^4 f^(5)/30 with |f^(5)| below 1e4, and rounding 1e-16/h
    assert_allclose(Activation(name).derivatives(x, order)[order], stencil, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [
        ("softplus", 800.0, 800.0),
        ("softplus", -800.0, 0.0),
        ("sigmoid", -800.0, 0.0),
        ("sigmoid", 800.0, 1.0),
        ("tanh", 1e4, 1.0),
        ("silu", -1e4, 0.0),
        ("gelu", 1e4, 1e4),
        ("gaussian", 1e4, 0.0),
    ],
)
def test_values_far_out_are_finite_and_silent(name: str, x: float, value: float) -> None:
    assert float(Activation(name)(x)) == value


@pytest.mark.parametrize("text", ["x", "relu", "softplus", "tanh(x)*x"])
def test_values_whose_sum_overflows_are_silent(text: str) -> None:
    x = np.array([1e308, 1e308])
    assert np.array_equal(Activation(text)(x), x)


def test_single_values_that_are_not_finite_are_taken() -> None:
    assert np.isnan(Activation("tanh")(np.nan))
    assert Activation("relu")(np.inf) == np.inf
    power = Activation("(exp(x) + 1)**2/(exp(2*x) + 1)")  # oo/oo in float64
    assert power(800.0) == 1.0


def test_the_written_out_forms_become_the_stable_functions() -> None:
    t = sympy.Symbol("t")
    assert Activation(sympy.log(1 + sympy.exp(t))) == Activation("softplus")
    assert Activation(1 / (1 + sympy.exp(-t))) == Activation("sigmoid")
    assert float(Activation(sympy.log(1 + sympy.exp(2 * t)))(1000.0)) == 2000.0


def test_activations_are_values() -> None:
    a, b = Activation("tanh"), Activation(sympy.tanh(sympy.Symbol("y")))
    assert a == b
    assert hash(a) == hash(b)
    assert repr(b) == 'Activation("tanh")'
    assert pickle.loads(pickle.dumps(a)) == a
    assert Activation(a) == a


def test_a_constant_slope_has_the_shape_of_its_argument() -> None:
    assert Activation("identity").derivatives(np.ones((2, 3)), 2)[1].shape == (2, 3)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown activation 'sigmoyd'.*did you mean sigmoid"):
        Activation("sigmoyd")


def test_two_symbols_are_refused() -> None:
    x, y = sympy.symbols("x y")
    with pytest.raises(ValueError, match="expected an expression in one symbol, got x, y"):
        Activation(x * y)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="expected a name, a sympy expression or an Activation"):
        Activation(np.tanh)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("x", [None, "x", 1j, [[1.0], [1.0, 2.0]], np.array([0.5, None])])
def test_arguments_that_are_no_real_numbers_are_refused(x: Any) -> None:
    with pytest.raises(TypeError, match="expected real numbers or an Activation as argument, got"):
        Activation("tanh")(x)
    with pytest.raises(TypeError, match="expected real numbers or an Activation as argument, got"):
        Activation("tanh").derivatives(x, 1)


def test_a_sympy_expression_without_end_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected an expression of at most 400 different parts"):
        Activation(sympy.Add(*(sympy.sin(k * X) for k in range(1, 3000))))
    assert Activation(sympy.Add(*(sympy.sin(k * X) for k in range(1, 30))))(0.0) == 0


def test_activations_combine() -> None:
    tanh, sin = Activation("tanh"), Activation("sin")
    x = np.linspace(-2, 2, 9)
    combined = [
        (tanh + sin / 10, np.tanh(x) + np.sin(x) / 10),
        (2 * tanh - 1, 2 * np.tanh(x) - 1),
        (1 - tanh * sin, 1 - np.tanh(x) * np.sin(x)),
        (-tanh(2 * sin), -np.tanh(2 * np.sin(x))),
        (sin / Activation("cosh"), np.sin(x) / np.cosh(x)),
    ]
    for activation, exact in combined:
        assert_allclose(activation(x), exact, rtol=1e-14, atol=1e-16)
        assert Activation(activation.name) == activation
    assert tanh + sin == sin + tanh == Activation("tanh(x) + sin(x)")
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = tanh + "sin"  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(ValueError, match=r"without poles.*at x = -3.14159"):
        _ = tanh / sin
    with pytest.raises(ValueError, match="without poles"):
        _ = Activation("cos") / sin


def test_derivatives_are_expressions() -> None:
    tanh = Activation("tanh")
    assert tanh.derivative == 1 - sympy.tanh(X) ** 2
    assert sympy.expand(tanh.second_derivative - sympy.diff(tanh.derivative, X)) == 0
    assert tanh.differentiate(3) == sympy.diff(sympy.tanh(X), X, 3)
    assert Activation("relu").second_derivative == sympy.DiracDelta(X)


def test_activations_are_immutable() -> None:
    with pytest.raises(AttributeError):
        Activation("tanh").expression = X  # pyright: ignore[reportAttributeAccessIssue]
    assert len({Activation("tanh"), Activation("tanh(x)"), Activation("sin")}) == 2


def test_a_steep_exponential_is_not_factored() -> None:
    """As a polynomial it has the degree 10,000."""
    w, x = Activation("x*erf(100*x)"), np.array([0.004])
    slope = math.erf(0.4) + 2 / math.sqrt(math.pi) * 0.4 * math.exp(-0.16)
    assert_allclose(w.derivatives(x, 3)[1], slope, rtol=1e-14)
