"""Kernels of networks of images whose parameters are trained at rates of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import balls, image_balls

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Readout,
    Residual,
    kernel,
    kernel_diagonal,
    kernel_estimate,
)

CASES = 24


def _rates(rng: np.random.Generator, least: float) -> dict[str, Any]:
    """Frozen, trained as usual, or at any rate; biases at ``least`` of it or more."""
    weight = rng.choice([0.0, 1.0, 10 ** rng.uniform(-4, 4)])
    bias = rng.choice([-1.0, 0.0, 10 ** rng.uniform(-4, 4)])
    options = {"weight_rate": float(weight), "bias_rate": None if bias < 0 else float(bias)}
    if bias >= 0 and weight > 0:
        options["bias_rate"] = float(max(bias, least * weight))
    return options


def _network(rng: np.random.Generator) -> Network:
    name = str(rng.choice(["relu", "erf", "cos", "abs(x)"]))
    bent = name in ("relu", "abs(x)")

    def options() -> dict[str, Any]:
        bias = float(rng.choice([0, 0.3, 2]))
        least = 0.01 * bias**2 if bent else 0.0  # frozen alone they cost digits of defects
        weight = float(10 ** rng.uniform(-0.5, 0.3))
        return {"weight_std": weight, "bias_std": bias, **_rates(rng, least)}

    layers: list[Any] = [Convolution(name, int(rng.integers(1, 4)), **options())]
    if rng.random() < 0.3:
        layers.append(AveragePooling(2))
    for _ in range(rng.integers(0, 3)):
        mode = "zeros" if AveragePooling(2) in layers else "circular"
        layer = Convolution(name, 3, padding_mode=mode, **options())
        layers.append(Residual(layer) if not bent and rng.random() < 0.4 else layer)
    layers.append(Flatten() if rng.random() < 0.5 else GlobalAveragePooling())
    if rng.random() < 0.4:
        layers.append(FullyConnected(name, **options()))
    return Network(*layers, Readout(**options()))


def _cases() -> Iterator[tuple[Network, np.ndarray]]:
    rng = np.random.default_rng(2030)
    for _ in range(CASES):
        x = rng.standard_normal((2, int(rng.integers(1, 3)), 4))
        if rng.random() < 0.4:
            x[1] = rng.choice([-1, 1, 3]) * x[0]
            x[1] += 10.0 ** rng.uniform(-14, -1) * rng.standard_normal(x[1].shape)
        if rng.random() < 0.4:
            x[:, :, -2:] = 0
        yield _network(rng), x


def test_the_true_error_never_exceeds_the_bound() -> None:
    median, refused = image_balls.sweep(_cases())
    assert median < 10_000
    assert refused <= CASES // 12  # averages before a kink


def test_a_filter_has_the_closed_form_of_its_sums() -> None:
    """One layer of the identity, flattened: the mean over positions of (1 + r) w P + b + c."""
    x = np.random.default_rng(1).standard_normal((3, 2, 5))
    layer = Convolution("identity", 3, weight_std=0.7, bias_std=0.4, weight_rate=0.3, bias_rate=2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    sums = sum(
        np.einsum("icp,jcp->ij", padded[:, :, k : k + 5], padded[:, :, k : k + 5]) for k in range(3)
    )
    exact = 1.3 * 0.49 * sums / (2 * 5) + 0.16 + 2
    network = Network(layer, Flatten())
    assert_allclose(kernel(network, x), exact, rtol=1e-13)
    assert_allclose(kernel_diagonal(network, x), np.diag(exact), rtol=1e-13)


def test_zero_patches_before_relu_train_no_bias_that_starts_at_0() -> None:
    x = np.zeros((2, 1, 6))
    x[:, 0, 0] = 1, -2
    network = Network(Convolution("relu", 1, bias_rate=5), Flatten())
    assert_allclose(kernel(network, x), np.diag([0.5 + 0.5 + 2.5, 2 + 2 + 2.5]) / 6, atol=1e-15)


@pytest.mark.parametrize("behind", [(), (Convolution("relu", 2),), (Convolution("erf", 1),)])
def test_zero_patches_before_a_linear_layer_train_its_biases(
    behind: tuple[Convolution, ...],
) -> None:
    """Its slope is the same at 0; pairs carry defects, and covariances before erf."""
    x = np.zeros((2, 1, 6))
    x[0, 0, :4], x[1, 0, 2:] = (1, -2, 1, 3), (0.5, 2, -1, 1)
    network = Network(Convolution("identity", 1, bias_rate=5), *behind, Flatten())
    found = kernel_estimate(network, x)
    exact = image_balls.kernel(network, x[0], x[1], 40)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        assert balls.distance(found.value[i, j], exact[i][j]) <= found.error[i, j]
    if not behind:
        assert_allclose(found.value, 2 * (x[:, 0] @ x[:, 0].T) / 6 + 5, rtol=1e-14)
