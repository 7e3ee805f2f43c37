"""The covariance of two entries of K_0: against the variance, finite networks and controls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from networks.fluctuating import NETWORKS, points
from oracles.conditional_sampling import sample_kernels

from analytic import FullyConnected, Network
from analytic.corrections import fluctuation, fluctuation_covariance
from analytic.corrections.four_units import four_moments

X = points()
UPPER = np.triu_indices(len(X))


@pytest.mark.parametrize("name", ["unequal widths, biases, residual"])
def test_equal_pairs_have_the_variance(name: str) -> None:
    """Two computations without a common integral; the rule of the four is settled at 1e-8."""
    c = fluctuation_covariance(NETWORKS[name], X)
    v = fluctuation(NETWORKS[name], X)
    np.testing.assert_allclose(np.einsum("abab->ab", c), v, rtol=2e-7)
    scale = np.sqrt(np.einsum("ab,cd->abcd", v, v))
    for order in ((1, 0, 2, 3), (2, 3, 0, 1)):
        assert np.abs(c - c.transpose(order)).max() <= 1e-12 * scale.max()
    assert np.linalg.eigvalsh(c.reshape(16, 16)).min() >= -1e-7 * scale.max()


def test_moments_of_linear_and_quadratic_units_are_isserlis() -> None:
    """w = x: products of four are sums of three; w = x^2: E u^2 u'^2 = L L' + 2 L12^2.

    What lies outside the ball of nodes holds 2e-9 of u^4 and of u^2 u'^2 relative to 3.
    """
    root = np.array([[1.0, 0.0, 0.0], [0.5, 0.8, 0.0], [0.2, -0.4, 0.7], [0.9, 0.1, -0.3]])
    c = root @ root.T  # four units on three dimensions
    linear = four_moments(NETWORKS_OF["identity"], c)
    exact = np.einsum("ab,cd->abcd", c, c)
    exact = exact + exact.transpose(0, 2, 1, 3) + exact.transpose(0, 3, 2, 1)
    np.testing.assert_allclose(linear.units, exact, rtol=0, atol=1e-8)
    np.testing.assert_allclose(linear.mixed, np.broadcast_to(c, exact.shape), rtol=0, atol=1e-8)
    np.testing.assert_allclose(linear.slopes, 1, rtol=1e-8)
    square = four_moments(NETWORKS_OF["square"], c)
    np.testing.assert_allclose(
        np.einsum("abab->ab", square.slopes), 16 * (np.outer(*[c.diagonal()] * 2) + 2 * c**2),
        rtol=0,
        atol=16e-8,
    )  # fmt: skip


NETWORKS_OF = {
    "identity": FullyConnected("identity").activation,
    "square": FullyConnected("x**2").activation,
}


def _measured(network: Network, width: int, count: int) -> tuple[Any, Any]:
    """m Cov of all entries of K_0 and its standard error, (10, 10) each."""
    generator = torch.Generator().manual_seed(8)
    k = sample_kernels(network, torch.from_numpy(X), width, count, generator).numpy()[:, *UPPER]
    centred = k - k.mean(axis=0)
    products = centred[:, :, None] * centred[:, None, :]
    return width * products.mean(axis=0), width * products.std(axis=0) / math.sqrt(count)


def test_entries_of_finite_networks_vary_together_as_predicted() -> None:
    """m Cov = C + c/m, twice the value at 2 m less that at m; 55 correlated numbers below 4.5.

    Without the traces, A(ab, dc), the same measurement is many standard errors off.
    """
    network = NETWORKS["mixed, residual inside"]
    c = fluctuation_covariance(network, X)[UPPER][:, *UPPER]
    (one, error), (two, finer) = (_measured(network, m, 8000) for m in (64, 128))
    spread = np.hypot(2 * finer, error)
    assert np.abs((2 * two - one - c) / spread).max() < 4.5


def test_a_dropped_cross_term_would_be_noticed() -> None:
    """Pairs without a common point still vary together; independent pairs would not."""
    network = NETWORKS["tanh, 2 layers"]
    c = fluctuation_covariance(network, X)[0, 1, 2, 3]
    (one, error), (two, finer) = (_measured(network, m, 8000) for m in (64, 128))
    pair = [int(np.flatnonzero((UPPER[0] == a) & (UPPER[1] == b))[0]) for a, b in ((0, 1), (2, 3))]
    found, spread = (2 * two - one)[*pair], np.hypot(2 * finer, error)[*pair]
    assert abs(found - c) < 4.5 * spread
    assert abs(found) > 8 * spread


def test_quadruples_that_do_not_fit_are_refused_with_their_bytes() -> None:
    with pytest.raises(MemoryError, match=r"bytes of memory for the quadruples of 900 points"):
        fluctuation_covariance(NETWORKS["tanh, 1 layer"], np.ones((900, 2)))
