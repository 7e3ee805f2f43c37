"""Errors of variances behind layers that amplify them, at pairs whose correlation is 0."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel_estimate
from analytic.machine import EXTENDED, UNIT
from analytic.recursion.amplification_factors import Factors
from analytic.recursion.error_propagation import Fixed, added
from analytic.recursion.layer_equations import diagonal
from analytic.recursion.normalization import amplifications

DELTA = 2.0**-24


def test_variances_before_abs_are_bounded_at_orthogonal_inputs() -> None:
    """E sinh(u)^2 = (exp(2 v) - 1)/2, E |u u'| = (2/pi) s s' where they are independent.

    Taken for errors of rho alone, which is 0 here, the variances had no bound: violated 7-fold.
    Since they are carried in extended precision no more than the roundings of E is left.
    """
    rng, largest = np.random.default_rng(5), 0.0
    for _ in range(16):
        std = [float(rng.uniform(1.9, 2.3)), float(rng.uniform(0.015, 0.02)), 1.0]
        x = np.diag(rng.uniform(0.9, 1.1, 2)) * np.sqrt(2)
        names = "sinh(x)", "sinh(x)", "abs"
        layers = (FullyConnected(w, weight_std=a) for w, a in zip(names, std, strict=True))
        found = kernel_estimate(Network(*layers), x, kind="nngp")
        with mpmath.workdps(60):
            v = [mpmath.mpf(float(a)) ** 2 / 2 for a in np.diag(x)]
            for a in std[:2]:
                v = [mpmath.expm1(2 * mpmath.mpf(a) ** 2 * one) / 2 for one in v]
            exact = 2 / mpmath.pi * mpmath.sqrt(v[0] * v[1])
            error = float(abs(mpmath.mpf(float(found.value[0, 1])) - exact) / exact)
        assert found.certified
        assert error <= found.error[0, 1] / float(exact)
        largest = max(largest, error)
    assert EXTENDED == UNIT or largest < 8 * UNIT


@pytest.mark.parametrize(("name", "share"), [("relu", 0.5), ("abs", 1.0)])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_variances_move_relu_and_its_slope_as_bounded(name: str, share: float, rho: float) -> None:
    """E/(s s') = (1 - b) rho + b g(rho), D = 1 - b + (2 b/pi) arcsin rho, g that of |x|."""
    state = diagonal(Network(FullyConnected(name)), np.array([1.0]))
    (layer,) = amplifications(state, 1e-16)
    at = Factors(*(float(f[0]) for f in layer.at(np.array([rho]))))
    bounds = added(at, Fixed(DELTA, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0)

    def dual(v: float) -> tuple[float, float]:
        angle = math.asin(rho / v)
        g = 2 / math.pi * (math.cos(angle) + rho / v * angle)
        return (1 - share) * rho + share * v * g, 1 - share + 2 / math.pi * share * angle

    (e, d), (e1, d1) = dual(1.0), dual(1 + DELTA)
    assert abs(e1 - e) <= bounds[0] + 64 * DELTA**2
    assert abs(d1 - d) <= bounds[1] + 64 * DELTA**2
    if rho == 0:
        assert abs(e1 - e) == pytest.approx(bounds[0], rel=1e-6)
    else:  # the bound of D is what it changes by
        assert abs(d1 - d) == pytest.approx(bounds[1], rel=1e-6)
