"""C of images from sampled units, against the recursion of all quadruples."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    fluctuation,
)
from analytic.corrections import sampled_fluctuation

pytestmark = pytest.mark.slow  # Monte Carlo

NETWORKS = {
    "flattened": (Network(*[Convolution("tanh", 3, weight_std=0.6)] * 2, Flatten()), (2, 2, 4)),
    "residual, biases": (
        Network(
            Convolution("softplus", 3, weight_std=0.6),
            Residual(Convolution("tanh", 3, weight_std=0.6, bias_std=0.3)),
            GlobalAveragePooling(),
        ),
        (2, 1, 4),
    ),
    "averages inside": (
        Network(
            Convolution("softplus", 3, weight_std=0.6, bias_std=0.2),
            Residual(Convolution("gelu", 3, weight_std=0.6, padding_mode="circular")),
            AveragePooling(2),
            Convolution("erf", 3, width_ratio=2),
            Flatten(),
        ),
        (2, 2, 4),
    ),
    "vectors": (
        Network(
            FullyConnected("tanh", width_ratio=2),
            FullyConnected("softplus"),
            Residual(FullyConnected("sigmoid", bias_std=0.5)),
        ),
        (3, 10),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_sampled_units_give_the_constant_of_all_quadruples(name: str) -> None:
    """In standard errors of at most 1.5 %: every part of C is larger than four of them."""
    network, shape = NETWORKS[name]
    x = np.random.default_rng(4).standard_normal(shape)
    exact = fluctuation(network, x)
    value, error = sampled_fluctuation(network, x, 2**15)
    assert (error < 0.02 * np.sqrt(np.outer(np.diag(exact), np.diag(exact)))).all()
    assert (np.abs(value - exact) < 4.5 * error).all()
    np.testing.assert_array_equal(value, value.T)


def test_other_units_are_other_estimates_of_the_same() -> None:
    network, shape = NETWORKS["flattened"]
    x = np.random.default_rng(4).standard_normal(shape)
    a, b = (sampled_fluctuation(network, x, 2**13, seed) for seed in (0, 1))
    assert (a[0] != b[0]).all()
    assert (np.abs(a[0] - b[0]) < 4.5 * np.hypot(a[1], b[1])).all()
    again, _ = sampled_fluctuation(network, x, 2**13, 0)
    np.testing.assert_array_equal(a[0], again)
