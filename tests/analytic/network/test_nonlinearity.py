"""Activations without weights: where they may stand, and what they are joined with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    Network,
    Nonlinearity,
    Residual,
    fluctuation,
)

F, C, N, R = FullyConnected, Convolution, Nonlinearity, Residual


def test_a_linear_layer_and_a_nonlinearity_are_one_layer() -> None:
    parts = Network(
        C("identity", 3, stride=2, bias_std=0.2), N("tanh"), R(C("identity", 3), N("sin"))
    )
    assert parts.joined() == Network(C("tanh", 3, stride=2, bias_std=0.2), R(C("sin", 3)))
    assert parts.steps == parts.joined().steps


def test_what_stands_between_keeps_them_apart() -> None:
    network = Network(C("identity", 3), AveragePooling(2), N("tanh"), Flatten())
    assert network.joined() == network
    linear, bare = network.steps
    assert (linear.rate, bare.rate) == (1.0, 0.0)
    assert (bare.weight, bare.bias, bare.averages) == (1.0, 0.0, (AveragePooling(2),))
    scaled = Network(F("2*x"), N("tanh"))
    assert scaled.joined() == scaled  # w(x) = 2 x is linear, but not the identity


BRANCH = "expected a residual branch that has weights between alpha and its end, got Nonlin"
REFUSED: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Network(N("tanh")),
        'before Nonlinearity\\("tanh"\\), got .* the inputs are data',
    ),
    (lambda: Network(F("tanh"), N("relu")), 'FullyConnected\\("tanh"\\) has acted on them'),
    (lambda: Network(F("x + 1"), N("relu")), "has acted on them"),
    (
        lambda: Network(F("identity"), R(F("tanh")), N("relu")),
        'Connected\\("tanh"\\) has acted',
    ),
    (
        lambda: Network(F("tanh"), R(F("identity")), N("relu")),
        'Connected\\("tanh"\\) has acted',
    ),
    (lambda: Network(F("sin"), R(N("relu"), F("identity"))), 'FullyConnected\\("sin"\\) has acted'),
    (lambda: Network(F("identity"), N("tanh"), N("sin")), 'Nonlinearity\\("tanh"\\) has acted'),
    (lambda: Network(C("identity", 3), Flatten(), N("sin")), "put it before Flatten\\(\\)"),
    (lambda: R(N("tanh")), BRANCH),
    (lambda: Network(F("identity"), R(F("softplus"), N("tanh"))), 'F.*softplus"\\) has acted'),
]


@pytest.mark.parametrize(("build", "reason"), REFUSED)
def test_units_that_are_not_gaussian_are_refused(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build()


def test_what_is_not_derived_is_refused_with_the_reason() -> None:
    network = Network(F("identity"), R(F("identity")), N("tanh"))
    with pytest.raises(ValueError, match=r'got Nonlinearity\("tanh"\).*not derived'):
        fluctuation(network, [[1.0, 2.0]])


def test_the_summary_shows_a_block_that_begins_with_its_activation() -> None:
    table = repr(Network(F("identity"), R(N("tanh"), F("identity")), N("sin")).summary((5,)))
    assert table.count('Nonlinearity("tanh")') == 1
    assert [line.split()[-1] for line in table.splitlines()[-2:]] == ["alpha", "m"]


def test_the_equations_of_a_block_give_its_kernel() -> None:
    r"""x + W sin(x) behind W x: Sigma = c + E sin sin, Theta = c + (E + e^... c) by hand."""
    from sympy import cosh, exp, sinh

    system = Network(F("identity"), R(N("sin"), F("identity"))).recursion()
    c, v, v_ = 0.3, 1.0, 0.8
    e, d = exp(-(v + v_) / 2) * sinh(c), exp(-(v + v_) / 2) * cosh(c)
    found = system.evaluate(v, c, v_)
    assert abs(found.nngp - (c + e)) < 1e-15
    assert abs(found.ntk - (c + e + c + (e + d * c))) < 1e-15
