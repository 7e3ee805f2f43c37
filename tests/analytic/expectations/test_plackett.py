"""Plackett's integrals and parallel units, against mpmath at 30 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic.activation import Activation
from analytic.expectations.parallel_units import Lines, parallel
from analytic.expectations.plackett import Ramps, kink_integrals
from analytic.expectations.polylines import polyline
from analytic.machine import UNIT

pytestmark = pytest.mark.slow  # rules of two dimensions

_number: Any = mpmath.mpf


def _exact(a: Any, b: Any, theta: Any) -> tuple[Any, Any]:
    """The integral over t and the one with cos t - cos theta, for jumps of 1."""
    with mpmath.workdps(60):
        a, b, theta = map(_number, (a, b, theta))

        def density(t: Any) -> Any:
            if t == 0:
                return mpmath.exp(-a * b / 2) if a == b else _number(0)
            q = (a - b) ** 2 / (2 * mpmath.sin(t) ** 2) + a * b / (2 * mpmath.cos(t / 2) ** 2)
            return mpmath.exp(-q) / (2 * mpmath.pi)

        edge = min(abs(a - b), theta / 2)
        ends = sorted({_number(0), *(edge * 2**k for k in range(-3, 4)), theta})
        ends = [end for end in ends if end <= theta]
        once = mpmath.quad(density, ends)
        bent = mpmath.quad(
            lambda t: density(t) * 2 * mpmath.sin((theta + t) / 2) * mpmath.sin((theta - t) / 2),
            ends,
        )
        return once, bent


CASES = [
    (1.0, 1.0, 1.5), (1.0, 1.0000001, 1e-7), (0.3, -0.2, 0.7), (2.0, 1.7, 0.05),
    (0.0, 0.4, 0.6), (6.0, 6.3, 1.4), (5.0, 5.2, 0.3), (0.01, 0.011, 1e-4),
    (-1.3, -1.1, 1.0), (3.0, 2.0, 0.12), (9.0, 8.0, 1.5), (0.5, 0.5, 1e-9),
]  # fmt: skip
"""A, B and theta: equal, near, opposite and far kinks; the eleventh falls too fast for weights."""


@pytest.mark.parametrize(("a", "b", "theta"), CASES)
def test_integrals_agree_with_thirty_digits(a: float, b: float, theta: float) -> None:
    small = 2 * np.sin(theta / 2) ** 2
    one, other = Ramps(np.array([a]), np.ones(1)), Ramps(np.array([b]), np.ones(1))
    unit = np.ones(1)
    once, bent, size = kink_integrals(one, other, unit, unit, np.array([small]))[:, 0]
    exact, bent_exact = _exact(a, b, theta)
    # the roundings of Q, of its size at the upper end, and of 20 products
    q = (a - b) ** 2 / (2 * np.sin(theta) ** 2) + max(a * b, 0) / (2 * np.cos(theta / 2) ** 2)
    error = (16 + 4 * q) * UNIT * float(exact)
    # the weights are relative to those of a smaller P, and 0 from 9 on
    less = max(min(np.floor(abs(a - b) / theta), 9) - 1, 0)
    weights = 8 * UNIT * np.exp(-(less**2) / 2) + (np.exp(-81 / 2) if less == 8 else 0)
    error += weights * theta * np.exp(-max(a * b, 0) / 2)
    assert abs(once - float(exact)) <= error
    assert abs(bent - float(bent_exact)) <= error * small
    assert size == once


@pytest.mark.parametrize("theta", [1.5, 0.3, 1e-2, 3e-4, 1e-5])
@pytest.mark.parametrize(("s", "s_"), [(1e4, 1e4), (1e4, 3e3), (40.0, 1e6), (3.5, 3.0)])
def test_slopes_that_end_as_they_begin_do_not_cancel(s: float, s_: float, theta: float) -> None:
    """The integrals of all pairs of kinks are nearly theta/(2 pi) each, their sum is 1/(s s')."""
    one, other = Ramps(np.array([-1.0, 1.0]), np.array([1.0, -1.0])), Ramps(
        np.array([-1.0, 3.0]), np.array([0.5, -0.5])
    )  # fmt: skip
    small = 2 * np.sin(theta / 2) ** 2
    found = kink_integrals(one, other, *(np.array([value]) for value in (s, s_, small)))[:, 0]
    with mpmath.workdps(60):
        exact: Any = np.array([_number(0), _number(0)])
        for x, jump in zip(*one, strict=True):
            for x_, jump_ in zip(*other, strict=True):
                parts: Any = _exact(_number(x) / _number(s), _number(x_) / _number(s_), theta)
                exact = exact + _number(jump * jump_) * np.array(parts)
        once, bent = abs(found[:2] - exact)
    assert once <= 16 * UNIT * found[2]
    assert bent <= 16 * UNIT * found[2] * small
    assert found[2] <= 2 * (1 / s + 1 / s_)  # and not theta


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hardtanh", "softshrink", "abs(abs(x) - 1)"])
@pytest.mark.parametrize("s", [0.3, 1.0, 7.0])
@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-3, 0.4])
def test_parallel_units_agree_with_thirty_digits(name: str, s: float, gap: float) -> None:
    line = polyline(Activation(name))
    assert line is not None
    s_ = s * (1 + gap)
    r, r_ = 0.8, 0.9 if gap > 0.1 else 0.8
    lines = Lines(line.places, line.values, line.slopes)
    ones = (np.array([value]) for value in (s, s_, 1 / r, 1 / r_))
    apart, top, _ = parallel(lines, lines, *ones)[:, 0]
    with mpmath.workdps(30):
        ends = sorted({-15.0, 0.0, 15.0, *line.places / s, *line.places / s_})

        def w(x: Any) -> Any:
            k = int(np.searchsorted(line.places, float(x)))
            start = max(k - 1, 0)
            return line.values[start] + _number(line.slopes[k]) * (x - line.places[start])

        def slope(x: Any) -> float:
            return float(line.slopes[int(np.searchsorted(line.places, float(x)))])

        unit, unit_ = _number(1 / r), _number(1 / r_)
        square: Any = mpmath.quad(
            lambda z: mpmath.npdf(z) * (w(s * z) * unit - w(_number(s_) * z) * unit_) ** 2, ends
        )
        both: Any = mpmath.quad(lambda z: mpmath.npdf(z) * slope(s * z) * slope(s_ * z), ends)
    size: Any = mpmath.quad(lambda z: mpmath.npdf(z) * (w(s_ * z) * unit_) ** 2, ends)
    noise = 8 * UNIT * np.sqrt(float(size))  # of the two values at a node
    assert abs(apart - float(square) / 2) <= noise * np.sqrt(2 * apart) + noise**2
    assert abs(top - float(both)) <= 32 * UNIT * abs(float(both))
