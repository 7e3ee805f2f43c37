"""Networks by name: their stacks, and their kernels against finite networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from oracles.finite_checks import check_average

from analytic import Network, Sum, lenet, mlp, myrtle, resnet, wide_resnet
from analytic.network import parse_network

NETWORKS: list[tuple[Network, tuple[int, ...], int]] = [
    (mlp(3, "softplus", bias_std=0.3), (4,), 32),
    (lenet("tanh", weight_std=1.2, bias_std=0.2), (1, 12, 12), 8),
    (myrtle(5, "softplus"), (2, 4, 4), 32),
    (wide_resnet(10, "softplus", widening=2), (1, 4, 4), 16),
    (resnet(8, "tanh"), (1, 4, 4), 16),
]


@pytest.mark.parametrize(("network", "shape", "width"), NETWORKS, ids=range(5))
def test_finite_networks_have_this_kernel_on_average(
    network: Network, shape: tuple[int, ...], width: int
) -> None:
    """128 networks; four standard errors, and a bias that halves with the width."""
    assert parse_network(repr(network)) == network
    x = np.random.default_rng(2).standard_normal((2, *shape))
    k, error = check_average(network, x, (width, 2 * width), 128)
    assert np.all(error <= 0.2 * np.sqrt(np.outer(np.diag(k), np.diag(k))))


@pytest.mark.parametrize(
    ("network", "depth", "projections"),
    [
        (myrtle(5, "erf"), 5 - 1, 0),  # the readout counts
        (myrtle(7, "erf"), 7 - 1, 0),
        (myrtle(10, "erf"), 10 - 1, 0),
        (lenet(), 5 - 1, 0),
        (resnet(20, "erf"), 20 - 1 + 2, 2),  # and the projections do not
        (wide_resnet(16, "erf"), 16, 3),  # the readout does not, the projections do
    ],
    ids=range(6),
)
def test_depths_count_the_layers_with_weights(
    network: Network, depth: int, projections: int
) -> None:
    assert sum(step.rate > 0 for step in network.steps) == depth
    assert sum(isinstance(layer, Sum) for layer in network.layers) == projections


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: mlp(0), "expected a depth of at least 1, got 0"),
    (lambda: myrtle(6), "expected a depth of 5, 7 or 10, got 6"),
    (lambda: wide_resnet(20), r"expected a depth of 6 n \+ 4 .* got 20; take 16"),
    (lambda: resnet(2), r"expected a depth of 6 n \+ 2 .* got 2; take 8"),
]


@pytest.mark.parametrize(("build", "reason"), REFUSED)
def test_other_depths_are_refused(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build()
