"""Positions one by one where averages mix them, behind branches and normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import image_balls, pieces, positions

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
    Residual,
    kernel,
    kernel_estimate,
)
from analytic.images import prepare_positions
from analytic.inputs import positions_first
from analytic.recursion import Problem
from analytic.results import Estimate
from analytic.solve import solve

pytestmark = pytest.mark.slow  # positions one by one

A, C, F, G, R = AveragePooling, Convolution, FullyConnected, GlobalAveragePooling, Residual


def _with_blank_borders(shape: tuple[int, ...]) -> np.ndarray:
    """Three images, the first two of which are equal but for one pixel."""
    x = np.zeros(shape)
    middle = tuple(slice(size // 4, size - size // 4) for size in shape[2:])
    inner = x[(slice(None), slice(None), *middle)]
    inner[:] = np.random.default_rng(4).uniform(size=inner.shape)
    x[1] = x[0]
    x.reshape(len(x), -1)[1, x[0].size // 2] += 0.25
    return x


@pytest.mark.parametrize("name", pieces.KINKS)
def test_kinks_behind_pooling_against_the_slow_recursion(name: str) -> None:
    conv = C(name, 3, weight_std=0.6)
    network = Network(conv, A(2), conv, A(2), Flatten(), F(name, weight_std=1.5, bias_std=0.1))
    x = _with_blank_borders((3, 1, 8))
    known = positions.kernel(network, x)
    scale = np.sqrt(np.outer(known.diagonal(), known.diagonal()))
    estimate = kernel_estimate(network, x)
    assert (abs(estimate.value - known) <= estimate.error + 2e-13 * scale).all()
    assert (estimate.error <= 1e-10 * scale).all()
    assert not estimate.certified
    assert kernel(network, x).tolist() == estimate.value.tolist()


def _by_positions(network: Network, x: np.ndarray) -> Estimate:
    problem = prepare_positions(network.commuted(), positions_first(x), None, x.shape[2:])
    assert isinstance(problem, Problem)
    return solve(problem, "ntk", 1e-9, None, False, certificate=True)


SMALL: Any = {"weight_std": 0.6}
SMOOTH = {
    "pooled": [C("tanh", 3, **SMALL), A(2), C("softplus", 3, bias_std=0.3, **SMALL), G()],
    "overlapping windows": [C("softplus", 3, **SMALL), A(2, stride=1), C("tanh", 3), A(3), G()],
    "pooled to one": [C("softplus", 3, **SMALL), G(), F("tanh")],
    "one vector": [C("softplus", 3), A(2), Flatten(), F("tanh", weight_rate=2.0, bias_rate=0.5)],
    "residual": [
        C("softplus", 3, **SMALL), R(C("sigmoid", 3), C("softplus", 3, **SMALL)), A(2),
        R(C("tanh", 3)), C("sigmoid", 3, stride=2), G(),
    ],
    "side by side": [
        C("softplus", 3, **SMALL), Concatenate([C("tanh", 3)], [C("softplus", 3)]), A(2),
        C("tanh", 3), Flatten(),
    ],
    "noise": [C("softplus", 3, **SMALL), Dropout(0.3), A(2), C("tanh", 3, **SMALL), G()],
    "normalised": [
        C("softplus", 3, **SMALL), LayerNorm(eps=1e-3, gain_rate=1, bias_rate=1), C("tanh", 3),
        LayerNorm(positions=True), A(2), C("softplus", 3, bias_std=0.5), G(),
    ],
    "normalised in other company": [
        C("tanh", 1), LayerNorm(positions=True), C("softplus", 1, bias_std=0.5), G(),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_what_the_series_know_too(name: str) -> None:
    network, x = Network(*SMOOTH[name]), _with_blank_borders((3, 2, 4, 4))
    found, known = _by_positions(network, x), kernel_estimate(network, x, tolerance=1e-7)
    assert known.certified
    assert not found.certified
    assert (abs(found.value - known.value) <= 1e-2 * found.error + known.error).all()
    assert (found.error < 1e-9 * known.value.max()).all()


BENT = {
    "beside erf": [C("relu", 3), R(C("erf", 3)), A(2), C("relu", 3), G()],
    "normalised": [
        C("relu", 3, bias_std=0.1), LayerNorm(), R(C("relu", 3), LayerNorm(eps=1e-5), C("erf", 3)),
        A(2), C("relu", 3), G(),
    ],
    "leaky": [C("Max(x/4, x)", 3), A(2), C("erf", 3), A(3), C("Max(x/4, x)", 1), Flatten()],
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_bounds_of_relu_beside_others_against_balls(name: str) -> None:
    network, x = Network(*BENT[name]), _with_blank_borders((3, 1, 6))[1:]
    estimate = kernel_estimate(network, x)
    image_balls.margins(network, x, estimate, digits=400)
    scale = np.sqrt(np.outer(estimate.value.diagonal(), estimate.value.diagonal()))
    assert (estimate.error <= 1e-10 * scale).all()
