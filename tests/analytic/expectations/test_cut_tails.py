"""Activations by pieces that are 0 up to many standard deviations: right, or refused."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import (
    AccuracyError,
    Activation,
    Estimate,
    FullyConnected,
    Network,
    kernel,
    kernel_estimate,
)
from analytic.expectations.hermite_coefficients import coefficients

X = np.sqrt(2) * np.array([[1.0, 0.0], [1.0, 1e-11], [0.6, 0.8]])
"""Two that are one to rounding, and a third; |x|^2 = d."""
PLACES = {"softshrink": 0.5, "max(x - 3, 0)": 3.0, "max(x - 3, 0)**2": 3.0}
SIDES = {"softshrink": 2}


def exact(name: str, s: float) -> tuple[float, float]:
    """E w(s z)^2 and s^2 E w'(s z)^2, from the moments of the normal law beyond the kink."""
    with mpmath.workdps(60):
        s = mpmath.mpf(s)
        a, sides = PLACES[name] / s, SIDES.get(name, 1)
        m0, m1 = mpmath.erfc(a / mpmath.sqrt(2)) / 2, mpmath.npdf(a)
        moments = [m0, m1]
        for k in range(2, 5):
            moments.append((k - 1) * moments[k - 2] + a ** (k - 1) * m1)
        powers = [
            sum(mpmath.binomial(n, k) * moments[k] * (-a) ** (n - k) for k in range(n + 1))
            for n in range(5)
        ]
        if name.endswith("2"):
            return float(s**4 * powers[4]), float(4 * s**4 * powers[2])
        return float(sides * s**2 * powers[2]), float(sides * s**2 * m0)


def best(network: Network) -> Estimate | None:
    """The kernels with their bounds, refused or not."""
    try:
        return kernel_estimate(network, X, kind="both")
    except AccuracyError as error:
        return error.estimate


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("deviations", [1.0, 4.0, 6.0, 8.5, 9.0, 9.4, 10.0, 11.0, 11.9])
def test_what_the_rules_cut_off_is_in_the_bound(name: str, deviations: float) -> None:
    s = PLACES[name] / deviations
    network = Network(FullyConnected(name, weight_std=s))
    found: Any = best(network)
    second, slope = exact(name, s)
    assert abs(found.value.ntk[0, 0] - second - slope) <= found.error.ntk[0, 0]
    for j in (0, 1):  # with itself, and with one at 1e-11
        assert not abs(found.value.nngp[0, j] - second) > found.error.nngp[0, j]
    if deviations <= (4 if name.endswith("2") else 9):
        assert kernel(network, X).shape == (3, 3)


@pytest.mark.parametrize("name", PLACES)
def test_activations_that_are_never_reached_are_refused(name: str) -> None:
    network = Network(FullyConnected(name, weight_std=PLACES[name] / 12.5))
    with pytest.raises(ValueError, match=r"reach where .* is not 0, got the standard deviation"):
        kernel(network, X)
    assert kernel(network, 0 * X)[0, 0] == 0.0  # a unit that is always 0


@pytest.mark.filterwarnings("error")
def test_layers_that_fall_to_nothing_are_refused_without_a_warning() -> None:
    x = np.random.default_rng(0).standard_normal((40, 8))
    with pytest.raises(ValueError, match="raise weight_std or bias_std"):
        kernel(Network(*[FullyConnected("softshrink")] * 4), x)


def test_the_mean_slope_does_not_cancel() -> None:
    s = np.array([1 / 16, 1 / 18])  # a rounding of s is one of a^2 = 81 of them
    found = coefficients(Activation("softshrink"), s, 1).b[0]
    assert found == pytest.approx(
        [float(mpmath.erfc(0.5 / a / np.sqrt(2))) for a in s], rel=5e-14, abs=0
    )


@pytest.mark.parametrize("deviations", [4.0, 8.5, 9.4, 11.0])
def test_the_coefficients_of_a_spline_know_what_is_cut_off(deviations: float) -> None:
    """c_k = 2 s h_(k - 2)(a) phi(a)/sqrt(k (k - 1)) for k > 1, by parts, at the kink a."""
    s = 3 / deviations
    found = coefficients(Activation("max(x - 3, 0)**2"), np.array([s]), 24)
    c = found.b[:, 0] * np.sqrt(np.arange(1.0, 25))
    older, old, right = 0.0, 1.0, list[float]()
    for k in range(2, 24):
        right.append(2 * s * old * float(mpmath.npdf(deviations)) / np.sqrt(k * (k - 1)))
        older, old = old, (deviations * old - np.sqrt(k - 2) * older) / np.sqrt(k - 1)
    norm = np.sqrt(exact("max(x - 3, 0)**2", s)[1]) / s
    assert np.linalg.norm(c[2:] - right) <= found.noise.slope * norm
