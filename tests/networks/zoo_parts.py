"""Parts of the zoo: modules and the functions that they run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "Animal",
    "Counting",
    "Free",
    "Lora",
    "Softmaxed",
    "Unregistered",
    "adaptive",
    "attached",
    "bag",
    "cells",
    "compiled",
    "euler",
    "fixed_point",
    "forward_mode",
    "inner_gradient",
    "keeps",
    "laplace",
    "masked_gradient",
    "mlp",
    "normal",
    "plain",
    "quantised",
    "ragged",
    "reused",
    "rows",
    "running",
    "score",
    "scripted",
    "tokens",
    "two",
    "universal",
    "with_",
]


class Animal(NamedTuple):
    """A module with its inputs; ``refused``: the beginning of the sentence, if it has no kernel."""

    make: Callable[[], nn.Module]
    inputs: Callable[[int], Any]
    refused: str = ""
    values: Callable[[Any], Tensor] | None = None


def normal(*shape: int) -> Callable[[int], Tensor]:
    return lambda n: torch.randn(n, *shape, dtype=torch.float64)


def tokens(length: int) -> Callable[[int], Tensor]:
    return lambda n: torch.randint(7, (n, length))


class Free(nn.Module):
    """Parts and a forward given from outside."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *x: Any, **named: Any) -> Any:
        return self.run(self, *x, **named)


def two(**more: Any) -> dict[str, Any]:
    """Two layers, and more."""
    return {"a": nn.Linear(3, 4), "b": nn.Linear(4, 2), **more}


def plain(m: Any, x: Tensor) -> Tensor:
    return m.b(torch.tanh(m.a(x)))


def with_(module: nn.Module, change: Callable[[Any], Any]) -> nn.Module:
    """The module after something was done to it."""
    change(module)
    return module


def cells(cell: nn.Module) -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        state: Any = None
        for t, step in enumerate(m.steps):
            state = step(x[:, t], state)
        return m.out(state[0] if isinstance(state, tuple) else state)

    return Free(run, cell=cell, steps=nn.ModuleList([cell] * 3), out=nn.Linear(4, 2))


def universal() -> nn.Module:
    block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def run(m: Any, x: Tensor) -> Tensor:
        for layer in m.layers:
            x = layer(x)
        return m.out(x.mean(1))

    return Free(run, first=block, layers=nn.ModuleList([block] * 3), out=nn.Linear(4, 2))


def keeps(m: Any, x: Tensor) -> Tensor:
    m.h = torch.tanh(m.a(x))
    m.seen = 0.9 * m.seen + m.h.mean(0)
    m.log.append(m.h)
    m.count += 1
    return m.b(m.h)


def running(m: Any, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x))
    m.mean.mul_(0.9).add_(h.detach().mean(0))
    return m.b(h)


def rows(m: Any, x: Tensor) -> Tensor:
    return torch.cat([m.b(torch.tanh(m.a(row[None]))) for row in x])


def score(m: Any, x: Tensor) -> Tensor:
    def energy(z: Tensor) -> Tensor:
        return m.b(torch.tanh(m.a(z)))[0]

    gradient = torch.func.vmap(torch.func.grad(energy))(x)
    return gradient[:, :2]


def laplace(m: Any, x: Tensor) -> Tensor:
    def u(z: Tensor) -> Tensor:
        return m.b(torch.tanh(m.a(z)))[0]

    return torch.func.vmap(torch.func.hessian(u))(x).diagonal(dim1=1, dim2=2).sum(1)


def forward_mode(m: Any, x: Tensor) -> Tensor:
    return torch.func.jvp(lambda z: plain(m, z), (x,), (torch.ones_like(x),))[1]


def inner_gradient(m: Any, x: Tensor) -> Tensor:
    z = x.requires_grad_()
    (slope,) = torch.autograd.grad(plain(m, z)[:, 0].sum(), z, create_graph=True)
    return slope


def euler(m: Any, x: Tensor) -> Tensor:
    steps = (x[:, :1].abs() * 3).long().clamp(1, 4)
    h = x
    for k in range(4):
        h = torch.where(steps > k, h + 0.3 * torch.tanh(m.c(h)), h)
    return m.b(torch.tanh(m.a(h)))


def adaptive(m: Any, x: Tensor) -> Tensor:
    done: list[Tensor] = []
    for row in x:
        h = row
        for _ in range(int(row[0].abs() * 3) + 1):
            h = h + 0.3 * torch.tanh(m.c(h))
        done.append(h)
    return m.b(torch.tanh(m.a(torch.stack(done))))


def bag(m: Any, x: Tensor, mask: Tensor) -> Tensor:
    h = torch.tanh(m.a(x)) * mask[..., None]
    return m.b(h.sum(1) / mask.sum(1, keepdim=True))


def ragged(n: int) -> tuple[Tensor, Tensor]:
    lengths = torch.arange(n) % 4 + 1
    return normal(5, 3)(n), (torch.arange(5) < lengths[:, None]).double()


class Lora(nn.Module):
    """W frozen, B A trained, merged before the product."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(3, 4).requires_grad_(False)
        self.down, self.up = nn.Parameter(torch.randn(2, 3)), nn.Parameter(torch.randn(4, 2))
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.base.weight + 0.5 * self.up @ self.down
        return self.out(torch.tanh(functional.linear(x, weight, self.base.bias)))


class Unregistered(nn.Module):
    """A trained tensor that no optimiser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.hidden = nn.Linear(3, 2), [torch.ones(2).double().requires_grad_()]

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) * self.hidden[0]


class Counting(nn.Module):
    """Each run gives something else."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.calls = nn.Linear(3, 2), iter(range(1, 10**6))

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) * next(self.calls)


class Softmaxed(nn.Module):
    """Attention weights as a second output, hidden states in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.out = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> dict[str, Any]:
        h, weights = self.attention(x, x, x)
        return {"logits": self.out(h), "weights": weights}


def scripted(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on Python 3.14
        return torch.jit.script(layer)


def compiled() -> Any:
    """By a compiler that takes the graph apart but needs no C++."""
    return torch.compile(mlp(nn.Tanh()).double(), backend="aot_eager")


def mlp(*between: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), *between, nn.Linear(4, 2))


def masked_gradient(module: Any) -> None:
    mask = torch.tensor([[1.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).double()
    module[0].weight.register_hook(lambda g: g * mask)


def reused(m: Any, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x)) @ m.p
    return m.b(torch.tanh(functional.linear(h, m.p)))


def attached(factor: Callable[[Tensor], Tensor]) -> nn.Module:
    parts = two()
    weight = parts["a"].weight
    return Free(lambda m, x: m.b(torch.tanh(m.a(x) * factor(weight))), **parts)


def quantised() -> nn.Module:
    table = torch.randint(-8, 8, (3, 3), dtype=torch.int8)
    return Free(lambda m, x: plain(m, x @ (m.table.to(x.dtype) * 0.1)), **two(table=table))


def fixed_point(m: Any, x: Tensor) -> Tensor:
    z = torch.zeros(len(x), 4, dtype=x.dtype)
    with torch.no_grad():
        for _ in range(30):
            z = torch.tanh(m.a(x) + 0.1 * m.c(z))
    return m.b(torch.tanh(m.a(x) + 0.1 * m.c(z)))
