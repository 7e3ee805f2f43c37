"""Modules as people write them, and as nobody should: each with a kernel or a refusal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from networks.modules import Square
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

__all__ = ["ZOO", "Animal"]


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


def _cells(cell: nn.Module) -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        state: Any = None
        for t, step in enumerate(m.steps):
            state = step(x[:, t], state)
        return m.out(state[0] if isinstance(state, tuple) else state)

    return Free(run, cell=cell, steps=nn.ModuleList([cell] * 3), out=nn.Linear(4, 2))


def _universal() -> nn.Module:
    block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def run(m: Any, x: Tensor) -> Tensor:
        for layer in m.layers:
            x = layer(x)
        return m.out(x.mean(1))

    return Free(run, first=block, layers=nn.ModuleList([block] * 3), out=nn.Linear(4, 2))


def _keeps(m: Any, x: Tensor) -> Tensor:
    m.h = torch.tanh(m.a(x))
    m.seen = 0.9 * m.seen + m.h.mean(0)
    m.log.append(m.h)
    m.count += 1
    return m.b(m.h)


def _running(m: Any, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x))
    m.mean.mul_(0.9).add_(h.detach().mean(0))
    return m.b(h)


def _rows(m: Any, x: Tensor) -> Tensor:
    return torch.cat([m.b(torch.tanh(m.a(row[None]))) for row in x])


def _score(m: Any, x: Tensor) -> Tensor:
    def energy(z: Tensor) -> Tensor:
        return m.b(torch.tanh(m.a(z)))[0]

    gradient = torch.func.vmap(torch.func.grad(energy))(x)
    return gradient[:, :2]


def _laplace(m: Any, x: Tensor) -> Tensor:
    def u(z: Tensor) -> Tensor:
        return m.b(torch.tanh(m.a(z)))[0]

    return torch.func.vmap(torch.func.hessian(u))(x).diagonal(dim1=1, dim2=2).sum(1)


def _forward_mode(m: Any, x: Tensor) -> Tensor:
    _, tangent = torch.func.jvp(lambda z: plain(m, z), (x,), (torch.ones_like(x),))
    return tangent


def _inner_gradient(m: Any, x: Tensor) -> Tensor:
    z = x.requires_grad_()
    (slope,) = torch.autograd.grad(plain(m, z)[:, 0].sum(), z, create_graph=True)
    return slope


def _euler(m: Any, x: Tensor) -> Tensor:
    steps = (x[:, :1].abs() * 3).long().clamp(1, 4)
    h = x
    for k in range(4):
        h = torch.where(steps > k, h + 0.3 * torch.tanh(m.c(h)), h)
    return m.b(torch.tanh(m.a(h)))


def _adaptive(m: Any, x: Tensor) -> Tensor:
    done: list[Tensor] = []
    for row in x:
        h = row
        for _ in range(int(row[0].abs() * 3) + 1):
            h = h + 0.3 * torch.tanh(m.c(h))
        done.append(h)
    return m.b(torch.tanh(m.a(torch.stack(done))))


def _bag(m: Any, x: Tensor, mask: Tensor) -> Tensor:
    h = torch.tanh(m.a(x)) * mask[..., None]
    return m.b(h.sum(1) / mask.sum(1, keepdim=True))


def _ragged(n: int) -> tuple[Tensor, Tensor]:
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


def _scripted(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on Python 3.14
        return torch.jit.script(layer)


def _mlp(*between: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), *between, nn.Linear(4, 2))


def _masked_gradient(module: Any) -> None:
    mask = torch.tensor([[1.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).double()
    module[0].weight.register_hook(lambda g: g * mask)


def _reused(m: Any, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x)) @ m.p
    return m.b(torch.tanh(functional.linear(h, m.p)))


def _attached(factor: Callable[[Tensor], Tensor]) -> nn.Module:
    parts = two()
    weight = parts["a"].weight
    return Free(lambda m, x: m.b(torch.tanh(m.a(x) * factor(weight))), **parts)


def _quantised() -> nn.Module:
    table = torch.randint(-8, 8, (3, 3), dtype=torch.int8)
    return Free(lambda m, x: plain(m, x @ (m.table.to(x.dtype) * 0.1)), **two(table=table))


ZOO: dict[str, Animal] = {
    "RNNCell under four names": Animal(lambda: _cells(nn.RNNCell(2, 4)), normal(3, 2)),
    "GRUCell under four names": Animal(lambda: _cells(nn.GRUCell(2, 4)), normal(3, 2)),
    "LSTMCell under four names": Animal(lambda: _cells(nn.LSTMCell(2, 4)), normal(3, 2)),
    "universal transformer": Animal(_universal, normal(3, 4)),
    "aliased weight": Animal(
        lambda: with_(Free(_reused, **two()), lambda m: setattr(m, "p", m.a.weight)), normal(3)
    ),
    "aliased layer": Animal(
        lambda: with_(
            Free(lambda m, x: m.b(torch.tanh(m.c(torch.tanh(m.a(x)) @ m.a.weight))), **two()),
            lambda m: setattr(m, "c", m.a),
        ),
        normal(3),
    ),
    "tied embedding": Animal(
        lambda: Free(lambda m, i: m.e(i).tanh().mean(1) @ m.e.weight.T, e=nn.Embedding(7, 3)),
        tokens(4),
    ),
    "weight in a list": Animal(
        lambda: with_(
            Free(lambda m, x: m.b(torch.tanh(m.a(x) * m.also[0].exp().sum())), **two()),
            lambda m: setattr(m, "also", [m.a.weight]),
        ),
        normal(3),
    ),
    "weight in a closure": Animal(lambda: _attached(lambda w: w.exp().sum()), normal(3)),
    "weight captured by a functional call": Animal(
        lambda: _attached(lambda w: functional.softplus(w @ w.T).mean()), normal(3)
    ),
    "trained tensor that is not registered": Animal(
        Unregistered, normal(3), "expected trained tensors that are registered"
    ),
    "hook that masks a gradient": Animal(lambda: with_(_mlp(nn.Tanh()), _masked_gradient), normal(3)),
    "hook that scales by the norm": Animal(
        lambda: with_(
            _mlp(nn.Tanh()), lambda m: m[2].weight.register_hook(lambda g: g / (1 + g.norm()))
        ),
        normal(3),
    ),
    "forward hook": Animal(
        lambda: with_(
            _mlp(nn.Tanh()), lambda m: m[0].register_forward_hook(lambda p, i, out: 2 * out)
        ),
        normal(3),
    ),
    "full backward hook": Animal(
        lambda: with_(
            _mlp(nn.Tanh()),
            lambda m: m[1].register_full_backward_hook(lambda p, i, out: (3 * i[0],)),
        ),
        normal(3),
    ),
    "hook on a hidden layer's gradient": Animal(
        lambda: Free(
            lambda m, x: m.b(with_(torch.tanh(m.a(x)), lambda h: h.register_hook(lambda g: g**3))),  # pyright: ignore
            **two(),
        ),
        normal(3),
    ),
    "keeps its activations": Animal(
        lambda: with_(
            Free(_keeps, **two()),
            lambda m: m.__dict__.update(seen=torch.zeros(4).double(), log=[], count=0),
        ),
        normal(3),
    ),
    "running mean in a buffer": Animal(
        lambda: Free(_running, **two(mean=torch.zeros(4))), normal(3)
    ),
    "pruned": Animal(
        lambda: with_(_mlp(nn.Tanh()), lambda m: prune.l1_unstructured(m[0], "weight", amount=0.5)),
        normal(3),
    ),
    "called row by row": Animal(lambda: Free(_rows, **two()), normal(3)),
    "sparse embedding": Animal(
        lambda: Free(lambda m, i: m.b(m.e(i).tanh().sum(1)), e=nn.Embedding(7, 4, sparse=True),
                     b=nn.Linear(4, 2)),
        tokens(5),
    ),
    "embedding with max_norm": Animal(
        lambda: Free(lambda m, i: m.b(m.e(i).sum(1)), e=nn.Embedding(7, 4, max_norm=1.0),
                     b=nn.Linear(4, 2)),
        tokens(5),
    ),
    "EmbeddingBag": Animal(
        lambda: nn.Sequential(nn.EmbeddingBag(7, 4), nn.Tanh(), nn.Linear(4, 2)), tokens(5)
    ),
    "sparse buffer": Animal(
        lambda: Free(lambda m, x: plain(m, (m.s @ x.T).T), **two(s=torch.eye(3).to_sparse())),
        normal(3),
    ),
    "int8 weights in a buffer": Animal(_quantised, normal(3)),
    "LoRA, merged": Animal(Lora, normal(3)),
    "LoRA, beside": Animal(
        lambda: Free(lambda m, x: m.b(torch.tanh(m.a(x) + m.up(m.down(x)))),
                     **two(down=nn.Linear(3, 1, bias=False), up=nn.Linear(1, 4, bias=False))),
        normal(3),
    ),
    "frozen body": Animal(
        lambda: with_(_mlp(nn.Tanh()), lambda m: m[0].requires_grad_(False)), normal(3)
    ),
    "spectral norm": Animal(
        lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(3, 4)), nn.Tanh(),
                              nn.Linear(4, 2)),
        normal(3),
    ),
    "weight norm": Animal(
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 4)), nn.Tanh(),
                              nn.Linear(4, 2)),
        normal(3),
    ),
    "orthogonal parametrisation": Animal(
        lambda: nn.Sequential(parametrizations.orthogonal(nn.Linear(3, 3)), nn.Tanh(),
                              nn.Linear(3, 2)),
        normal(3),
    ),
    "MultiheadAttention": Animal(Softmaxed, normal(3, 4), values=lambda out: out["logits"][:, 0]),
    "attention weights": Animal(Softmaxed, normal(3, 4), values=lambda out: out["weights"][:, 1]),
    "checkpointed": Animal(
        lambda: Free(lambda m, x: m.b(checkpoint(lambda z: torch.tanh(m.a(z)), x, use_reentrant=False)),
                     **two()),
        normal(3),
    ),
    "scripted": Animal(lambda: _scripted(_mlp(nn.Tanh()).double()), normal(3)),
    "scripted part": Animal(lambda: nn.Sequential(_scripted(nn.Linear(3, 4)), nn.Linear(4, 2)), normal(3)),
    "torch.func.grad inside": Animal(lambda: Free(_score, **two()), normal(3)),
    "torch.func.hessian inside": Animal(lambda: Free(_laplace, **two()), normal(3)),
    "torch.func.jvp inside": Animal(lambda: Free(_forward_mode, **two()), normal(3)),
    "autograd.grad inside": Animal(lambda: Free(_inner_gradient, **two()), normal(3)),
    "torch.func.functional_call inside": Animal(
        lambda: Free(
            lambda m, x: m.b(torch.func.functional_call(
                m.a, {"weight": m.a.weight**2, "bias": m.a.bias}, (x,))),
            **two(),
        ),
        normal(3),
    ),
    "custom autograd function": Animal(
        lambda: Free(lambda m, x: m.b(torch.tanh(m.a(Square.apply(x, m.w)))),
                     **two(w=nn.Parameter(torch.randn(3)))),
        normal(3),
    ),
    "integrator with masks": Animal(lambda: Free(_euler, **two(c=nn.Linear(3, 3))), normal(3)),
    "integrator with a step for each sample": Animal(
        lambda: Free(_adaptive, **two(c=nn.Linear(3, 3))), normal(3)
    ),
    "ragged bags with masks": Animal(lambda: Free(_bag, **two()), _ragged),
    "inputs by name": Animal(
        lambda: Free(lambda m, x, scale: plain(m, x) * scale, **two()),
        lambda n: {"x": normal(3)(n), "scale": normal(1)(n)},
    ),
    "einsum": Animal(
        lambda: Free(lambda m, x: torch.einsum("nij,jk,ki->nk", x, m.w, m.v), w=nn.Parameter(
            torch.randn(3, 4)), v=nn.Parameter(torch.randn(4, 5))),
        normal(5, 3),
    ),
    "einsum with a batch of weights": Animal(
        lambda: Free(lambda m, x: torch.einsum("nhi,hij->nhj", x, m.w).flatten(1),
                     w=nn.Parameter(torch.randn(2, 3, 4))),
        normal(2, 3),
    ),
    "ConvTranspose2d": Animal(
        lambda: nn.Sequential(
            nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.Tanh(), nn.Flatten(), nn.Linear(144, 2)),
        normal(2, 3, 3),
    ),
    "two-layer LSTM, both directions": Animal(
        lambda: Free(lambda m, x: m.b(m.a(x)[0][:, -1]), b=nn.Linear(8, 2),
                     a=nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)),
        normal(4, 3),
    ),
    "segmentation": Animal(
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 1)),
        normal(1, 3, 4),
    ),
    "language model": Animal(
        lambda: Free(lambda m, i: m.b(torch.tanh(m.e(i).cumsum(1))), e=nn.Embedding(7, 4),
                     b=nn.Linear(4, 7)),
        tokens(3),
    ),
    "squeezed output": Animal(lambda: Free(lambda m, x: plain(m, x)[:, 0].squeeze(), **two()), normal(3)),
    "writes into its input": Animal(lambda: Free(lambda m, x: plain(m, x.mul_(2)), **two()), normal(3)),
    "BatchNorm in eval mode": Animal(lambda: _mlp(nn.BatchNorm1d(4)), normal(3)),
    "BatchNorm in training mode": Animal(
        lambda: Free(lambda m, x: m.b(m.norm.train()(m.a(x))), **two(norm=nn.BatchNorm1d(4))),
        normal(3),
    ),
    "softmax over the batch": Animal(
        lambda: Free(lambda m, x: m.b(torch.softmax(m.a(x), 0)), **two()), normal(3)
    ),
    "similarities within the batch": Animal(
        lambda: Free(lambda m, x: torch.softmax(m.a(x) @ m.a(x).T, 1) @ m.b(m.a(x)), **two()),
        normal(3),
    ),
    "graph with a fixed adjacency": Animal(
        lambda: Free(lambda m, x: m.g @ plain(m, m.g @ x), **two(g=torch.rand(5, 5).double())),
        normal(3),
    ),
    "sorted within the batch": Animal(
        lambda: Free(lambda m, x: plain(m, x[o := torch.argsort(x[:, 0])])[torch.argsort(o)], **two()),
        normal(3),
    ),
    "mixture of experts": Animal(
        lambda: Free(lambda m, x: torch.where(x[:, :1] > 0, m.b(torch.tanh(m.a(x))), m.c(x)),
                     **two(c=nn.Linear(3, 2))),
        normal(3),
    ),
    "unused parameter": Animal(
        lambda: Free(plain, **two(unused=nn.Parameter(torch.randn(5)))), normal(3)
    ),
    "deep equilibrium": Animal(
        lambda: Free(_fixed_point, **two(c=nn.Linear(4, 4))), normal(3)
    ),
    "dropout in training mode": Animal(
        lambda: Free(lambda m, x: plain(m, functional.dropout(x, 0.5, True)), **two()), normal(3),
        "expected a function of its inputs",
    ),
    "noise of 1e-9": Animal(
        lambda: Free(lambda m, x: plain(m, x + 1e-9 * torch.randn_like(x)), **two()), normal(3),
        "expected a function of its inputs",
    ),
    "counts its calls": Animal(Counting, normal(3), "expected a function of its inputs"),
    "detached": Animal(
        lambda: Free(lambda m, x: plain(m, x).detach(), **two()), normal(3),
        "expected outputs that depend on the trained parameters",
    ),
    "tuple of outputs": Animal(
        lambda: Free(lambda m, x: (plain(m, x), x), **two()), normal(3),
        "expected a tensor as output",
    ),
    "adjacency as a second argument": Animal(
        lambda: Free(lambda m, x, g: g @ plain(m, x), **two()), normal(3),
        "expected x with as many arguments",
    ),
    "wrong width": Animal(lambda: Free(plain, **two()), normal(4), "expected a batch that Free can take"),
    "parameters on the meta device": Animal(
        lambda: nn.Linear(3, 2, device="meta"), normal(3), "expected parameters with numbers"
    ),
    "complex parameters": Animal(
        lambda: nn.Linear(3, 2, dtype=torch.complex128), normal(3), "expected real parameters"
    ),
    "lazy": Animal(lambda: nn.LazyLinear(2), normal(3), "expected parameters with a shape"),
}  # fmt: skip


def _fixed_point(m: Any, x: Tensor) -> Tensor:
    z = torch.zeros(len(x), 4, dtype=x.dtype)
    with torch.no_grad():
        for _ in range(30):
            z = torch.tanh(m.a(x) + 0.1 * m.c(z))
    return m.b(torch.tanh(m.a(x) + 0.1 * m.c(z)))
