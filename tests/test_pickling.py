"""What is handed to other processes, and kept, comes back as it was."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import kinfinity as ki

NAMES = ["tanh", "softplus", "sigmoid", "erf", "gelu", "silu", "sin", "cos", "gaussian", "identity",
         "relu", "tanh(x) + x/10", "Abs(x)", "Max(x, sin(x))"]  # fmt: skip
NETWORK = ki.Network(ki.FullyConnected("tanh"))
X = np.random.default_rng(0).standard_normal((5, 3))


def again(value: Any) -> list[Any]:
    return [pickle.loads(pickle.dumps(value)), copy.deepcopy(value)]


@pytest.mark.parametrize("name", NAMES)
def test_a_network_comes_back_with_the_same_bits(name: str) -> None:
    layer = ki.FullyConnected(name, bias_std=0.1)
    f = ki.FiniteNetwork(ki.Network(layer, ki.Residual(layer)), (3,), 16, antisymmetric=False)
    x = torch.from_numpy(X)
    for g in again(f):
        assert torch.equal(g(x), f(x))
        assert torch.equal(ki.tangent_kernel(g, x), ki.tangent_kernel(f, x))
    with torch.no_grad():
        for p in f.parameters():
            p.add_(torch.ones_like(p))
    file = io.BytesIO()
    torch.save(f.state_dict(), file)
    file.seek(0)
    fresh = ki.FiniteNetwork(f.network, (3,), 16, seed=1, antisymmetric=False)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh(x), f(x))


@pytest.mark.parametrize(
    "inputs", [ki.Inputs.sphere(3), ki.Inputs.digits(), ki.Inputs.array(X)], ids=lambda i: i.name
)
def test_inputs_come_back_with_the_same_draws(inputs: ki.Inputs) -> None:
    for other in again(inputs):
        assert other == inputs
        assert np.array_equal(other.sample(4, seed=2), inputs.sample(4, seed=2))
        assert other.points is None or not other.points.flags.writeable


def test_targets_come_back_with_the_same_values() -> None:
    x = ki.Inputs.sphere(3).sample(6)
    for target in (ki.Target.harmonic([1, 2], 3), ki.Target.step(), ki.Target.smooth(3)):
        for other in again(target):
            assert np.array_equal(other(x), target(x))


def test_records_come_back() -> None:
    f = ki.FiniteNetwork(NETWORK, (3,), 8)
    x = torch.from_numpy(X)
    records = [
        NETWORK, ki.Activation("gelu"), NETWORK.recursion(), NETWORK.summary((3,)),
        ki.kernel(NETWORK, X, kind="both"), ki.kernel_estimate(NETWORK, X),
        ki.kernel_plan(NETWORK, X), ki.sphere_spectrum(NETWORK, 3, 4), ki.nystrom(NETWORK, X),
        ki.predict(np.eye(2), np.eye(2), [1.0, 2.0], prior=np.eye(2)),
        ki.tangent_kernel_estimate(f, x),
        ki.gradient_flow(f, x, torch.ones(5).double(), [0.0, 1.0]),
        ki.kernel_distance(np.eye(3), np.ones((3, 3))),
        ki.convergence(NETWORK, ki.Inputs.sphere(3), [2, 4, 8], 3, points=4),
        ki.AccuracyError("no", ki.kernel_estimate(NETWORK, X)),
    ]  # fmt: skip
    for record in records:
        for other in again(record):
            assert type(other) is type(record)
            assert str(other) == str(record)
