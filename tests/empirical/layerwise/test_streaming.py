"""Kernels of networks whose weights are never held."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from analytic import FullyConnected, Network, Residual
from empirical import FiniteNetwork, streamed_tangent_kernel, tangent_kernel
from empirical.layerwise.streaming import DrawnLayer
from empirical.network.wires import wiring

F, R = FullyConnected, Residual
NETWORKS = [
    Network(F("tanh")),
    Network(F("tanh", bias_std=0.7, weight_std=2), F("sigmoid", bias_std=0.3), F("erf")),
    Network(F("softplus"), R(R(F("softplus")), F("tanh", bias_std=1.0)), R(F("gelu"))),
    Network(F("tanh", width_ratio=0.5), F("relu", width_ratio=2), F("sin")),
]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block", [1, 10_000, 2**26])
def test_streaming_gives_the_stored_kernel(
    network: Network, dtype: torch.dtype, block: int
) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6, 5, dtype=dtype), torch.randn(4, 5, dtype=dtype)
    stored = FiniteNetwork(network, (5,), 33, seed=8, dtype=dtype)
    allowed = 50 * torch.finfo(dtype).eps  # sums over blocks instead of whole rows
    for z in (None, y):
        exact = tangent_kernel(stored, x, z)
        k = streamed_tangent_kernel(network, x, 33, 8, y=z, block=block)
        assert float((k - exact).abs().max()) <= allowed * float(exact.abs().max())
        assert k.dtype == dtype
    other = streamed_tangent_kernel(network, x, 33, 9)
    assert float((other - tangent_kernel(stored, x)).abs().max()) > 1e-3


class Largest(TorchDispatchMode):
    """The largest tensor that any operation makes or touches."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_flatten([args, result])[0] if isinstance(t, Tensor)]
        self.numel = max([self.numel, *(t.numel() for t in tensors)])
        return result


def test_no_tensor_is_as_large_as_the_weights() -> None:
    x = torch.randn(4, 5, dtype=torch.float64)
    with Largest() as seen:
        streamed_tangent_kernel(NETWORKS[1], x, 400, 0, block=8 * 400 * 25)
    assert seen.numel == 400 * 25
    with Largest() as seen:
        tangent_kernel(FiniteNetwork(NETWORKS[1], (5,), 400), x)
    assert seen.numel == 400 * 400


def test_the_time_of_drawing_is_known() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    (wire,), _ = wiring(NETWORKS[0], (50,), 200)
    layer = DrawnLayer(wire, index=0, seed=1, like=like, block=8000)
    assert layer.preactivation(torch.ones(2, 50).double()).shape == (2, 200)
    assert layer.drawing > 0


X = torch.ones(2, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("arguments", "named", "error", "message"),
    [
        ((F("tanh"), X, 4), {}, TypeError, "expected a Network, got FullyConnected"),
        ((NETWORKS[0], X, 0), {}, ValueError, "a width of at least 1, got 0"),
        ((NETWORKS[0], X, 4, -1), {}, ValueError, "a seed of at least 0, got -1"),
        ((NETWORKS[0], X[0], 4), {}, ValueError, r"expected input_shape \(d,\)"),
        ((NETWORKS[0], X.long(), 4), {}, TypeError, "expected a floating dtype, got torch.int64"),
        ((NETWORKS[0], X * torch.nan, 4), {}, ValueError, "NaN or infinity first in row 0"),
        ((NETWORKS[0], X, 4), {"y": X[:, :2]}, ValueError, r"got \(2, 2\) on cpu; match x"),
        ((NETWORKS[0], X, 4), {"y": X.float()}, TypeError, "expected y of x's torch.float64"),
        ((NETWORKS[0], X, 4), {"block": 0}, ValueError, "a positive block, got 0"),
        ((NETWORKS[0], X, 4), {"block": 1.5}, TypeError, "an integer block, got 1.5"),
        ((NETWORKS[0], X, 10**12), {}, MemoryError, r"expected 9.6e\+04 GB of free memory"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: tuple, named: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        streamed_tangent_kernel(*arguments, **named)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_a_gpu_gives_the_same_kernel(network: Network) -> None:
    here = streamed_tangent_kernel(network, X, 100, 3)
    there = streamed_tangent_kernel(network, X.cuda(), 100, 3, block=10_000).cpu()
    assert float((here - there).abs().max()) <= 1e-12 * float(here.abs().max())
