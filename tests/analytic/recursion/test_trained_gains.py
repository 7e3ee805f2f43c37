"""Trained gains before a nonlinearity: against balls, finite networks, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import balls, image_balls
from oracles.finite_checks import check_average, check_equations

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    kernel,
    kernel_estimate,
    kernel_shares,
)
from empirical import FiniteNetwork, tangent_kernel, tangent_kernels

F, C, N, R, G = FullyConnected, Convolution, Nonlinearity, Residual, GlobalAveragePooling
L = LayerNorm()
G1 = LayerNorm(gain_rate=1)
P = LayerNorm(eps=0.03, gain_rate=0.7, bias_rate=0.2)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(10).standard_normal(shape)


VECTORS = [
    Network(F("identity", bias_std=0.1), P, N("cos"), F("gaussian"), Dropout(0.1), F("erf")),
    Network(F("cos"), R(F("identity"), P, N("sin"), Scale(0.5)), G1, F("identity")),
    Network(F("identity"), Concatenate([F("identity"), P, N("cos")], F("cos")), P, F("erf")),
]


@pytest.mark.parametrize("network", VECTORS, ids=range(3))
def test_every_entry_is_within_its_bound_of_ball_arithmetic(network: Network) -> None:
    x = draw(5, 4)
    x[1], x[2], x[3] = x[0] + 1e-7 * x[4], -x[0] * (1 + 1e-9), 0.3 * x[0]
    found = kernel_estimate(network, x)
    assert np.all(found.error <= 1e-10 * np.sqrt(np.outer(*[np.diag(found.value)] * 2)))
    for i, j in [(0, 1), (0, 2), (0, 3), (0, 4)]:
        error = balls.distance(found.value[i, j], balls.exact_kernel(network, x[i], x[j], 60))
        assert error <= found.error[i, j]
    own = balls.exact_diagonal(network, x[0], 60)
    assert balls.distance(found.value[0, 0], own) <= found.error[0, 0]


@pytest.mark.parametrize("pool", [[], [AveragePooling(2)]], ids=["bare", "averaged"])
def test_images_are_within_their_bounds_of_ball_arithmetic(pool: list[AveragePooling]) -> None:
    """The gains of a unit are one number at all positions: averages may stand between."""
    network = Network(C("identity", 2), P, *pool, N("cos"), C("erf", 2), G())
    x = draw(2, 2, 4)
    image_balls.margins(network, x, kernel_estimate(network, x))


@pytest.mark.parametrize("network", [
    Network(F("identity"), G1, N("erf"), F("sin")),
    Network(F("sin"), Concatenate([F("cos"), F("identity"), G1, N("gaussian")], [])),
])  # fmt: skip
def test_the_equations_give_the_kernel_at_rate_1(network: Network) -> None:
    check_equations(network, draw(2, 3))


def test_the_equations_give_the_kernel() -> None:
    network = Network(F("identity"), P, N("gaussian"), F("erf"))
    check_equations(network, draw(2, 3))
    text = str(network.recursion())
    assert "E_5(x, x') = GaussianMean(-2*u**2*exp(-u**2), -2*u'**2*exp(-u'**2)" in text
    assert "Lambda_6(x, x') = 0\nGamma_6(x, x') = 7*Sigma_5(x, x')/10" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_finite_networks_have_the_kernel_of_x_times_the_slope(name: str) -> None:
    """400 networks. D Sigma in its place is more than nine standard errors away."""
    rate, x = 20.0, draw(3, 4)
    trained, frozen = (
        Network(F("identity"), LayerNorm(gain_rate=r), N(name), F("identity")) for r in (rate, 0)
    )
    k, error = check_average(trained, x, (32, 64), 400)
    slopes = Network(F("identity"), LayerNorm(bias_rate=1), N(name), F("identity"))
    d = kernel(slopes, x) - kernel(frozen, x)
    sigma = kernel(Network(F("identity"), L), x, kind="nngp")
    wrong = kernel(frozen, x) + rate * d * sigma
    assert np.max(np.abs(k - wrong) / error) > 9


def test_gains_behind_are_the_same_finite_network_at_its_start() -> None:
    """w(g u) at g = 1 and w(u) + h u w'(u) at h = 0: equal values and tangent kernels."""
    network = Network(F("identity"), P, N("tanh"), Scale(2), F("erf"))
    x = torch.from_numpy(draw(3, 4))
    one, other = (
        FiniteNetwork(n, (4,), 6, seed=1, antisymmetric=False)
        for n in (network, network.commuted())
    )
    drawn = [p for name, p in other.named_parameters() if name != "stacks.0.layers.5.weight"]
    assert not other.get_parameter("stacks.0.layers.5.weight").any()
    with torch.no_grad():
        for p, q in zip(drawn, one.parameters(), strict=True):
            p.copy_(q)
        torch.testing.assert_close(other(x), one(x), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(tangent_kernel(other, x), tangent_kernel(one, x), rtol=1e-12, atol=0)


def test_the_shares_add_up() -> None:
    network, x = VECTORS[0], draw(2, 4)
    found = kernel_shares(network, x)
    np.testing.assert_allclose(found.total, kernel(network, x), rtol=1e-9)
    assert np.all(np.diag(found.shares["layers.2.weight"]) > 0)


def test_a_factor_may_stand_between_gains_and_a_nonlinearity() -> None:
    x = draw(3, 4)
    for name, scaled in (("relu", "relu(2*x)"), ("tanh", "tanh(2*x)")):
        one = Network(F("identity"), G1, Scale(2), N(name), F("identity"))
        other = Network(F("identity"), G1, N(scaled), F("identity"))
        np.testing.assert_allclose(kernel(one, x), kernel(other, x), rtol=1e-12)


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_gains_before_a_bent_line_are_gains_behind_it(name: str) -> None:
    """At right angles, where D Sigma is 0 and the kernel of the gains is not."""
    x = np.eye(3)[:2] * np.sqrt(3)
    trained, frozen = (
        Network(F("identity"), LayerNorm(gain_rate=rate), N(name), F("identity"))
        for rate in (20, 0)
    )
    k, error = check_average(trained, x, (32, 64), 400)
    assert np.all(k - kernel(frozen, x) > 10 * error)  # what is left is below 4


G1 = LayerNorm(gain_rate=1)
MEANS_BEHIND_GAINS = [
    Network(F("identity"), G1, N("relu"), R(F("relu")), F("identity")),
    Network(F("identity"), G1, N("relu"), Dropout(0.2), L, F("erf")),
    Network(F("identity"), Concatenate([F("identity"), G1, N("relu")], F("relu")), L, F("erf")),
    Network(F("relu"), R(F("identity"), G1, N("relu"), Scale(0.5)), F("erf")),
    Network(C("identity", 2), G1, N("leaky_relu"), AveragePooling(2), L, C("erf", 1), G()),
]


@pytest.mark.parametrize("network", MEANS_BEHIND_GAINS, ids=range(5))
def test_units_behind_gains_keep_their_mean(network: Network) -> None:
    """What relu leaves has a mean, which what follows the gains reads."""
    x = draw(2, 1, 4) if network.is_spatial else draw(2, 4)
    found = kernel(network, x, kind="both", tolerance=1e-5)
    process = kernel(network, x, kind="nngp", tolerance=1e-5)
    np.testing.assert_allclose(found.nngp, process, rtol=1e-9)
    plain, wide = (tangent_kernels(network, torch.from_numpy(x), m, range(200)) for m in (64, 128))
    mean = (2 * wide.mean(dim=0) - plain.mean(dim=0)).numpy()
    error = np.sqrt((4 * wide.var(dim=0) + plain.var(dim=0)).numpy() / 200)
    assert np.all(np.abs(mean - found.ntk) <= 4 * error)


def test_gains_do_not_matter_to_the_process() -> None:
    norms = P, LayerNorm(eps=P.eps)
    one, other = [
        kernel(Network(F("identity"), n, N("cos")), draw(3, 4), kind="nngp") for n in norms
    ]
    np.testing.assert_array_equal(one, other)


REFUSED: list[tuple[Network, str]] = [
    (Network(F("identity"), P, R(N("cos"), F("erf"))), "nothing but averages between trained"),
    (
        Network(F("identity"), P, N("hardtanh"), F("erf")),
        "x w'.x., and it jumps from 1 to 0",
    ),
    (Network(F("identity"), P, N("abs(tanh(x) - 1/2)")), "freeze the gains .gain_rate=0."),
]


@pytest.mark.parametrize(("network", "reason"), REFUSED, ids=range(3))
def test_what_gains_cannot_stand_before_is_refused(network: Network, reason: str) -> None:
    """The process and a network of which they are frozen are not."""
    with pytest.raises(ValueError, match=reason):
        kernel(network, draw(2, 3))
    assert np.all(np.isfinite(kernel(network, draw(2, 3), kind="nngp", tolerance=1e-4)))
