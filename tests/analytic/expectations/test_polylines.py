"""Piecewise linear activations, against the outer integral of closed conditional means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from analytic.activation import Activation
from analytic.expectations.polylines import Polyline, polyline
from analytic.expectations.product_rules import Angle

LINES = {
    "max(min(x, 1), -1)": ([-1, 0, 1], [0, 1, 1, 0]),
    "min(max(x, 0), 6)": ([0, 6], [0, 1, 0]),
    "max(x - 1/2, 0) + min(x + 1/2, 0)": ([-0.5, 0, 0.5], [1, 0, 0, 1]),
    "abs(abs(x) - 1)": ([-1, 0, 1], [-1, 1, -1, 1]),
}
"""Places, 0 among them, and slopes of hardtanh, relu6, softshrink, and a fold."""


@pytest.mark.parametrize("name", LINES)
def test_places_and_slopes_are_found(name: str) -> None:
    line = polyline(Activation(name))
    assert line is not None
    assert (line.places.tolist(), line.slopes.tolist()) == LINES[name]


def test_other_activations_are_no_polylines() -> None:
    for name in ("tanh", "relu", "tanh(x) + abs(x)", "abs(x)*x", "x"):
        assert polyline(Activation(name)) is None


@pytest.mark.parametrize("name", LINES)
def test_cosine_and_slope_agree_with_conditional_means(name: str) -> None:
    """20 pairs; the oracle is exact to some 1e-14 where 1 -+ rho > 1e-3."""
    line = polyline(Activation(name))
    assert line is not None
    rng = np.random.default_rng(5)
    for _ in range(20):
        s, s_ = np.exp(rng.uniform(np.log(0.4), np.log(8), 2))
        small, flip = 10 ** rng.uniform(-3, 0), rng.random() < 0.4
        sides = (2 - small, small) if flip else (small, 2 - small)
        angle = Angle(np.array([sides[0]]), np.array([sides[1]]), np.zeros(1))
        e, slope = _outer(line, s, s_, (small - 1) if flip else (1 - small))
        squares, slopes = zip(_outer(line, s, s, 1.0), _outer(line, s_, s_, 1.0), strict=True)
        r, r_ = np.sqrt(squares)[:, None]
        minus, _, d, error, error_d = line.distances(np.array([s]), np.array([s_]), r, r_, angle)
        cosine, size = e / np.sqrt(squares[0] * squares[1]), np.sqrt(slopes[0] * slopes[1])
        assert abs(1 - minus[0] - cosine) <= error[0] + 1e-13, (s, s_, small, flip)
        assert abs(d[0] - slope) <= error_d[0] + 1e-13 * max(size, 1e-3), (s, s_, small, flip)


def _outer(line: Polyline, s: float, s_: float, rho: float) -> tuple[float, float]:
    """E w(u) E[w(v) | u] and the same of w', on panels about the kinks of either."""
    tau = s_ * np.sqrt((1 - rho) * (1 + rho))
    near = np.arange(-9, 10) * tau
    bends = [*(line.places / s), *((line.places[:, None] + near) / (rho * s_)).ravel()]
    ends = np.unique(np.clip([*np.arange(-11, 12), *bends], -11, 11))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(ends)[:, None] / 2
    z = ((ends[1:] + ends[:-1])[:, None] / 2 + half * nodes).ravel()
    p = (half * weights).ravel() * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    w, w1 = line.at(s * z)
    if tau == 0:
        return float(p @ w**2), float(p @ w1**2)
    y = rho * s_ * z
    x = (y[:, None] - line.places) / tau
    ramps = tau * (x * ndtr(x) + np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))
    mean = line.values[0] + line.slopes[0] * (y - line.places[0]) + ramps @ line.jumps
    return float(p @ (w * mean)), float(p @ (w1 * (line.slopes[0] + ndtr(x) @ line.jumps)))
