"""Each term of the bound of the tables is met by a case in which it is the largest."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from oracles import exact_tables

from analytic import Activation
from analytic.expectations import coefficients, moments, quadrature_error
from analytic.expectations.between_nodes import norms_between
from analytic.expectations.bounded_tables import _noise, _shortened
from analytic.expectations.interpolation_error import ellipses, error
from analytic.expectations.majorants import majorant
from analytic.expectations.node_tables import FIRST, MEAN, SLOPE, SPREAD, tabulated
from analytic.expectations.octaves import segment
from analytic.expectations.quadrature import Rule, extended_basis, graded_rule, uniform_rule
from analytic.expectations.quadrature_error import PARTS, contours
from analytic.expectations.segments import Segment, chebyshev_nodes, chebyshev_series
from analytic.expressions import X, extended_values
from analytic.machine import UNIT
from analytic.proofs import Rectangle, modulus

TEXTS = [
    "tanh(x)", "softplus(2*x - 3)", "x*sigmoid(x)", "exp(-(x - 5)**2)", "erf(x - 6) + 1", "x**10",
    "1/(1 + 9*(x - 1)**2)", "sin(2*x)", "exp(x)", "asinh(x)", "atan(3*x)", "log(2 + x**2)",
    "sech(x - 4)", "x*tanh(softplus(x))", "sqrt(1 + x**2)", "(x + 1)**2*exp(-x**2)",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_tables_keep_their_bound(text: str) -> None:
    """The norm over k of the errors of the coefficients, and the moments, at random s."""
    activation, s = Activation(text), np.array([0.13, 0.71, 1.9])
    exact = exact_tables.tables(activation, s.astype(np.longdouble))
    for i, one in enumerate(s):
        found, table = coefficients(activation, s[i : i + 1], 40), moments(activation, s[i : i + 1])
        assert found.noise.certified
        order = np.sqrt(np.arange(1, 41).astype(np.longdouble))
        gap = np.linalg.norm(((found.b[:, 0] * order) - exact.c[i, :40]).astype(float))
        assert gap <= found.noise.slope * math.sqrt(exact.slope[i])
        assert abs(table.slope[0] - exact.slope[i]) <= table.noise.square * exact.slope[i]
        assert abs(table.second[0] - exact.second[i]) <= table.noise.second * exact.second[i]
        means = abs(table.mean[0] - exact.a[i, 0])
        assert means <= table.noise.mean * math.sqrt(exact.second[i]), one


def test_cancellation_in_the_values_decides_where_it_happens() -> None:
    """sin(x) - x + x^3/6 at s = 0.005 is x^5/120, 10^-13 of its terms."""
    activation, s = Activation("sin(x) - x + x**3/6"), np.array([0.005])
    exact, found = exact_tables.tables(activation, s.astype(np.longdouble)), moments(activation, s)
    table = coefficients(activation, s, 24)
    gap = (table.b[:, 0] * np.sqrt(np.arange(1.0, 25)) - exact.c[0, :24]).astype(float)
    error = float(np.linalg.norm(gap)) / math.sqrt(exact.slope[0])
    assert 2.0**-40 < error <= table.noise.slope
    mean = abs(float(found.second[0] / exact.second[0] - 1))
    assert 2.0**-40 < mean <= found.noise.second


def test_cancellation_in_w_alone_decides_of_its_mean() -> None:
    """sqrt(10^6 + x^2) - 1000 at s = 0.1 has lost 8 digits, its slope none."""
    activation, s = Activation("sqrt(10**6 + x**2) - 1000"), np.array([0.1])
    exact, found = exact_tables.tables(activation, s.astype(np.longdouble)), moments(activation, s)
    error = abs(float((found.mean[0] - exact.a[0, 0]) / np.sqrt(exact.second[0])))
    assert found.noise.certified
    assert 64 * UNIT < error <= found.noise.mean


def _norms(activation: Activation, low: float) -> np.ndarray:
    edges = low * 2 ** (np.arange(PARTS + 1) / PARTS)
    rule = graded_rule(400, 2.0, 30.0)
    w, slope = activation.derivatives(edges[:, None] * rule.nodes, 1)
    norms = np.log(np.stack([slope**2, w**2]) @ rule.weights) / 2
    return np.minimum(norms[:, 1:], norms[:, :-1])


@pytest.mark.parametrize("text", ["tanh(x)", "1/(1 + 9*(x - 1)**2)", "sech(x - 4)"])
def test_aliasing_is_bounded_and_not_by_far(text: str) -> None:
    """With a third of the nodes aliasing is the largest term: it is seen, and it is bounded."""
    activation, low, terms = Activation(text), 1.0, 24
    found = contours(activation, low, 2 * low, _norms(activation, low))
    assert found is not None
    exact = exact_tables.tables(activation, np.array([low], np.longdouble))
    choice = found.choose(terms)
    assert choice is not None
    fine = _error(activation, choice.rule, low, exact, terms)
    assert fine <= choice.slope[0] + 1e-15  # the values are those of float64
    coarse = _error(activation, _every_third(choice.rule), low, exact, terms)
    assert coarse > 1e-12  # what a bound without the aliasing would miss


@pytest.mark.parametrize("text", ["1/(1 + 9*(x - 1)**2)", "sech(x - 4)"])
def test_a_rule_that_may_alias_says_by_how_much(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where 1e-5 is allowed, aliasing is all of the error; the tails stay below 1e-18."""
    activation, low, terms = Activation(text), 1.0, 24
    found = contours(activation, low, 2 * low, _norms(activation, low))
    assert found is not None
    monkeypatch.setattr(quadrature_error, "SHARE", math.log(1e-5))
    choice = found.choose(terms)
    assert choice is not None
    exact = exact_tables.tables(activation, np.array([low], np.longdouble))
    error = _error(activation, choice.rule, low, exact, terms)
    tail = quadrature_error.TAIL * math.exp(found.tails[0, 0])
    assert 100 * tail < error <= choice.slope[0]


def _every_third(rule: Rule) -> Rule:
    every = slice(rule.nodes.size // 2 % 3, None, 3)
    root = rule.root[every] * np.sqrt(np.longdouble(3))
    return Rule(rule.nodes[every], rule.weights[every] * 3, rule.extended[every], root)


def _error(activation: Activation, rule: Any, s: float, exact: Any, terms: int) -> float:
    values = activation.derivatives(s * rule.nodes, 1)[1] * rule.root
    found = extended_basis(rule, terms).coefficients(values[None, :])[0]
    return float(np.linalg.norm((found - exact.c[0, :terms]).astype(float)))


def test_the_tail_decides_where_a_rule_ends() -> None:
    """exp(2x) at s = 2 has its mass at z = 4 and beyond 13 more of it than rounding."""
    activation = Activation("exp(2*x)")
    found = contours(activation, 1.0, 2.0, _norms(activation, 1.0))
    assert found is not None
    assert found.reach > 17
    exact = exact_tables.tables(activation, np.array([2.0], np.longdouble))
    short = _error(activation, uniform_rule(200, 13.0), 2.0, exact, 24)
    bound = majorant(activation.expression, 1)
    assert bound is not None
    two, reach = np.array([2.0]), np.array([13.0])
    tail = math.exp(bound.log_tail(two, two, reach, 2)[0] / 2)
    assert 2.0**-53 * math.sqrt(exact.slope[0]) < short <= 2.5 * tail


def test_a_majorant_bounds_the_moments_and_not_by_far() -> None:
    for text, growth in (("tanh(x)", 3), ("x**6", 3), ("exp(-(x - 7)**2)", 30)):
        found = majorant(Activation(text).expression, 0)
        assert found is not None
        s = np.array([0.4, 1.5])
        exact = np.log(
            exact_tables.tables(Activation(text), s.astype(np.longdouble)).second.astype(float)
        )
        bound = found.log_mean(s, 2)
        assert np.all(exact <= bound)
        assert np.all(bound <= exact + 2 * math.log(growth) + 2)


@pytest.mark.parametrize("text", ["tanh(x)", "sin(3*x)", "exp(-(x - 5)**2)", "sech(x - 4)"])
@pytest.mark.parametrize("points", [6, 10, 16])
def test_interpolation_in_s_is_bounded(text: str, points: int) -> None:
    activation, low, terms = Activation(text), 0.5, 30
    found = ellipses(activation, low, 14.0)
    assert found is not None
    bound = np.exp(error(found.logs(terms, (0, 0, 0, 0)), points))
    angle = (2 * np.arange(points) + 1) * np.pi / (2 * points)
    nodes, s = 0.75 + 0.25 * np.cos(angle), np.linspace(0.51, 0.99, 7)
    at = exact_tables.tables(activation, nodes.astype(np.longdouble))
    true = exact_tables.tables(activation, s.astype(np.longdouble))
    weights = np.cos(np.arange(points)[:, None] * angle) * 2 / points
    weights[0] /= 2
    values = np.cos(np.arange(points) * np.arccos((s[:, None] - 0.75) / 0.25)) @ weights
    gap = np.linalg.norm((values @ at.c[:, :terms] - true.c[:, :terms]).astype(float), axis=1)
    assert np.all(gap <= bound[0] + 1e-15)
    assert np.all(np.abs(values @ at.slope - true.slope).astype(float) <= bound[1] + 1e-15)


def test_evaluating_a_long_series_is_bounded() -> None:
    """sin(x) + sin(2 x) at s = 8.8 has T_j to j = 70, by a recurrence whose errors add up."""
    activation, s, terms = Activation("sin(x) + sin(2*x)"), np.array([8.8]), 350
    exact = exact_tables.tables(activation, s.astype(np.longdouble))
    found = coefficients(activation, s, terms)
    gap = found.b[:, 0] * np.sqrt(np.arange(1.0, terms + 1)) - exact.c[0, :terms]
    error = float(np.linalg.norm(gap.astype(float))) / math.sqrt(exact.slope[0])
    assert 8 * UNIT < error <= found.noise.slope


def test_too_few_points_in_s_are_paid_for() -> None:
    """With 8 points interpolation is the largest error, and the bound without it is violated."""
    activation, low, terms = Activation("sech(x - 4)"), 0.5, 32
    on = contours(activation, low, 2 * low, _norms(activation, low))
    around = ellipses(activation, low, 14.0)
    assert on is not None
    assert around is not None
    choice, nodes = on.choose(terms), chebyshev_nodes(low, 2 * low, 8)
    assert choice is not None
    table = tabulated(activation, nodes, choice.rule, terms)
    series, powers = chebyshev_series(table.extended, nodes, (0, 0))
    rest = nodes, table.columns, powers, np.zeros((5, 8))
    logs = error(around.logs(terms, (0, 0, 0, 0)), 8)
    with_it, without = (_noise(series, *rest, logs - away, low)[1].slope for away in (0, np.inf))
    s = np.linspace(0.51, 0.99, 5)
    exact = exact_tables.tables(activation, s.astype(np.longdouble))
    values = np.cos(np.arange(8) * np.arccos((s[:, None] - 0.75) / 0.25)) @ series[:, FIRST:]
    gaps = np.linalg.norm((values - exact.c[:, :terms]).astype(float), axis=1)
    largest = float((gaps / np.sqrt(exact.slope.astype(float))).max())
    assert without < largest <= with_it


def test_what_a_series_leaves_out_is_counted() -> None:
    """A table that is wrong by 1e-6 is cut there: the cut is not larger than what it adds."""
    nodes = chebyshev_nodes(1.0, 2.0, 24)
    table = np.tanh(nodes[:, None] * np.linspace(0.2, 2, FIRST + 16)).astype(np.longdouble)
    series, _ = chebyshev_series(table, nodes, (0, 0))
    carried = np.full(5, 1e-6)
    short, total = _shortened(series, carried)
    left = np.abs(series[len(short) :, FIRST:]).sum(axis=0)  # at s = 2, where all T_j are 1
    assert 2.0**-40 < float(np.linalg.norm(left)) <= total[0] - carried[0]


FUNCTIONS = [
    "tanh(x)", "exp(x)", "sin(x)", "log(1 + x**2)", "asinh(x)", "atan(x)", "sech(x)", "sigmoid(x)",
    "softplus(x)", "erf(x)", "gelu(x)", "(x - 1)**7", "sqrt(2 + x**2)", "erf(x - 6) + 1",
]  # fmt: skip


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("text", FUNCTIONS)
def test_values_are_as_good_as_they_say(text: str, order: int) -> None:
    """This is also the assumption on the C library: two units in the last place."""
    activation = Activation(text)
    x = (np.random.default_rng(1).standard_normal(400) * 5).astype(np.longdouble)
    value, bound = extended_values(activation.expression, x, order)
    for point, found, allowed in zip(x, value, bound, strict=True):
        exact = exact_tables.value(activation, order, point)
        assert float(abs(found - exact)) <= allowed


@pytest.mark.parametrize("text", TEXTS)
def test_rectangles_contain_the_values(text: str) -> None:
    activation, rng = Activation(text), np.random.default_rng(3)
    left, bottom = rng.normal(size=60) * 3, rng.uniform(0, 0.8, 60)
    width, height = 10 ** rng.uniform(-3, 0, (2, 60))
    for order in (0, 1):
        sizes = modulus(
            activation.stable(order), Rectangle.of(left, left + width, bottom, bottom + height)
        )
        function = sympy.lambdify(
            X, sympy.simplify(activation.differentiate(order).rewrite(sympy.exp)), "mpmath"
        )
        for i in np.flatnonzero(np.isfinite(sizes))[:25]:
            z = complex(left[i] + width[i] * rng.random(), bottom[i] + height[i] * rng.random())
            with mpmath.workdps(700 if "erf" in text else 40):
                assert float(abs(function(mpmath.mpmathify(z)))) <= sizes[i] * (1 + 1e-10)


@pytest.mark.parametrize("text", ["exp(-x**2) + 0.001*x**7", "exp(-(x - 5)**2)", "tanh(x)"])
def test_rests_between_the_nodes(text: str) -> None:
    """What 0, 1, ..., 40 terms leave between two nodes; at these alone it may be less."""
    activation, low = Activation(text), 1.0
    part, rule = segment(activation, 0), graded_rule(400, 2.0, 20.0)
    assert isinstance(part, Segment)

    def shares(s: np.ndarray) -> np.ndarray:
        table = tabulated(activation, s, rule, 40).columns
        left = table[:, [SLOPE]] - np.cumsum(table[:, FIRST:] ** 2, axis=1)
        return np.append(table[:, [SLOPE]], left, axis=1) / table[:, [SLOPE]]

    nodes = np.append(low, part.nodes)
    middle = nodes[:-1] + np.diff(nodes) / 3
    true, beside = shares(middle), shares(nodes)
    large = true > 2.0**-30  # of rounding 2^-45
    assert np.all((true <= part.rests[:, :41])[large])
    assert np.all((part.rests[:, :41] <= 3 * beside[1:])[large])
    if text.startswith("exp(-x**2)"):
        assert np.any((true > 1.0001 * np.maximum(beside[1:], beside[:-1]))[large])


@pytest.mark.parametrize(("text", "low"), [("tanh(3*x)", 0.5), ("exp(-(x - 5)**2)", 0.25)])
def test_norms_between_the_nodes(text: str, low: float) -> None:
    """Nowhere in the octave are the norms below what is said of them, nor 1e-3 above."""
    w = Activation(text)
    rule, nodes = uniform_rule(400), chebyshev_nodes(low, 2 * low, 48)
    series, powers = chebyshev_series(tabulated(w, nodes, rule, 32).extended, nodes, (0, 0))
    found = norms_between(series, powers, low)
    rng = np.random.default_rng(0)
    places = rng.integers(found.s.size, size=64)
    h = np.pi / found.s.size / 2
    s = low * (3 + np.cos(h * (2 * places + 1 + rng.uniform(-1, 1, 64)))) / 2
    table = tabulated(w, s, rule, 32).columns
    norm = np.sqrt(table[:, SLOPE])
    root = np.sqrt(table[:, MEAN] ** 2 + s**2 * table[:, SPREAD])
    for least, exact in ((found.norm, norm), (found.root, root)):
        assert np.all(least[places] <= exact * (1 + 1e-12))
        assert np.all(least[places] >= exact * 0.98)
    for most, exact in ((found.slope, norm), (found.mean, np.abs(table[:, MEAN]))):
        assert np.all(most[places] >= exact * (1 - 1e-12))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["erf(60*x)", "exp(-3600*x**2)", "x*erf(100*x)", "tanh(3000*x)"])
def test_steep_functions_are_certified(text: str) -> None:
    found = segment(Activation(text), 0)
    assert isinstance(found, Segment)
    assert found.noise.certified
    assert max(found.noise.value, found.noise.slope, found.noise.square) < 1e-13
