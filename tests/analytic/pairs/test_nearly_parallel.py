"""Pairs that are nearly parallel, in networks that amplify rounding."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from oracles import dense

from analytic import Activation, FullyConnected, Network, Residual, kernel_estimate

F, R = FullyConnected, Residual


@pytest.mark.parametrize("name", ["relu", "erf", "sin"])
@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("opposite", [False, True])
def test_close_pairs_agree_with_closed_forms_in_high_precision(
    name: str, distance: float, opposite: bool
) -> None:
    network = Network(F(name, weight_std=3), R(F(name, bias_std=0.1)), F(name, weight_std=3))
    x = np.array([1.0, -0.4, 0.7])
    y = x + distance * np.array([0.3, 0.8, -0.5])
    y = -y if opposite else y
    estimate = kernel_estimate(network, x[None], y[None], tolerance=1e-9)
    with mpmath.workdps(40):
        exact = _exact(network, x, y, name)
    assert abs(estimate.value[0, 0] - exact) <= estimate.error[0, 0] + 4e-16 * abs(exact)


def _exact(network: Network, x: np.ndarray, y: np.ndarray, name: str) -> float:
    a, b = ([mpmath.mpf(float(v)) for v in row] for row in (x, y))
    return float(dense.pair_kernel(network, a, b, _DUALS[name])[1])


def _relu(_: object, v: Any, c: Any, v_: Any) -> tuple:
    s, s_ = mpmath.sqrt(v), mpmath.sqrt(v_)
    t = mpmath.acos(min(c / (s * s_), mpmath.mpf(1)))
    e = s * s_ * (mpmath.sin(t) + (mpmath.pi - t) * mpmath.cos(t)) / (2 * mpmath.pi)
    root = mpmath.sqrt(2 * mpmath.pi)
    return e, (mpmath.pi - t) / (2 * mpmath.pi), s / root, s_ / root


def _erf(_: object, v: Any, c: Any, v_: Any) -> tuple:
    bottom = (1 + 2 * v) * (1 + 2 * v_)
    e = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(bottom))
    return e, 4 / mpmath.pi / mpmath.sqrt(bottom - 4 * c**2), mpmath.mpf(0), mpmath.mpf(0)


def _sin(_: object, v: Any, c: Any, v_: Any) -> tuple:
    up, down = mpmath.exp(c - (v + v_) / 2), mpmath.exp(-c - (v + v_) / 2)
    return (up - down) / 2, (up + down) / 2, mpmath.mpf(0), mpmath.mpf(0)


_DUALS = {"relu": _relu, "erf": _erf, "sin": _sin}


LINES = {"relu": (0.5, 0.5), "abs(x)": (0.0, 1.0), "max(x, x/10)": (0.55, 0.45)}
"""(a, b) of the activations a x + b |x|."""


@pytest.mark.parametrize("name", LINES)
def test_bent_lines_keep_the_default_tolerance_at_every_depth_and_distance(name: str) -> None:
    """Cho and Saul (2009) in 60 digits, for pairs from 1e-15 apart; none is refused."""
    a, b = LINES[name]

    def dual(_: object, v: Any, c: Any, v_: Any) -> tuple:
        s, s_ = mpmath.sqrt(v), mpmath.sqrt(v_)
        rho = min(max(c / (s * s_), mpmath.mpf(-1)), mpmath.mpf(1))
        part, angle = b * b * 2 / mpmath.pi, mpmath.asin(rho)
        e = s * s_ * (a * a * rho + part * (mpmath.sqrt(1 - rho**2) + rho * angle))
        size = b * mpmath.sqrt(2 / mpmath.pi)
        return e, a * a + part * angle, size * s, size * s_

    rng = np.random.default_rng(3)
    for _ in range(30):
        x = rng.standard_normal((2, 6))
        if rng.random() < 0.8:
            far = 10 ** rng.uniform(-15, -1) * rng.standard_normal(6)
            x[1] = x[0] * rng.choice([1, -1]) + far
        layers = [
            F(name, bias_std=float(rng.choice([0.0, 0.3]))) for _ in range(rng.integers(1, 13))
        ]
        layers = [R(f) if n and rng.random() < 0.2 else f for n, f in enumerate(layers)]
        network = Network(*layers)
        estimate = kernel_estimate(network, x[:1], x[1:])
        with mpmath.workdps(60):
            one, two = ([mpmath.mpf(float(v)) for v in row] for row in x)
            exact = dense.pair_kernel(network, one, two, dual)[1]
            assert abs(estimate.value[0, 0] - exact) <= estimate.error[0, 0], (network, x)


@pytest.mark.parametrize("name", ["exp(-abs(x))", "max(x, 0) + exp(min(x, 0)) - 1", "x/(1+abs(x))"])
def test_a_kink_at_zero_agrees_with_piecewise_quadrature(name: str) -> None:
    """Two layers, pairs from 1e-3 apart (float64 knows no nearer angle) to far."""
    network, rng = Network(F(name), F(name, weight_std=1.5)), np.random.default_rng(4)
    for distance in (1e-3, 0.05, 0.3, 2.0):
        x = rng.standard_normal((2, 4))
        x[1] = x[0] * rng.choice([1, -1]) + distance * rng.standard_normal(4)
        estimate = kernel_estimate(network, x[:1], x[1:])
        exact = dense.pair_kernel(network, x[0].tolist(), x[1].tolist(), _piecewise)[1]
        assert abs(estimate.value[0, 0] - exact) <= estimate.error[0, 0] + 1e-12 * abs(exact)


def _piecewise(activation: Activation, v: float, c: float, v_: float) -> tuple:
    """Gauss-Legendre panels in polar coordinates, cut along the two lines u = 0 and v = 0."""
    s, s_ = np.sqrt(v), np.sqrt(v_)
    rho = min(max(c / (s * s_), -1.0), 1.0)
    turn = np.arctan2(np.sqrt(max((1 - rho) * (1 + rho), 0.0)), rho)
    cuts = np.sort(np.mod([np.pi / 2, -np.pi / 2, turn + np.pi / 2, turn - np.pi / 2], 2 * np.pi))
    cuts = np.append(cuts, cuts[0] + 2 * np.pi)
    angle, weight = (np.concatenate(z) for z in zip(*map(_panel, cuts, cuts[1:]), strict=True))
    radius, rate = _panel(0.0, 9.0, 120)
    z = radius[:, None] * np.cos(angle)
    z_ = radius[:, None] * np.cos(angle - turn)
    p = (rate * radius * np.exp(-(radius**2) / 2))[:, None] * weight / (2 * np.pi)
    w, w1 = activation.derivatives(s * z, 1)
    y, y1 = activation.derivatives(s_ * z_, 1)
    half, one = _panel(0.0, 9.0, 120)
    density = one * np.exp(-(half**2) / 2) / np.sqrt(2 * np.pi)
    means = [float(density @ (activation(t * half) + activation(-t * half))) for t in (s, s_)]
    return float(np.sum(p * w * y)), float(np.sum(p * w1 * y1)), *means


def _panel(low: float, high: float, order: int = 60) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return (low + high) / 2 + (high - low) / 2 * nodes, (high - low) / 2 * weights
