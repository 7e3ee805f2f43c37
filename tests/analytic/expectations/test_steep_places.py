"""Nodes that are dense where an activation turns, against closed forms in 40 digits."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles.pieces import dual

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.expectations import product_rules
from analytic.expectations.product_rules import Angle, squared_differences
from analytic.expectations.steep_places import Place, rules_at, steep_place

mp: Any = mpmath


@pytest.mark.parametrize(("text", "centre", "width"), [
    ("tanh(60*(x-1))", 1, 1 / 60), ("exp(-200*(x-1)**2)*tanh(x)", 1, 1 / 20),
    ("atan(50*(x+1))", -1, 1 / 50), ("log(1+exp(40*(x-2)))/40", 2, 1 / 40),
])  # fmt: skip
def test_one_place_is_found(text: str, centre: float, width: float) -> None:
    place = steep_place(Activation(text))
    assert place is not None
    assert place.centre == pytest.approx(centre, abs=0.01)
    assert width / 4 < place.width < 4 * width


@pytest.mark.parametrize("text", [
    "tanh", "gelu", "sin(x)/x", "cos(x)/(1+x**2)", "sin(x**3)", "sin(exp(x/8))", "sin", "3*x",
    "tanh(60*(x-1)) + tanh(60*(x+1))",
])  # fmt: skip
def test_no_place_is_taken_at_zero_nor_where_there_are_many(text: str) -> None:
    assert steep_place(Activation(text)) is None


def test_rules_sum_the_normal_law() -> None:
    """Up to order 4, wherever and however narrow the place is."""
    s, tau = np.array([0.3, 6.0, 400.0, 6.0]), np.array([0.2, 1e-3, 3.0, 2.0])
    slope = np.array([0.9, -1.1, 1.0, 1e-9])
    z, p, xi, q = rules_at(Place(1.0, 0.02), s, slope, tau, s * (1 - slope), (300, 400))
    for k, moment in enumerate((1, 0, 1, 0, 3)):
        assert_allclose(np.sum(p * z**k, axis=1), moment, atol=1e-13)
        assert_allclose(np.sum(q * xi**k, axis=2), moment, atol=1e-12)


def _bump(a: int, one: Any, other: Any, both: Any) -> Any:
    """E w(u) w(v) of exp(-a^2 (x - 1)^2), by the inverse of 1 + 2 a^2 times the covariance."""
    q, q_, c = 1 + 2 * a**2 * one, 1 + 2 * a**2 * other, 2 * a**2 * both
    determinant = q * q_ - c**2
    return mp.exp(-(a**2) * (q + q_ - 2 * c) / determinant) / mp.sqrt(determinant)


def _exact(a: int, s: float, s_: float, minus: float, plus: float) -> tuple[Any, Any, Any]:
    """minus, plus and d of units, and their norms."""
    one, other = mp.mpf(s) ** 2, mp.mpf(s_) ** 2
    rho = 1 - mp.mpf(minus) if minus < plus else mp.mpf(plus) - 1
    both = mp.mpf(s) * mp.mpf(s_) * rho
    norm = mp.sqrt(_bump(a, one, one, one) * _bump(a, other, other, other))
    cosine = _bump(a, one, other, both) / norm
    return 1 - cosine, 1 + cosine, mp.diff(lambda c: _bump(a, one, other, c), both)


def test_pairs_of_a_bump_beside_0(rng: np.random.Generator) -> None:
    a, w = 15, Activation("exp(-225*(x-1)**2)")
    for _ in range(40):
        s, s_ = np.exp(rng.uniform(-0.7, 5, 2)).tolist()
        small, sign = 10 ** rng.uniform(-6, -0.5), rng.choice([-1, 1])
        minus, plus = (small, 2 - small) if sign > 0 else (2 - small, small)
        with mp.workdps(40):
            norms = [_bump(a, t, t, t) for t in (mp.mpf(s) ** 2, mp.mpf(s_) ** 2)]
            slopes = [mp.diff(lambda c, t=t: _bump(a, t, t, c), t) for t in (s**2, s_**2)]
            exact = _exact(a, s, s_, minus, plus)
            unit, unit_ = (np.array([float(1 / mp.sqrt(norm))]) for norm in norms)
            slope = float(mp.sqrt(slopes[0] * slopes[1]))
        given = [np.array([t]) for t in (s, s_, minus, plus)]
        angle = Angle(given[2], given[3], np.zeros(1))
        found = squared_differences(w, given[0], given[1], angle, unit, unit_)[:, 0]
        nearer = 0 if exact[0] < exact[1] else 1
        assert abs(float(found[nearer] - exact[nearer])) <= found[3]
        assert abs(float(found[2] - exact[2])) <= found[4]
        assert found[3] < 1e-11
        assert found[4] < 1e-10 * slope


def test_less_than_enough_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, whole = list[float](), product_rules._placed_sum

    def seen(w: Any, place: Any, units: Any, size: Any) -> Any:
        sizes.append(float(size.prod()))
        return whole(w, place, units, size)

    monkeypatch.setattr(product_rules, "_placed_sum", seen)
    one, small = np.ones(1), np.array([0.01])
    given = 5 * one, 6 * one, Angle(small, 2 - small, 0 * small), one, one
    best = squared_differences(Activation("tanh(60*(x-1))"), *given)[:, 0]
    largest = sizes[-1]
    found = squared_differences(Activation("tanh(60*(x-1))"), *given, enough=1e-3)[:, 0]
    assert sizes[-1] < largest / 2
    assert abs(found[0] - best[0]) <= found[3] <= 2e-3 * best[0]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["log(1+exp(40*(x-1)))/40", "1/(1+400*(x-1)**2)"])
def test_steep_activations_are_answered(text: str) -> None:
    """They were refused, or took 0.1 s a pair."""
    x = np.array([[1.6, 0.2], [2.5, 0.9], [-1.7, 0.4]])
    found = kernel_estimate(Network(FullyConnected(text)), x)
    w, places = Activation(text), (1.0, *(1 + np.outer([-1, 1], 0.02 * 2.0 ** np.arange(7))).flat)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        s, s_ = (math.sqrt(x[k] @ x[k] / 2) for k in (i, j))
        both = x[i] @ x[j] / 2
        e, d = (
            dual(lambda u, n=n: w.derivatives(u, n)[n], tuple(places), s, s_, both / (s * s_))
            for n in (0, 1)
        )
        assert abs(found.value[i, j] - e - both * d) <= found.error[i, j] + 1e-12
    assert (found.error <= 1e-10 * np.sqrt(np.outer(*[np.diag(found.value)] * 2))).all()
