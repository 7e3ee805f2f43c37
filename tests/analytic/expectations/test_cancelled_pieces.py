"""Deviations far beyond the kinks: what happens between these is lost, and that is counted."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import AccuracyError, FullyConnected, Network, kernel, kernel_estimate


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


def test_coefficients_of_hardtanh_cancel_at_large_deviations() -> None:
    with pytest.raises(AccuracyError):
        kernel(Network(FullyConnected("hardtanh")), generic(1e7))
    kernel(Network(FullyConnected("hardtanh")), generic(1e2))
