"""Outputs of any shape, the diagonal, some of the parameters, and the shares of the layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks.cases import CASES
from oracles.jacobians import batch_jacobian, kernel_of
from torch import Tensor, nn

from analytic import FullyConnected, Network
from empirical import (
    FiniteNetwork,
    tangent_kernel,
    tangent_kernel_diagonal,
    tangent_kernel_estimate,
    tangent_kernel_shares,
)
from empirical.layerwise import inner_products
from empirical.layerwise.gradients import Gradient
from empirical.layerwise.inner_products import inner, squares

TOLERANCE = 1e-12
"""Sums of 1e4 products of float64 numbers, relative to the largest entry."""
NAMES = ["Linear", "Linear at positions", "LeNet-5", "Embedding, padding_idx", "Transformer block",
         "Conv2d, dilation, groups", "Data-dependent routing", "LSTM", "Tied autoencoder",
         "Weight normalisation", "ConvTranspose1d"]  # fmt: skip


def close(value: Tensor, exact: Tensor) -> None:
    assert value.shape == exact.shape
    assert float((value - exact).abs().max()) <= TOLERANCE * float(exact.abs().max())


def segmenter() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 1)
    return nn.Sequential(*layers).double(), torch.randn(4, 1, 3, 2, dtype=torch.float64)


def test_outputs_may_have_any_shape() -> None:
    module, x = segmenter()
    exact = kernel_of(batch_jacobian(module, x)).reshape(4, 2, 3, 2, 4, 2, 3, 2)
    close(tangent_kernel(module, x, output="all"), exact)
    close(tangent_kernel(module, x, output=(1, 2, 0)), exact[:, 1, 2, 0, :, 1, 2, 0])
    close(tangent_kernel(module, x, output="trace"), torch.einsum("aijkbijk->ab", exact))
    close(
        tangent_kernel(module, x, output=lambda out: out[:, 1, 2, 0]), exact[:, 1, 2, 0, :, 1, 2, 0]
    )
    with pytest.raises(ValueError, match=r"3 indices of an output of shape \(2, 3, 2\), got 0"):
        tangent_kernel(module, x)
    with pytest.raises(ValueError, match="an output from 0 to 2, got 3"):
        tangent_kernel(module, x, output=(1, 3, 0))
    with pytest.raises(ValueError, match="expected one number for each sample from the function"):
        tangent_kernel(module, x, output=lambda out: out[:, 1])
    with pytest.raises(TypeError, match=r"expected integers in output, got \(0, 'a'\)"):
        tangent_kernel(module, x, output=(0, "a"))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", NAMES)
def test_the_diagonal_is_that_of_the_kernel(name: str) -> None:
    case = CASES[name]
    torch.manual_seed(3)
    module, x = case.make().double().eval(), case.inputs(5)
    full = kernel_of(batch_jacobian(module, x))
    own = torch.einsum("aiai->ai", full)
    close(tangent_kernel_diagonal(module, x), own[:, 0])
    close(tangent_kernel_diagonal(module, x, output="trace"), own.sum(1))
    close(tangent_kernel_diagonal(module, x, output="all"), own)


def test_the_diagonal_of_a_batch_whose_samples_meet() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    own = torch.einsum("aiai->ai", kernel_of(batch_jacobian(module, x)))
    close(tangent_kernel_diagonal(module, x, output="all"), own)


def test_the_diagonal_of_a_described_network() -> None:
    f = FiniteNetwork(Network(*[FullyConnected("tanh", bias_std=0.3)] * 2), (3,), 20)
    x = torch.randn(7, 3, dtype=torch.float64)
    close(tangent_kernel_diagonal(f, x), tangent_kernel(f, x).diagonal())


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 40, 50), (30, 2, 3)])
@pytest.mark.parametrize("workspace", [1, 2**26])
def test_squares_are_inner_products(
    shape: tuple[int, int, int], workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inner_products, "WORKSPACE", workspace)
    torch.manual_seed(0)
    t, r, c = shape
    left, right = (torch.randn(3, 2, t, m, dtype=torch.float64) for m in (r, c))
    one = Gradient(torch.Size((2 * r, c)), left, right)
    table = Gradient(torch.Size((r, c)), right=right[:, :1], index=torch.randint(r, (3, t)))
    for g in (one, table, one + Gradient(one.shape, dense=torch.randn(3, 2 * r, c).double())):
        torch.testing.assert_close(squares(g), inner(g, g).diagonal(), rtol=1e-12, atol=0)


def test_some_of_the_parameters() -> None:
    module, x = CASES["LeNet-5"].make().double(), CASES["LeNet-5"].inputs(3)
    for names, kept in (
        ("11.*", ["11.weight", "11.bias"]),
        (["0.weight", "3.*"], ["0.weight", "3.weight", "3.bias"]),
        (lambda name: name.endswith("bias"), [f"{k}.bias" for k in (0, 3, 7, 9, 11)]),
    ):
        for p in module.parameters():
            p.requires_grad_(True)
        found = tangent_kernel(module, x, parameters=names)
        diagonal = tangent_kernel_diagonal(module, x, parameters=names)
        for name, p in module.named_parameters():
            p.requires_grad_(name in kept)
        rows = batch_jacobian(module, x)[:, 0]
        close(found, rows @ rows.T)
        close(diagonal, (rows**2).sum(1))
    with pytest.raises(
        ValueError, match=r"names of trained parameters, got 'head\.\*', which fits"
    ):
        tangent_kernel(module, x, parameters="head.*")


def test_a_shared_parameter_is_meant_by_any_of_its_names() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    module[2].weight = module[0].weight
    module, x = module.double(), torch.randn(4, 3, dtype=torch.float64)
    close(
        tangent_kernel(module, x, parameters="2.weight"),
        tangent_kernel(module, x, parameters="0.w*"),
    )


@pytest.mark.parametrize("output", [0, "trace", "all"])
@pytest.mark.parametrize("name", ["LeNet-5", "Transformer block", "Scripted head"])
def test_the_shares_of_the_layers_sum_to_the_kernel(name: str, output: Any) -> None:
    torch.manual_seed(3)
    module, x = CASES[name].make().double().eval(), CASES[name].inputs(4)
    found = tangent_kernel_shares(module, x, x[:2], output=output)
    close(found.total, tangent_kernel(module, x, x[:2], output=output))
    assert set(found.shares) == {n.rpartition(".")[0] for n, _ in module.named_parameters()}


def test_several_inputs_go_by_order_or_by_name() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor, scale: Tensor) -> Tensor:
            return torch.tanh(self.layer(x)) * scale

    torch.manual_seed(0)
    module = Scaled().double()
    x, scale = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    exact = kernel_of(batch_jacobian(module, (x, scale)))[:, 0, :, 0]
    close(tangent_kernel(module, (x, scale)), exact)
    named = {"x": x, "scale": scale}
    close(tangent_kernel(module, named), exact)
    close(tangent_kernel(module, named, (x[:2], scale[:2])), exact[:, :2])
    estimate = tangent_kernel_estimate(module, named, {"x": x[:2], "scale": scale[:2]})
    close(estimate.value, exact[:, :2])
    assert 0 < estimate.floor < 1e-14
    with pytest.raises(ValueError, match=r"common first axis of samples, got x\[0\] \(5, 3\)"):
        tangent_kernel(module, (x, scale[:4]))
    with pytest.raises(TypeError, match=r"expected x\['scale'\] of the network's torch.float64"):
        tangent_kernel(module, {"x": x, "scale": scale.float()})
