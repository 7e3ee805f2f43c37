"""Kernels of networks with activations without weights, against slow computations and samples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import balls, image_balls
from oracles.finite_checks import check_average

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    kernel,
    kernel_estimate,
    sphere_spectrum,
)

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape)


VECTORS = [
    Network(
        F("identity", bias_std=0.3), R(N("sin"), F("erf"), F("identity", bias_std=0.2)), N("cos")
    ),
    Network(
        F("identity", weight_std=1.5),
        R(N("gaussian"), F("identity")),
        R(R(N("erf"), F("identity")), N("cos"), F("identity", weight_std=0.7)),
        N("gaussian"),
        R(F("cos")),
    ),
]


@pytest.mark.parametrize("network", VECTORS, ids=repr)
def test_every_entry_is_within_its_bound_of_ball_arithmetic(network: Network) -> None:
    """Nearly parallel and opposite inputs go by distances, the others by series."""
    x = draw(6, 4)
    x[1], x[2], x[3] = x[0] + 1e-7 * x[4], -x[0] * (1 + 1e-9), 0.0
    found = kernel_estimate(network, x)
    for i, j in [(0, 0), (0, 1), (0, 2), (0, 4), (3, 3), (4, 5)]:
        error = balls.distance(found.value[i, j], balls.exact_kernel(network, x[i], x[j], 60))
        assert error <= found.error[i, j]


IMAGES = [
    Network(
        C("identity", 3, weight_std=0.6),
        R(N("cos"), C("identity", 2, weight_std=0.5)),
        N("gaussian"),
        Flatten(),
    ),
    Network(
        C("identity", 3),
        R(N("erf"), C("sin", 2), C("identity", 3, bias_std=0.3)),
        AveragePooling(2),
        N("cos"),
        G(),
    ),
]


@pytest.mark.parametrize("network", IMAGES, ids=repr)
def test_images_are_within_their_bound_of_ball_arithmetic(network: Network) -> None:
    x = draw(2, 1, 4)
    found, exact = kernel_estimate(network, x), image_balls.kernel(network, *x)
    for i, j in [(0, 0), (0, 1), (1, 1)]:
        assert balls.distance(found.value[i, j], exact[i][j]) <= found.error[i, j]


def test_a_linear_layer_and_a_nonlinearity_have_the_bits_of_one_layer() -> None:
    x = draw(5, 3)
    parts = Network(F("identity", bias_std=0.3), N("tanh"), R(F("identity"), N("tanh")))
    assert_array_equal(kernel(parts, x), kernel(Network(F("tanh", bias_std=0.3), R(F("tanh"))), x))


def test_odd_blocks_have_no_even_eigenvalues_and_the_trace_of_the_kernel() -> None:
    network = Network(F("identity"), R(N("tanh"), F("identity")), N("tanh"))
    spectrum = sphere_spectrum(network, 3, 40)
    assert not spectrum.eigenvalues[::2].any()
    assert abs(spectrum.trace_gap) <= 1e-9


SAMPLED = [
    (
        Network(
            F("identity", bias_std=0.3),
            R(N("softplus"), F("tanh"), F("identity", weight_std=0.8)),
            R(N("sigmoid"), F("identity")),
            N("softplus"),
        ),
        (3,),
    ),
    (
        Network(
            C("identity", 3, weight_std=0.5),
            R(N("softplus"), C("identity", 3, weight_std=0.5)),
            N("softplus"),
            AveragePooling(2),
            C("identity", 2),
            AveragePooling(2),
            N("tanh"),
            G(),
        ),
        (2, 8),
    ),
]


@pytest.mark.parametrize(("network", "shape"), SAMPLED)
def test_finite_networks_have_this_kernel_on_average(
    network: Network, shape: tuple[int, ...]
) -> None:
    """256 networks; four standard errors, and a bias that halves with the width."""
    x = draw(3, *shape)
    k, error = check_average(network, x, (64, 128), 256)
    if not network.is_spatial:  # were the nonlinearities given weights, it would show
        fresh = Network(*(F("softplus") if isinstance(one, N) else one for one in network.layers))
        assert np.all(np.diagonal(np.abs(kernel(fresh, x) - k) > 8 * error))
