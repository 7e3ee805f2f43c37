"""Images position by position: raw pixels, chaotic networks, activations that jump."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import image_balls

from analytic import (
    AveragePooling,
    Convolution,
    Estimate,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    kernel,
    kernel_estimate,
    kernel_plan,
)
from analytic.images import prepare_positions
from analytic.inputs import positions_first
from analytic.recursion import Problem
from analytic.solve import solve

C, F, G = Convolution, FullyConnected, GlobalAveragePooling
CHAOTIC = [C("erf", 3, weight_std=10.0)] * 5
RAW = [C("erf", 3, bias_std=20.0, padding_mode="circular"), C("erf", 2, weight_std=0.5)]
ERF = {
    "raw": [*RAW, Flatten()],
    "raw pooled": [*RAW, G()],
    "one vector": [C("relu", 3, stride=2), Flatten(), F("erf", weight_rate=2.0, bias_rate=0.5)],
    "chaotic": [*CHAOTIC, Flatten()],
    "chaotic pooled": [*CHAOTIC, G()],
    "sign": [C("sign", 3), C("sign", 3), C("sign", 1, bias_std=0.5), Flatten()],
    "sign pooled": [C("sign", 3), C("sign", 3), C("sign", 1, bias_std=0.5), G()],
}


def _by_positions(network: Network, x: np.ndarray) -> Estimate:
    kind = "nngp" if "sign" in repr(network) else "ntk"
    problem = prepare_positions(network, positions_first(x), None, x.shape[2:])
    assert isinstance(problem, Problem)
    return solve(problem, kind, 1e-10, None, False, certificate=True)


@pytest.mark.parametrize("name", ERF)
def test_bounds_against_balls(name: str) -> None:
    rng = np.random.default_rng(11)
    network = Network(*ERF[name])
    x = rng.integers(0, 256, (2, 2, 5)).astype(float)
    x[1, :, 3:] = x[0, :, 3:]  # patches that are equal, and two that nearly are
    x[1, :, :2] = x[0, :, :2] * (1 + 1e-9)
    image_balls.margins(network, x, _by_positions(network, x), digits=400)


def test_what_the_series_knows_too() -> None:
    x = np.random.default_rng(0).uniform(size=(4, 3, 5, 4))
    x[3], x[1, :, :2] = 2 * x[0], 0
    layers = [
        C("tanh", 3, weight_std=0.7, bias_std=0.3), C("softplus", (3, 2), weight_std=0.4),
        C("sigmoid", 2, stride=2, padding="valid"),
    ]  # fmt: skip
    for network in (Network(*layers), Network(*layers, G())):
        found, known = _by_positions(network, x), kernel_estimate(network, x)
        assert known.certified
        assert not found.certified
        assert_allclose(found.value, known.value, rtol=1e-13)
        assert (abs(found.value - known.value) <= found.error + known.error).all()


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_raw_pixels_and_chaotic_images_are_answered(name: str) -> None:
    x = np.random.default_rng(1).integers(0, 256, (3, 1, 4, 4), dtype=np.uint8)
    x[1] = x[0]
    k = kernel(Network(C(name, 3), C(name, 3), G()), x)
    assert_allclose(k[0, 1], k[0, 0], rtol=2e-10)
    if name == "tanh":
        chaotic = Network(*[C(name, 3, weight_std=10.0)] * 10)
        assert kernel(chaotic, x / 255).shape == (3, 3)


def test_jumps_of_images_have_a_process_and_a_plan() -> None:
    x = np.random.default_rng(2).standard_normal((3, 1, 4, 4))
    network = Network(C("step", 3), C("step", 3))
    assert kernel(network, x, kind="nngp").shape == (3, 3)
    plan = kernel_plan(network, x, kind="nngp")
    assert plan.pairs == 6
    assert plan.bound < 1e-10
    with pytest.raises(ValueError, match="pooling between layers"):
        kernel(Network(C("step", 3), AveragePooling(2), C("step", 3)), x, kind="nngp")
    with pytest.raises(ValueError, match="ask for kind='nngp'"):
        kernel(network, x)
