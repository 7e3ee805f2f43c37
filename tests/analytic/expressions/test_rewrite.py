"""Stable forms are the same functions, and their values hold far from the origin."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from analytic.expressions.evaluation import values
from analytic.expressions.rewrite import derivative, elementary, recognised, stable
from analytic.expressions.vocabulary import JUMPING, KINKED, NAMES, X, sigmoid

E = sympy.exp(X)
EXPRESSIONS: dict[str, Any] = {
    **{name: expression for name, expression in NAMES.items() if name not in {**KINKED, **JUMPING}},
    "quotient": (E - 1 / E) / (E + 1 / E),
    "logcosh": sympy.log(sympy.cosh(X)),
    "logistic slope": (1 / E) / (1 + 1 / E) ** 2,
    "cubed": E**2 / (1 + E) ** 3,
    "erfc": X * sympy.erfc(X),
    "log sigmoid": sympy.log(sigmoid(X)),
    "sinh over cosh squared": sympy.sinh(X) / sympy.cosh(X) ** 2,
    "one plus tanh": 3 + 3 * sympy.tanh(2 * X),
    "unknown to the rules": (E + 2) / (E + 3 + sympy.cos(X)),
    "overflowing logarithm": sympy.log(2 + E),
}


def truth(expression: Any, order: int, x: float) -> Any:
    """The derivative as sympy writes it, at 500 digits: nothing cancels or overflows there."""
    with mpmath.workdps(500):
        plain = sympy.diff(elementary(expression), X, order)
        return sympy.lambdify(X, plain, "mpmath")(mpmath.mpf(x))


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_values_match_high_precision_everywhere(name: str, order: int) -> None:
    x = np.array([-800.0, -40.0, -20.5, -3.3, -0.4, 0.0, 1e-3, 1.7, 9.1, 36.6, 400.0, 800.0])
    found = values(EXPRESSIONS[name], x, order)[order]
    exact = np.array([float(truth(EXPRESSIONS[name], order, t)) for t in x])
    # up to ten terms of size at most 100 near the origin; relative in the tails
    np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "relative"), [("tanh", 1), ("sigmoid", 2), ("gelu", 0), ("silu", 1)]
)
def test_the_tails_keep_their_relative_accuracy(name: str, relative: int) -> None:
    x = np.array([-30.0, -20.0, -15.0])
    found = values(NAMES[name], x, relative)[relative]
    exact = np.array([float(truth(NAMES[name], relative, t)) for t in x])
    np.testing.assert_allclose(found, exact, rtol=1e-12)  # 1 - tanh(x)^2 would be 0


@pytest.mark.parametrize("x", [800.0, -800.0, 1e4, -1e4, 1e200, -1e200])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_nothing_overflows_or_warns(name: str, x: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        for value in values(NAMES[name], np.array([x]), 3):
            assert np.all(np.isfinite(value))


@pytest.mark.parametrize("factor", [X, sympy.sin(X) * sympy.tanh(X)])
def test_common_factors_hide_no_difference_from_one(factor: Any) -> None:
    x = np.array([-1e-9, 3e-7, 0.5])
    found = values(sympy.expand(factor * (E - 1)), x, 0)[0]
    exact = np.array([float(truth(factor * (E - 1), 0, t)) for t in x])
    np.testing.assert_allclose(found, exact, rtol=1e-14)


def test_no_polynomial_in_many_functions_is_factored(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    factor = lambda expression: asked.append(expression) or expression  # noqa: E731
    monkeypatch.setattr(sympy, "factor", factor)
    monkeypatch.setattr(sympy.Expr, "factor", factor)
    values(sympy.sin(NAMES["gelu"]) + X**3, np.array([0.7]), 2)
    # sympy factors polynomials of many unknowns at random points, which has taken minutes
    assert max(len(expression.atoms(sympy.Function)) for expression in asked) <= 2


def test_stable_forms() -> None:
    tanh = sympy.tanh(X)
    assert stable(1 - tanh**2) == sympy.sech(X) ** 2
    assert derivative(tanh, 1) == sympy.sech(X) ** 2
    assert stable(EXPRESSIONS["quotient"]) == tanh
    assert stable(sympy.exp(3 * X) / (1 + E) ** 3) == sigmoid(X) ** 3
    assert recognised(1 / (1 + sympy.exp(-X)) + tanh) == sigmoid(X) + tanh
    assert derivative(sympy.Max(X, X / 10), 1).subs(X, -1) == sympy.Rational(1, 10)
