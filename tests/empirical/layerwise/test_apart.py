"""What the structure of a graph says of its samples, beside their derivatives by torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from empirical import tangent_kernel
from empirical.layerwise import Block
from empirical.layerwise.apart import keeps_apart
from empirical.layerwise.graph import graph_of

Function = Callable[[Tensor], Tensor]
N = 4
"""Samples, as many as channels and as pixels in a row: axes are not told apart by their length."""

APART: dict[str, Function] = {
    "tanh": torch.tanh,
    "relu and products": lambda h: h.relu() * h + 2 * h - h / (1 + h**2),
    "scalars": lambda h: (h + 1 - 2).clamp(-1, 1) * 3,
    "convolution": lambda h: functional.conv2d(h, torch.ones(3, N, 2, 2).double()),
    "grouped": lambda h: functional.conv2d(h, torch.ones(N, 1, 2, 2).double(), groups=N),
    "pooling": lambda h: functional.avg_pool2d(h, 2) + functional.max_pool2d(h, 2),
    "adaptive": lambda h: functional.adaptive_avg_pool2d(h, 1),
    "mean of positions": lambda h: h.mean((2, -1)),
    "sum of channels": lambda h: h.sum(1),
    "linear": lambda h: functional.linear(
        h.flatten(1), torch.ones(2, N**3).double(), h.new_ones(2)
    ),
    "product": lambda h: h.reshape(N, -1) @ torch.ones(N**3, 2).double(),
    "layer norm": lambda h: functional.layer_norm(h, h.shape[1:]),
    "group norm": lambda h: functional.group_norm(h, 2),
    "batch norm in eval mode": lambda h: functional.batch_norm(
        h, h.new_zeros(N).detach(), h.new_ones(N).detach()
    ),
    "softmax of channels": lambda h: h.softmax(1) + h.log_softmax(-1),
    "a channel": lambda h: h[:, 1] + h[:, :1].squeeze(1),
    "axes of one": lambda h: h.unsqueeze(1).unsqueeze(-1).squeeze(),
}
MET: dict[str, Function] = {
    "mean of samples": lambda h: h - h.mean(0),
    "sum of everything": lambda h: h * h.sum(),
    "softmax of samples": lambda h: h.softmax(0),
    "sum of samples": lambda h: h.sum((0, 1)),
    "product of samples": lambda h: h.flatten(1) @ h.flatten(1).T,
    "turned": lambda h: h.roll(1, 0),
    "another sample": lambda h: h + h[:1],
    "a sample": lambda h: h[0] + h[1],
    "transposed": lambda h: h.transpose(0, 1).tanh(),
    "merged axes": lambda h: h.reshape(N * N, N, N).cumsum(0).reshape(h.shape),
    "batch norm in training mode": lambda h: functional.batch_norm(h, None, None, training=True),
    "layer norm of samples": lambda h: functional.layer_norm(h, h.shape),
    "distances": lambda h: torch.cdist(h.flatten(1), h.flatten(1)),
    "sorted": lambda h: h.sort(0).values,
}


def _known(function: Function) -> bool:
    torch.manual_seed(0)
    leaf = torch.randn(N, N, N, N, dtype=torch.float64, requires_grad=True)
    graph = graph_of(function(leaf.tanh()))
    assert graph is not None
    return keeps_apart(graph, (), N)


def _meet(function: Function) -> bool:
    """Whether an output of a sample, the first axis, depends on another one."""
    torch.manual_seed(0)
    leaf = torch.randn(N, N, N, N, dtype=torch.float64, requires_grad=True)
    out = function(leaf)
    for a in range(len(out)):
        weights = torch.randn(out[a].shape, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((out[a] * weights).sum(), leaf, retain_graph=True)
        if bool(gradient[torch.arange(N) != a].any()):
            return True
    return False


@pytest.mark.parametrize("name", APART)
def test_known_operations_keep_samples_apart(name: str) -> None:
    assert _known(APART[name])
    assert not _meet(APART[name])


@pytest.mark.parametrize("name", MET)
def test_operations_that_join_samples_are_not_known(name: str) -> None:
    assert _meet(MET[name])
    assert not _known(MET[name])


@pytest.mark.parametrize("names", [("tanh", "mean of samples"), ("mean of samples", "tanh")])
def test_one_operation_in_a_chain_is_enough(names: tuple[str, str]) -> None:
    first, second = (({**APART, **MET})[name] for name in names)
    assert not _known(lambda h: second(first(h)))


def test_a_hidden_operation_is_asked_by_a_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    asked: list[bool] = []
    real = Block.check_apart
    monkeypatch.setattr(Block, "check_apart", lambda *a: (asked.append(True), real(*a))[1])
    plain = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(108, 1))
    moved = nn.Sequential(nn.Linear(5, 5), _Turned(), nn.Linear(5, 1)).double()
    tangent_kernel(plain, torch.randn(6, 1, 8, 8))
    assert not asked
    x = torch.randn(6, 5, dtype=torch.float64)
    found = tangent_kernel(moved, x)
    assert asked
    rows = [torch.autograd.grad(moved(one[None])[0, 0], list(moved.parameters())) for one in x]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    torch.testing.assert_close(found, jacobian @ jacobian.T, rtol=1e-12, atol=1e-12)


class _Turned(nn.Module):
    """The samples on the last axis for a while, where the structure alone says nothing."""

    def forward(self, h: Tensor) -> Tensor:
        return h.T.tanh().T
