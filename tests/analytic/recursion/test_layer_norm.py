"""Kernels with normalised units, against slow computations and samples, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from oracles import balls, image_balls, positions
from oracles.finite_checks import check_average, check_equations, check_layer_identity

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
    fluctuation,
    kernel,
    kernel_estimate,
    kernel_shares,
    sphere_spectrum,
)
from analytic.network import parse_network
from empirical import FiniteNetwork, gradient_flow, tangent_kernel, tangent_kernels
from empirical.curvature.stacked_hessian import is_stacked
from empirical.network import NormalizedLayer

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling
L = LayerNorm()
T = LayerNorm(eps=0.05, gain_rate=1, bias_rate=1)
P = LayerNorm(eps=0.03, gain_rate=0.7, bias_rate=0.2)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(10).standard_normal(shape)


VECTORS = [
    Network(F("cos"), L, R(L, F("gaussian"), F("identity")), L, F("gaussian", bias_std=0.3), L),
    Network(
        F("identity", bias_std=0.1),
        P,
        F("cos"),
        Sum([P], [F("cos"), F("gaussian"), L], F("cos")),
        Dropout(0.1),
        Concatenate([], [P, F("gaussian", width_ratio=0.5)]),
        Scale(2),
        P,
    ),
]


@pytest.mark.parametrize("network", VECTORS, ids=range(2))
def test_every_entry_is_within_its_bound_of_ball_arithmetic(network: Network) -> None:
    """Nearly parallel and opposite inputs go by distances, the others by series."""
    x = draw(6, 4)
    x[1], x[2], x[3] = x[0] + 1e-7 * x[4], -x[0] * (1 + 1e-9), 0.3 * x[0]
    found = kernel_estimate(network, x)
    assert np.all(found.error <= 1e-10 * np.sqrt(np.outer(*[np.diag(found.value)] * 2)))
    for i, j in [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)]:
        error = balls.distance(found.value[i, j], balls.exact_kernel(network, x[i], x[j], 60))
        assert error <= found.error[i, j]
    own = balls.exact_diagonal(network, x[0], 60)
    assert balls.distance(found.value[0, 0], own) <= found.error[0, 0]


IMAGES = [
    Network(C("cos", 2), L, AveragePooling(2), L, R(L, C("gaussian", 2), L), G(), L),
    Network(C("gaussian", 3), P, C("cos", 2), Sum([], [P, C("cos", 1)])),
    Network(C("identity", 1), P, C("erf", 2), G()),
]


@pytest.mark.parametrize("network", IMAGES, ids=range(3))
def test_images_are_within_their_bounds_of_ball_arithmetic(network: Network) -> None:
    x = draw(2, 2, 4)
    if network is IMAGES[2]:
        x[1, :, 2:] = 0  # a blank corner
    image_balls.margins(network, x, kernel_estimate(network, x))


def test_a_block_of_images_has_the_kernel_of_a_slow_recursion() -> None:
    """A block of Liu et al. (2022): a wide convolution, normalisation, 1 x 1 convolutions."""
    block = R(
        C("identity", 3, normalize="fan_in"), L, C("gelu", 1, width_ratio=4), C("identity", 1)
    )
    network, x = Network(C("identity", 2, stride=2), L, block, G(), L), draw(2, 3, 4, 4)
    found, exact = kernel(network, x), positions.kernel(network.summed(2), x)
    assert np.max(np.abs(found / exact - 1)) <= 1e-10


def test_the_size_of_what_is_normalised_does_not_matter() -> None:
    x = draw(4, 3)
    one, other = (Network(F("tanh"), F("identity", weight_std=w), L, N("relu")) for w in (1, 7))
    np.testing.assert_allclose(kernel(one, x, kind="nngp"), kernel(other, x, kind="nngp"), 1e-12)
    scaled = Network(F("tanh"), F("identity"), Scale(7), L, N("relu"))
    np.testing.assert_allclose(kernel(scaled, x), kernel(one, x), rtol=1e-12)


def test_the_equations_give_the_kernel() -> None:
    network = Network(F("erf"), L, R(F("gaussian"), P), T)
    check_equations(network, draw(2, 3))


SAMPLED = [
    (
        Network(F("cos"), L, R(T, F("gaussian"), F("identity")), T, F("gaussian", bias_std=0.3), L),
        (3,),
    ),
    (Network(C("cos", 2), T, AveragePooling(2), L, R(L, C("gaussian", 2), T), G(), L), (2, 4)),
]


@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_the_layer_identity_is_the_jacobian(network: Network, shape: tuple[int, ...]) -> None:
    check_layer_identity(network, draw(4, *shape), 1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_finite_networks_have_this_kernel_on_average(
    network: Network, shape: tuple[int, ...]
) -> None:
    """256 networks; four standard errors, and a bias that halves with the width."""
    x = draw(3, *shape)
    check_average(network, x, (64, 128), 256)


def test_the_derivatives_of_mean_and_deviation_are_of_order_1_over_m(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """K_0 with them less K_0 without: at four times the width a quarter, and never nothing."""
    network = Network(F("softplus"), L, F("softplus"), L)
    x = torch.from_numpy(draw(3, 3))

    def mean(width: int) -> torch.Tensor:
        return tangent_kernels(network, x, width, range(64)).mean(0)

    whole = [mean(width) for width in (64, 256)]

    def detached(self: NormalizedLayer, signal: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return signal / h.std(-1, correction=0, keepdim=True)

    monkeypatch.setattr(NormalizedLayer, "pulled_back", detached)
    apart = [abs(a - mean(width)).max() for a, width in zip(whole, (64, 256), strict=True)]
    assert apart[0] > 1e-3
    assert 3 < float(apart[0] / apart[1]) < 5


def test_gains_and_shifts_that_have_moved_enter_k0() -> None:
    """As they do where a graph is differentiated, at rates of their own and away from 1 and 0."""
    network, shape = SAMPLED[1]
    inner = Network(*network.layers, P)
    f, x = FiniteNetwork(inner, shape, 5, seed=3), torch.from_numpy(draw(3, *shape))
    with torch.no_grad():
        for p in (p for p in f.parameters() if p.ndim == 1):
            p += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(
        tangent_kernel(f, x), tangent_kernel(f, x, method="jacobian"), rtol=1e-11, atol=1e-11
    )


def test_the_shares_of_gains_and_shifts_are_those_of_the_kernel() -> None:
    """Of the last layer: gain_rate Sigma and bias_rate, and what all others have is K without."""
    x = draw(3, 4)
    network, frozen = (Network(F("erf"), L, F("tanh"), last) for last in (P, LayerNorm(eps=0.03)))
    shares = kernel_shares(network, x).shares
    assert [*shares][-3:] == ["layers.4.weight", "layers.4.bias", "readout.weight"]
    nngp = kernel(network, x, kind="nngp")
    np.testing.assert_allclose(shares["layers.4.weight"], 0.7 * nngp, rtol=1e-9)
    np.testing.assert_allclose(shares["layers.4.bias"], 0.2, rtol=1e-12)
    whole = kernel(frozen, x) + 0.7 * nngp + 0.2
    np.testing.assert_allclose(kernel(network, x), whole, rtol=1e-9)


def test_eps_is_of_the_size_of_what_is_normalised() -> None:
    """Units c alpha with c^2 eps; and an input of zeros has units of zeros."""
    x = draw(4, 3)
    x[3] = 0
    one, other = (
        Network(
            F("tanh"), F("identity"), Scale(c), LayerNorm(eps=c * c / 9, gain_rate=1), N("relu")
        )
        for c in (1, 7)
    )
    np.testing.assert_allclose(kernel(one, x), kernel(other, x), rtol=1e-12, atol=1e-15)
    assert not kernel(one, x)[3].any()


def test_networks_with_gains_leave_the_ways_that_know_weights_alone() -> None:
    """A Hessian and a flow go by the graph, in which gains are."""
    plain, gained = (
        FiniteNetwork(Network(F("tanh"), last), (3,), 4, antisymmetric=False) for last in (L, T)
    )
    x = torch.ones(1, 3, dtype=torch.float64)
    assert is_stacked(plain, x, 0)
    assert not is_stacked(gained, x, 0)
    y = torch.ones(1, dtype=torch.float64)
    t, k0 = 1e-4, float(tangent_kernel(gained, x))
    start, end = (float(r) for r in gradient_flow(gained, x, y, [0, t]).residuals[:, 0])
    assert abs((1 - end / start) / (t * k0) - 1) < 0.01  # two of k0 are those of gains and shifts


def test_text_parses_back() -> None:
    for network in (*VECTORS, *IMAGES):
        assert parse_network(repr(network)) == network
    assert "(alpha - mean) / std" in repr(VECTORS[0].summary((3,)))
    assert "g (alpha - mean) / sqrt(var + 0.03) + b" in repr(VECTORS[1].summary((3,)))


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: kernel(Network(F("tanh"), L), np.zeros((1, 3))), "units that vary before LayerNorm"),
    (
        lambda: kernel(Network(C("tanh", 1), L, Flatten()), np.eye(4)[None, None]),
        "or a position of one. whose units are all equal, such as 0; leave out zero inputs",
    ),
    (lambda: Network(L, F("tanh")), "expected weights before LayerNorm.., got the input"),
    (lambda: Network(F("tanh"), L, N("tanh")), "has acted on them"),
    (
        lambda: kernel(Network(F("cos"), LayerNorm(eps=1e-5)), np.zeros((1, 3))),
        "all equal and not 0, .*; leave out zero inputs, or give .* a positive bias_std$",
    ),
    (lambda: parse_network("Network(LayerNorm(3))"), "LayerNorm"),
    (lambda: parse_network("Network(LayerNorm(std=3))"), "the options eps, gain_rate, bias_rate"),
    (lambda: LayerNorm(eps=-1e-5), "expected a non-negative finite eps, got -1e-05"),
    (lambda: LayerNorm(gain_rate=float("nan")), "expected a non-negative finite gain_rate"),
    (lambda: LayerNorm(bias_rate=-1), "expected a non-negative finite bias_rate"),
    (lambda: kernel(Network(F("cos"), T), np.zeros((1, 3))), "units that vary before LayerNorm"),
    (lambda: sphere_spectrum(Network(F("tanh"), L), 3, 4), "got LayerNorm"),
    (lambda: fluctuation(Network(F("tanh"), L), [[1.0]]), "corrections are not derived"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_normalised_is_refused_with_what_to_write(
    build: Callable[[], object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build()
