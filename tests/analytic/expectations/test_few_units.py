"""Moments and coefficients of a few units, against those of the tables."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Activation
from analytic.expectations import (
    Angle,
    coefficients,
    moments,
    moments_of_few,
    orders_beyond,
    pairs_by_rules,
    units,
    units_of_few,
    varies_fast,
)

pytestmark = pytest.mark.slow  # tables of three octaves of fast functions

S = np.array([0.3, 2.1, 5.5])
FAST = ["tanh(60*(x-1))", "sin(5*x)/x", "1/(1+400*(x-1)**2)", "exp(-50*(x-1)**2)*tanh(x)"]


@pytest.mark.parametrize("text", FAST)
def test_moments_are_those_of_the_tables(text: str) -> None:
    w = Activation(text)
    assert varies_fast(w)
    found, known = moments_of_few(w, S), moments(w, S)
    for name in ("mean", "second", "slope", "curvature", "jerk", "response_e", "response_d"):
        one, other = getattr(found, name), getattr(known, name)
        # log w' turns by a radian from node to node at most: three digits, of w'' and w''' two
        of = {"response_e": "slope", "response_d": "curvature"}
        scale = getattr(known, of.get(name, name))
        digits = 0.03 if name in ("jerk", "response_e", "response_d") else 1e-3
        assert (np.abs(one - other) <= digits * np.abs(scale) + 1e-3 * np.abs(other).max()).all()


@pytest.mark.parametrize("text", FAST)
def test_coefficients_are_those_of_the_tables(text: str) -> None:
    w = Activation(text)
    found = units_of_few(w, S, moments_of_few(w, S))
    known = units(w, S, moments(w, S))
    assert found.a.shape == known.a.shape
    np.testing.assert_allclose(found.a, known.a, atol=1e-3)  # of units of norm 1
    c = known.b * np.sqrt(np.arange(1.0, known.b.shape[1] + 1))
    exact = 1 - np.sum(c**2, axis=1) / known.moments.slope
    np.testing.assert_allclose(found.rest, exact, atol=1e-3)


@pytest.mark.parametrize("text", FAST)
@pytest.mark.parametrize("terms", [64, 255, 700])
def test_no_more_is_said_to_lie_beyond_than_does(text: str, terms: int) -> None:
    """Paley and Zygmund say less than all of it, the sum of the coefficients what there is."""
    w = Activation(text)
    least = orders_beyond(w, moments_of_few(w, S), S, terms)
    known = moments(w, S)
    c = coefficients(w, S, terms).b * np.sqrt(np.arange(1.0, terms + 1))[:, None]
    exact = 1 - np.sum(c**2, axis=0) / known.slope
    assert (least <= exact + 1e-3 * exact + 1e-9).all()
    assert least.max() > 0.01 * exact.max() or exact.max() < 1e-8


def test_what_no_rule_resolves_is_said() -> None:
    with pytest.raises(ArithmeticError, match="nodes resolve at s = 3e"):
        moments_of_few(Activation("cos(x**2)"), np.array([1.0, 300.0]))


@pytest.mark.parametrize(("of_d", "lost"), [(2.0, True), (1e-3, False)])
def test_rules_that_do_not_know_d_are_lost(
    of_d: float, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors relative to the norms of w', of rules with a quarter of the nodes."""
    w = Activation(FAST[0])
    of = units_of_few(w, S, moments_of_few(w, S))
    found = np.zeros((5, 1))
    found[4] = of_d * np.sqrt(of.moments.slope[1] * of.moments.slope[2])
    monkeypatch.setattr(pairs_by_rules, "squared_differences", lambda *_: found)
    one, small = np.ones(1, dtype=np.intp), np.full(1, 1e-3)
    angle = Angle(small, 2 - small, 0 * small)
    assert pairs_by_rules.are_lost(of, angle, one, 2 * one, one > 0) == lost
