"""Modules in which the samples of a batch meet: K_0 is J J^T of the outputs of the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from oracles.jacobians import batch_jacobian, kernel_of
from torch import Tensor, nn
from torch.nn import functional

from empirical import tangent_kernel, tangent_kernel_estimate

TOLERANCE = 1e-12
"""Sums of 1e3 products of float64 numbers, relative to the largest entry."""


def close(value: Tensor, exact: Tensor) -> None:
    assert value.shape == exact.shape
    assert float((value - exact).abs().max()) <= TOLERANCE * float(exact.abs().max())


class Apply(nn.Module):
    """Two layers with something between them."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Linear(3, 4), nn.Linear(4, 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.function(self.first(x))))


class Joined(nn.Module):
    """A softmax over the samples, behind a readout of zeros or beside another head."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 1)
        self.head = nn.Linear(3, heads) if heads else None
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.b(torch.softmax(self.a(x), dim=0))
        return mixed if self.head is None else torch.cat([self.head(x), mixed], 1)


class Graph(nn.Module):
    """A graph convolution: the adjacency matrix of the batch is part of the module."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.register_buffer("adjacency", (torch.rand(n, n) < 0.4).double() + torch.eye(n))

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.adjacency, Tensor)
        return self.adjacency @ self.second(torch.tanh(self.adjacency @ self.first(x)))


class Pair(nn.Module):
    """Vanishes at initialisation, with samples that meet."""

    def __init__(self) -> None:
        super().__init__()
        self.g, self.h = (nn.Linear(3, 1) for _ in "gh")
        self.h.load_state_dict(self.g.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(0)
        return self.g(x) - self.h(x)


def contrastive(h: Tensor) -> Tensor:
    """Similarities to the whole batch, summed."""
    z = functional.normalize(h, dim=1)
    return h * torch.log_softmax(z @ z.T, dim=1).sum(1, keepdim=True)


MIXING: dict[str, Callable[[int], nn.Module]] = {
    "BatchNorm in training mode": lambda n: Apply(nn.BatchNorm1d(4)),
    "BatchNorm without statistics": lambda n: Apply(nn.BatchNorm1d(4, track_running_stats=False)),
    "centred inputs": lambda n: Apply(lambda h: h - h.mean(0)),
    "running sums": lambda n: Apply(lambda h: h.cumsum(0)),
    "contrastive head": lambda n: Apply(contrastive),
    "graph convolution": Graph,
    "softmax over the batch": lambda n: Joined(0),
    "softmax beside a head": lambda n: Joined(2),
    "antisymmetric pair": lambda n: Pair(),
}


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("method", ["auto", "jacobian"])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_the_kernel_is_that_of_the_batch(name: str, method: Any, n: int) -> None:
    torch.manual_seed(0)
    module = MIXING[name](n).double()
    x, y = torch.randn(2, n, 3, dtype=torch.float64)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    rows, columns = batch_jacobian(module, x), batch_jacobian(module, y)
    module.load_state_dict(before)
    exact = kernel_of(rows, columns)
    last = exact.shape[1] - 1
    close(tangent_kernel(module, x, y, output="all", method=method), exact)
    close(tangent_kernel(module, x, y, output=last, method=method), exact[:, last, :, last])
    own = kernel_of(rows)
    close(tangent_kernel(module, x, output="all", method=method), own)
    close(tangent_kernel(module, x, output="trace", method=method), torch.einsum("aibi->ab", own))
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_record_says_whether_the_samples_meet() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 3, dtype=torch.float64)
    mixing, plain = Apply(nn.BatchNorm1d(4)).double(), Apply(nn.Identity()).double()
    assert tangent_kernel_estimate(mixing, x).joint
    assert not tangent_kernel_estimate(plain, x).joint
    assert not tangent_kernel_estimate(mixing.eval(), x).joint
