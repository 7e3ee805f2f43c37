"""The finite network of images, and its tangent kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks.images import ARCHITECTURES
from oracles import positions
from oracles.plans import plan_of
from torch import Tensor

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    Sum,
    SumPooling,
)
from empirical import (
    FiniteNetwork,
    streamed_tangent_kernel,
    tangent_kernel,
    tangent_kernels,
)
from empirical.layerwise import ensemble, identity
from empirical.module_kernels import measure
from empirical.network.weights import normal_rows
from empirical.network.wires import wiring

C, F, R = Convolution, FullyConnected, Residual
NAMES = list(ARCHITECTURES)


def case(name: str, n: int, activation: str = "softplus", seed: int = 0) -> tuple[Network, Tensor]:
    shape, build = ARCHITECTURES[name]
    x = np.random.default_rng(seed).standard_normal((n, *shape))
    return build(activation), torch.from_numpy(x)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def by_hand(network: Network, f: FiniteNetwork, x: np.ndarray) -> np.ndarray:
    """f(x) of one copy, written out with the positions that the description defines."""
    parameters = iter([p.detach().numpy() for p in f.parameters()])
    softplus = positions.FUNCTIONS["softplus"][0]

    def through(layers: Any, alpha: np.ndarray, spatial: Any) -> tuple[np.ndarray, Any]:
        for layer in layers:
            alpha, spatial = one(layer, alpha, spatial)
        return alpha, spatial

    def one(layer: Any, alpha: np.ndarray, spatial: Any) -> tuple[np.ndarray, Any]:
        """Of alpha (n, m, P)."""
        if isinstance(layer, Residual):
            return alpha + through(layer.layers, alpha, spatial)[0], spatial
        if isinstance(layer, Sum):  # a skip comes first in the order of the parameters
            ends = [through(b, alpha, spatial) for b in sorted(layer.branches, key=bool)]
            return np.sum([end for end, _ in ends], axis=0), ends[0][1]
        if isinstance(layer, Flatten):
            return alpha.reshape(len(alpha), -1, 1), ()
        table, after = [[0]], ()
        if not isinstance(layer, FullyConnected):
            table, after = positions.windows(layer, spatial)
        if isinstance(layer, SumPooling):
            return np.stack([alpha[:, :, row].sum(2) for row in table], axis=2), after
        if isinstance(layer, AveragePooling | GlobalAveragePooling):
            return np.stack([alpha[:, :, row].mean(2) for row in table], axis=2), after
        w = next(parameters)
        w = w.reshape(*w.shape[:2], -1)  # (m_out, m_in, K)
        h = np.zeros((len(alpha), len(w), len(table)))
        for p, row in enumerate(table):
            for k, u in enumerate(row):
                if u is not None:
                    h[:, :, p] += alpha[:, :, u] @ w[:, :, k].T
        h *= layer.weight_std / np.sqrt(alpha.shape[1])
        if layer.bias_std > 0:
            h += layer.bias_std * next(parameters)[:, None]
        return (h if layer.activation.is_linear else softplus(h)), after

    alpha, spatial = through(network.layers, x.reshape(*x.shape[:2], -1), x.shape[2:])
    alpha = one(Flatten(), alpha, spatial)[0][:, :, 0]
    return alpha @ next(parameters) / np.sqrt(alpha.shape[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_function_follows_the_description_to_the_letter(name: str) -> None:
    network, x = case(name, 3)
    f = FiniteNetwork(network, x.shape[1:], 6, seed=9, antisymmetric=False)
    np.testing.assert_allclose(
        f(x).detach().numpy(), by_hand(network, f, x.numpy()), rtol=1e-12, atol=1e-14
    )


def test_filters_wider_than_a_circle_go_around_more_than_once() -> None:
    network = Network(C("softplus", (7, 2), padding_mode="circular"))
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64)
    f = FiniteNetwork(network, (3, 2, 3), 5, antisymmetric=False)
    np.testing.assert_allclose(f(x).detach().numpy(), by_hand(network, f, x.numpy()), rtol=1e-12)
    assert relative(tangent_kernel(f, x), tangent_kernel(f, x, method="jacobian")) <= 1e-12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_the_layer_identity_is_the_jacobian_product(
    name: str, antisymmetric: bool, trained: bool
) -> None:
    network, x = case(name, 5)
    y = case(name, 3, seed=1)[1]
    f = FiniteNetwork(network, x.shape[1:], 8, seed=3, antisymmetric=antisymmetric)
    if trained:
        torch.manual_seed(0)
        with torch.no_grad():
            for p in f.parameters():
                p += 0.1 * torch.randn_like(p)
    for z in (None, y):
        exact = tangent_kernel(f, x, z, method="jacobian")
        assert relative(tangent_kernel(f, x, z), exact) <= 1e-12
        by_rules = measure(f, dict(f.named_parameters()), x, z, 0).value
        assert relative(by_rules, exact) <= 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_the_module_has_a_rule(name: str) -> None:
    network, x = case(name, 4)
    f = FiniteNetwork(network, x.shape[1:], 6, antisymmetric=False)
    plan = plan_of(f, x)
    assert plan.rest == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_antisymmetric_network_vanishes_bit_for_bit(name: str, dtype: torch.dtype) -> None:
    network, x = case(name, 4)
    for width in (2, 7, 40):
        f = FiniteNetwork(network, x.shape[1:], 2 * width, dtype=dtype)
        assert torch.all(f(x.to(dtype)) == 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_streams_and_batches_give_the_stored_kernel(
    name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = case(name, 4)
    x, y = x.to(dtype), case(name, 2, seed=1)[1].to(dtype)
    allowed = 100 * torch.finfo(dtype).eps  # sums over blocks instead of whole rows
    seeds = [3, 0, 2**63]
    for z in (None, y):
        stored = [
            tangent_kernel(FiniteNetwork(network, x.shape[1:], 10, seed=s, dtype=dtype), x, z)
            for s in seeds
        ]
        for block in (1, 700, 2**26):
            k = streamed_tangent_kernel(network, x, 10, 3, y=z, block=block)
            assert relative(k, stored[0]) <= allowed
        for size in (1, 2**22):
            monkeypatch.setitem(ensemble.ENSEMBLE_BYTES, "cpu", size)
            assert relative(tangent_kernels(network, x, 10, seeds, y=z), torch.stack(stored)) <= (
                allowed
            )
    assert relative(stored[0], stored[1]) > 1e-3


def test_filters_are_drawn_row_by_row() -> None:
    network = Network(C("tanh", 1), C("tanh", (2, 3)))
    f = FiniteNetwork(network, (1, 4, 4), 5, seed=8)
    drawn = normal_rows(slice(3, 4), 2 * 3 * 5, seed=8, layer=2).reshape(2, 3, 5)
    weight = list(next(iter(f.copies())).weight_layers())[1].weight
    assert weight.shape == (5, 5, 2, 3)
    assert weight.is_contiguous()
    assert torch.equal(weight[3], drawn.permute(2, 0, 1))


@pytest.mark.parametrize("name", ["three dimensions, pooled globally", "fully connected behind"])
def test_tiles_of_samples_give_the_same_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = case(name, 9)
    y = case(name, 5, seed=1)[1]
    f = FiniteNetwork(network, x.shape[1:], 16)
    whole = [tangent_kernel(f, x), tangent_kernel(f, x, y)]
    monkeypatch.setattr(identity, "ONE_PIECE", 0)
    held = 8 * identity.held(wiring(network, f.input_shape, 16)[0])
    sizes: list[int] = []
    own = identity.layerwise_kernel
    monkeypatch.setattr(identity, "layerwise_kernel", lambda *a: sizes.append(len(a[2])) or own(*a))
    monkeypatch.setattr(identity, "available", lambda _: 16 * held + 2 * 8 * 81)
    tiled = [tangent_kernel(f, x), tangent_kernel(f, x, y)]
    assert set(sizes) == {4, 1}
    for a, b in zip(tiled, whole, strict=True):
        assert relative(a, b) <= 1e-14
    assert torch.equal(tiled[0], tiled[0].T)


def test_frozen_filters_do_not_count() -> None:
    network, x = case("residual around two, pooled", 4)
    f = FiniteNetwork(network, x.shape[1:], 8, antisymmetric=False)
    whole = tangent_kernel(f, x)
    parts: list[Tensor] = []
    for chosen in f.parameters():
        for p in f.parameters():
            p.requires_grad_(p is chosen)
        parts.append(tangent_kernel(f, x))
    assert relative(sum(parts[1:], parts[0]), whole) <= 1e-12


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_kernel(name: str) -> None:
    network, x = case(name, 5)
    here = tangent_kernel(FiniteNetwork(network, x.shape[1:], 40), x)
    f = FiniteNetwork(network, x.shape[1:], 40, device="cuda")
    for there in (
        tangent_kernel(f, x.cuda()),
        streamed_tangent_kernel(network, x.cuda(), 40),
        tangent_kernels(network, x.cuda(), 40, [0, 1])[0],
    ):
        assert relative(there.cpu(), here) <= 1e-12


@pytest.mark.parametrize("size", [3, (1, 2)])
def test_fan_in_is_the_mean_over_the_filter(size: int | tuple[int, int]) -> None:
    positions = 9 if size == 3 else 2
    mean = Convolution("tanh", size, normalize="fan_in", weight_std=1.5, bias_std=0.2)
    scaled = Convolution("tanh", size, weight_std=1.5 / positions**0.5, bias_std=0.2)
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = (
        FiniteNetwork(Network(layer, layer), x.shape[1:], 16, seed=1, antisymmetric=False)
        for layer in (mean, scaled)
    )
    paper = Network(Convolution("tanh", size, weight_std=1.5, bias_std=0.2))
    torch.testing.assert_close(a(x), b(x), rtol=1e-13, atol=1e-15)  # a few roundings
    torch.testing.assert_close(tangent_kernel(a, x), tangent_kernel(b, x), rtol=1e-12, atol=0)
    other = FiniteNetwork(paper, x.shape[1:], 16, seed=1, antisymmetric=False)
    first = FiniteNetwork(Network(mean), x.shape[1:], 16, seed=1, antisymmetric=False)
    assert (other(x) - first(x)).abs().max() > 1e-3  # a sum over the filter is another network
