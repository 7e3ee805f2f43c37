"""What is handed to other processes, and kept, comes back as it was."""

from __future__ import annotations

import copy
import dataclasses
import io
import pickle
from collections.abc import Callable
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


def bits(value: Any) -> Any:
    """All numbers of a record as bytes, through its fields and containers, to be compared."""
    if isinstance(value, torch.Tensor):
        return bits(value.detach().numpy())
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return [(key, bits(one)) for key, one in value.items()]
    if isinstance(value, (tuple, list)):
        return [bits(one) for one in value]
    if dataclasses.is_dataclass(value):
        return [bits(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return type(value).__name__, str(value)


SPHERE = ki.Inputs.sphere(3)
F = ki.FiniteNetwork(NETWORK, (3,), 8)
T, ONES = torch.from_numpy(X), torch.ones(5).double()
SWEEP = {"widths": [8, 16], "samples": [8, 16], "horizon": 1.0, "seeds": 2, "points": 8}
MEASURED: dict[str, Callable[[], Any]] = {
    "assumptions": lambda: ki.assumptions(NETWORK, SPHERE),
    "convergence": lambda: ki.convergence(NETWORK, SPHERE, [2, 4, 8], 3, points=4),
    "distance": lambda: ki.kernel_distance(np.eye(3), np.ones((3, 3))),
    "gap": lambda: ki.dynamics_gap(
        NETWORK, SPHERE, ki.Target.step(), width=8, samples=8, horizon=1.0, seeds=2, points=8
    ),
    "scaling": lambda: ki.dynamics_scaling(NETWORK, SPHERE, ki.Target.step(), **SWEEP),
    "spectrum": lambda: ki.spectrum(
        NETWORK, SPHERE, width=8, seeds=2, points=8, eigenvalues=8, progress=False
    ),
    "ranks": lambda: ki.rank_growth(NETWORK, SPHERE, [4, 8], 2, points=8, progress=False),
    "hessians": lambda: ki.hessian_growth(NETWORK, SPHERE, [4, 8], 2, progress=False),
    "path": lambda: ki.rank_path(F, T, ONES, [1.0], T),
    "estimate": lambda: ki.tangent_kernel_estimate(F, T),
    "shares": lambda: ki.tangent_kernel_shares(F, T),
    "flow": lambda: ki.gradient_flow(F, T, ONES, [0.0, 1.0]),
    "kernel": lambda: ki.kernel_estimate(NETWORK, X),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_was_measured_comes_back_with_the_same_bits(name: str) -> None:
    record = MEASURED[name]()
    for other in again(record):
        assert type(other) is type(record)
        assert bits(other) == bits(record)
