"""What is refused, and what is said of Assumption 3.1, parity, growth and the strip."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from analytic import Activation
from analytic.expressions.rewrite import elementary
from analytic.expressions.vocabulary import X
from analytic.proofs.nonsmooth_points import jump, kinks
from analytic.proofs.signs import sign, zeros
from analytic.proofs.smoothness import Answer


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (sympy.Symbol("a") * X, "one symbol, got a, x"),
        (sympy.I * X, r"real activation, got the complex I\*x"),
        (X + sympy.oo, "finite numbers, got oo"),
        (sympy.nan, "finite numbers, got nan"),
        (sympy.gamma(X), "may be made of, got gamma"),
        ("log(x)", r"real on the whole real line, got log\(x\).* not at x = 0"),
        ("sqrt(x)", r"got sqrt\(x\): x must be positive, and is not at x = 0"),
        ("abs(x)**(3/2)", r"Abs\(x\) must be positive, and is not at x = 0, where .* not smooth"),
        ("log(x**2 - 2)", r"got log\(x\*\*2 - 2\)"),
        ("tan(x)", r"without poles, got tan\(x\), which has one at x = -?1.5708"),
        ("1/x", "without poles, got 1/x, which has one at x = 0"),
        ("1/(x - 2)", "has one at x = 2"),
        ("1/(exp(x) - 2)", "has one at x = 0.693147"),
        ("x/(x**2 - 2*x + 1)", "has one .* at x = 1"),
        ("sign(sin(x))", "finitely many known places, .* jumps from -1 to 1 at x = 0"),
        ("exp(x**2)", r"Gaussian moments are finite, got exp\(x\*\*2\): it may grow like exp"),
        ("exp(x**2/8)", "may grow like"),
        ("exp(-x**3)", r"faster than exp\(c |x|\) on the left"),
        ("exp(exp(x))", r"faster than exp\(c |x|\) on the right"),
        ("sin(exp(x**2))", "its slope may grow like"),
        (X**70, r"at most \|x\|\^64"),
        (X**X, "constant powers"),
    ],
    ids=str,
)
def test_what_is_no_activation_is_refused_with_the_place(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Activation(spec)


@pytest.mark.parametrize(
    "text",
    ["log(1 + x**2)", "sqrt(1 + x**2)", "1/(2 + sin(x))", "tan(atan(x)/2)", "abs(x)*sign(x)",
     "Max(x, x/10)", "exp(x)", "cosh(x)", "log(2 + sin(x))", "x*step(x)", "exp(-exp(x))",
     "log(sech(x))", "1/(1 + x**4)", "(1 + exp(x))**(1/2)", "x**5", "2", "sin(x**2)"],
)  # fmt: skip
def test_what_is_an_activation_is_taken(text: str) -> None:
    assert np.isfinite(Activation(text)(0.3))


@pytest.mark.parametrize(
    ("spec", "verdict", "reason"),
    [
        ("tanh", "holds", "|w'| <= 1, |w''| <= 4*sqrt(3)/9 = 0.7698"),
        ("softplus", "holds", "|w'| <= 1, |w''| <= 1/4 = 0.25"),
        ("sigmoid", "holds", "|w'| <= 1/4 = 0.25, |w''| <= sqrt(3)/18"),
        ("silu", "holds", "|w'| <= 1.09984, |w''| <= 0.5"),
        ("identity", "holds", "|w'| <= 1, |w''| <= 0"),
        ("tanh(x) + sin(3*x)/10", "holds", "|w'| <= 1.3, |w''| <= 1.648"),
        ("relu", "fails", "w' jumps from 0 to 1 at x = 0"),
        ("step", "fails", "w jumps from 0 to 1 at x = 0"),
        ("sign(x - 1)*x", "fails", "w jumps from -1 to 1 at x = 1"),
        ("Max(sign(x), x)", "fails", "w jumps from 0 to 1 at x = 0"),
        (sympy.Piecewise((X, X > 0), (1, True)), "fails", "w jumps from 1 to 0 at x = 0"),
        ("abs(x - 2)", "fails", "w' jumps from -1 to 1 at x = 2"),
        ("Max(x, x/10)", "fails", "w' jumps from 1/10 to 1 at x = 0"),
        ("x*abs(x)/(1 + x**2)", "fails", "w'' jumps from -2 to 2 at x = 0"),
        ("x/(1 + abs(x))", "fails", "w'' jumps from 2 to -2 at x = 0"),
        ("abs(x)**3/(1 + x**2)", "holds", "|w'|"),
        ("exp(x)", "fails", "w' grows like exp(|x|) as x -> oo"),
        ("x**2", "fails", "w' grows like |x| as x -> oo"),
        ("exp(-x)", "fails", "as x -> -oo"),
        ("x**2*sin(x)", "unknown", "whether w' is bounded"),
        ("sin(x**2)", "unknown", "whether w' is bounded (it reaches"),
        ("abs(sin(x))**3", "unknown", "all places"),
    ],
)
def test_assumption_3_1(spec: str, verdict: str, reason: str) -> None:
    answer = Activation(spec).assumption_3_1()
    assert answer.verdict == verdict
    assert reason in answer.reason
    assert answer.holds == {"holds": True, "fails": False, "unknown": None}[verdict]
    assert str(answer) == f"{verdict}: {answer.reason}"


def test_the_slope_of_relu_is_not_lipschitz() -> None:
    assert Activation("relu").lipschitz.exact == 1
    assert Activation("relu").slope_lipschitz.exact == sympy.oo


@pytest.mark.parametrize("text", ["x*abs(x)", "-x*abs(x)", "x**2*tanh(x)*sign(x) + x*abs(x)"])
def test_slopes_whose_terms_have_one_sign_grow_together(text: str) -> None:
    assert Activation(text).lipschitz.exact == sympy.oo


@pytest.mark.parametrize(
    ("spec", "parity"),
    [("tanh", "odd"), ("erf", "odd"), ("sin(x) + x**3", "odd"), ("gaussian", "even"),
     ("sigmoid(x) - 1/2", "odd"), ("softplus(x) - x/2", "even"), ("gelu(x) - x/2", "even"),
     ("softplus", None), ("sin(x) + cos(x)", None), ("2*sigmoid(3*x) - 1", "odd")],
)  # fmt: skip
def test_parity(spec: str, parity: str | None) -> None:
    activation = Activation(spec)
    assert activation.parity == parity
    x = np.linspace(0.1, 3, 9)
    sign = {"odd": -1, "even": 1}.get(str(parity))
    if sign is not None:
        np.testing.assert_allclose(activation(-x), sign * activation(x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("spec", "center", "strip"),
    [
        ("tanh", 0, sympy.pi / 2),
        ("sigmoid", 0, sympy.pi),
        ("softplus", 0, sympy.pi),
        ("silu", 0, sympy.pi),
        ("tanh(2*x + 1)", -0.5, sympy.pi / 4),
        ("1/cosh(2*x)", 0, sympy.pi / 4),
        ("atan(3*x)", 0, sympy.Rational(1, 3)),
        ("1/(1 + x**2)", 0, 1),
        ("log(1 + (x - 1)**2)", 1, 1),
        ("sqrt(4 + x**2)", 0, 2),
        ("tanh(x) + 1/(9 + x**2)", 0, sympy.pi / 2),
    ],
)
def test_the_strip_is_the_radius_of_convergence(spec: str, center: float, strip: Any) -> None:
    activation = Activation(spec)
    assert activation.strip == strip
    with mpmath.workdps(60):
        function = sympy.lambdify(X, elementary(activation.expression), "mpmath")
        series = mpmath.taylor(function, mpmath.mpf(center), 81)
    # over forty orders the coefficients fall by radius^-40, up to a power of the order
    low, high = (max(abs(series[k]), abs(series[k + 1])) for k in (40, 80))
    assert float((low / high) ** (mpmath.mpf(1) / 40)) == pytest.approx(float(strip), rel=0.06)


def test_strips_that_are_wide_none_or_not_known() -> None:
    for name in ("erf", "gelu", "gaussian", "sin", "cos", "identity"):
        assert Activation(name).strip == sympy.oo
    assert Activation("relu").strip == 0
    assert Activation("x*tanh(softplus(x))").strip is None


def test_growth_bounds_the_values() -> None:
    for name in ("tanh", "softplus", "gelu", "silu", "x**3 - x", "exp(x)", "log(1 + x**2)"):
        activation = Activation(name)
        for side, order in zip((-1, 1), activation.growth, strict=True):
            assert order is not None
            x = 500.0
            bound = order.scale + float(order.power) * math.log(x) + float(order.rate) * x
            bound += float(order.curvature) * x**2
            value = abs(float(activation(side * x)))
            # the bound is promised beyond START only; log(1 + x^2) <= 4 |x|^(1/8) from there on
            assert value == 0 or math.log(value) <= bound + (1.0 if "log" in name else 1e-12)


def test_signs_and_zeros() -> None:
    assert sign(X**2 + X + 1).value == 1
    assert sign(-sympy.cosh(X)).value == -1
    assert sign(X - 3) == (0, 3.0, True)
    assert sign(sympy.tanh(X) + sympy.Rational(1, 2)).place == pytest.approx(-math.atanh(0.5))
    assert zeros(X**2 - 2).places == (-sympy.sqrt(2), sympy.sqrt(2))
    found = zeros(sympy.sin(X))
    assert not found.complete
    np.testing.assert_allclose([float(p) for p in found.places[:3]], [0, -np.pi, np.pi], atol=1e-14)
    assert kinks(sympy.Max(X, 1 - X)).places == (sympy.S.Half,)
    assert jump(X**2 * sympy.sign(X), sympy.S.Zero, 1) is None


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("tanh(x) - x/2 + 3/10", [2.577029005114071]),
        ("exp(-x) - x", [0.5671432904097838]),  # Lambert's W(1)
        ("sin(x) - x/3", [-2.278862660075828, 0, 2.278862660075828]),
    ],
)
def test_zeros_without_a_formula_are_isolated(text: str, exact: list[float]) -> None:
    f = Activation(text).expression
    found = zeros(f)
    assert found.complete
    np.testing.assert_allclose([float(p) for p in found.places], exact, rtol=2**-51, atol=1e-300)


def test_zeros_that_touch_are_not_said_to_be_all() -> None:
    assert not zeros(X - sympy.sin(X)).complete
    assert not zeros(sympy.cosh(X) - 1 - X**2 / 2 * sympy.cos(X)).complete


def test_answers_have_three_values() -> None:
    assert Answer("unknown", "why").holds is None
