"""The bound of a pair is that of its two inputs, whatever else is in the table."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import balls

from analytic import FullyConnected, Network, Residual, kernel_estimate
from analytic.recursion import classes_of

NETWORKS = [
    Network(FullyConnected("erf", bias_std=0.1), FullyConnected("erf", weight_std=1.7)),
    Network(FullyConnected("sin", weight_std=0.9), Residual(FullyConnected("gaussian"))),
    Network(FullyConnected("gaussian"), FullyConnected("sin", bias_std=0.3), FullyConnected("erf")),
]


def _inputs(seed: int, count: int) -> np.ndarray:
    """Inputs of sizes from 0.03 to 3, two of them near each other."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 3)) * 10 ** rng.uniform(-1.5, 0.5, (count, 1))
    x[1] = x[0] + 1e-3 * rng.standard_normal(3)
    return x


def test_inputs_are_sorted_by_size() -> None:
    squares = np.array([4.0, 1.0, 4.1, 0.0, 1e-6, 1.02])
    classes = classes_of(squares)
    assert classes.tolist() == [3, 2, 3, 0, 1, 2]
    assert classes_of(np.full(5, 2.0)).tolist() == [0] * 5
    many = classes_of(10.0 ** np.linspace(-3, 3, 100))
    assert many.max() == 7
    assert (np.diff(many) >= 0).all()


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_bounds_are_kept_between_inputs_of_all_sizes(network: Network) -> None:
    x = _inputs(3, 9)
    found = kernel_estimate(network, x)
    for i in range(9):
        for j in range(i):
            error = balls.distance(found.value[i, j], balls.exact_kernel(network, x[i], x[j]))
            assert error <= found.error[i, j]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_bound_of_a_pair_is_about_that_of_its_inputs_alone(network: Network) -> None:
    """Hardly below, for the constants of two classes are those of both inputs or larger.

    The longer series of all inputs may leave out a little less.
    """
    x = _inputs(4, 12)
    whole = kernel_estimate(network, x).error
    ratios = []
    for i in range(12):
        for j in range(i):
            alone = kernel_estimate(network, x[[i, j]]).error[0, 1]
            assert whole[i, j] >= 0.95 * alone
            ratios.append(whole[i, j] / alone)
    assert np.median(ratios) < 1.25
    assert max(ratios) < 4


def test_rows_and_columns_have_their_own_classes() -> None:
    network, x = NETWORKS[0], _inputs(5, 11)
    whole = kernel_estimate(network, x).error
    some = kernel_estimate(network, x[2:6], x[6:]).error
    assert some == pytest.approx(whole[2:6, 6:], rel=0.5)
