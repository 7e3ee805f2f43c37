"""Factors: what takes them, and that the network is the same function of the same weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from oracles import balls, positions

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
    Nonlinearity,
    Residual,
    Scale,
    Sum,
    SumPooling,
    fluctuation,
    kernel,
    kernel_estimate,
)
from analytic.network import Layer, parse_network
from empirical import FiniteNetwork

F, C, N, R = FullyConnected, Convolution, Nonlinearity, Residual
tanh, line = F("tanh"), F("identity", bias_std=0.5)


@pytest.mark.parametrize(
    ("layers", "plain"),
    [
        ((tanh, Scale(0.5), tanh), (tanh, F("tanh", weight_std=0.5))),
        ((tanh, Scale(3)), (F("3*tanh(x)"),)),
        ((tanh, line, Scale(2)), (tanh, F("identity", weight_std=2, bias_std=1))),
        ((line, Scale(2), N("tanh")), (F("tanh(2*x)", bias_std=0.5),)),
        (
            (tanh, R(tanh, Scale(0.5)), Scale(2), tanh),
            (tanh, R(F("tanh(x)/2")), F("tanh", weight_std=2)),
        ),
        (
            (tanh, R(line), Scale(2)),
            (F("2*tanh(x)"), R(F("identity", bias_std=1, weight_std=1))),
        ),
        (
            (tanh, Sum(Scale(4), [line, Scale(2)]), tanh),
            (tanh, Sum([], F("identity", weight_std=0.5, bias_std=0.25)), F("tanh", weight_std=4)),
        ),
        (
            (tanh, Scale(2), Sum(tanh, [line, Scale(2)])),
            (tanh, Sum(F("tanh", weight_std=2), F("identity", weight_std=4, bias_std=1))),
        ),
        (
            (C("tanh", 3), Scale(2), AveragePooling(2), Scale(2), Flatten()),
            (C("4*tanh(x)", 3), AveragePooling(2), Flatten()),
        ),
        ((tanh, LayerNorm(), Scale(2)), (tanh, LayerNorm(), N("2*x"))),
        (
            (tanh, Sum([R(tanh), Scale(2)], tanh)),
            (
                F("2*tanh(x)"),
                Sum(R(F("2*tanh(x)", weight_std=0.5)), F("tanh", weight_std=0.5)),
            ),
        ),
    ],
    ids=range(11),
)
def test_factors_are_taken_by_the_layers_around_them(
    layers: tuple[Layer, ...], plain: tuple[Layer, ...]
) -> None:
    assert Network(*layers).joined() == Network(*plain)
    assert parse_network(repr(Network(*layers))) == Network(*layers)


SCALED = Network(
    Scale(2.0),
    F("identity"),
    R(N("softplus"), line, Scale(0.5)),
    Scale(0.25),
    Sum([N("sigmoid"), Scale(2.0)], [R(F("softplus"), Scale(4.0)), line]),
    R(F("softplus"), Scale(8.0)),
    Scale(0.5),
)


def by_hand(network: Network, f: FiniteNetwork, x: torch.Tensor) -> torch.Tensor:
    """f(x) of one copy of vectors, layer by layer."""
    parameters = iter([p.detach() for p in f.parameters()])
    functions = {"softplus": torch.nn.functional.softplus, "sigmoid": torch.sigmoid}

    def through(layers: tuple[Layer, ...], alpha: torch.Tensor) -> torch.Tensor:
        for layer in layers:
            if isinstance(layer, Scale):
                alpha = layer.factor * alpha
            elif isinstance(layer, R | Sum):
                bare = sorted(layer.branches, key=lambda b: any(isinstance(p, F | R) for p in b))
                alpha = torch.stack([through(branch, alpha) for branch in bare]).sum(0)
            else:
                assert isinstance(layer, F | N)
                if isinstance(layer, F):
                    h = layer.weight_std * alpha @ next(parameters).T / alpha.shape[1] ** 0.5
                    alpha = h + layer.bias_std * next(parameters) if layer.bias_std else h
                alpha = functions.get(layer.activation.name, lambda h: h)(alpha)
        return alpha

    alpha = through(network.layers, x)
    return alpha @ next(parameters) / alpha.shape[1] ** 0.5


def test_the_finite_network_is_the_one_that_is_described() -> None:
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((4, 3)))
    f = FiniteNetwork(SCALED, (3,), 5, antisymmetric=False)
    torch.testing.assert_close(f(x).detach(), by_hand(SCALED, f, x), rtol=1e-13, atol=1e-13)


def test_a_kernel_with_factors_is_within_its_bound_of_ball_arithmetic() -> None:
    """Powers of 2, which no weight rounds."""
    network = Network(
        F("cos"), Scale(2), R(F("gaussian"), Scale(0.5)), Sum(Scale(4), [F("cos"), Scale(2)]),
        Scale(0.5), R(F("cos"), F("identity", bias_std=1, bias_rate=3), Scale(0.5)),
    )  # fmt: skip
    x = np.random.default_rng(4).standard_normal((2, 3))
    found = kernel_estimate(network, x)
    for i, j in [(0, 0), (0, 1)]:
        exact = balls.exact_kernel(network, x[i], x[j], 60)
        assert balls.distance(found.value[i, j], exact) <= found.error[i, j]


def test_pooling_by_sums_is_an_average_times_a_count() -> None:
    """Of circular images all sums are those over everything: 16 means, squared, of 4 by 4."""
    x = np.random.default_rng(5).standard_normal((2, 1, 4, 4))
    mean = Network(C("tanh", 3), GlobalAveragePooling())
    whole = Network(C("tanh", 3), GlobalAveragePooling(), Scale(16))
    np.testing.assert_allclose(kernel(whole, x), 256 * kernel(mean, x), rtol=1e-9)


def test_corrections_know_factors() -> None:
    x = np.random.default_rng(6).standard_normal((2, 3))
    scaled = Network(tanh, Scale(2), F("tanh"), Scale(0.5))
    plain = Network(tanh, F("tanh(x)/2", weight_std=2))
    np.testing.assert_array_equal(fluctuation(scaled, x), fluctuation(plain, x))


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Scale(0), "expected a positive factor, got 0; leave out the layers"),
    (lambda: Scale(-1.0), "got -1.0; write the sign into the activation"),
    (lambda: Scale(float("nan")), "expected a positive finite factor"),
    (lambda: Network(Scale(2)), "expected a layer with weights"),
    (lambda: Network(Sum(Scale(2), tanh)), "a first layer that is not residual"),
    (lambda: Sum(Scale(2), []), "at most one branch without weights"),
    (lambda: R(Scale(2)), "weights between alpha and its end"),
    (lambda: parse_network("Network(Scale())"), "expected a factor"),
]


@pytest.mark.parametrize(("build", "reason"), REFUSED)
def test_factors_that_make_no_sense_are_refused(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build()


HALVES = [("softplus", 1.0), ("sigmoid", 0.5)]


def test_factors_behind_normalisations_and_skips_are_within_their_bounds() -> None:
    """A slow recursion that multiplies; its trapezoidal sums are right to 1e-12."""
    conv, short = (C(w, 2, weight_std=0.7, width_ratio=r) for w, r in HALVES)
    line, norm, pool = C("identity", 2), LayerNorm(eps=0.1, gain_rate=1), SumPooling(2)
    networks = [
        Network(conv, norm, pool),
        Network(conv, Sum([norm, Scale(3)], line), LayerNorm(), pool),
        Network(conv, Sum([R(conv), pool], [conv, Dropout(0.5), AveragePooling(2)]), conv),
        Network(conv, Concatenate([R(conv), pool], [short, AveragePooling(2)]), Scale(0.3)),
    ]
    x = np.random.default_rng(7).standard_normal((3, 1, 4))
    for network in networks:
        found, exact = kernel_estimate(network, x), positions.kernel(network.summed(1), x)
        assert np.all(abs(found.value - exact) <= found.error + 1e-12 * exact.max())
