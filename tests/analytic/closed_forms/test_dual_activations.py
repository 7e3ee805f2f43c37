"""Closed-form duals against quadrature, known formulas and the numerical duals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy
from oracles import dense

from analytic import Activation, FullyConnected, Network, dual, dual_obstacle, kernel
from analytic.closed_forms.dual_activations import COVARIANCES, dual_mean
from analytic.closed_forms.gaussian_moments import Factor, Law, OpenFormError, expectation
from analytic.expressions.reading import expression_of
from analytic.expressions.vocabulary import X

GRID = [(1.0, 0.0, 1.0), (1.3, 0.6, 0.8), (0.4, -0.39, 0.5), (2.0, 1.9, 2.1), (0.7, -0.15, 0.05)]
SMOOTH = [
    "x**3 - 2*x + 1",
    "sin(x)",
    "cos(2*x)",
    "sin(x + 1)",
    "exp(x/2)",
    "gaussian(x)",
    "erf(x)",
    "gelu(x)",
    "x*sin(x)",
    "x*gaussian(x)",
    "exp(x/3)*cos(x)",
    "sin(x)*gaussian(x)",
    "exp(-x**2/2 + x)",
    "erf(x) + sin(3*x)",
    "erf(x) + x/10",
    "x**2*erf(2*x)",
    "erf(x)*gaussian(x)",
    "cosh(x/2) - sinh(x/3)",
    "x*erfc(x)",
    "sin(x)**2",
    "gaussian(x/2)*x**2 + cos(x)",
]


def closed(spec: Any, point: tuple[float, float, float]) -> float:
    value = dual(spec)
    assert value is not None
    assert value.free_symbols <= set(COVARIANCES)
    return float(value.subs(dict(zip(COVARIANCES, map(sympy.Float, point), strict=True))))


@pytest.mark.slow
@pytest.mark.parametrize("text", SMOOTH)
def test_closed_forms_match_quadrature(text: str) -> None:
    activation = Activation(text)
    for point in GRID:
        e, d, mean, _ = dense.trapezoid(activation, *point)
        # the trapezoidal sums are exact to rounding, terms of size up to E[w^2]
        scale = 1 + abs(e)
        assert closed(activation, point) == pytest.approx(e, abs=2e-13 * scale)
        assert closed(activation.derivative, point) == pytest.approx(d, abs=2e-12 * (1 + abs(d)))
        exact_mean = dual_mean(activation).subs(COVARIANCES[0], point[0])
        assert float(exact_mean) == pytest.approx(mean, abs=2e-13 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("text", [*SMOOTH, "relu(x)", "abs(x)**3"])
def test_the_dual_of_the_slope_is_the_slope_of_the_dual(text: str) -> None:
    # Price's theorem: E[w'(u) w'(v)] is the derivative of E[w(u) w(v)] by Lambda_12
    whole = sympy.diff(dual(text), COVARIANCES[1])
    slope = dual(sympy.diff(expression_of(text), X))
    for point in GRID:
        at = dict(zip(COVARIANCES, (sympy.Float(c, 30) for c in point), strict=True))
        assert float(whole.subs(at)) == pytest.approx(float(slope.subs(at)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("point", GRID)
def test_kinked_activations_match_the_arccosine_formulas(point: tuple[float, float, float]) -> None:
    e, d, mean, _ = dense.arccosine_dual(Activation("relu"), *point)
    assert closed("relu", point) == pytest.approx(e, rel=1e-13, abs=1e-15)
    assert closed("step", point) == pytest.approx(d, rel=1e-13)
    assert float(dual_mean("relu").subs(COVARIANCES[0], point[0])) == pytest.approx(mean)
    p, c, q = point
    angle = math.asin(c / math.sqrt(p * q))
    assert closed("sign", point) == pytest.approx(2 / math.pi * angle, rel=1e-13)
    folded = 2 / math.pi * (math.sqrt(p * q - c * c) + c * angle)
    assert closed("abs", point) == pytest.approx(folded, rel=1e-13)
    # max(x, x/10) = x/10 + 0.9 max(x, 0), and E[u max(v, 0)] = c/2
    assert closed("Max(x, x/10)", point) == pytest.approx(c / 100 + 0.09 * c + 0.81 * e, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["erf", "sin", "cos", "gaussian", "gelu", "relu"])
def test_the_numerical_duals_agree(name: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 4))
    found = kernel(Network(FullyConnected(name)), x, kind="nngp", tolerance=1e-13)
    gram = x @ x.T / 4
    value = sympy.lambdify(COVARIANCES, dual(name), "scipy")
    for i, j in np.ndindex(6, 6):
        if i != j:
            exact = value(gram[i, i], gram[i, j], gram[j, j])
            assert found[i, j] == pytest.approx(exact, abs=1e-13)


def test_known_formulas_are_found() -> None:
    p, c, q = COVARIANCES
    assert dual("x") == c
    assert sympy.expand(dual("x**2") - (p * q + 2 * c**2)) == 0
    williams = 2 * sympy.asin(2 * c / sympy.sqrt((1 + 2 * p) * (1 + 2 * q))) / sympy.pi
    assert sympy.simplify(dual("erf") - williams) == 0
    hyperbolic = sympy.exp(-(p + q) / 2) * sympy.sinh(c)
    assert sympy.expand((dual("sin") - hyperbolic).rewrite(sympy.exp)) == 0
    assert sympy.expand(dual("2*sin(x)") - 4 * dual("sin")) == 0


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("tanh", "tanh(x) is not a sum of"),
        ("softplus", "is not a sum of"),
        ("erf(x + 1)", "an argument that is no multiple of x"),
        ("relu(x - 1)", "an argument that is no multiple of x"),
        ("exp(x)*erf(x)", "under a shifted normal law"),
        ("erf(x)**2", "products of error functions"),
        ("sin(x**2)", "is not a sum of"),
        ("exp(x**2)", "grows too fast"),
        ("x**30", "powers above 24"),
    ],
)
def test_what_has_no_closed_form_says_why(spec: str, reason: str) -> None:
    assert dual(spec) is None
    assert reason in str(dual_obstacle(spec))


def test_what_closes_has_no_obstacle() -> None:
    assert dual_obstacle("erf") is None
    assert dual_mean("tanh") is None


def test_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="expected an Activation, a string in x"):
        dual(3)
    with pytest.raises(ValueError, match="did you mean tanh"):
        dual("tanhh(x)")


def test_moments_of_shifted_laws() -> None:
    # E[u e^u sign(v)] with u = m + s z by hand: mean shifts to m + s^2, v stays independent
    m, s = sympy.Rational(1, 3), sympy.Rational(1, 2)
    law = Law(m, sympy.S.One, s, sympy.S.Zero, sympy.S(2))
    found = expectation(law, Factor(power=1, linear=sympy.S.One), Factor(slope=sympy.oo))
    exact = (m + s) * sympy.exp(m + s / 2) * sympy.erf(sympy.S.Half)
    assert float(found - exact) == pytest.approx(0, abs=1e-15)
    # E[e^(-b u^2)] = exp(-b m^2/(1 + 2 b s))/sqrt(1 + 2 b s)
    b = sympy.Rational(3, 4)
    found = expectation(law, Factor(square=b), Factor())
    exact = sympy.exp(-b * m**2 / (1 + 2 * b * s)) / sympy.sqrt(1 + 2 * b * s)
    assert float(found - exact) == pytest.approx(0, abs=1e-15)
    with pytest.raises(OpenFormError, match="shifted"):
        expectation(law, Factor(slope=sympy.S.One), Factor(slope=sympy.S.One))
