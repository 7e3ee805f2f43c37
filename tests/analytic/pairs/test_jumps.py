"""Activations that jump: Gaussian processes against closed forms and integrals in 40 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import (
    AveragePooling,
    Convolution,
    FullyConnected,
    Network,
    Residual,
    kernel,
    kernel_diagonal,
    kernel_estimate,
    kernel_plan,
)
from analytic.machine import Array
from empirical import FiniteNetwork

RNG = np.random.default_rng(27)


def _pairs() -> Array:
    """Inputs whose distances go from 1e-1 to 1e-15, on both sides, and a parallel pair."""
    x, aside = RNG.standard_normal((2, 6))
    close = [sign * (x + 10.0**-k * aside) for k in (1, 4, 8, 12, 15) for sign in (1, -1)]
    return np.array([x, -x, 4 * x, np.zeros(6), *close])


def _cosine(x: Array, y: Array, bias: Any) -> list[Any]:
    """The entries of Lambda of the first layer."""
    mean = lambda a, b: mpmath.fdot(map(mpmath.mpf, a), map(mpmath.mpf, b)) / len(a)  # noqa: E731
    return [mean(*pair) + bias for pair in ((x, x), (y, y), (x, y))]


def _exact(x: Array, y: Array, depth: int, bias: float, low: float) -> float:
    """Sigma of layers of a step from ``low`` to 1, by the arcsine in 60 digits."""
    with mpmath.workdps(60):
        b, low_ = mpmath.mpf(bias) ** 2, mpmath.mpf(low)
        middle, half = (1 + low_) / 2, (1 - low_) / 2
        entries = _cosine(x, y, b)
        for _ in range(depth):
            own = [e > 0 for e in entries[:2]]
            found = [middle**2 + half**2] * 2
            if all(own):
                rho = entries[2] / mpmath.sqrt(entries[0] * entries[1])
                both = middle**2 + half**2 * 2 / mpmath.pi * mpmath.asin(max(min(rho, 1), -1))
            else:  # the value at 0 is 0
                both = mpmath.mpf(0)
                found = [
                    value if alive else mpmath.mpf(0)
                    for value, alive in zip(found, own, strict=True)
                ]
            entries = [value + b for value in (*found, both)]
        return float(entries[2] - b)


@pytest.mark.parametrize(("name", "low"), [("sign", -1.0), ("step", 0.0)])
@pytest.mark.parametrize(("depth", "bias"), [(1, 0.0), (2, 0.0), (3, 0.5), (12, 0.5)])
def test_one_jump_at_0_is_known_to_its_bound_at_any_distance(
    name: str, low: float, depth: int, bias: float
) -> None:
    x = _pairs()
    network = Network(*[FullyConnected(name, bias_std=bias)] * depth)
    estimate = kernel_estimate(network, x, kind="nngp", tolerance=0.1)
    exact = np.array([[_exact(a, b, depth, bias, low) for b in x] for a in x])
    assert estimate.certified
    assert np.all(np.abs(estimate.value - exact) <= estimate.error)
    np.testing.assert_array_equal(kernel(network, x, kind="nngp"), estimate.value)  # at 1e-10


def _shrunk(mean: Any, tau: Any) -> Any:
    """E w(mean + tau z) of hardshrink: x where |x| > 1/2."""
    low, high = ((edge - mean) / tau for edge in (-mpmath.mpf(1) / 2, mpmath.mpf(1) / 2))
    inside = mpmath.ncdf(high) - mpmath.ncdf(low)
    return mean * (1 - inside) + tau * (mpmath.npdf(high) - mpmath.npdf(low))


def _stairs(mean: Any, tau: Any) -> Any:
    """The same of step(x - 1) - 2 step(-x)."""
    return mpmath.ncdf((mean - 1) / tau) - 2 * mpmath.ncdf(-mean / tau)


def _bent(mean: Any, tau: Any) -> Any:
    """The same of x + sign(x)."""
    return mean + 2 * mpmath.ncdf(mean / tau) - 1


CASES = {
    "hardshrink": (_shrunk, [-0.5, 0.5]),
    "step(x - 1) - 2*step(-x)": (_stairs, [0, 1]),
    "x + sign(x)": (_bent, [0]),
}


def _integral(name: str, s: float, s_: float, rho: float) -> float:
    """E w(u) w(v): w(u) itself outside, the mean of w(v) given u inside."""
    smoothed, places = CASES[name]
    with mpmath.workdps(20):
        tau = s_ * mpmath.sqrt(1 - mpmath.mpf(rho) ** 2)
        tiny = mpmath.mpf(10) ** -30

        def density(z: Any) -> Any:
            return mpmath.npdf(z) * smoothed(s * z, tiny) * smoothed(rho * s_ * z, tau)

        bends = {p / t for p in places for t in (s, rho * s_)}
        whole: Any = mpmath.quad(density, sorted({-12, -3, 0, 3, 12, *bends}))
        return float(whole)


@pytest.mark.parametrize("name", sorted(CASES))
def test_other_jumps_agree_with_an_integral(name: str) -> None:
    x = RNG.standard_normal((3, 4)) * np.array([[0.5], [1.0], [2.0]])
    x[2, :] = -x[1] + 0.01 * x[2]
    s = np.sqrt((x**2).mean(axis=1))
    estimate = kernel_estimate(Network(FullyConnected(name)), x, kind="nngp")
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rho = float(x[i] @ x[j] / 4 / (s[i] * s[j]))
        exact = _integral(name, float(s[i]), float(s[j]), rho)
        assert abs(estimate.value[i, j] - exact) <= estimate.error[i, j] + 1e-15  # of the oracle


def test_a_kinked_layer_and_a_skip_stand_beside_jumps() -> None:
    x = RNG.standard_normal((5, 4))
    network = Network(FullyConnected("relu"), Residual(FullyConnected("step", bias_std=0.3)))
    s = np.sqrt((x**2).mean(axis=1))
    rho = np.clip(x @ x.T / 4 / np.outer(s, s), -1, 1)
    first = np.outer(s, s) * (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho))) / (2 * np.pi)
    own = s**2 / 2 + 0.09
    inner = np.clip((first + 0.09) / np.sqrt(np.outer(own, own)), -1, 1)
    means = (s[:, None] + s) / np.sqrt(2 * np.pi) / 2  # relu has the mean s/sqrt(2 pi), step 1/2
    exact = first + 0.25 + np.arcsin(inner) / (2 * np.pi) + means
    np.fill_diagonal(exact, s**2 / 2 + 0.5 + 2 * s / np.sqrt(2 * np.pi) / 2)
    found = kernel(network, x, kind="nngp")
    np.testing.assert_allclose(found, exact, rtol=1e-13)
    np.testing.assert_allclose(np.diag(found), kernel_diagonal(network, x, kind="nngp"))
    np.testing.assert_array_equal(found[:2, 2:], kernel(network, x[:2], x[2:], kind="nngp"))
    plan = kernel_plan(network, x, kind="nngp")
    assert plan.bound <= 1e-10
    assert kernel_plan(Network(FullyConnected("step")), x, kind="nngp").chaotic


def test_whatever_needs_the_derivative_of_a_jump_says_why_there_is_none() -> None:
    x, network = np.ones((2, 3)), Network(FullyConnected("tanh"), FullyConnected("sign"))
    reason = "continuous.* got layer 2 with sign, where w jumps from -1 to 1 at x = 0: .*a distr"
    images = Network(Convolution("tanh", 3), AveragePooling(1, stride=2), Convolution("sign", 1))
    for call in (
        lambda: kernel(network, x),
        lambda: kernel(network, x, kind="both"),
        lambda: kernel_diagonal(network, x),
        lambda: FiniteNetwork(network, (3,), 8),
        lambda: kernel(images, x[:, None], kind="nngp"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()
    with pytest.raises(ValueError, match="power of x where it jumps"):
        kernel(Network(FullyConnected("exp(x)*step(x)")), x, kind="nngp")
