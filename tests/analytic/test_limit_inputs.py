"""What ``kernel`` is given: bad values, tiny and enormous ones, other types."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erfc

from analytic import (
    AccuracyError,
    Activation,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    kernel,
    kernel_diagonal,
)

F = FullyConnected
NETWORK = Network(F("tanh"))


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((np.ones(3),), {}, r"expected x of shape \(n, d\), got \(3,\)"),
        ((np.ones((2, 3, 4)),), {}, r"got \(2, 3, 4\).*reshape"),
        ((np.empty((0, 3)),), {}, "expected inputs in x"),
        ((np.ones((2, 3)), np.ones((2, 4))), {}, "same shape for each input"),
        ((np.array([[1.0], [np.nan]]),), {}, "NaN or infinity first in row 1"),
        (
            (np.ones((2, 3)), np.full((2, 3), np.inf)),
            {},
            "in y, got NaN or infinity first in row 0",
        ),
        ((np.ones((2, 3)),), {"kind": "ntkk"}, "expected kind"),
        ((np.ones((2, 3)),), {"tolerance": 0}, "expected a tolerance"),
        ((np.ones((2, 3)),), {"device": "cuda"}, "expected device 'cpu'"),
        ((np.ones((2, 3)),), {"out": np.empty((3, 2))}, r"expected out of shape \(2, 2\)"),
    ],
)
def test_bad_values_get_one_sentence(arguments: tuple, named: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        kernel(NETWORK, *arguments, **named)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("x", [[["a"]], [[1j]], np.array([[None]])])
def test_inputs_that_are_not_real_numbers_are_refused(x: object) -> None:
    with pytest.raises(TypeError, match="expected real numbers in x"):
        kernel(NETWORK, cast("Any", x))


def test_a_layer_is_not_a_network() -> None:
    with pytest.raises(TypeError, match="expected a Network, got FullyConnected"):
        kernel(cast("Any", F("tanh")), np.ones((1, 1)))


def test_integers_are_converted() -> None:
    x = np.array([[1, 2], [3, 4]], dtype=np.uint8)
    assert_array_equal(kernel(NETWORK, x), kernel(NETWORK, x.astype(float)))


@pytest.mark.parametrize("name", ["erf", "sin", "identity"])
@pytest.mark.parametrize("scale", [1e-12, 1e-24, 1e-60])
def test_tiny_inputs_keep_their_relative_accuracy(
    name: str, scale: float, rng: np.random.Generator
) -> None:
    """A linear regime: K = (1 + depth) w'(0)^4 <x, x'>/d, to order scale^2."""
    x = scale * rng.standard_normal((4, 3))
    network = Network(F(name), F(name))
    slope = float(Activation(name).derivatives(np.zeros(1), 1)[1][0])
    exact = 3 * slope**4 * (x @ x.T) / 3
    scales = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.all(np.abs(kernel(network, x) - exact) <= 1e-10 * scales)
    assert_allclose(kernel_diagonal(network, x), np.diag(exact), rtol=1e-13)


def test_a_flat_activation_at_tiny_inputs() -> None:
    """w = x^2: E = s^2 s'^2 (1 + 2 rho^2), D = 4 s s' rho."""
    x = 1e-20 * np.array([[1.0, 0.5], [0.3, -1.0]])
    cov = x @ x.T / 2
    v = np.diag(cov)
    exact = np.outer(v, v) + 2 * cov**2 + 4 * cov * cov
    assert_allclose(kernel(Network(F("x**2")), x), exact, rtol=1e-12)


@pytest.mark.parametrize("size", [1e20, 1e60])
def test_enormous_inputs_are_answered_or_refused(size: float) -> None:
    """E sin(u) sin(v) = exp(-(s^2 + s'^2)/2) sinh(cov): 0 between inputs so far apart."""
    x = size * np.array([[1.0, 0.2], [-0.4, 1.0]])
    gamma = 0.5 + (x**2).sum(1) / 4  # behind the first layer Sigma = 1/2, Theta = |x|^2/4
    own = (1 - np.exp(-1)) / 2 + (1 + np.exp(-1)) / 2 * gamma
    k = kernel(Network(F("sin"), F("sin")), x)
    assert_allclose(k, np.diag(own), rtol=1e-10, atol=1e-10 * own.min())
    with pytest.raises(ValueError, match="size 0 or from 1e-100 to 1e"):
        kernel(Network(F("sin")), 1e90 * size * x)


@pytest.mark.parametrize(
    ("kind", "out", "message"),
    [
        ("ntk", np.empty((2, 2), dtype=int), "writeable array of floats as out, got int64"),
        ("ntk", [1, 2], r"out of shape \(2, 2\), got list"),
        ("both", [np.empty((2, 2))] * 2, "2 different arrays"),
        ("both", [np.empty((2, 2))], "2 different arrays"),
    ],
)
def test_bad_outputs_get_one_sentence(kind: str, out: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel(NETWORK, np.eye(2), kind=kind, out=out)  # type: ignore[arg-type]


def test_a_diagonal_keeps_the_promise_or_is_refused() -> None:
    """Softshrink at 1/20 has its mass ten standard deviations out, and rules end at twelve."""
    network, x = Network(F("softshrink")), np.array([[0.5], [0.05]])
    assert_allclose(kernel_diagonal(network, x[:1]), np.diag(kernel(network, x[:1])), rtol=1e-15)
    with pytest.raises(AccuracyError, match=r"input 1.*expected a relative error") as caught:
        kernel_diagonal(network, x, kind="nngp")
    estimate: Any = caught.value.estimate
    tail = erfc(10 / np.sqrt(2)) / 2
    exact = 2 * ((0.05**2 + 0.25) * tail - 0.025 * np.exp(-50) / np.sqrt(2 * np.pi))
    assert abs(estimate.value[0, 0] - exact) <= estimate.error[0, 0] + 1e-12 * exact
    assert kernel_diagonal(network, x, kind="nngp", tolerance=1e-6)[1] == estimate.value[0, 0]


@pytest.mark.slow
def test_a_diagonal_of_chaotic_images(rng: np.random.Generator) -> None:
    """Positions of smooth images are nearly parallel, which series do not tell apart."""
    x = 1 + 1e-4 * rng.standard_normal((2, 1, 8, 3))
    network = Network(*[Convolution("tanh", 3, weight_std=3)] * 4, GlobalAveragePooling())
    assert_allclose(kernel_diagonal(network, x), np.diag(kernel(network, x)), rtol=2e-12)
