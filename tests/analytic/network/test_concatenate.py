"""Branches side by side as descriptions: text, widths, and what cannot be put there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    Sum,
    fluctuation,
    kernel,
)
from analytic.network import parse_network
from empirical.network import wiring

F, C, N, R, Cat = FullyConnected, Convolution, Nonlinearity, Residual, Concatenate
tanh, line, conv = F("tanh"), F("identity"), C("tanh", 3)

NETWORKS = [
    Network(tanh, Cat(line, [tanh, line], []), R(F("tanh", width_ratio=3))),
    Network(Cat(tanh, F("sin", width_ratio=0.25)), Sum(tanh, [Cat([tanh, Scale(2)], []), tanh])),
    Network(Cat(conv, C("identity", 1)), AveragePooling(2), Cat([], conv), Flatten()),
]


@pytest.mark.parametrize("network", NETWORKS, ids=range(3))
def test_the_text_parses_back(network: Network) -> None:
    assert parse_network(repr(network)) == network


def test_units_are_counted_by_branch() -> None:
    """Skips first; 8 + 16 + 4 units, and the shares of those before and of the last ones."""
    network = Network(tanh, Cat(F("tanh", width_ratio=2), [], [tanh, F("sin", width_ratio=0.5)]))
    wires, readout = wiring(network, (3,), 8)
    assert [wire.beside for wire in wires] == [(), (8,), (), (24,)]
    assert readout.units == 28
    assert [step.shares for step in network.steps] == [
        (), ((1 / 3, 2 / 3),), (), ((6 / 7, 1 / 7),)
    ]  # fmt: skip
    assert repr(network.summary((3,))).splitlines()[-1].endswith("3.5 m")


def test_factors_of_branches_stay_in_them() -> None:
    network = Network(tanh, Cat(Scale(2), [tanh, Scale(4)]), tanh)
    plain = Network(tanh, Cat([], F("2*tanh(x)")), F("tanh", weight_std=2))
    assert network.joined() == plain


def far(*branches: object) -> Callable[[], Network]:
    return lambda: Network(conv, Cat(*branches))  # type: ignore[arg-type]


strided = C("tanh", 3, stride=2)
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Cat(tanh), "at least two branches, got 1"),
    (lambda: Cat([], Scale(2), tanh), "got 2: units twice are units once; leave one out"),
    (lambda: Network(Cat([], tanh)), "a first layer that is not residual, got Concatenate with"),
    (lambda: Network(Cat(line, line), N("tanh")), "put it at the end of every branch"),
    (lambda: Network(conv, Flatten(), Cat([], tanh)), "between Flatten.. and Concatenate"),
    (lambda: Network(conv, Cat(tanh, conv)), "between images and"),
    (far([AveragePooling(2)], conv), "Concatenate that .*, got, for images of 32, 16"),
    (far([conv, GlobalAveragePooling()], conv), "all in vectors, got vectors after .* and images"),
    (far(conv, strided), "32 after Conv.* and 16 after Conv.*pooling that overlap, c"),
    (lambda: far(strided, C("tanh", 3, stride=3))().shapes((9,)), "images of 9, 5 aft.* and 3"),
    (
        lambda: kernel(Network(tanh, Cat([Scale(2.0)], Dropout(0.5))), [[1.0]]),
        "that have the same factor, got 1 and 2 in .* into one of them",
    ),
    (lambda: R(Cat([], tanh)), "weights between alpha and its end"),
    (lambda: Network(tanh, R(Cat(tanh, tanh))), "keeps the width ratio 1.0"),
    (
        lambda: Network(Cat(tanh, tanh), R(Cat(tanh, tanh))),
        "at most one branch that ends in concatenated units, whose means differ, got 2",
    ),
    (lambda: fluctuation(NETWORKS[0], [[1.0, 2.0]]), "corrections of sums of branches are not"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_stand_side_by_side_is_refused_with_what_to_write(
    build: Callable[[], object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build()


def test_what_is_not_a_layer_is_refused() -> None:
    with pytest.raises(TypeError, match="in a branch of Concatenate, got str"):
        Cat(tanh, "tanh")  # type: ignore[arg-type]
