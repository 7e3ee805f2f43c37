"""Pairs before piecewise linear activations, many in step, against 60 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from oracles.exact_polylines import angle_integrals_of, parallel_moments

from analytic.activation import Activation
from analytic.expectations import plackett
from analytic.expectations.parallel_units import Lines, parallel
from analytic.expectations.plackett import Ramps, kink_integrals
from analytic.expectations.polylines import Polyline, polyline
from analytic.expectations.product_rules import Angle
from analytic.machine import UNIT

NAMES = [
    "hardtanh", "softshrink", "relu6", "hardsigmoid", "abs(x - 1)", "abs(abs(x) - 1)",
    "abs(x) - abs(x - 0.001) + abs(x + 5)/3", "abs(x - 1) - abs(x - 1.001)",
]  # fmt: skip
"""With kinks on one side and on both, one at 0, and neighbours a thousandth apart."""


def _line(name: str) -> Polyline:
    line = polyline(Activation(name))
    assert line is not None
    return line


def _deviations(rng: Any, line: Polyline) -> tuple[float, float]:
    """From 1e-3 to 1e6, as long as the kinks are seen, and a relative gap of 1e-12 to 10."""
    low = 0.15 if line.slopes[line.places.searchsorted(0.0)] == 0 else 1e-3
    s = 10 ** rng.uniform(np.log10(low), rng.choice([0.5, 6.0]))
    return s, s * (1 + 10 ** rng.uniform(-12, 1) * rng.choice([0.0, 1.0, 1.0, 1.0]))


def _roots(one: Polyline, other: Polyline, s: tuple[float, float]) -> tuple[float, float]:
    """The roots of E w(u)^2 and of E v(v)^2."""
    lines = (one, s[0]), (other, s[1])
    found = [parallel_moments(line, line, (d, d), (1.0, 1.0))[1] / 4 for line, d in lines]
    first, second = (float(mpmath.sqrt(square)) for square in found)
    return first, second


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_parallel_units_are_known_within_the_bound_of_distances(name: str, turned: bool) -> None:
    """A quarter of it: the rest is for the angle."""
    line, rng = _line(name), np.random.default_rng(len(name))
    other = line.turned if turned else line
    rows, exact = [], []
    for _ in range(20):
        s = _deviations(rng, line)
        r, r_ = _roots(line, other, s)
        rows.append((*s, 1 / r, 1 / r_))
        exact.append(parallel_moments(line, other, s, (1 / r, 1 / r_)))
    w, v = (Lines(part.places, part.values, part.slopes) for part in (line, other))
    found = parallel(w, v, *np.array(rows).T.copy())
    for (apart, top, sign), (less, more, slopes) in zip(found.T, exact, strict=True):
        near = float(min(less, more)) / 2
        bound = 8 * UNIT * np.sqrt(2 * near) + 64 * UNIT * (UNIT + near)
        assert abs(float(apart - min(less, more) / 2)) <= bound / 4
        assert abs(float(top - slopes)) <= 16 * UNIT * float(abs(slopes)) + 4 * UNIT
        assert sign == (1 if less <= more else -1)


def test_roundings_of_far_kinks_are_not_squared() -> None:
    """A kink at A = 6 to 9 deviations: a rounding of A would be A^2 roundings of phi(A)."""
    line, rng = _line("softshrink"), np.random.default_rng(3)
    w = Lines(line.places, line.values, line.slopes)
    for s in 0.5 / rng.uniform(6, 9, 20):
        pair = s, s * (1 + 10 ** rng.uniform(-6, 0))
        r, r_ = _roots(line, line, pair)
        less, _, slopes = parallel_moments(line, line, pair, (1 / r, 1 / r_))
        a, a_, b, b_ = (np.array([value]) for value in (*pair, 1 / r, 1 / r_))
        found = parallel(w, w, a, a_, b, b_)[:, 0]
        near = float(less) / 2
        assert abs(float(found[0] - less / 2)) <= 4 * UNIT * (np.sqrt(2 * near) + 2 * near)
        assert abs(float(found[1] - slopes)) <= 12 * UNIT * float(slopes)


def test_integrals_of_far_kinks_keep_their_digits() -> None:
    """D of softshrink at A = 5 to 7 is 1e-6 to 1e-11, the angle 0.2 to 0.3."""
    line, rng = _line("softshrink"), np.random.default_rng(4)
    kinks = Ramps(line.places[[0, 2]], line.jumps[[0, 2]])
    for s in 0.5 / rng.uniform(5, 7, 8):
        pair, small = (s, s * rng.uniform(1, 1.05)), rng.uniform(0.02, 0.04)
        once, bent = angle_integrals_of(line, line, pair, small)
        a, a_, near = (np.array([value]) for value in (*pair, small))
        found = kink_integrals(kinks, kinks, a, a_, near)[:, 0]
        assert abs(float(found[0] - once)) <= 64 * UNIT * found[2]
        assert abs(float(found[1] - bent)) <= 64 * UNIT * found[2] * small


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_known_within_their_bounds(name: str, turned: bool) -> None:
    """Angles of the size of the gap of the kinks, and any: half of the bounds is enough."""
    line, rng = _line(name), np.random.default_rng(len(name))
    other = line.turned if turned else line
    for k in range(5):
        s = _deviations(rng, line)
        gap = min(abs(s[1] / s[0] - 1), 0.7)
        close = gap**2 * 10 ** rng.uniform(-1, 1) if k % 2 and gap else 10 ** rng.uniform(-16, 0)
        small = min(max(close, 1e-16), 0.3)
        r, r_ = _roots(line, other, s)
        less, more, top = parallel_moments(line, other, s, (1 / r, 1 / r_))
        once, bent = angle_integrals_of(line, other, s, small)
        sign = 1 if less <= more else -1
        turn = s[0] * s[1] * _exact(1 / r) * _exact(1 / r_) * (top * _exact(small) - bent)
        near, d = min(less, more) / 2 + sign * turn, (-1 if turned else 1) * (top - once)
        sides = (2 - small, small) if turned else (small, 2 - small)
        angle = Angle(np.array([sides[0]]), np.array([sides[1]]), np.zeros(1))
        a, a_, b, b_ = (np.array([value]) for value in (*s, r, r_))
        found = line.distances(a, a_, b, b_, angle)[:, 0]
        assert abs(float(found[0 if sign > 0 else 1] - near)) <= found[3] / 2
        assert abs(float(found[2] - d)) <= found[4] / 2


def _exact(value: float) -> Any:
    return mpmath.mpf(value)


def test_pairs_in_step_are_pairs_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 pairs of all kinds, small and large, near and apart, by the nodes of Plackett's angle."""
    rng = np.random.default_rng(7)
    ramps = Ramps(np.array([-1.0, 0.5, 2.0]), np.array([1.0, -1.5, 0.5]))
    s, gap = 10 ** rng.uniform(-0.5, 3, 300), 10 ** rng.uniform(-6, 0.5, 300)
    gap[::7] = 0.0
    small = np.minimum(gap**2 * 10 ** rng.uniform(-3, 3, 300) + 1e-14, 0.3)
    found = kink_integrals(ramps, ramps, s, s * (1 + gap), small)
    monkeypatch.setattr(plackett, "NEAR_ONE", 0.0)
    alone = kink_integrals(ramps, ramps, s, s * (1 + gap), small)
    assert (found != alone).any()
    angle = 2 * np.arcsin(np.sqrt(small / 2))
    gaps = np.abs(ramps.places[:, None] / s - ramps.places[:, None, None] / (s * (1 + gap)))
    less = np.maximum(np.floor(gaps / angle).min(axis=(0, 1)) - 1, 0)
    nodes = 8 * UNIT * np.exp(-(less**2) / 2)  # these are relative to a smaller P, and end at 9
    error = 64 * UNIT * alone[2] + 4 * angle * (nodes + (less > 7) * np.exp(-81 / 2))
    assert (np.abs(found[:2] - alone[:2]) <= error * np.array([np.ones(300), small])).all()
