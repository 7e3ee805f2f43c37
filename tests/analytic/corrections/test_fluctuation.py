"""The variance of K_0: against brute force, closed forms and finite networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from networks.fluctuating import NETWORKS, points
from oracles.conditional_sampling import sample_kernels
from oracles.martingale_controls import coefficients, controlled
from oracles.pair_fluctuation import pair_fluctuation

from analytic import (
    AccuracyError,
    AveragePooling,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
)
from analytic.corrections import fluctuation, mean_correction
from empirical import tangent_kernels

pytestmark = pytest.mark.slow  # Monte Carlo

X = points()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_agrees_with_brute_force(name: str) -> None:
    """Two-dimensional sums and complex steps: both sides are at 1e-12 of the scale or better.

    1e-10 leaves room for what the series may leave out (1e-13 of products of fourth powers,
    once for each layer).
    """
    network = NETWORKS[name]
    c = fluctuation(network, X)
    for i, j in ((0, 3) if "softplus" in name else (1, 2),):
        exact = pair_fluctuation(network, X[i], X[j])
        assert abs(c[i, j] - exact) <= 1e-10 * math.sqrt(c[i, i] * c[j, j])


def test_the_diagonal_is_the_limit_of_close_pairs() -> None:
    """C is Lipschitz along a line of inputs, with a constant of the order of C here."""
    for network in NETWORKS.values():
        c = fluctuation(network, X[:1], np.stack([X[0], X[0] * (1 + 1e-9)]))[0]
        assert abs(c[1] - c[0]) <= 1e-7 * c[0]


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_linear_networks_have_a_closed_form(depth: int) -> None:
    """w(x) = x: K_0(x, x) = (|x|^2/d) times a sum over layers of products of norms.

    With |x|^2 = d, S^l = 1 and g^l = l, and log-deviations add: the forward norms give
    V_SS = 2 l, V_Sg = l (l + 1), V_gg = sum_j 2 (l - j + 1)^2 as each layer's noise
    2/m enters S once and g through T = j; the Gram matrix has A = B = sum_j j^2.
    """
    c = fluctuation(Network(*[FullyConnected("identity")] * depth), np.ones((1, 3)))[0, 0]
    v = np.zeros((2, 2))
    gram = 0.0
    for layer in range(1, depth + 1):  # S <- S, g <- S + g; unit noise (u^2, T) with T = layer
        j = np.array([[1.0, 0.0], [1.0, 1.0]])
        v = j @ v @ j.T + np.array([[2.0, 0.0], [0.0, 0.0]])
        gram += layer**2
    assert c == pytest.approx(v.sum() + 2 * gram, rel=1e-12)


def test_one_linear_layer_is_exact_at_any_width() -> None:
    """Var of (|h|^2 + |v|^2)/m at |x|^2 = d is 4/m."""
    network = Network(FullyConnected("identity"))
    assert fluctuation(network, np.ones((1, 3)))[0, 0] == pytest.approx(4, rel=1e-12)


def _measured(network: Network, units: int) -> tuple[Any, Any]:
    """m Var K_0 = C + c/m extrapolated from widths 64 and 256, and its standard error, (10,)."""
    x, found = torch.from_numpy(X), []
    for width in (64, 256):
        generator = torch.Generator().manual_seed(width)
        a = coefficients(network, x, width, 1500, generator, 750)
        drawn = controlled(network, x, width, units // width, generator, 64000 // width, a)
        found.append([width * v.numpy() for v in drawn.variance()])
    (one, error), (two, finer) = found
    return (4 * two - one) / 3, np.hypot(4 * finer, error) / 3


CHOSEN = ["softplus, 3 residual", "unequal widths, biases, residual"]
UPPER = np.triu_indices(4)


@pytest.mark.parametrize("name", CHOSEN)
def test_finite_networks_fluctuate_as_predicted(name: str) -> None:
    """Within 4.5 standard errors of less than 3 %; what c/m^2 leaves is below a tenth of it.

    Ten pairs each: the largest of 20 normal numbers exceeds 4.5 once in 7,000 fresh seeds.
    """
    c = fluctuation(NETWORKS[name], X)[UPPER]
    found, error = _measured(NETWORKS[name], 300_000)
    assert np.abs((found - c) / error).max() < 4.5
    assert (error < 0.03 * c).all()


def test_the_measurement_would_notice_a_diagonal_gram_matrix() -> None:
    """Keeping only the entries G_ii of the Gram matrix loses part of A and B."""
    network = NETWORKS["tanh, 3 layers"]
    found, error = _measured(network, 300_000)
    assert np.abs((found - fluctuation(network, X)[UPPER]) / error).max() < 4.5
    wrong = pair_fluctuation(network, X[0], X[3], whole=False)
    assert (found[3] - wrong) / error[3] > 20


@pytest.mark.parametrize("name", ["unequal widths, biases, residual", "image"])
def test_controls_have_mean_zero_and_the_variance_that_is_summed(name: str) -> None:
    """The identities that make the measurement exact, with coefficients of any kind."""
    network, x = IMAGE if name == "image" else (NETWORKS[name], X)
    generator = torch.Generator().manual_seed(5)
    inputs = torch.from_numpy(x)
    a = coefficients(network, inputs, 24, 1000, generator, 500)
    a = a * (1 + 0.5 * torch.randn(a.shape, generator=generator, dtype=a.dtype))
    drawn = controlled(network, inputs, 24, 3000, generator, 1000, a)
    count = len(drawn.z) ** 0.5
    assert float((drawn.z.mean(0) / drawn.z.std(0) * count).abs().max()) < 4.5
    gap = drawn.m - drawn.z[:, :, None] * drawn.z[:, None]
    assert float((gap.mean(0) / gap.std(0) * count).abs().max()) < 4.5
    plain = torch.cov(drawn.k.T)
    off = (drawn.covariance()[0] - plain) / (gap.std(0) / count)
    assert float(off.abs().max()) < 4.5


IMAGE = (
    Network(
        Convolution("softplus", 3, weight_std=0.6),
        Residual(Convolution("tanh", 3, weight_std=0.6, padding_mode="circular")),
        AveragePooling(2),
        Convolution("tanh", 3, weight_std=0.6, bias_std=0.3),
        GlobalAveragePooling(),
    ),
    np.random.default_rng(4).standard_normal((2, 2, 8)),
)


@pytest.mark.parametrize("name", ["unequal widths, biases, residual", "image"])
def test_drawing_without_weights_is_drawing_with_weights(name: str) -> None:
    """The oracle itself: mean and variance of its kernels are those of real networks."""
    (network, inputs), count = (IMAGE if name == "image" else (NETWORKS[name], X)), 4000
    x = torch.from_numpy(inputs)
    real = tangent_kernels(network, x, 8, range(count)).numpy()
    generator = torch.Generator().manual_seed(3)
    drawn = sample_kernels(network, x, 8, count, generator, torch.float64).numpy()
    error = np.sqrt((real.var(axis=0) + drawn.var(axis=0)) / count)
    assert (np.abs(real.mean(axis=0) - drawn.mean(axis=0)) < 4.5 * error).all()
    spread = np.hypot(*(((k - k.mean(axis=0)) ** 2).std(axis=0) for k in (real, drawn)))
    assert (np.abs(real.var(axis=0) - drawn.var(axis=0)) < 4.5 * spread / count**0.5).all()


def test_pairs_of_two_sets_are_those_of_one() -> None:
    """Symmetric to the last bit; two sets differ only by the rounding of scalar products."""
    network = NETWORKS["tanh, 2 residual"]
    x = np.random.default_rng(0).standard_normal((70, 6))
    c = fluctuation(network, x)
    assert (c == c.T).all()
    np.testing.assert_allclose(fluctuation(network, x[:40], x[5:]), c[:40, 5:], rtol=1e-12)


def test_small_inputs_meet_large_ones() -> None:
    """Series that are short for one set alone must not be cut short for both."""
    network = NETWORKS["tanh, 2 layers"]
    x, y = 0.01 * X, 1.2 * X
    np.testing.assert_allclose(
        fluctuation(network, x, y), fluctuation(network, np.concatenate([x, y]))[:4, 4:], rtol=1e-12
    )


def test_derivatives_that_cancel_near_zero_do_no_harm() -> None:
    """The third derivative of softplus is found by cancellation at 1e-6; C is even there."""
    network, x = NETWORKS["softplus, 3 layers"], X[:1]
    small, at_zero = fluctuation(network, 1e-6 * x), fluctuation(network, 0 * x)
    np.testing.assert_allclose(small, at_zero, rtol=1e-9)


def test_a_zero_input_only_has_its_biases() -> None:
    """Without biases every unit is w(0) = 0; sin and its slope 1 leave A = B = sum T^2 = 0."""
    x = np.stack([np.zeros(5), X[0]])
    assert (fluctuation(NETWORKS["tanh, 3 layers"], x)[0] == 0).all()
    assert (fluctuation(NETWORKS["sigmoid, 3 layers, biases"], x) > 0).all()


def test_kinks_and_long_blocks_are_refused_with_the_reason() -> None:
    relu = Network(FullyConnected("relu"))
    with pytest.raises(
        ValueError, match=r"3 continuous derivatives.*w' jumps from 0 to 1 at x = 0"
    ):
        fluctuation(relu, X)
    with pytest.raises(ValueError, match=r"w''' jumps from -6 to 6"):
        fluctuation(Network(FullyConnected("abs(x)**3")), X)
    block = Residual(FullyConnected("tanh"), FullyConnected("tanh"))
    with pytest.raises(ValueError, match="residual blocks of one layer"):
        fluctuation(Network(FullyConnected("tanh"), block), X)


def test_pairs_that_do_not_fit_are_refused_with_their_bytes() -> None:
    """At once, before a table for every input is made: answer, triangle and sum are 24 bytes."""
    many = np.broadcast_to(X[:1], (1_000_000, 5))
    for function in (fluctuation, mean_correction):
        with pytest.raises(MemoryError, match=r"expected 2.4e\+13 bytes of memory for the pairs"):
            function(NETWORKS["tanh, 1 layer"], many)


def test_bad_inputs_are_refused() -> None:
    network = NETWORKS["tanh, 1 layer"]
    with pytest.raises(TypeError, match="expected a Network, got str"):
        fluctuation("tanh", X)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NaN or infinity first in row 1"):
        fluctuation(network, np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match="expected x and y of the same shape"):
        fluctuation(network, X, X[:, :4])
    with pytest.raises(AccuracyError, match=r"nodes resolve|Hermite terms"):
        fluctuation(network, 100 * X)
