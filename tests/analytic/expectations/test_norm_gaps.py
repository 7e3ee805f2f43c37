"""Gaps of norms, and pairs of units whose gap is known, against high precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from oracles.exact_angles import errors_of_angle

from analytic.activation import Activation
from analytic.expectations import (
    Angle,
    Gaps,
    NormGap,
    distances,
    gap_of_activations,
    gap_of_preactivations,
    moments,
    units,
)
from analytic.expectations.conditioned_pairs import _means
from analytic.expectations.heat_choice import heat
from analytic.machine import UNIT

VARIATION = 3 * UNIT


def _erf(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    bottom = (1 + 2 * v) * (1 + 2 * v_)
    e = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(bottom))
    return e, 4 / mpmath.pi / mpmath.sqrt(bottom - 4 * c**2)


def _bump(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    """3 exp(-x^2/2)."""
    g = (1 + v) * (1 + v_) - c**2
    return 9 / mpmath.sqrt(g), 9 * c / g / mpmath.sqrt(g)


def _sin(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    half = mpmath.exp(-(v + v_) / 2)
    return half * mpmath.sinh(c), half * mpmath.cosh(c)


def _cos(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    half = mpmath.exp(-(v + v_) / 2)
    return half * mpmath.cosh(c), half * mpmath.sinh(c)


def _exp(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    e = mpmath.exp((v + v_) / 2 + c)
    return e, e


def _trapezoid(w: Callable[[Any], Any]) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """E w(u) w(v) by 200^2 nodes, and no D: for w analytic beyond |Im x| = 3 at s < 1."""

    def dual(v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
        s, s_ = mpmath.sqrt(v), mpmath.sqrt(v_)
        rho, step = c / (s * s_), mpmath.mpf(1) / 7
        z = [k * step for k in range(-98, 99)]
        p = [mpmath.exp(-(x**2) / 2) for x in z]
        root, total = mpmath.sqrt((1 - rho) * (1 + rho)), mpmath.mpf(0)
        for x, a in zip(z, p, strict=True):
            if a > 1e-25:
                inner = mpmath.fsum(
                    b * w(s_ * (rho * x + root * y))
                    for y, b in zip(z, p, strict=True)
                    if a * b > 1e-42
                )
                total += a * w(s * x) * inner
        return total * step**2 / (2 * mpmath.pi), mpmath.nan

    return dual


DUALS = {
    "erf": (_erf, 0.5, 200.0),
    "3*exp(-x**2/2)": (_bump, 0.01, 200.0),
    "sin": (_sin, 0.3, 30.0),
    "cos": (_cos, 0.3, 30.0),
    "exp": (_exp, 0.1, 2.0),
}
"""The dual of each activation, and its smallest and largest standard deviations."""


def _exact_gap(dual: Any, s: Any, s_: Any) -> Any:
    one, other = (mpmath.sqrt(dual(a**2, a**2, a**2)[0]) for a in (s, s_))
    return one - other


@pytest.mark.parametrize("name", DUALS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_gap_keeps_its_own_digits_through_an_activation(name: str, sign: int) -> None:
    dual, low, high = DUALS[name]
    gap = sign * 10.0 ** -np.arange(2, 17)
    s = np.geomspace(low, high, gap.size)
    gap *= s
    s_ = s - gap
    activation = Activation(name)
    parts = moments(activation, s), moments(activation, s_)
    given = NormGap(*np.stack([gap, 0 * gap]).astype(np.float64))
    found = gap_of_activations(activation, *parts, s, s_, given, VARIATION)
    with mpmath.workdps(900):  # E sin(u)^2 at s = 30 is 1/2 up to 1e-782
        for k in range(gap.size):
            top = mpmath.mpf(float(s[k]))
            exact = _exact_gap(dual, top, top - mpmath.mpf(float(gap[k])))
            size = float(abs(exact))
            assert abs(found.value[k] - exact) <= found.error[k], (s[k], gap[k])
            slope = np.sqrt(parts[0].slope[k] * s[k] ** 2 / parts[0].second[k])
            # the rule leaves most at gaps of 1e-3, beyond which differences of r are as good
            assert found.error[k] <= 1e-12 * max(size, slope * abs(gap[k])), (s[k], gap[k])


def test_a_bias_leaves_the_gap_of_squares() -> None:
    """s^2 = 4 r^2 + 9: of r = 2 and 2 + 1e-12."""
    gap = NormGap(np.array([1e-12]), np.array([1e-27]))
    with mpmath.workdps(40):
        r = mpmath.mpf(2)
        s, s_ = (mpmath.sqrt(4 * a**2 + 9) for a in (r + mpmath.mpf(1e-12), r))
        sums = np.array([4 + 1e-12])
        found = gap_of_preactivations(gap, sums, 4.0, np.array([float(s + s_)]))
        assert abs(found.value[0] - (s - s_)) <= found.error[0]
    assert found.error[0] <= 1e-14 * found.value[0]


def _pairs(name: str, n: int) -> tuple[Any, ...]:
    """Deviations, sharp gaps, 1 - |rho| and whether rho < 0."""
    _, low, high = DUALS[name]
    rng = np.random.default_rng(31)
    s = np.exp(rng.uniform(np.log(low), np.log(high), n))
    gap = s * rng.choice([1, -1], n) * 10 ** rng.uniform(-17, -1.5, n)
    gap[::10] = 0.0
    small = 10 ** rng.uniform(-18, -1, n)
    return s, gap, small, rng.random(n) < 0.4


@pytest.mark.parametrize("name", DUALS)
def test_no_bound_is_violated_by_pairs_of_any_gap(name: str) -> None:
    """150 pairs: the second deviation is that of the gap, in more digits than float64 has."""
    n, (dual, *_) = 150, DUALS[name]
    s, gap, small, flip = _pairs(name, n)
    s_, activation = s - gap, Activation(name)
    both = np.concatenate([s, s_])
    of = units(activation, both, moments(activation, both))
    i, angle = (
        np.arange(n),
        Angle(np.where(flip, 2 - small, small), np.where(flip, small, 2 - small), 0 * s),
    )
    given = NormGap(*np.stack([gap, 0 * gap]).astype(np.float64))
    take = of.moments.take
    behind = gap_of_activations(activation, take(i), take(n + i), s, s_, given, VARIATION)
    found = distances(of, angle, i, n + i, VARIATION, Gaps(given, behind))
    sharp = 0
    for k in range(n):
        with mpmath.workdps(120):
            a = mpmath.mpf(float(s[k]))
            b = a - mpmath.mpf(float(gap[k]))
            c = a * b * (1 - mpmath.mpf(float(small[k]))) * (-1 if flip[k] else 1)
            wrong, exact, wrong_d = errors_of_angle(found, k, dual, a, b, c)
            assert wrong <= found.error[k], (s[k], gap[k], small[k], flip[k])
            assert wrong_d <= found.error_d[k], (s[k], gap[k], small[k])
        sharp += float(found.error[k]) < 1e-12 * float(exact)
    assert sharp > 0.7 * n


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "softplus"])
def test_a_conditioned_pair_of_unequal_norms_keeps_its_digits(name: str) -> None:
    """Against trapezoids of two dimensions in 40 digits."""
    w = {"tanh": mpmath.tanh, "softplus": lambda x: mpmath.log1p(mpmath.exp(x))}[name]
    dual, activation = _trapezoid(w), Activation(name)
    with mpmath.workdps(40):
        for s, gap, small in ((0.9, 1e-7, 1e-13), (0.6, -3e-4, 1e-6)):
            s_, one = s - gap, np.zeros(1, dtype=np.intp)
            a, delta = mpmath.mpf(s), mpmath.mpf(small)
            b = a - mpmath.mpf(gap)
            e, e1, e2 = (dual(v, c, v_)[0] for v, c, v_ in (
                (a**2, a * b * (1 - delta), b**2), (a**2, a**2, a**2), (b**2, b**2, b**2)
            ))  # fmt: skip
            exact = 1 - e / mpmath.sqrt(e1 * e2)
            both = np.array([s, s_])
            of = units(activation, both, moments(activation, both))
            given, pair = NormGap(np.array([gap]), np.zeros(1)), (both[:1], both[1:])
            take, angle = (
                of.moments.take,
                Angle(np.array([small]), np.array([2 - small]), np.zeros(1)),
            )
            behind = gap_of_activations(
                activation, take(one), take(one + 1), *pair, given, VARIATION
            )
            found = distances(of, angle, one, one + 1, VARIATION, Gaps(given, behind))
            assert abs(found.minus[0] - exact) <= found.error[0]
            assert found.error[0] <= 1e-12 * exact


@pytest.mark.parametrize("s", [300.0, 2000.0])
def test_nothing_is_known_of_means_of_what_float64_cannot_hold(s: float) -> None:
    """Squares of derivatives of sin(exp(x/8)), far out, are infinite; warnings are errors here."""
    table, one = heat(Activation("sin(exp(x/8))")), np.ones(1)
    assert table is not None
    gaps = Gaps(NormGap(-1e-6 * s * one, 0 * one), NormGap(1e-7 * one, 0 * one))
    units_ = s * one, s * (1 + 1e-6) * one, one, one
    _, error = _means(table, 1e-9 * one, *units_, gaps, UNIT * one)
    assert not np.isfinite(error).any()
