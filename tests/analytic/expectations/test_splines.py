"""Kinks away from 0, against polylines and a two-dimensional rule that is cut at every kink."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import AccuracyError, Activation, FullyConnected, Network, kernel, kernel_estimate
from analytic.expectations import coefficients
from analytic.expectations.cut_tails import shares_beyond
from analytic.expectations.polylines import polyline
from analytic.expectations.product_rules import Angle
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import Spline, spline

SHIFTED = "Piecewise((exp(x - 1) - 1, x < 1), (x - 1, True))"
CROSSED = "max(tanh(x), x/2 - 3/10)"  # the place of the kink has no formula
FAST = ["exp(-abs(x - 1))", "abs(x - 1)*exp(-x**2)", "min(exp(x), 2)", "sin(x)*abs(x - 1)"]
"""They grow, fall or turn like no power of x."""
NAMES = ["hardswish", "relu6(x)**2", SHIFTED, CROSSED, *FAST]
SLOW = ["atan(abs(x - 1))", "log(1 + abs(x - 1))", "abs(tanh(x - 1))", "1/(1 + abs(x - 1))"]
"""They reach far."""


def _spline(name: str) -> Spline:
    found = spline(Activation(name))
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_pieces_have_the_values_of_the_activation(name: str) -> None:
    w, x = _spline(name), np.linspace(-40, 40, 4001) + 1e-4
    k = np.searchsorted(w.ends, x) - 1
    powers = ((x - w.starts[k]) / w.lengths[k])[:, None] ** np.arange(w.powers.shape[1])
    exact = Activation(name)(x)
    size = 1 + np.abs(x) + exact**2
    assert np.all(np.abs(np.sum(w.powers[k] * powers, axis=1) - exact) <= w.error * size)


@pytest.mark.parametrize("name", [*SLOW, *FAST[:3]])
def test_pieces_go_on_or_say_where_they_end(name: str) -> None:
    """They went on as polynomials of degree 10 once, far beyond the places they were made from."""
    w, far = _spline(name), np.geomspace(40, 1e7, 400)
    for x, end in zip((-far, far), w.far, strict=True):
        x = x[np.abs(x) <= end]
        assert x.size == 400 or end >= 2.0**20
        k = np.searchsorted(w.ends, x) - 1
        powers = ((x - w.starts[k]) / w.lengths[k])[:, None] ** np.arange(w.powers.shape[1])
        exact = Activation(name)(x)
        assert np.all(np.abs(np.sum(w.powers[k] * powers, axis=1) - exact) <= w.error * (1 + exact))


@pytest.mark.parametrize("name", SLOW[:3])
def test_wide_units_are_those_of_the_activation(name: str) -> None:
    """E w(u) w(v) of orthogonal inputs of size 10^4 is the square of a mean."""
    s, features = 1e4, 2
    network = Network(FullyConnected(name, weight_std=1))
    found = kernel_estimate(network, s * np.sqrt(features) * np.eye(features), kind="both")
    beside = np.append(0.0, 10.0 ** np.arange(-3, 5)) / s  # of the kink at 1
    cuts = np.concatenate([np.linspace(-12, 12, 97), 1 / s - beside, 1 / s + beside])
    cuts = np.unique(cuts[np.abs(cuts) <= 12])
    nodes, weights = np.polynomial.legendre.leggauss(40)
    half, middle = np.diff(cuts)[:, None] / 2, (cuts[1:] + cuts[:-1])[:, None] / 2
    z, p = (middle + half * nodes).ravel(), (half * weights).ravel()
    mean = Activation(name)(s * z) @ (p * np.exp(-(z**2) / 2)) / np.sqrt(2 * np.pi)
    assert abs(found.value.nngp[0, 1] - mean**2) <= found.error.nngp[0, 1] + 1e-12 * mean**2


def test_units_beyond_the_last_piece_are_not_known() -> None:
    w, s = _spline("sin(x)*abs(x - 1)"), np.array([3.0, 40.0])
    _, second, slope = w.moments(s)[:3]
    for share in shares_beyond(w.activation, s, 9.0, second, slope, w.far):
        assert share[0] <= 1e-15
        assert 0.02 < share[1] < 1
    with pytest.raises(AccuracyError):
        kernel(Network(FullyConnected(w.activation)), 300 * np.eye(2) + 1)


@pytest.mark.parametrize("name", ["hardtanh", "softshrink", "abs(abs(x) - 1)"])
def test_pairs_agree_with_the_formulas_of_polylines(name: str) -> None:
    """40 pairs, as close as 1e-14, of either sign."""
    line, rng = polyline(Activation(name)), np.random.default_rng(3)
    assert line is not None
    s = np.exp(rng.uniform(np.log(0.4), np.log(8), 40))
    s_ = s * np.exp(np.where(rng.random(40) < 0.5, 1, 10 ** rng.uniform(-12, 0, 40)) - 0.5)
    small = 10 ** rng.uniform(-14, 0, 40)
    minus = np.where(rng.random(40) < 0.4, 2 - small, small)
    angle = Angle(minus, np.where(minus == small, 2 - small, small), 0 * small)
    r, r_ = (np.sqrt(line.moments(a)[1]) for a in (s, s_))
    exact = line.distances(s, s_, r, r_, angle)
    found = spline_distances(_spline(name), s, s_, r, r_, angle)
    first = exact[0] < exact[1]  # the smaller one is exact relative to itself
    near, near_exact = (np.where(first, *sides[:2]) for sides in (found, exact))
    assert np.all(np.abs(near - near_exact) <= found[3] + exact[3])
    slopes = np.sqrt(line.moments(s)[2] * line.moments(s_)[2])
    assert np.all(np.abs(found[2] - exact[2]) <= found[4] * slopes + exact[4])


def _dense(w: Spline, s: float, s_: float, rho: float) -> tuple[float, float]:
    """E w(u) w(v) and E w'(u) w'(v): 24 nodes between the kinks of either, 1/2 apart at most."""
    tau = np.sqrt((1 - rho) * (1 + rho))
    nodes, weights = np.polynomial.legendre.leggauss(24)

    def rule(cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ends = np.sort(np.clip(np.concatenate([np.linspace(-9, 9, 37), cuts]), -9, 9))
        half, middle = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
        z = (middle + half * nodes).ravel()
        return z, (half * weights).ravel() * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    layers = (w.kinks[:, None] / s_ + np.arange(-9, 10) * tau).ravel() / rho
    total = np.zeros(2)
    for z, p in zip(*rule(np.concatenate([w.kinks / s, layers])), strict=True):
        xi, q = rule((w.kinks / s_ - rho * z) / tau)
        values = w.activation.derivatives(s_ * (rho * z + tau * xi), 1)
        first = w.activation.derivatives(np.array([s * z]), 1)
        total += [p * f[0] * (q @ g) for f, g in zip(first, values, strict=True)]
    return float(total[0]), float(total[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("s", "s_", "rho"),
    [
        (1.3, 2.9, 0.97),
        (4.0, 4.1, -0.8),
        (3.0, 3.01, 1 - 1e-4),
        (0.5, 0.65, 1 - 1e-2),
        (3.0, 3.0, 0.3),
        (2.0, 2.0, 1 - 1e-7),
    ],
)
def test_pairs_agree_with_a_two_dimensional_rule(
    name: str, s: float, s_: float, rho: float
) -> None:
    w = _spline(name)
    a, b = (np.array([value]) for value in (s, s_))
    moments, moments_ = w.moments(a), w.moments(b)
    r, r_ = np.sqrt(moments[1]), np.sqrt(moments_[1])
    angle = Angle(np.array([1 - rho]), np.array([1 + rho]), np.zeros(1))
    minus, _, d, error, error_d = spline_distances(w, a, b, r, r_, angle)[:, 0]
    product, slopes = _dense(w, s, s_, rho)
    # the rule is exact to some roundings of E |w(u) w(v)|, at most r r'
    assert abs(1 - minus - product / (r * r_)[0]) <= error + 1e-14
    root = float(np.sqrt(moments[2] * moments_[2])[0])
    assert abs(d - slopes) <= (error_d + 1e-14) * root


def test_hardswish_is_computed_at_the_default_tolerance() -> None:
    x = np.random.default_rng(0).standard_normal((8, 5))
    network = Network(*[FullyConnected("hardswish")] * 2)
    found = kernel_estimate(network, x)
    assert np.all(found.error <= 1e-10 * np.sqrt(np.outer(*[np.diag(found.value)] * 2)))
    with pytest.raises(AccuracyError, match="tolerance="):
        kernel(network, x, tolerance=1e-16)


@pytest.mark.parametrize("name", ["hardswish", "relu6(x)**2", "abs(x)**3 + max(x - 1, 0)"])
@pytest.mark.parametrize("s", [1e-3, 0.4, 3.0, 60.0])
def test_coefficients_by_parts_agree_with_panels(name: str, s: float) -> None:
    """c_k = E w'(s z) h_k for k < 64, on panels that end at the kinks; h_k has 8 waves in one."""
    activation, w = Activation(name), _spline(name)
    ends = np.unique(np.clip(np.concatenate([np.linspace(-13, 13, 105), w.kinks / s]), -13, 13))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half, middle = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
    z, p = (middle + half * nodes).ravel(), (half * weights).ravel()
    p *= np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    steep = p * activation.derivatives(s * z, 1)[1]
    older, old, exact = np.zeros_like(z), steep, []
    for k in range(64):
        exact.append(old.sum() / np.sqrt(k + 1))
        older, old = old, (z * old - np.sqrt(k) * older) / np.sqrt(k + 1)
    found = coefficients(activation, np.array([s]), 64)
    size = np.sqrt(steep @ activation.derivatives(s * z, 1)[1])
    assert np.linalg.norm(found.b[:, 0] - exact) <= (found.noise.value + 1e-14) * size
    c = found.b[:, 0] * np.sqrt(np.arange(1.0, 65))
    assert abs(1 - (c @ c) / size**2 - found.rest[0]) <= 1e-13
