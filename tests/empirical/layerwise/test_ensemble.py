"""Many networks in one computation."""

from __future__ import annotations

import pytest
import torch

from analytic import FullyConnected, Network, Residual
from empirical import FiniteNetwork, tangent_kernel, tangent_kernels
from empirical.layerwise import ensemble

F, R = FullyConnected, Residual
NETWORKS = [
    Network(F("tanh")),
    Network(F("tanh", bias_std=0.7, weight_std=2), F("sigmoid", bias_std=0.3), F("erf")),
    Network(F("softplus"), R(R(F("softplus")), F("tanh", bias_std=1.0)), R(F("gelu"))),
    Network(F("tanh", width_ratio=0.5), F("relu", width_ratio=2), F("sin")),
]
SEEDS = [3, 0, 2**63, 11, 12, 13, 14]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [1, 50_000, 2**22])
def test_a_batch_gives_what_the_loop_gives(
    network: Network, dtype: torch.dtype, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ensemble.ENSEMBLE_BYTES, "cpu", batch)
    torch.manual_seed(0)
    x, y = torch.randn(6, 5, dtype=dtype), torch.randn(4, 5, dtype=dtype)
    allowed = 50 * torch.finfo(dtype).eps  # products of batches round in another order
    for z in (None, y):
        kernels = tangent_kernels(network, x, 20, SEEDS, y=z)
        assert kernels.shape == (7, 6, 6 if z is None else 4)
        for seed, k in zip(SEEDS, kernels, strict=True):
            exact = tangent_kernel(FiniteNetwork(network, (5,), 20, seed=seed, dtype=dtype), x, z)
            assert float((k - exact).abs().max()) <= allowed * float(exact.abs().max())
    assert float((kernels[0] - kernels[1]).abs().max()) > 1e-3


X = torch.ones(2, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("arguments", "named", "error", "message"),
    [
        ((NETWORKS[0], X, 4, []), {}, ValueError, "at least one seed, got none"),
        ((NETWORKS[0], X, 4, [0, -1]), {}, ValueError, "a seed of at least 0, got -1"),
        ((NETWORKS[0], X, 4, [0, 0.5]), {}, TypeError, "an integer seed, got 0.5"),
        ((NETWORKS[0], X, 4, [2**64]), {}, ValueError, r"a seed below 2\^64"),
        ((NETWORKS[0], X, 0, [0]), {}, ValueError, "a width of at least 1"),
        ((NETWORKS[0], X[0], 4, [0]), {}, ValueError, r"expected input_shape \(d,\)"),
        ((NETWORKS[0], X, 4, [0]), {"y": X.float()}, TypeError, "expected y of x's"),
        ((NETWORKS[0], X.expand(2, 3), 4, range(10**13)), {}, MemoryError, "GB of free memory"),
        ((NETWORKS[1], X, 10**9, [0]), {}, MemoryError, r"1.6e\+10 GB of .* at width 1000000000"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: tuple, named: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        tangent_kernels(*arguments, **named)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_a_gpu_gives_the_same_kernels(network: Network) -> None:
    here, there = (
        tangent_kernels(network, X, 20, SEEDS),
        tangent_kernels(network, X.cuda(), 20, SEEDS),
    )
    assert float((here - there.cpu()).abs().max()) <= 1e-12 * float(here.abs().max())
