"""The error bound: what it counts, and that it notices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic import FullyConnected, Network
from analytic.expectations.hermite_coefficients import coefficients
from analytic.machine import UNIT
from analytic.recursion.amplification_factors import LEVELS
from analytic.recursion.amplification_of_erf import erf_amplification
from analytic.recursion.averages import Average
from analytic.recursion.certificate import certify, constants
from analytic.recursion.error_amplification import amplification
from analytic.recursion.error_propagation import ErrorPropagation, layer_factors
from analytic.recursion.layer_equations import diagonal
from analytic.recursion.layer_errors import LayerFactors, layer_error
from analytic.recursion.normalization import amplifications

F = FullyConnected


@pytest.mark.parametrize("name", ["tanh", "softplus", "erf", "relu"])
def test_amplification_bounds_the_derivatives_of_the_duals(name: str) -> None:
    s2 = np.array([0.5, 1.0, 2.0])
    stage = diagonal(Network(F(name)), s2).stages[0]
    factors = amplification(stage, 1e-15)
    radius = np.array([0.1, 0.5, 0.9])
    _, k_e, k_d, r_d, *_ = factors.at(radius)
    # at rho = R the series of s = s' attains its bounds: dE/drho = s^2 D
    b = coefficients(stage.step.layer.activation, np.sqrt(s2), factors.r_d.size).b
    order = np.arange(1.0, len(b) + 1)
    if name != "relu":
        for index in range(3):
            terms = order * b[:, index] ** 2
            d = [np.sum(terms * r ** (order - 1)) for r in radius]
            assert np.all(
                k_e >= s2[index] * np.array(d) / stage.moments.second[index] * (1 - 1e-12)
            )
            assert np.all(r_d >= np.array(d) / stage.moments.slope[index] * (1 - 1e-12))
    assert np.all(np.diff(k_e) > 0)
    assert np.all(np.diff(k_d) > 0)


@pytest.mark.parametrize("name", ["tanh", "relu", "erf"])
@pytest.mark.parametrize("ceiling", [1.0, 0.9])
def test_the_factors_of_levels_are_those_at_their_correlations(name: str, ceiling: float) -> None:
    """They come with those of the ceilings, or from below one; as layers have them one by one."""
    stages = diagonal(Network(F(name), F("tanh")), np.array([0.5, 2.0])).stages
    layers = [amplification(stage, 1e-15) for stage in stages]
    chain = ErrorPropagation(layers, Average(), 4 * UNIT, 0.0)
    factors, _ = constants(chain, ceiling)
    for layer, known, fixed in zip(layers, factors, chain.fixed, strict=True):
        for level, row in zip(np.minimum(LEVELS, ceiling), known, strict=True):
            here = layer_factors(layer, layer.at(np.array([level])), fixed, 0.0)
            assert_allclose(row, [np.ravel(part)[0] for part in here], rtol=64 * UNIT)


@pytest.mark.parametrize("ends", [(0.0, 0.7), (0.3, 1.0), (0.5, 9.0)])
def test_the_closed_amplification_of_erf_is_that_of_its_coefficients(
    ends: tuple[float, float],
) -> None:
    stage = diagonal(Network(F("erf")), np.linspace(*ends, 2000) ** 2).stages[0]
    series, closed = amplification(stage, 1e-16, 64), erf_amplification(stage)
    size = closed.k_e.size
    for ours, theirs in ((closed.k_e, series.k_e), (closed.r_d, series.r_d)):
        ours, theirs = ours[: theirs.size], theirs[:size]
        noise = 1e-12 * theirs + 64 * UNIT * np.sqrt(theirs)  # c_k is known to some units of 1
        assert np.all(ours >= theirs - noise)  # the largest over the range of s; the grid
        assert np.all(ours <= theirs * (1 + 1e-4) + noise)  # misses a peak by the step squared
    for name in ("own_e", "own_d", "rest_e", "rest_d", "rest_k", "rest_ve", "rest_vd"):
        a, b = getattr(closed, name), getattr(series, name)
        # the tables take rests at the next of their nodes; sums near 1 lose what they leave
        assert a == pytest.approx(b, rel=2e-2, abs=1e-12)
    # the sums of all coefficients are the factors at R = 1
    full, v = closed.at(np.ones(1)), stage.variance[-1]
    t = 2 * v / (1 + 2 * v)
    assert full.k_e[0] >= t / (np.arcsin(t) * np.sqrt(1 - t * t)) * (1 - 1e-14)
    assert full.k_d[0] >= t * t / (1 - t * t) * (1 - 1e-14)


def test_an_error_of_the_covariance_is_amplified_by_k() -> None:
    factors = LayerFactors(1.0, 1.0, 1.0, 1.0, 3.0, 5.0, 1.0, 0.0, 0.0)
    quiet = layer_error((0.0, 0.0, 0.0), factors)
    loud = layer_error((1e-3, 0.0, 0.0), factors)
    assert loud[0] - quiet[0] == pytest.approx(3e-3)
    assert loud[1] - quiet[1] == pytest.approx(6e-3)  # D's own and, through r_D, Gamma's
    half = layer_error((1e-3, 0.0, 0.0), factors._replace(radius=0.5))
    assert half[1] - quiet[1] == pytest.approx(3.5e-3)  # |Gamma| is half of its diagonal


def test_a_chaotic_network_gets_a_ceiling() -> None:
    squares = np.ones(3)
    calm = Network(*[F("tanh")] * 3)
    wild = Network(*[F("tanh", weight_std=10)] * 8)
    calm_layers, wild_layers = (amplifications(diagonal(n, squares), 1e-13) for n in (calm, wild))
    assert certify(calm_layers, 1e-10, 1e-15).ceiling == 1.0
    assert certify(wild_layers, 1e-10, 1e-15).ceiling < 1.0


def test_the_bound_grows_with_the_error_of_the_scalar_products() -> None:
    layers = amplifications(diagonal(Network(*[F("tanh")] * 3), np.ones(1)), 1e-13)
    assert certify(layers, 1e-6, 1e-8).error <= 1e-6
    loud, quiet = (certify(layers, 1e-10, start) for start in (1e-7, 1e-15))
    assert loud.ceiling == 0.0  # no pair is left to the series
    assert loud.error > 1e-10 > quiet.error


@pytest.mark.parametrize(("v", "rho"), [(0.01, 0.3), (0.5, 0.9), (3.0, 0.7)])
def test_errors_of_covariance_and_variances_move_cos_as_bounded(v: float, rho: float) -> None:
    """E = exp(-v) cosh c, D = exp(-v) sinh c: the factors bound the true changes, closely."""
    stage = diagonal(Network(F("cos")), np.array([v])).stages[0]
    factors = amplification(stage, 1e-15).at(np.array([rho]))
    _, k_e, k_d, _, v_e, v_d = (float(f[0]) for f in factors[:6])
    e, d = np.exp(-v) * np.cosh(v), np.exp(-v) * np.sinh(v)  # at x = x'
    c = rho * v
    by_covariance = (v * np.exp(-v) * np.sinh(c) / e, v * np.exp(-v) * np.cosh(c) / d)
    by_variances = (v * np.exp(-v) * np.cosh(c) / e, v * np.exp(-v) * np.sinh(c) / d)
    for bound, change in zip((k_e, k_d, v_e, v_d), by_covariance + by_variances, strict=True):
        assert change <= bound * (1 + 1e-9)
        assert bound <= max(12 * change, 2.5)
