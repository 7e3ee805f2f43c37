"""Inputs of equal norm: one series, and its certificate."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dense

from analytic import FullyConnected, Network, Residual, kernel, kernel_diagonal, kernel_estimate
from analytic.pairs import prepare
from analytic.solve.answer import solve
from analytic.solve.equal_norms import Zonal, circle, interpolate, zonal

F, R = FullyConnected, Residual


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    x = rng.standard_normal((1300, 10))
    x[1] = -x[0]
    x[3] = x[2]
    return 3 * x / np.linalg.norm(x, axis=1)[:, None]


NETWORKS = [
    Network(F("tanh"), F("tanh"), F("tanh")),
    Network(F("softplus"), R(F("softplus")), F("sigmoid", bias_std=0.3)),
    Network(F("cos"), R(F("cos"), F("cos")), F("cos")),
]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_series_agrees_with_the_recursion(network: Network, x: np.ndarray) -> None:
    problem = zonal(network, x, None, 1e-10)
    assert problem is not None
    scale = kernel_diagonal(network, x, kind="both")
    fast, slow = solve(problem, "both", 1e-10).value, kernel_estimate(network, x, kind="both")
    for a, b, bound, top in zip(fast, slow.value, slow.error, scale, strict=True):
        assert_array_equal(a, a.T)
        assert_array_equal(np.diag(a), top)
        assert np.all(np.abs(a - b) <= problem.method.error * top.max() + bound)
        assert np.abs(a - b).max() <= 1e-10 * top.max()


def test_it_is_chosen_and_matches_the_slow_recursion(x: np.ndarray) -> None:
    network = Network(F("erf"), R(F("erf", weight_std=1.5)), F("erf", bias_std=0.2))
    assert zonal(network, x, None, 1e-10) is not None
    k = kernel(network, x)
    for i, j in ((0, 1), (2, 3), (4, 700), (1299, 5)):
        exact = dense.pair_kernel(network, x[i], x[j], dense.arcsine_dual)[1]
        assert abs(k[i, j] - exact) <= 1e-10 * k[0, 0]


def test_rows_and_columns_of_equal_norm(x: np.ndarray) -> None:
    network = NETWORKS[1]
    assert zonal(network, x, x[:1200], 1e-10) is not None
    difference = kernel(network, x, x[:1200]) - kernel(network, x)[:, :1200]
    assert np.abs(difference).max() <= 2e-10 * kernel_diagonal(network, x[:1])[0]


@pytest.mark.parametrize("factor", [1 + 1e-9, 0.0])
def test_other_norms_are_left_to_the_recursion(factor: float, x: np.ndarray) -> None:
    x[7] *= factor
    assert zonal(NETWORKS[0], x, None, 1e-10) is None


def test_what_a_series_cannot_certify_is_left_to_the_recursion(x: np.ndarray) -> None:
    assert zonal(Network(F("relu"), F("relu"), F("relu")), x, None, 1e-10) is None
    assert zonal(Network(*[F("tanh", weight_std=10)] * 8), x, None, 1e-10) is None
    assert zonal(NETWORKS[0], x, None, 1e-15) is None
    assert zonal(NETWORKS[0], x[:100], None, 1e-10) is None  # few pairs: not worth it


@pytest.mark.parametrize("power", [2, 40, 700, 20000])
def test_the_gap_at_one_bounds_the_error(power: int) -> None:
    """f = (rho^power + rho)/2: the certificate holds, whether it accepts or refuses."""
    points, pole = circle(1.0)
    rho = points @ pole[0] / 2
    values = np.tile((rho**power + rho) / 2, (2, 1))
    for tolerance in (1e-10, 1e-3, 1.5):
        found = interpolate(1.0, values, np.ones(2), 1e-16, 1e-16, tolerance)
        if found is None:
            assert power > 100
            continue
        t = np.linspace(-1, 1, 20001)
        assert np.abs(_value(found, t) - (t**power + t) / 2).max() <= found.error <= tolerance
    assert (interpolate(1.0, values, np.ones(2), 1e-16, 1e-16, 1e-10) is None) == (power > 1000)


def _value(found: Zonal, t: np.ndarray) -> np.ndarray:
    terms = 2 * max(found.even.shape[1], found.odd.shape[1])
    series = np.zeros(terms)
    series[: 2 * found.even.shape[1] : 2] = found.even[1]
    series[1 : 1 + 2 * found.odd.shape[1] : 2] = found.odd[1]
    return np.polynomial.chebyshev.chebval(t, series)


def test_the_error_counts_the_spread_of_the_norms(x: np.ndarray) -> None:
    calm = prepare(NETWORKS[0], x[:9], None, 1e-10)
    spread = prepare(NETWORKS[0], x[:9], None, 1e-10, spread=1e-11)
    assert spread.method.diagonal > calm.method.diagonal + 1e-12


def test_a_clipped_correlation_counts_the_spread(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2200, 3))
    x *= 1e-3 / np.linalg.norm(x, axis=1)[:, None]
    x[1], x[2] = x[0] * (1 + 4.4e-13), x[0] * (1 + 4.3e-13)
    k = kernel(Network(F("sin")), x, x.copy(), tolerance=5e-13)[:3, :3]
    exact = kernel(Network(F("sin")), x[:3], x[:3], tolerance=1e-13)
    assert np.abs(k - exact).max() <= 6e-13 * exact[0, 0]
