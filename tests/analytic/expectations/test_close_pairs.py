"""The squared distance of two units, against closed forms in high precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from oracles.exact_angles import errors_of_angle

from analytic.activation import Activation
from analytic.expectations import Angle, distances, moments, units
from analytic.expectations.product_rules import squared_differences

Dual = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(E w(u) w(v), E w'(u) w'(v)) at (v, c, v')."""


def _erf(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    bottom = (1 + 2 * v) * (1 + 2 * v_)
    e = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(bottom))
    return e, 4 / mpmath.pi / mpmath.sqrt(bottom - 4 * c**2)


def _gaussian(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    g = (1 + 2 * v) * (1 + 2 * v_) - 4 * c**2
    return 1 / mpmath.sqrt(g), 4 * c / g / mpmath.sqrt(g)


def _sin(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    half = mpmath.exp(-(v + v_) / 2)
    return half * mpmath.sinh(c), half * mpmath.cosh(c)


def _cosh(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    half = mpmath.exp((v + v_) / 2)
    return half * mpmath.cosh(c), half * mpmath.sinh(c)


def _square_beside_zero(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    """|x| x: E = (2/pi) ((c^2 2 + v v') asin(rho) + 3 c sqrt(v v' - c^2)), and D = 4 E |u||v|."""
    root = mpmath.sqrt(v * v_)
    angle, height = mpmath.asin(c / root), mpmath.sqrt(v * v_ - c**2)
    e = 2 / mpmath.pi * ((2 * c**2 + v * v_) * angle + 3 * c * height)
    return e, 8 / mpmath.pi * (height + c * angle)


DUALS: dict[str, tuple[Dual, float]] = {
    "erf": (_erf, 300.0),
    "gaussian": (_gaussian, 300.0),
    "sin": (_sin, 60.0),
    "cosh(x)": (_cosh, 4.0),
    "x*abs(x)": (_square_beside_zero, 30.0),
}
"""The dual of each activation, and the largest standard deviation."""


@pytest.mark.parametrize("name", DUALS)
def test_no_bound_is_violated_by_close_pairs_of_either_sign(name: str) -> None:
    """120 pairs for each activation: 1 -+ rho from 1e-16 to 1, norms that differ or agree."""
    dual, largest = DUALS[name]
    rng = np.random.default_rng(27)
    n = 120
    s = np.exp(rng.uniform(np.log(0.3), np.log(largest), n))
    s_ = s * np.exp(rng.uniform(-0.7, 0.7, n) * 10.0 ** rng.integers(-9, 1, n))
    small, flip = 10 ** rng.uniform(-16, 0, n), rng.random(n) < 0.4
    angle = Angle(np.where(flip, 2 - small, small), np.where(flip, small, 2 - small), 0 * s)
    both = np.concatenate([s, s_])
    activation = Activation(name)
    of = units(activation, both, moments(activation, both))
    found = distances(of, angle, np.arange(n), n + np.arange(n))
    informative = 0
    for k in range(n):
        with mpmath.workdps(120):  # cosh at s = 4 has 30 digits
            a, b = mpmath.mpf(float(s[k])), mpmath.mpf(float(s_[k]))
            c = a * b * (1 - mpmath.mpf(float(small[k]))) * (-1 if flip[k] else 1)
            wrong, exact, wrong_d = errors_of_angle(found, k, dual, a, b, c)
            assert wrong <= found.error[k], (s[k], s_[k], small[k], flip[k])
            assert wrong_d <= found.error_d[k], (s[k], s_[k], small[k])
        informative += float(found.error[k]) < 1e-9 * float(exact)
    assert informative > n // 2  # the bounds say something


def test_a_close_pair_is_known_to_its_own_size() -> None:
    """At equal norms the distance has relative accuracy, however close the pair."""
    activation, n = Activation("tanh"), 40
    s, small = np.geomspace(0.5, 100, n), np.geomspace(1e-15, 1e-6, n)
    of = units(activation, s, moments(activation, s))
    i = np.arange(n)
    found = distances(of, Angle(small, 2 - small, 0 * s), i, i)
    chi = s**2 * of.moments.slope / of.moments.second  # the slope of the map at 0
    bend = s**2 * np.sqrt(of.moments.curvature / of.moments.slope) * small
    assert np.all(np.abs(found.minus / (chi * small) - 1) <= bend + 2e-13)
    assert np.all(found.error <= 1e-12 * found.minus)


@pytest.mark.parametrize("name", ["cos", "sin"])
def test_a_rounding_of_a_large_wave_is_a_share_of_a_period(name: str) -> None:
    """D = (exp(-E (u - v)^2/2) -+ exp(-E (u + v)^2/2))/2, the second of which is 0."""
    s, variation = np.array([2e10, 2e10 * (1 + 1e-13)]), 2.0**-50
    of, none = units(Activation(name), s, moments(Activation(name), s)), np.zeros(1)
    found = distances(of, Angle(none, 2 + none, none), np.array([0]), np.array([1]), variation)
    with mpmath.workdps(60):
        a, b = (mpmath.mpf(float(value)) for value in s)
        gaps = [b - a * (1 + variation * t / 2) for t in (-1, 0, 1)]
        d = [mpmath.exp(-(gap**2) / 2) / 2 for gap in gaps]
        assert max(abs(found.d[0] - value) for value in d) <= found.error_d[0] / 2
    assert found.error_d[0] < 1e-3


def _half(c: float) -> Any:
    """E exp(-c z) on z > 0."""
    return mpmath.erfc(c / mpmath.sqrt(2)) * mpmath.exp(mpmath.mpf(c) ** 2 / 2) / 2


@pytest.mark.parametrize("sign", [1, -1])
def test_a_jump_of_the_slope_is_sharp_at_parallel_pairs(sign: int) -> None:
    """u = s z, v = +-s' z: E w'(u) w'(v), by integrals over half lines."""
    activation = Activation("Piecewise((exp(x) - 1, x < 0), (3*x, True))")
    s, s_ = np.array([0.02, 0.15, 0.4, 7.0]), np.array([0.02, 0.31, 0.05, 11.0])
    both = np.concatenate([s, s_])
    of, none, i = units(activation, both, moments(activation, both)), 0 * s, np.arange(s.size)
    angle = Angle(1 - sign + none, 1 + sign + none, none)
    found = distances(of, angle, i, s.size + i)
    for k, (a, b) in enumerate(zip(s, s_, strict=True)):
        exact = 9 / 2 + _half(a + b) if sign > 0 else 3 * (_half(a) + _half(b))
        slope = np.sqrt(of.moments.slope[k] * of.moments.slope[s.size + k])
        assert abs(found.d[k] - exact) <= found.error_d[k] * slope, (a, b)
        assert found.error_d[k] < 1e-12


@pytest.mark.parametrize("s", [0.02, 0.7, 12.0])
def test_a_jump_of_the_slope_is_sharp_in_moments(s: float) -> None:
    """E w'(s z)^2 of the same."""
    activation = Activation("Piecewise((exp(x) - 1, x < 0), (3*x, True))")
    found, exact = moments(activation, np.array([s])), 9 / 2 + _half(2 * s)
    assert abs(found.slope[0] - exact) <= found.noise.square * found.slope[0]
    assert found.noise.square < 1e-13


def test_pairs_that_no_rule_resolves_take_little_memory() -> None:
    """At standard deviations of 1e8 the rule of two dimensions would have 1e9 nodes."""
    one, small = np.ones(1), np.full(1, 1e-3)
    angle = Angle(small, 2 - small, 0 * small)
    found = squared_differences(Activation("softplus"), 1e8 * one, 2e8 * one, angle, one, one)
    assert found[3, 0] >= 2
    assert found[4, 0] == np.inf
