"""Sums of branches as descriptions: text, order, shapes, and what cannot be added."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

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
    fluctuation,
    kernel,
    mean_correction,
)
from analytic.network import parse_network
from empirical import FiniteNetwork

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling
tanh, line = F("tanh"), F("identity")

NETWORKS = [
    Network(tanh, Sum(line, [tanh, line])),
    Network(Sum([tanh, R(tanh)], line), Sum([], tanh, [Sum(line, tanh), tanh])),
    Network(
        C("identity", 3),
        N("tanh"),
        Sum(C("identity", 1, stride=2), [C("tanh", 3, stride=2), C("identity", 3)]),
        N("sin"),
    ),
]


@pytest.mark.parametrize("network", NETWORKS, ids=range(3))
def test_the_text_of_a_sum_parses_back(network: Network) -> None:
    assert parse_network(repr(network)) == network


def test_branches_are_walked_one_after_the_other_a_skip_first() -> None:
    def walk(*branches: object) -> list[tuple[int, int, bool]]:
        steps = Network(tanh, Sum(*branches)).steps[1:]  # type: ignore[arg-type]
        return [(step.opens, step.closes, step.switches) for step in steps]

    assert walk(tanh, [tanh, tanh]) == [(1, 0, False), (0, 0, True), (0, 1, False)]
    assert walk(tanh, [], tanh) == [(2, 1, False), (0, 1, True)]
    assert walk(tanh, [tanh, R(tanh)]) == [(1, 0, False), (0, 0, True), (1, 2, False)]
    assert walk([tanh], [Sum(tanh, tanh), tanh]) == [
        (1, 0, False), (1, 0, True), (0, 1, True), (0, 1, False)
    ]  # fmt: skip


def test_linear_layers_are_joined_inside_branches() -> None:
    network = Network(line, Sum([line, N("tanh"), line], line), N("sin"))
    assert network.joined() == Network(line, Sum([tanh, line], line), N("sin"))
    assert len(network.joined().steps) == 5  # what acts on the sum stays by itself


def test_shapes_and_summary_follow_the_strides() -> None:
    network = NETWORKS[2]
    assert network.shapes((8, 8)) == ((8, 8), (8, 8), (8, 8), (4, 4), (4, 4))
    rows = [line.split()[0] for line in repr(network.summary((3, 8, 8))).splitlines()]
    assert rows[4:6] == ["Sum", "+"]
    assert repr(network.summary((3, 8, 8))).splitlines()[-1].endswith("16 m")


def far(*branches: object) -> Callable[[], Network]:
    return lambda: Network(C("tanh", 3), Sum(*branches))  # type: ignore[arg-type]


strided = C("tanh", 3, stride=2)
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Sum(tanh), r"at least two branches, got 1; pass each as a layer or a list"),
    (lambda: Sum([], []), "at most one branch without weights"),
    (lambda: Sum([N("tanh")], [], tanh), "which are correlated; put weights into one of them"),
    (lambda: Sum([N("tanh")], [R(line)]), "which are correlated"),
    (lambda: Network(Sum([], tanh)), "a first layer that is not residual, got Sum with a skip"),
    (lambda: Network(Sum(tanh, R(tanh))), "not residual"),
    (lambda: Network(Sum(line, tanh), N("sin")), r'Connected\("tanh"\) has acted'),
    (lambda: Network(tanh, Sum([line], [N("sin"), line])), r'Connected\("tanh"\) has acted'),
    (lambda: Network(tanh, Sum(tanh, F("tanh", width_ratio=2))), "same width ratio"),
    (lambda: Network(tanh, Sum([], F("tanh", width_ratio=2))), "the units before if one is a skip"),
    (lambda: Network(C("tanh", 3), Flatten(), Sum([], tanh)), "between Flatten.. and Sum"),
    (far([Flatten()], [Flatten(), tanh]), "behind Flatten.. in a branch of Sum.*; put a FullyConn"),
    (lambda: Network(C("tanh", 3), Sum(tanh, C("tanh", 3))), "between images and"),
    (far(C("tanh", (3, 3)), C("tanh", (3,))), "layers for 2 spatial dimensions"),
    (far([], strided), "for images of 32, 32 after the skip .*; let .* shortcut for the skip"),
    (far([strided, strided], []), "Sum that .*, for images of 32, 8 after"),
    (far([Sum(strided, C("tanh", 1))], strided), "for images of 32, 16 after .* and 32 after"),
    (far([AveragePooling(2)], C("tanh", 3)), "of 32, 16 after AveragePooling.2. and 32 aft"),
    (far([G(), tanh], [C("tanh", 3)]), "or all in vectors, got vectors after .*; flatten all"),
    (lambda: Network(tanh, Sum(tanh, [AveragePooling(2), tanh])), "which needs positions; put it"),
    (lambda: R(Sum(strided, strided)), "whose branches leave out positions"),
    (lambda: far(strided, C("tanh", 3, stride=3))().shapes((9,)), "images of 9, 5 aft.* and 3"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), REFUSED)
def test_what_cannot_be_added_is_refused_with_the_reason(
    build: Callable[[], object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build()


def test_what_is_not_a_layer_is_refused() -> None:
    with pytest.raises(TypeError, match="in a branch of Sum, got str"):
        Sum(tanh, "tanh")  # type: ignore[arg-type]


def test_branches_whose_positions_differ_are_refused_when_the_images_are_known() -> None:
    network = far(strided, C("tanh", 3, stride=3))()
    with pytest.raises(ValueError, match="end at the same positions, got, for images of 9, 5 aft"):
        kernel(network, torch.ones(2, 1, 9).numpy())
    with pytest.raises(ValueError, match="end at the same positions"):
        FiniteNetwork(network, (1, 9), 4)


@pytest.mark.parametrize("correction", [fluctuation, mean_correction])
def test_corrections_of_sums_are_refused(correction: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="the corrections of sums of branches are not derived"):
        correction(NETWORKS[0], [[1.0, 2.0]])
