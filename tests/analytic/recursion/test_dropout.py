"""Kernels with noise, against slow computations and samples, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from oracles import balls, image_balls
from oracles.finite_checks import check_average
from oracles.jacobians import batch_jacobian

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    Sum,
    fluctuation,
    kernel,
    kernel_diagonal,
    kernel_estimate,
    sphere_spectrum,
)
from analytic.network import parse_network
from empirical import FiniteNetwork, streamed_tangent_kernel, tangent_kernel, tangent_kernels
from empirical.flow import gradient_flow

F, C, N, R, G, D = (
    FullyConnected,
    Convolution,
    Nonlinearity,
    Residual,
    GlobalAveragePooling,
    Dropout,
)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(9).standard_normal(shape)


VECTORS = [
    Network(F("cos"), D(0.5), R(F("gaussian"), D(0.1)), F("gaussian", bias_std=0.3), D(0.25)),
    Network(
        F("gaussian"),
        Sum([D(0.3)], [F("cos"), F("sin"), D(0.2)], F("cos")),
        D(0.1),
        Concatenate([], [D(0.4), F("gaussian", width_ratio=0.5)]),
        Scale(2),
        D(0.75),
    ),
    Network(F("relu"), D(0.1), F("relu")),
]


@pytest.mark.parametrize("network", VECTORS, ids=range(3))
def test_every_entry_is_within_its_bound_of_ball_arithmetic(network: Network) -> None:
    """Equal, nearly parallel and opposite inputs in different rows have noise of their own."""
    x = draw(7, 4)
    x[1], x[2], x[3], x[6] = x[0] + 1e-7 * x[4], -x[0] * (1 + 1e-9), 0.0, x[0]
    found = kernel_estimate(network, x)
    assert np.all(found.error <= 1e-10 * np.sqrt(np.outer(*[np.diag(found.value)] * 2)))
    for i, j in [(0, 1), (0, 2), (0, 4), (0, 6), (4, 5)]:
        error = balls.distance(found.value[i, j], balls.exact_kernel(network, x[i], x[j], 60))
        assert error <= found.error[i, j]
    own = balls.exact_diagonal(network, x[0], 60)
    assert balls.distance(found.value[0, 0], own) <= found.error[0, 0]
    assert balls.distance(kernel_diagonal(network, x)[6], own) <= found.error[6, 6]
    np.testing.assert_allclose(kernel(network, x[:2], x[6:]), found.value[:2, 6:], rtol=1e-12)


IMAGES = [
    Network(
        C("cos", 2), D(0.5), AveragePooling(2), D(0.3), R(C("gaussian", 2), D(0.1)), G(), D(0.2)
    ),
    Network(C("gaussian", 3), D(0.3), C("cos", 2), D(0.5)),
]


@pytest.mark.parametrize("network", IMAGES, ids=range(2))
def test_images_are_within_their_bounds_of_ball_arithmetic(network: Network) -> None:
    x = draw(2, 2, 4)
    image_balls.margins(network, x, kernel_estimate(network, x))


def test_relu_images_are_within_their_bounds_of_ball_arithmetic() -> None:
    network = Network(C("relu", 3), D(0.5), AveragePooling(2), C("relu", 2), D(0.1), G())
    x = draw(2, 1, 4, 4)
    image_balls.margins(network, x, kernel_estimate(network, x))


def test_only_what_is_behind_the_noise_changes_and_rate_0_is_nothing() -> None:
    x = draw(5, 3)
    plain, noisy = Network(F("tanh"), F("softplus")), Network(F("tanh"), F("softplus"), D(0.75))
    both = kernel(plain, x), kernel(noisy, x)
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(both[1][off], both[0][off], rtol=1e-13)
    np.testing.assert_allclose(np.diag(both[1]), 4 * np.diag(both[0]), rtol=1e-13)
    block = R(F("softplus"))  # the means of the units before it count
    plain, still = Network(F("sigmoid"), block), Network(F("sigmoid"), D(0.0), block)
    one, other = kernel_estimate(still, x), kernel_estimate(plain, x)
    assert np.all(np.abs(one.value - other.value) <= one.error + other.error)


def test_noise_makes_a_kernel_of_equal_inputs_positive_definite() -> None:
    """The diagonal of independent noise is a ridge."""
    x = np.repeat(draw(1, 3), 4, axis=0)
    values = np.linalg.eigvalsh(kernel(Network(F("tanh"), D(0.5), F("softplus")), x))
    assert values[0] > 0.1 * values[-1] / 4


def test_many_inputs_of_one_norm_have_the_same_kernel() -> None:
    x = draw(300, 3)
    x *= np.sqrt(3 / np.sum(x**2, axis=1))[:, None]
    network = Network(F("tanh"), D(0.5), F("softplus"))
    np.testing.assert_allclose(kernel(network, x)[:4, :4], kernel(network, x[:4]), rtol=1e-9)


def test_the_equations_give_the_kernel() -> None:
    network = Network(F("erf"), D(0.25), R(F("gaussian"), D(0.5)))
    x = draw(2, 3)
    xx, xy, yy = (float(a @ b) / 3 for a, b in ((x[0], x[0]), (x[0], x[1]), (x[1], x[1])))
    recursion, k = network.recursion(), kernel(network, x)
    assert abs(recursion.evaluate(xx, xy, yy).ntk - k[0, 1]) < 1e-12
    assert abs(recursion.evaluate(xx, xx, xx).ntk - k[0, 0]) < 1e-12


SAMPLED = [(VECTORS[1], (3,)), (Network(*IMAGES[0].layers), (2, 4))]


@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_finite_networks_have_this_kernel_on_average(
    network: Network, shape: tuple[int, ...]
) -> None:
    """256 networks with masks; four standard errors, and a bias that halves with the width."""
    x = draw(3, *shape)
    x[2] = x[0]
    check_average(network, x, (16, 32), 256)


@pytest.mark.parametrize(("network", "shape"), SAMPLED, ids=range(2))
def test_training_mode_has_masks_by_row_and_evaluation_mode_none(
    network: Network, shape: tuple[int, ...]
) -> None:
    x = torch.from_numpy(draw(4, *shape))
    f = FiniteNetwork(network, shape, 5, seed=3)
    jacobian = batch_jacobian(f, x)[:, 0]
    exact = jacobian @ jacobian.T
    torch.testing.assert_close(tangent_kernel(f, x), exact, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        tangent_kernel(f, x[:1], x[1:]), exact[:1, 1:], rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        streamed_tangent_kernel(network, x, 5, 3, block=64), exact, rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        tangent_kernels(network, x, 5, [2, 3])[1], exact, rtol=1e-12, atol=1e-12
    )
    assert not f(x).any()
    quiet = tangent_kernel(f.eval(), x)
    assert not torch.allclose(quiet, exact, rtol=0.1)
    rows = batch_jacobian(f, x)[:, 0]
    torch.testing.assert_close(quiet, rows @ rows.T, rtol=1e-12, atol=1e-12)


def test_tiles_draw_the_same_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.from_numpy(draw(7, 3))
    f = FiniteNetwork(VECTORS[0], (3,), 8)
    whole, pair = tangent_kernel(f, x), tangent_kernel(f, x[:3], x[3:])
    torch.testing.assert_close(pair, whole[:3, 3:], rtol=1e-12, atol=1e-12)
    monkeypatch.setattr("empirical.layerwise.identity.ONE_PIECE", 0)
    monkeypatch.setattr("empirical.layerwise.identity.available", lambda _: 2 * 49 * 8 + 30000)
    torch.testing.assert_close(tangent_kernel(f, x), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(tangent_kernel(f, x[:3], x[3:]), pair, rtol=1e-12, atol=1e-12)


def test_text_parses_back_and_factors_pass() -> None:
    network = Network(F("tanh"), Scale(2), D(0.5), Scale(3), F("tanh"), D(0.1), Scale(2))
    assert parse_network(repr(network)) == network
    plain = Network(F("tanh"), D(0.5), F("2*tanh(x)", weight_std=6), D(0.1))
    assert network.joined() == plain
    assert "xi alpha" in repr(network.summary((3,)))


flow = FiniteNetwork(VECTORS[0], (3,), 4)
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: D(1), "a rate from 0 to below 1, got 1; pass the probability"),
    (lambda: D(-0.1), "non-negative finite rate"),
    (lambda: Network(D(0.1), F("tanh")), "expected weights before Dropout.0.1., got the input"),
    (lambda: Network(F("identity"), D(0.1), N("tanh")), "noise, and their .*drop units behind it"),
    (lambda: parse_network("Network(Dropout())"), "expected a rate"),
    (lambda: sphere_spectrum(Network(F("tanh"), D(0.1)), 3, 4), "got Dropout"),
    (lambda: fluctuation(Network(F("tanh"), D(0.1)), [[1.0]]), "corrections are not derived"),
    (
        lambda: gradient_flow(flow, torch.ones(1, 3).double(), torch.ones(1).double(), [1.0]),
        "in training mode, which is random; call module.eval",
    ),
    (lambda: tangent_kernel(flow, torch.ones(1, 3).double(), method="jacobian"), "module.eval"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_noise_that_makes_no_sense_is_refused_with_what_to_write(
    build: Callable[[], object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build()
