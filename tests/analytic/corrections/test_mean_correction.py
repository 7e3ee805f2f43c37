"""The shift of the mean of K_0: against brute force and finite networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from networks.fluctuating import NETWORKS, points
from oracles.martingale_controls import coefficients, controlled
from oracles.pair_fluctuation import pair_shift

from analytic import FullyConnected, Network, Residual, kernel
from analytic.corrections import fluctuation, mean_correction

X = points()


SHIFTED = ["gelu, 3 residual, biases"]


@pytest.mark.parametrize("name", SHIFTED)
def test_networks_agree_with_brute_force(name: str) -> None:
    """Central differences of step 1e-4 leave 1e-8 of a third derivative of the layers' maps.

    These are of the order of K itself here, and V multiplies them.
    """
    network = NETWORKS[name]
    b, c, k = (f(network, X) for f in (mean_correction, fluctuation, kernel))
    scale = math.sqrt(k[0, 0] * k[3, 3]) * (1 + np.max(c / np.outer(k.diagonal(), k.diagonal())))
    assert abs(b[0, 3] - pair_shift(network, X[0], X[3])) <= 1e-6 * scale


@pytest.mark.parametrize("name", ["gelu, 3 residual, biases"])
def test_the_mean_of_finite_networks_is_shifted_as_predicted(name: str) -> None:
    """m (E K_0 - K_inf) = b + c/m: twice the value at 2 m less that at m, in standard errors.

    The largest of 10 normal numbers exceeds 4.5 once in 15,000 fresh seeds.
    """
    network, x, found = NETWORKS[name], torch.from_numpy(X), []
    limit = torch.from_numpy(kernel(network, X))[*torch.triu_indices(4, 4)]
    generator = torch.Generator().manual_seed(4)
    for width in (32, 64):
        a = coefficients(network, x, width, 1500, generator, 750)
        mean, error = controlled(network, x, width, 8000, generator, 1000, a).mean()
        found.append((width * (mean - limit).numpy(), width * error.numpy()))
    (one, error), (two, finer) = found
    spread = np.hypot(2 * finer, error)
    b = mean_correction(network, X)[np.triu_indices(4)]
    assert np.abs((2 * two - one - b) / spread).max() < 4.5
    assert np.abs((2 * two - one) / spread).max() > 12  # no shift at all would be noticed


def test_one_layer_and_linear_networks_have_no_shift() -> None:
    """E W^T G W = tr G; rounding of sums of a dozen terms."""
    for network in (
        Network(FullyConnected("softplus", bias_std=1)),
        Network(*[FullyConnected("identity", bias_std=0.5)] * 3),
        Network(FullyConnected("identity"), *[Residual(FullyConnected("identity"))] * 2),
    ):
        assert np.abs(mean_correction(network, X)).max() < 1e-12


def test_the_order_of_the_inputs_does_not_matter() -> None:
    """The recursion treats x and x' by different lines: their exchange is a check of both."""
    network = NETWORKS["gelu, 3 residual, biases"]
    forward, backward = mean_correction(network, X), mean_correction(network, X[::-1])
    np.testing.assert_allclose(forward, backward[::-1, ::-1], rtol=1e-10)


def test_an_activation_without_five_derivatives_is_refused() -> None:
    with pytest.raises(ValueError, match=r"5 continuous derivatives.*w'{5} jumps"):
        mean_correction(Network(FullyConnected("abs(x)**5")), X)
