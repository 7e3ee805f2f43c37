"""Pairs that are nearly parallel, in networks that amplify rounding."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from oracles import dense

from analytic import FullyConnected, Network, Residual, kernel_estimate

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
