"""Nearly equal inputs of different norms in chaotic networks: the gap of norms is carried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import balls

from analytic import FullyConnected, Network, kernel, kernel_diagonal, kernel_estimate
from analytic.pairs import Close, prepare
from analytic.pairs.nearly_parallel import nearly_parallel_pairs


def _inputs(distance: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 12))
    x[1] = x[0] + distance * x[1]
    return x


CHAOTIC: list[tuple[str, float, float, int]] = [
    ("erf", 10.0, 0.0, 10),
    ("erf", 7.0, 0.5, 8),
    ("sin", 10.0, 0.0, 7),
    ("cos", 7.0, 0.3, 7),
    ("gaussian", 10.0, 0.2, 8),
]


@pytest.mark.parametrize(("name", "weight_std", "bias_std", "depth"), CHAOTIC)
@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-11])
def test_near_duplicates_keep_thirteen_digits(
    name: str, weight_std: float, bias_std: float, depth: int, distance: float
) -> None:
    """Against balls; the norms differ by a share of the distance."""
    layer = FullyConnected(name, weight_std=weight_std, bias_std=bias_std)
    network, x = Network(*[layer] * depth), _inputs(distance)
    tolerance = 1e-13 if distance < 1e-4 else 1e-12
    found = kernel_estimate(network, x, tolerance=tolerance)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        exact = balls.exact_kernel(network, x[i], x[j])
        assert balls.distance(found.value[i, j], exact) <= found.error[i, j]


def test_the_gap_is_what_keeps_them() -> None:
    network, x = Network(*[FullyConnected("sin", weight_std=10)] * 6), _inputs(1e-6)
    problem = prepare(network, x, None, 1e-10)
    close, one = Close.of(network, problem.diagonal), np.array([0])
    pair: Any = close, x[:1], x[1:], one, one + 1
    plain, sharp = (nearly_parallel_pairs(*pair, sharp=way) for way in (False, True))
    assert sharp.error[0] < 1e-3 * plain.error[0]
    assert abs(sharp.theta[0] - plain.theta[0]) <= plain.error[0] * problem.diagonal.theta[0]


@pytest.mark.parametrize("name", ["tanh", "softplus", "erf"])
def test_equal_inputs_have_the_kernel_of_one(name: str) -> None:
    """And opposite ones that with the other sign, of an odd network."""
    network = Network(*[FullyConnected(name, weight_std=5)] * 6)
    x = _inputs(1e-6)[[0, 0]]
    k, own = kernel(network, x, tolerance=1e-13), kernel_diagonal(network, x)
    assert k[0, 1] == own[0]
    if name != "softplus":
        assert kernel(network, x[:1], -x[1:], tolerance=1e-13)[0, 0] == -own[0]


def test_a_trained_bias_sees_no_sign() -> None:
    """It is 0, but its part of Theta(x, -x) is that of Theta(x, x): D is even."""
    plain, trained = (
        Network(*[FullyConnected("sin", weight_std=5, bias_rate=rate)] * 6) for rate in (0.0, 1.0)
    )
    x = _inputs(1e-6)[:1]
    parts = [kernel(network, x, -x, tolerance=1e-12)[0, 0] for network in (plain, trained)]
    own = kernel_diagonal(plain, x)[0], kernel_diagonal(trained, x)[0]
    assert parts[0] == -own[0]
    assert parts[1] - parts[0] == pytest.approx(own[1] - own[0], rel=1e-10)
