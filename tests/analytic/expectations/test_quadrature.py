"""The rules alone: moments, orthonormality, and where they stop to be exact."""

from __future__ import annotations

import math

import flint
import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic.expectations.node_tables import SUMS
from analytic.expectations.quadrature import REACH, extended_basis, graded_rule, uniform_rule

RULES = [uniform_rule(64), uniform_rule(200), graded_rule(64, 1.0), graded_rule(200, 300.0)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("degree", range(0, 21, 2))
def test_even_moments_are_double_factorials(rule, degree: int) -> None:
    exact = math.prod(range(1, degree, 2))
    # summation of 400 terms: 400 u; the reach cuts z^20 at 13 below 1e-15
    assert_allclose(rule.weights @ rule.nodes**degree, exact, rtol=5e-14)


@pytest.mark.parametrize("rule", RULES)
def test_odd_moments_vanish_by_symmetry(rule) -> None:
    assert_allclose(rule.nodes, -rule.nodes[::-1], rtol=0, atol=0)
    assert np.all(rule.weights >= 0)


def test_a_coarse_rule_is_not_exact() -> None:
    coarse = uniform_rule(10)
    assert abs(coarse.weights @ coarse.nodes**20 / math.prod(range(1, 20, 2)) - 1) > 1e-3


def test_hermite_polynomials_are_orthonormal() -> None:
    basis = extended_basis(uniform_rule(400), 300).whole  # sqrt(p_q) h_k(z_q)
    root = np.sqrt(uniform_rule(400).weights)
    inside = root > 0
    functions = basis[:, inside]
    # the turning point of h_299 is at 34 > REACH: only those with 2 sqrt(k) < REACH - 4 are whole
    whole = int(((REACH - 4) / 2) ** 2)
    gram = functions[:whole] @ functions[:whole].T
    assert_allclose(gram, np.eye(whole), atol=1e-13)


def test_hermite_coefficients_of_an_exponential() -> None:
    # E[exp(t z) h_k(z)] = exp(t^2/2) t^k / sqrt(k!)
    rule, t = uniform_rule(100), 0.7
    values = np.exp(t * rule.nodes) * np.sqrt(rule.weights)
    coefficients = extended_basis(rule, 20).coefficients(values[None, :])[0]
    exact = [math.exp(t**2 / 2) * t**k / math.sqrt(math.factorial(k)) for k in range(20)]
    assert_allclose(coefficients, exact, atol=1e-14)


def test_the_graded_rule_resolves_a_narrow_slope() -> None:
    # E[sech^2(s z)] -> 2 / (s sqrt(2 pi)) (1 - pi^2/(24 s^2) + ...)
    s = 1e4
    rule = graded_rule(128, s / 2)
    value = rule.weights @ (1 - np.tanh(s * rule.nodes) ** 2)
    assert_allclose(
        value, 2 / (s * math.sqrt(2 * math.pi)) * (1 - math.pi**2 / (24 * s**2)), rtol=1e-13
    )


@pytest.mark.parametrize("rule", [uniform_rule(40), graded_rule(24, 900.0), uniform_rule(24, 50.0)])
def test_the_recurrence_is_as_exact_as_is_proved(rule) -> None:
    """All orders below 600 at all nodes against balls: 2^-72 of the largest (quadrature.md)."""
    terms, middle = 600, rule.nodes.size // 2
    found = extended_basis(rule, terms)
    flint.ctx.prec, old = 3000, flint.ctx.prec  # balls grow like exp(z sqrt(k))
    try:
        roots = [flint.arb(k).sqrt() for k in range(terms + 1)]
        for q in range(middle, rule.nodes.size, 3):
            z, root = _ball(rule.extended[q]), _ball(rule.root[q])
            rows = [root, z * root]
            for k in range(1, terms - 1):
                rows.append((z * rows[k] - roots[k] * rows[k - 1]) / roots[k + 1])
            pairs = zip(rows, found.high[:, q], found.low[:, q], strict=True)
            gaps = [
                float((row - flint.arb(float(a)) - float(b)).abs_upper()) for row, a, b in pairs
            ]
            largest = np.abs(found.whole).max()
            assert max(gaps) <= 2.0**-72 * largest
    finally:
        flint.ctx.prec = old


def _ball(number: np.longdouble) -> flint.arb:
    """The number, which two of float64 hold."""
    high = float(number)
    return flint.arb(high) + flint.arb(float(number - np.longdouble(high)))


def test_sums_of_many_nodes_lose_no_more_than_is_granted() -> None:
    """16,001 nodes with values of either sign, against balls of the same numbers."""
    rule, before = uniform_rule(8000), flint.ctx.prec
    flint.ctx.prec = 200
    values = np.cos(37 * rule.nodes) * rule.root
    basis = extended_basis(rule, 5)
    found, norm = (
        basis.coefficients(values[None, :])[0],
        float(np.linalg.norm(values.astype(float))),
    )
    for k in range(5):
        pairs = zip(values, basis.high[k], basis.low[k], strict=True)
        exact = sum((_ball(v) * (flint.arb(float(a)) + flint.arb(float(b))) for v, a, b in pairs))
        gap = abs(float(exact - _ball(found[k])))
        assert gap <= SUMS * math.sqrt(rule.nodes.size) * norm
    flint.ctx.prec = before
