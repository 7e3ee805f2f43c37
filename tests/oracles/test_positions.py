"""The slow recursion over all positions, against what is known without it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import dense, positions

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Sum,
)
from analytic.network import Layer
from analytic.network.shapes import reads, shape_after

C, F, R = Convolution, FullyConnected, Residual
LAYERS = [
    (C("tanh", 3), (5,)),
    (C("tanh", 4, stride=2), (5,)),
    (C("tanh", 2, padding="valid", stride=3), (8,)),
    (C("tanh", 5, padding_mode="circular"), (3,)),
    (C("tanh", (2, 3), stride=(2, 1), padding_mode="circular"), (5, 4)),
    (C("tanh", (4, 1)), (3, 2)),
    (C("tanh", (3, 2), dilation=(2, 3), stride=(1, 2)), (4, 5)),
    (C("tanh", 3, dilation=2, padding="valid"), (6,)),
    (AveragePooling((2, 3)), (4, 6)),
    (AveragePooling((2, 3), stride=(1, 2)), (4, 6)),
    (GlobalAveragePooling(), (2, 3)),
]


@pytest.mark.parametrize(("layer", "spatial"), LAYERS, ids=repr)
def test_the_positions_are_those_of_the_description(
    layer: Convolution, spatial: tuple[int, ...]
) -> None:
    table, after = positions.windows(layer, spatial)
    assert after == shape_after(layer, spatial)
    found = [[-1 if u is None else u for u in row] for row in table]
    assert found == reads(layer, spatial).tolist()


@pytest.mark.parametrize("name", ["softplus", "tanh", "erf"])
def test_one_position_is_the_fully_connected_recursion(name: str, rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((2, 3)), rng.standard_normal((1, 3))
    stack = Network(F(name, bias_std=0.3), R(F(name), F(name, weight_std=1.5)), F(name))
    images = Network(
        C(name, 1, bias_std=0.3), R(C(name, 1), C(name, 1, weight_std=1.5)), C(name, 1)
    )
    for means in (True, False):
        exact = dense.trapezoid_kernel(stack, x, y, means)
        for index, kind in enumerate(("ntk", "nngp")):
            for network, shape in ((stack, (3,)), (images, (3, 1)), (images, (3, 1, 1))):
                value = positions.kernel(
                    network, x.reshape(-1, *shape), y.reshape(-1, *shape), kind, means
                )
                assert_allclose(value, exact[index], rtol=1e-11)


def test_a_filter_over_a_circle_of_one_pixel_counts_its_positions() -> None:
    # K reads of the same pixel: the variance of one, times K
    x = np.array([[[0.7]]])
    wide = positions.kernel(Network(C("softplus", 3, padding_mode="circular")), x)
    assert_allclose(wide, positions.kernel(Network(C("softplus", 1, weight_std=math.sqrt(3))), x))


@pytest.mark.parametrize("last", [Flatten(), GlobalAveragePooling(), AveragePooling(2)])
def test_linear_networks_have_the_kernel_of_their_matrices(
    last: Flatten, rng: np.random.Generator
) -> None:
    # without activation: h = W_2 * W_1 * x, E of the products of Jacobians written as matrices
    x = rng.standard_normal((2, 3, 4))
    layer = C("identity", 2, padding_mode="circular")
    shift = [np.eye(4), np.roll(np.eye(4), 1, axis=1)]  # reads p and p + 1
    gram = np.einsum("acp,bcq->abpq", x, x) / 3
    for _ in range(2):
        gram = sum(M @ gram @ M.T for M in shift)
    mean = {"F": np.eye(4), "G": np.full((1, 4), 0.25), "A": np.kron(np.eye(2), [0.5, 0.5])}
    M = mean[type(last).__name__[0]]
    sigma = np.einsum("up,abpq,uq->ab", M, gram, M) / len(M)
    network = Network(layer, layer, last)
    assert_allclose(positions.kernel(network, x, kind="nngp"), sigma, rtol=1e-12)
    assert_allclose(positions.kernel(network, x), 3 * sigma, rtol=1e-12)  # W_1, W_2 and v


G = LayerNorm(gain_rate=1)
SHIFTED = LayerNorm(bias_rate=1)
BARE = [
    (C("identity", 1), G, Nonlinearity("erf")),
    (C("identity", 1), G, R(C("identity", 1)), LayerNorm(), Nonlinearity("sin")),
    (C("identity", 1), R(C("identity", 1), G), Nonlinearity("relu")),
    (C("identity", 1), G, Sum([], [C("identity", 1)]), Nonlinearity("relu")),
]
FRESH = [
    (C("identity", 1), SHIFTED, Nonlinearity("erf"), G, C("erf", 1)),
    (C("identity", 1), G, Sum(C("identity", 1), C("sin", 1)), SHIFTED, C("identity", 1), G),
    (C("identity", 1), G, Nonlinearity("identity"), C("identity", 1), Nonlinearity("erf")),
]


@pytest.mark.parametrize("layers", BARE, ids=range(len(BARE)))
def test_gains_that_meet_a_nonlinearity_are_refused(layers: tuple[Layer, ...]) -> None:
    """D times their part of T would be silently wrong."""
    with pytest.raises(NotImplementedError, match="weights between trained gains and Nonlinearity"):
        positions.kernel(Network(*layers), np.ones((1, 1, 1)))


@pytest.mark.parametrize("layers", FRESH, ids=range(len(FRESH)))
def test_gains_before_weights_are_not(layers: tuple[Layer, ...]) -> None:
    assert positions.kernel(Network(*layers), np.ones((1, 1, 1))) > 0
