"""Units that are normalised over channels and positions."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from oracles import image_balls, positions
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
    Nonlinearity,
    Residual,
    Sum,
    kernel,
    kernel_diagonal,
    kernel_estimate,
    kernel_shares,
)
from analytic.expectations import moments
from analytic.machine import UNIT
from analytic.network import parse_network
from analytic.recursion import Stage, normalized, own_preactivation
from analytic.recursion.normalization import of_normalization

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling
L = LayerNorm()
A = LayerNorm(positions=True)
W = LayerNorm(eps=0.05, gain_rate=1, bias_rate=1, positions=True)
B = LayerNorm(eps=0.04, gain_rate=0.7, bias_rate=0.2, positions=True)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(10).standard_normal(shape)


IMAGES = [
    Network(
        C("identity", 2), A, N("cos"), R(C("gaussian", 1), C("identity", 1, bias_std=1), B), G()
    ),
    Network(C("identity", 2), B, C("cos", 1), C("identity", 1), A, AveragePooling(2), C("erf", 1)),
]


@pytest.mark.parametrize("network", IMAGES, ids=range(2))
def test_images_are_within_their_bounds_of_ball_arithmetic(network: Network) -> None:
    x = draw(2, 2, 4)
    x[1, :, 2:] = 0  # a blank corner
    image_balls.margins(network, x, kernel_estimate(network, x))


SLOW = [
    Network(C("identity", 2, padding="valid"), W, C("erf", 1, stride=2), G()),
    Network(
        C("identity", 2),
        Sum([AveragePooling(2)], [W, C("erf", 2), C("identity", 2, stride=2)]),
        A,
        N("erf"),
        Flatten(),
    ),
    Network(C("erf", 2), Dropout(0.3), W, Concatenate([], [C("erf", 1), A]), C("erf", 1), G()),
]


@pytest.mark.parametrize("network", SLOW, ids=range(3))
def test_all_positions_count_whatever_is_read(network: Network) -> None:
    """Strides behind and before it, and different positions in two branches."""
    x = draw(2, 1, 4, 4) * np.exp(draw(4, 4))
    found, exact = kernel(network, x, tolerance=1e-8), positions.kernel(network, x)
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    np.testing.assert_allclose(kernel_diagonal(network, x), np.diag(exact), rtol=1e-12)


SAMPLED = Network(C("identity", 2), A, N("erf"), R(C("tanh", 1), C("identity", 1), W), G())


def test_the_layer_identity_is_the_jacobian() -> None:
    check_layer_identity(SAMPLED, draw(4, 2, 4), 1e-11)


SAMPLES = [
    (SAMPLED, 1e-10),
    (Network(C("identity", 2), W, N("relu"), C("erf", 1, stride=2), Flatten()), 1e-5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "tolerance"), SAMPLES, ids=range(2))
def test_finite_networks_reject_the_limit_at_every_position(
    network: Network, tolerance: float
) -> None:
    """They have this one within four standard errors, and not that of ``LayerNorm()``."""
    x = draw(2, 2, 4)
    x[:, :, 0] *= 8
    _, error = check_average(network, x, (64, 128), 256, tolerance)
    each = parse_network(re.sub(r"(, )?positions=True", "", repr(network)))
    apart = kernel(each, x, tolerance=tolerance) - kernel(network, x, tolerance=tolerance)
    assert np.max(np.abs(apart) / error) > 6


def test_only_the_mean_over_positions_counts() -> None:
    """At one position both are the same; a brighter image is none; a brighter corner is."""
    over, each = (Network(C("identity", 1), norm, N("erf"), G()) for norm in (A, L))
    x = draw(3, 2, 1, 1)
    np.testing.assert_allclose(kernel(over, x), kernel(each, x), rtol=1e-12)
    x = draw(3, 2, 4)
    np.testing.assert_allclose(kernel(over, 7 * x), kernel(over, x), rtol=1e-10)
    x[0, :, 0] *= 7
    np.testing.assert_allclose(kernel(each, x)[0], kernel(each, draw(3, 2, 4))[0], rtol=1e-10)
    assert np.min(np.abs(kernel(over, x)[0] / kernel(each, x)[0] - 1)) > 1e-3


def test_errors_of_what_is_divided_grow_twice() -> None:
    """One position is too large by v and all others too small: both of Sigma/s^2 are wrong."""
    v, sigma = 1e-4, np.exp(draw(1, 64))
    step, none = SAMPLED.steps[1], np.zeros(64)
    size, variance, _ = own_preactivation(step, (sigma, none, none))
    table = moments(step.layer.activation, np.sqrt(size.ravel()))
    seen = size.ravel(), variance.ravel(), none
    layer = normalized(Stage(step, sigma.ravel(), none, *seen, table, none, reads=64))
    for place in range(64):
        damaged = sigma * np.where(np.arange(64) == place, 1 + v, 1 - v)
        effect = np.max(np.abs(damaged / damaged.mean() / (sigma / sigma.mean()) - 1))
        assert 1.5 * v < effect <= of_normalization(layer, v, 0.0, 0.0).sigma * (1 + 3 * v)


def test_the_mean_over_positions_is_rounded_at_each() -> None:
    found = kernel_estimate(Network(C("identity", 1), A, Flatten()), draw(1, 1, 2048))
    assert np.all(found.error >= 2 * 2048 * UNIT * found.value)


def test_shares_add_up() -> None:
    network, x = Network(C("identity", 2), B, C("erf", 1), G()), draw(2, 1, 4)
    found = kernel_shares(network, x)
    assert {"layers.2.weight", "layers.2.bias"} <= set(found.shares)
    np.testing.assert_allclose(found.total, kernel(network, x), rtol=1e-9)


def test_text_parses_back() -> None:
    for network in (*IMAGES, *SLOW):
        assert parse_network(repr(network)) == network
    assert "sqrt(var + 0.04) + b over positions" in repr(IMAGES[1].summary((1, 4)))


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Network(C("relu", 1), A, G()), "put Convolution.* or write LayerNorm.., which"),
    (lambda: Network(A, C("tanh", 1)), "expected weights before LayerNorm.positions=True."),
    (lambda: Network(C("tanh", 2), R(C("cos", 2)), A), "that of Convolution.*is not"),
    (lambda: Network(C("tanh", 2), Flatten(), A), "got vectors; write LayerNorm"),
    (lambda: Network(F("identity"), A), "got vectors; write LayerNorm.., or put it before"),
    (lambda: kernel(Network(C("identity", 1), A, G()), np.zeros((1, 1, 2))), "got an image whose"),
    (lambda: LayerNorm(positions=1), "expected True or False for positions"),  # type: ignore[arg-type]
    (lambda: parse_network("Network(LayerNorm(positions=1))"), "True or False for positions"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_has_no_limit_here_is_refused(build: Callable[[], object], reason: str) -> None:
    with pytest.raises((ValueError, TypeError), match=reason):
        build()
