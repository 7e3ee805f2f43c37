"""Deviations far beyond the kinks: what happens between these is lost, and that is counted."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from analytic import AccuracyError, Activation, FullyConnected, Network, kernel, kernel_estimate
from analytic.expectations import coefficients, moments

pytestmark = pytest.mark.slow  # slow exact values


def generic(size: float) -> np.ndarray:
    return size * np.random.default_rng(0).standard_normal((8, 2))


@pytest.mark.parametrize(
    ("text", "line"), [("hardswish", "relu"), ("Max(x - 1, 0) + x", "Max(x, 0) + x")]
)
def test_far_beyond_its_kinks_an_activation_is_its_asymptotes(text: str, line: str) -> None:
    """At 1e8 the two differ by some 1e-8, by 1e-4 if what cancels is not counted."""
    x = generic(1e8)
    lines = kernel(Network(FullyConnected(line)), x)
    found = kernel_estimate(Network(FullyConnected(text)), x, tolerance=0.5)
    scale = np.sqrt(np.outer(np.diag(lines), np.diag(lines)))
    assert (np.abs(found.value - lines) <= found.error + 5e-8 * scale).all()


@pytest.mark.parametrize(("text", "low", "high"), [("hardtanh", -1, 1), ("relu6", 0, 6)])
@pytest.mark.parametrize("s", [1e3, 1e5, 1e7])
def test_coefficients_between_two_kinks_cancel(text: str, low: int, high: int, s: float) -> None:
    """c_0 = P(low < s z < high), c_k = (h_{k-1} phi at low - at high)/sqrt(k), in 40 digits."""
    with mp.workdps(40):
        a, b = low / mp.mpf(s), high / mp.mpf(s)
        exact = [mp.ncdf(b) - mp.ncdf(a)]
        exact += [(_weighted(k - 1, a) - _weighted(k - 1, b)) / mp.sqrt(k) for k in range(1, 12)]
        exact = np.array([float(c / mp.sqrt(k + 1)) for k, c in enumerate(exact)])
    activation = Activation(text)
    found = coefficients(activation, np.array([s]), 12)
    second = moments(activation, np.array([s])).second[0]
    assert s * np.linalg.norm(found.b[:, 0] - exact) <= found.noise.value * np.sqrt(second)


def _weighted(k: int, z: Any) -> Any:
    """The normalized Hermite polynomial times the density."""
    scale = mp.sqrt(mp.mpf(2) ** k * mp.factorial(k))
    return mp.hermite(k, z / mp.sqrt(2)) / scale * mp.npdf(z)


def test_hardtanh_far_beyond_its_kinks_is_refused() -> None:
    with pytest.raises(AccuracyError):
        kernel(Network(FullyConnected("hardtanh")), generic(1e7))
    kernel(Network(FullyConnected("hardtanh")), generic(1e2))
