"""Functions given by pieces: the same values, and nothing that Piecewise would not say."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from analytic import Activation
from analytic.expressions import JUMPING, KINKED

T = sympy.Symbol("t", real=True)
X = np.array([-9.0, -3.0, -2.9, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.25, 0.5, 1.0, 2.9, 3.0, 6.0, 7.5])


@pytest.mark.parametrize(
    "function",
    [
        sympy.Piecewise((0, T < -3), (T, T > 3), (T * (T + 3) / 6, True)),
        sympy.Piecewise((T, T < 0), (sympy.sin(T), T <= 1), (sympy.sin(1), True)),
        sympy.Piecewise((sympy.exp(T) - 1, T < 0), (T, T < 1), (T**2, True)),
        sympy.Piecewise((T, (T > -1) & (T < 1)), (1, T >= 1), (-1, True)),
        T * sympy.Piecewise((0, T <= 0), (T**2, True)) + sympy.cos(T),
    ],
)
def test_pieces_have_the_values_of_the_piecewise_function(function: sympy.Expr) -> None:
    activation = Activation(function)
    for order in (0, 1):
        exact = sympy.lambdify(T, sympy.diff(function, T, order), "numpy")(X + 0.01)
        found = activation.derivatives(X + 0.01, order)[order]
        # a sum of at most three terms, each of the size of the pieces at their ends
        np.testing.assert_allclose(found, exact, rtol=1e-14, atol=1e-14)
    assert Activation(activation.name) == activation


def test_text_is_read_as_sympy_reads_it() -> None:
    text = "Piecewise((0, x < -3), (x, x >= 3), (x*(x + 3)/6, True))"
    function = sympy.Piecewise((0, T < -3), (T, T >= 3), (T * (T + 3) / 6, True))
    assert Activation(text) == Activation(function)
    chained = "Piecewise((x, -1 < x <= 1), (1, x > 1), (-1, True))"
    assert Activation(chained) == Activation("hardtanh")


def test_pieces_that_are_one_smooth_function_lose_their_ends() -> None:
    assert Activation("Piecewise((x**2, x < 1), (x**2, True))") == Activation("x**2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Piecewise((x, x < 0))", "cover the real line"),
        ("Piecewise((x, sin(x) < 0), (0, True))", "comparisons of x with numbers"),
        ("Piecewise((x, x == 0), (0, True))", "one of < <= > >="),
        ("Piecewise(x, 0)", "pairs"),
        ("Piecewise((x, 3), (0, True))", "a comparison such as"),
        ("Piecewise((Piecewise((0, x < 0), (x, True)), x < 2), (2, True)) + True", "real number"),
    ],
)
def test_other_conditions_are_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Activation(text)


TORCH = {  # what torch says, written independently
    "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "hardshrink": lambda x: np.where(abs(x) > 0.5, x, 0),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "sign": np.sign,
    "softshrink": lambda x: np.where(abs(x) > 0.5, x - np.sign(x) / 2, 0),
    "softsign": lambda x: x / (1 + abs(x)),
    "step": lambda x: np.heaviside(x, 0.0),
}


@pytest.mark.parametrize("name", sorted({**KINKED, **JUMPING}))
def test_named_activations_are_those_of_torch(name: str) -> None:
    # sums of four numbers of at most 7.5, with four roundings each
    np.testing.assert_allclose(Activation(name)(X), TORCH[name](X), rtol=1e-15, atol=4e-15)
    assert name == "celu" or Activation(name).name == name
