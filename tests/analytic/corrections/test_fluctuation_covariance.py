"""The covariance of two entries of K_0: against the variance, finite networks and controls."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from networks.fluctuating import NETWORKS, points
from oracles.martingale_controls import coefficients, controlled

from analytic import FullyConnected
from analytic.corrections import fluctuation, fluctuation_covariance
from analytic.corrections.all_pairs import PointPairs
from analytic.corrections.four_units import four_moments

pytestmark = pytest.mark.slow  # Monte Carlo

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


@lru_cache
def _measured(name: str) -> tuple[Any, Any]:
    """m Cov = C + c/m of all entries from widths 64 and 256, and its standard error, (10, 10)."""
    network, x, found = NETWORKS[name], torch.from_numpy(X), []
    for width in (64, 256):
        generator = torch.Generator().manual_seed(width)
        a = coefficients(network, x, width, 1500, generator, 750)
        drawn = controlled(network, x, width, 300_000 // width, generator, 64000 // width, a)
        found.append([width * v.numpy() for v in drawn.covariance()])
    (one, error), (two, finer) = found
    return (4 * two - one) / 3, np.hypot(4 * finer, error) / 3


MIXED = "mixed, residual inside"


def test_entries_of_finite_networks_vary_together_as_predicted() -> None:
    """55 correlated numbers below 4.5 standard errors, each below 3 % of its scale."""
    c = fluctuation_covariance(NETWORKS[MIXED], X)[UPPER][:, *UPPER]
    found, error = _measured(MIXED)
    assert np.abs((found - c) / error).max() < 4.5
    assert (error < 0.03 * np.sqrt(np.outer(c.diagonal(), c.diagonal()))).all()


def without_units_and_slopes(pairs: PointPairs) -> Any:
    """The fresh noise without the covariance of w_a w_b and w'_c w'_d."""
    q, s = FRESH(pairs), slice(0, pairs.n**2)
    g = slice(pairs.n**2, 2 * pairs.n**2)
    q[s, g] = q[g, s] = 0
    return q


def without_what_the_skip_meets(pairs: PointPairs) -> Any:
    """The Gram matrix without the products of its new diagonal and the one the skip passes."""
    return GRAM(replace(pairs, before=replace(pairs.before, g=0 * pairs.before.g)))


FRESH, GRAM = PointPairs.fresh, PointPairs.gram


@pytest.mark.parametrize(
    ("name", "part", "broken"),
    [
        (MIXED, "fresh", without_units_and_slopes),
        ("tanh, 2 residual", "gram", without_what_the_skip_meets),
    ],
)
def test_a_dropped_cross_term_would_be_noticed(
    name: str, part: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured ten standard errors and more from what the recursion then gives."""
    found, error = _measured(name)
    monkeypatch.setattr(PointPairs, part, broken)
    c = fluctuation_covariance(NETWORKS[name], X)[UPPER][:, *UPPER]
    assert np.abs((found - c) / error).max() > 10


def test_pairs_without_a_common_point_vary_together() -> None:
    found, error = _measured(MIXED)
    pairs = list(zip(*UPPER, strict=True))
    apart = np.array([[not set(p) & set(q) for p in pairs] for q in pairs])
    assert np.abs(found / error)[apart].max() > 20


def test_quadruples_that_do_not_fit_are_refused_with_their_bytes() -> None:
    with pytest.raises(MemoryError, match=r"bytes of memory for the quadruples of 900 points"):
        fluctuation_covariance(NETWORKS["tanh, 1 layer"], np.ones((900, 2)))
