"""Units of activations with kinks whose pre-activations are small, or always 0."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.expectations import moments


@pytest.mark.parametrize("name", ["hardswish", "hardtanh", "Max(x-1,0)+x/2", "elu", "softsign"])
@pytest.mark.parametrize("size", [1e-8, 1e-12, 1e-40])
def test_small_inputs_see_a_line(name: str, size: float, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 3))
    slope = 1.0 if name in ("hardtanh", "elu", "softsign") else 0.5
    found = kernel_estimate(Network(FullyConnected(name)), size * x, kind="nngp")
    exact = slope**2 * size**2 * (x @ x.T) / 3
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    assert (abs(found.value - exact) <= found.error + 4 * size * scale).all()
    assert (found.error < 1e-12 * scale).all()


@pytest.mark.parametrize(
    "name", ["hardswish", "hardtanh", "elu", "selu", "exp(-abs(x))", "abs(x - 1)"]
)
def test_units_that_are_always_0_have_the_moments_of_w_there(name: str) -> None:
    w = Activation(name)
    start = float(w(np.zeros(1))[0])
    found = moments(w, np.array([0.0, 0.5]))
    assert found.mean[0] == start
    assert found.second[0] == start**2
    assert_allclose(found.slope[0], np.mean(w.derivatives(np.array([-1e-9, 1e-9]), 1)[1] ** 2))
    assert found.noise.largest < 1e-14


def test_zero_inputs_have_no_part_in_others(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 2))
    x[0] = 0
    found = kernel_estimate(Network(FullyConnected("hardswish")), x)
    assert found.value[0].tolist() == [0.0, 0.0, 0.0]
