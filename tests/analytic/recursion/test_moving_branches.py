"""Branches that stride and pool: kernels against ball arithmetic, samples, and layer identities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles import image_balls
from oracles.finite_checks import check_average, check_layer_identity

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Residual,
    Sum,
    SumPooling,
    kernel,
    kernel_estimate,
    kernel_plan,
)
from analytic.images.stretches import network_stretches
from analytic.machine import UNIT

C, R, A, G, Cat = Convolution, Residual, AveragePooling, GlobalAveragePooling, Concatenate


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(11).standard_normal(shape)


NETWORKS = {
    "projected average": Network(
        C("gaussian", 2),
        Sum([A(2), C("identity", 1)], [C("cos", 2), C("gaussian", 2, stride=2)]),
        G(),
    ),
    "bare average": Network(
        C("cos", 2),
        Sum(A(2), [C("gaussian", 2), A(2)], [C("cos", 2, stride=2), R(C("gaussian", 2))]),
        C("gaussian", 2),
        Flatten(),
    ),
    "reduction": Network(
        C("gaussian", 2),
        Cat(A(2), [C("cos", 2, stride=2, width_ratio=0.5), Dropout(0.3)], [C("sin", 2), A(2)]),
        LayerNorm(),
        C("cos", 1),
    ),
    "nested": Network(
        C("gaussian", 1),
        Sum(
            [Sum([A(2), C("cos", 1)], C("gaussian", 2, stride=2)), R(C("gaussian", 2))],
            [Cat([], C("cos", 1)), C("gaussian", 2), SumPooling(2)],
        ),
        C("cos", 1),
        G(),
    ),
    "to vectors": Network(
        C("gaussian", 2),
        Cat([G(), FullyConnected("cos")], [C("cos", 2), Flatten(), FullyConnected("gaussian")]),
        FullyConnected("cos"),
    ),
    "first layer": Network(
        Sum([A(2), C("gaussian", 1)], [C("cos", 2), C("gaussian", 2, stride=2)]), G()
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_entry_is_within_its_bound_of_ball_arithmetic(name: str) -> None:
    x = draw(2, 2, 4)
    estimate = kernel_estimate(NETWORKS[name], x)
    scale = np.sqrt(np.outer(*[np.diag(estimate.value)] * 2))
    assert np.all(estimate.error <= 1e-10 * scale)
    image_balls.margins(NETWORKS[name], x, estimate)


def test_two_dimensions_with_panels_of_images_side_by_side() -> None:
    """Five images: several stand in a panel, and those of others."""
    x, network = draw(5, 1, 4, 2), NETWORKS["bare average"]
    estimate = kernel_estimate(network, x)
    for i in (1, 4):
        pair = np.ix_([0, i], [0, i])
        some = replace(estimate, value=estimate.value[pair], error=estimate.error[pair])
        image_balls.margins(network, x[[0, i]], some)
    np.testing.assert_allclose(kernel(network, x[:2], x[2:]), estimate.value[:2, 2:], rtol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_finite_networks_have_this_kernel_on_average(name: str) -> None:
    """256 networks; four standard errors, and a bias that halves with the width."""
    check_average(NETWORKS[name], draw(2, 2, 4), (16, 32), 256)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "reduction"])  # noise
def test_the_layer_identity_is_that_of_the_jacobian(name: str) -> None:
    check_layer_identity(NETWORKS[name], draw(3, 2, 4), 64 * UNIT * 2**8)


def test_only_branches_that_move_are_cut() -> None:
    """A stretch for each part of a branch, and none more than before where all keep positions."""

    def layers(*branches: Any) -> list[int]:
        network = Network(C("tanh", 3), Sum(*branches), C("tanh", 3), Flatten())
        return [len(stretch.windows) for stretch in network_stretches(network, (8,))]

    tanh, strided = C("tanh", 3), C("tanh", 3, stride=2)
    assert layers([], tanh) == [3, 0]
    assert layers(strided, [strided, tanh]) == [1, 4, 0]
    assert layers(strided, [tanh, strided]) == [1, 1, 1, 2, 0]
    assert layers(strided, [strided, tanh], [tanh, tanh, strided]) == [1, 3, 2, 2, 0]
    assert layers(A(2), strided) == [1, 1, 3, 0]


def test_plans_foresee_them() -> None:
    plan = kernel_plan(NETWORKS["reduction"], draw(40, 2, 4))
    assert plan.pairs == 820
    assert 0 < plan.bound < 1e-10
