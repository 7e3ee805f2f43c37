"""Kernels of networks whose branches stand side by side, against slow computations and samples."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import balls, image_balls, positions
from oracles.finite_checks import check_average, check_equations, check_layer_identity

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    Sum,
    kernel,
    kernel_estimate,
    sphere_spectrum,
)

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling
Cat = Concatenate


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(8).standard_normal(shape)


VECTORS = [
    Network(F("cos"), Cat(F("gaussian", width_ratio=1 / 3), [F("erf"), R(F("cos"))], []), F("cos")),
    Network(
        Cat(F("identity", bias_std=0.3, width_ratio=2), [F("cos"), F("gaussian")]),
        R(F("sin", width_ratio=1.7), R(F("cos", width_ratio=1.7)), F("gaussian", width_ratio=3)),
    ),
    Network(
        F("identity"),
        Cat([N("gaussian")], [N("cos"), Scale(0.5)], []),
        Sum(
            [Cat(F("cos"), F("gaussian", width_ratio=0.2))],
            [F("sin"), Sum(F("gaussian", width_ratio=1.2), F("erf", width_ratio=1.2))],
        ),
    ),
]


@pytest.mark.parametrize("network", VECTORS, ids=range(3))
def test_every_entry_is_within_its_bound_of_ball_arithmetic(network: Network) -> None:
    """Nearly parallel and opposite inputs go by distances, the others by series."""
    x = draw(6, 4)
    x[1], x[2], x[3] = x[0] + 1e-7 * x[4], -x[0] * (1 + 1e-9), 0.0
    found = kernel_estimate(network, x)
    assert np.all(found.error <= 1e-10 * np.sqrt(np.outer(*[np.diag(found.value)] * 2)))
    for i, j in [(0, 0), (0, 1), (0, 2), (0, 4), (3, 3), (4, 5)]:
        error = balls.distance(found.value[i, j], balls.exact_kernel(network, x[i], x[j], 60))
        assert error <= found.error[i, j]


IMAGES = [
    Network(
        Cat(C("cos", 1), [C("gaussian", 3, width_ratio=0.5), R(C("cos", 2, width_ratio=0.5))]),
        AveragePooling(2),
        Cat(C("gaussian", 2, stride=2), [C("sin", 1, stride=2), C("cos", 2)]),
        G(),
    ),
    Network(
        C("identity", 3),
        Cat([N("cos")], [], [C("sin", 2), Cat(C("cos", 2, width_ratio=3), [])]),
        C("gaussian", 2, padding_mode="circular"),
        Sum([], [Cat(C("cos", 1, width_ratio=0.5), C("sin", 2, width_ratio=0.5))]),
    ),
]


@pytest.mark.parametrize("network", IMAGES, ids=range(2))
def test_images_are_within_their_bounds_of_ball_arithmetic(network: Network) -> None:
    x = draw(2, 2, 4)
    image_balls.margins(network, x, kernel_estimate(network, x))


@pytest.mark.parametrize("head", [Flatten(), G()], ids=repr)
def test_an_inception_block_has_the_kernel_of_a_slow_recursion(
    head: Flatten | GlobalAveragePooling,
) -> None:
    """Szegedy et al. (2015) in two dimensions, twice; its pooling branch is a convolution here."""
    a = "softplus"
    block = Cat(
        C(a, 1, width_ratio=2),
        [C(a, 1), C(a, 3, normalize="fan_in", width_ratio=4)],
        [C(a, 1), C(a, 3, normalize="fan_in", width_ratio=1.5)],
    )
    network, x = Network(block, AveragePooling(2), block, head), draw(2, 1, 4, 4)
    found, exact = kernel(network, x), positions.kernel(network.summed(2), x)
    assert np.max(np.abs(found / exact - 1)) <= 1e-10


def test_equal_branches_are_one_and_a_skip_keeps_its_share() -> None:
    x, tanh = draw(5, 3), F("tanh")
    one, two = Network(tanh, F("softplus")), Network(tanh, Cat(F("softplus"), F("softplus")))
    np.testing.assert_allclose(kernel(two, x), kernel(one, x), rtol=1e-14)
    first = kernel(Network(tanh), x)
    dense_block = Network(tanh, Cat([], F("softplus", width_ratio=3)))
    np.testing.assert_allclose(kernel(dense_block, x), first / 4 + 3 / 4 * kernel(one, x), 1e-14)


def test_the_concatenated_relu_keeps_lengths() -> None:
    """Both halves of the units: E[max(u, 0)^2] + E[max(-u, 0)^2] = E[u^2], over two."""
    relus = Cat(N("relu"), N("relu(-x)"))
    network, x = Network(F("identity"), relus, F("identity"), relus), draw(4, 3)
    sigma = kernel(network, x, kind="nngp")
    np.testing.assert_allclose(np.diag(sigma), np.mean(x**2, axis=1) / 4, rtol=1e-14)


def test_the_equations_give_the_kernel() -> None:
    network = Network(
        F("erf"), Cat(F("gaussian"), [F("cos"), R(F("gaussian"))], []), R(F("cos", width_ratio=3))
    )
    check_equations(network, draw(2, 3))


def test_the_spectrum_of_odd_branches_has_no_even_degrees() -> None:
    network = Network(F("tanh"), Cat(F("identity"), [F("erf"), F("tanh")]))
    spectrum = sphere_spectrum(network, 3, 30)
    assert not spectrum.eigenvalues[::2].any()
    assert abs(spectrum.trace_gap) <= 1e-9


SAMPLED = [
    (
        Network(
            F("softplus"), Cat(F("sigmoid", width_ratio=2), [F("softplus"), R(F("softplus"))], [])
        ),
        (3,),
    ),
    (Network(*IMAGES[1].layers[:3], G()), (2, 5)),
]


@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_the_layer_identity_is_the_jacobian(network: Network, shape: tuple[int, ...]) -> None:
    check_layer_identity(network, draw(4, *shape), 1e-12)


@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_finite_networks_have_this_kernel_on_average(
    network: Network, shape: tuple[int, ...]
) -> None:
    """256 networks; four standard errors, and a bias that halves with the width."""
    x = draw(3, *shape)
    check_average(network, x, (16, 32), 256)
