"""Kernels of networks whose branches are added, against slow computations and samples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import balls, image_balls, positions
from oracles.finite_checks import check_average, check_equations

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    Sum,
    kernel,
    kernel_estimate,
    sphere_spectrum,
)
from analytic.machine import UNIT

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape)


VECTORS = [
    Network(F("cos"), Sum(F("gaussian"), [F("erf"), R(F("cos"))], []), F("cos")),
    Network(
        Sum(F("identity", bias_std=0.3), [F("cos"), F("identity")]),
        R(F("sin"), R(F("cos"), R(F("gaussian", weight_std=0.6)))),
    ),
    Network(
        F("identity"),
        Sum([N("gaussian")], [F("cos"), F("identity", weight_std=0.7)]),
        Sum(
            [Sum(F("cos"), F("gaussian")), F("cos")],
            [F("sin"), Sum(F("gaussian"), [], F("erf"))],
            F("gaussian", bias_std=0.2),
        ),
    ),
]


@pytest.mark.parametrize("network", VECTORS, ids=range(3))
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
        C("cos", 3),
        Sum(C("gaussian", 1, stride=2), [C("gaussian", 3, stride=2), R(C("cos", 2))]),
        G(),
    ),
    Network(
        C("identity", 3),
        N("cos"),
        Sum(
            [C("identity", 1, padding="valid")],
            [C("sin", 2), R(C("cos", 2)), Sum([], C("gaussian", 2), C("cos", 1))],
        ),
        AveragePooling(2),
        Sum(
            [C("cos", 2, stride=2), C("identity", 1)],
            C("gaussian", 1, stride=2),
            C("erf", 3, stride=2),
        ),
        Flatten(),
    ),
]  # fmt: skip


@pytest.mark.parametrize("network", IMAGES, ids=range(2))
def test_images_are_within_their_bound_of_ball_arithmetic(network: Network) -> None:
    x = draw(2, 1, 4)
    found, exact = kernel_estimate(network, x), image_balls.kernel(network, *x)
    for i, j in [(0, 0), (0, 1), (1, 1)]:
        assert balls.distance(found.value[i, j], exact[i][j]) <= found.error[i, j]


def wide_resnet(head: Convolution | Flatten | GlobalAveragePooling) -> Network:
    """Two groups of blocks that begin with their activation, the second one with a projection."""
    a = "softplus"
    half = {"stride": 2, "normalize": "fan_in"}
    return Network(
        C("identity", 3, normalize="fan_in"),
        R(N(a), C(a, 3, normalize="fan_in"), C("identity", 3, normalize="fan_in")),
        N(a),
        Sum(
            C("identity", 1, **half, width_ratio=2),
            [C(a, 3, **half, width_ratio=2), C("identity", 3, normalize="fan_in", width_ratio=2)],
        ),
        N(a),
        head,
    )


@pytest.mark.parametrize("head", [Flatten(), G()], ids=repr)
def test_blocks_with_projections_have_the_kernel_of_a_slow_recursion(
    head: Flatten | GlobalAveragePooling,
) -> None:
    """In two dimensions, where the panels hold several images."""
    network, x = wide_resnet(head), draw(2, 1, 4, 3)
    found, exact = kernel(network, x), positions.kernel(network.summed(2), x)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.max(np.abs(found - exact) / scale) <= 1e-10


def test_a_skip_is_a_branch_without_layers_and_the_order_does_not_matter() -> None:
    x, tanh, soft = draw(5, 3), F("tanh"), F("softplus")
    block = kernel(Network(soft, R(tanh, soft)), x)
    for branches in ([], [tanh, soft]), ([tanh, soft], []):
        assert_array_equal(kernel(Network(soft, Sum(*branches)), x), block)
    ends = [[tanh], [soft], [], [soft, tanh]]
    one, other = (kernel(Network(soft, Sum(*some)), x) for some in (ends, ends[::-1]))
    assert np.max(np.abs(one / other - 1)) <= 64 * UNIT  # four sums of four terms


def test_the_equations_of_a_sum_give_its_kernel() -> None:
    network = Network(F("erf"), Sum(F("gaussian"), [F("cos"), R(F("gaussian"))], []))
    check_equations(network, draw(2, 3))


def test_the_spectrum_of_odd_branches_has_no_even_degrees() -> None:
    network = Network(F("tanh"), Sum(F("identity"), [F("erf"), F("tanh")]))
    spectrum = sphere_spectrum(network, 3, 30)
    assert not spectrum.eigenvalues[::2].any()
    assert abs(spectrum.trace_gap) <= 1e-9


SAMPLED = [
    (Network(F("softplus"), Sum(F("sigmoid"), [F("softplus"), R(F("softplus"))], [])), (3,)),
    (wide_resnet(Flatten()), (2, 4, 4)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_finite_networks_have_this_kernel_on_average(
    network: Network, shape: tuple[int, ...]
) -> None:
    """256 networks; four standard errors, and a bias that halves with the width."""
    x = draw(3, *shape)
    check_average(network, x, (16, 32), 256)
