"""Networks drawn from the whole algebra: within their promise, as text, and as finite networks."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks.random_stacks import SHAPES, moving_networks, networks
from oracles import positions
from oracles.jacobians import batch_jacobian
from oracles.random_agreement import agreement

from analytic import Dropout, FullyConnected, LayerNorm, Network, Residual, kernel
from analytic.network import parse_network
from empirical import FiniteNetwork, tangent_kernel, tangent_kernels

SLOWLY = settings(
    max_examples=25, derandomize=True, database=None, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
ALL = st.one_of(networks(), moving_networks())


@SLOWLY
@given(ALL)
def test_kernels_are_those_of_a_slow_recursion(network: Network) -> None:
    """Trapezoidal sums resolve to 1e-9 here."""
    x = np.random.default_rng(1).standard_normal((2, *SHAPES[network.is_spatial]))
    found = kernel(network, x, tolerance=1e-9)
    exact = positions.kernel(network.summed(1) if network.is_spatial else network, x)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.max(np.abs(found - exact) / scale) <= 3e-9
    assert parse_network(repr(network)) == network


@SLOWLY
@given(ALL)
def test_all_ways_to_k_0_agree(network: Network) -> None:
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((3, *SHAPES[network.is_spatial])))
    f = FiniteNetwork(network, x.shape[1:], 4, seed=1)
    k = tangent_kernel(f, x)
    torch.testing.assert_close(tangent_kernels(network, x, 4, [0, 1])[1], k, rtol=1e-9, atol=1e-9)
    rows = batch_jacobian(f, x)[:, 0]
    torch.testing.assert_close(rows @ rows.T, k, rtol=1e-9, atol=1e-9)


def test_k_0_holds_at_the_limit_and_fails_without_the_terms_of_means() -> None:
    """A row of ``benchmarks/random_architectures.py``: every part of the limit but these counts."""
    w = FullyConnected("sigmoid", weight_std=0.7)
    network = Network(FullyConnected("tanh"), LayerNorm(), w, Dropout(0.1), Residual(w), w)
    x = np.random.default_rng(3).standard_normal((3, 3))
    found = agreement(network, x, (32, 64, 128, 256), (1200, 600, 300, 150))
    low, high = found.found.exponent_interval
    assert low < 1 < high
    assert found.found.verdict == "holds"
    assert found.worst < 4
    assert found.control.verdict == "fails"
    assert found.level > 10
    assert found.without > 10
