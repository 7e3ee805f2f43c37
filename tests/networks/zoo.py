"""Modules as people write them, and as nobody should: each with a kernel or a refusal."""

from __future__ import annotations

import torch
from networks.modules import Square
from networks.zoo_parts import (
    Animal,
    Free,
    Lora,
    Softmaxed,
    Unregistered,
    adaptive,
    attached,
    bag,
    cells,
    compiled,
    euler,
    fixed_point,
    forward_mode,
    inner_gradient,
    keeps,
    laplace,
    masked_gradient,
    mlp,
    normal,
    plain,
    quantised,
    ragged,
    reused,
    rows,
    running,
    score,
    scripted,
    tokens,
    two,
    universal,
    with_,
)
from networks.zoo_refused import REFUSED
from networks.zoo_wild import WILD
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

__all__ = ["ZOO"]

ZOO: dict[str, Animal] = {
    "RNNCell under four names": Animal(lambda: cells(nn.RNNCell(2, 4)), normal(3, 2)),
    "GRUCell under four names": Animal(lambda: cells(nn.GRUCell(2, 4)), normal(3, 2)),
    "LSTMCell under four names": Animal(lambda: cells(nn.LSTMCell(2, 4)), normal(3, 2)),
    "universal transformer": Animal(universal, normal(3, 4)),
    "aliased weight": Animal(
        lambda: with_(Free(reused, **two()), lambda m: setattr(m, "p", m.a.weight)), normal(3)
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
    "weight in a closure": Animal(lambda: attached(lambda w: w.exp().sum()), normal(3)),
    "weight captured by a functional call": Animal(
        lambda: attached(lambda w: functional.softplus(w @ w.T).mean()), normal(3)
    ),
    "trained tensor that is not registered": Animal(
        Unregistered, normal(3), "expected trained tensors that are registered"
    ),
    "hook that masks a gradient": Animal(
        lambda: with_(mlp(nn.Tanh()), masked_gradient), normal(3)
    ),
    "hook that scales by the norm": Animal(
        lambda: with_(
            mlp(nn.Tanh()), lambda m: m[2].weight.register_hook(lambda g: g / (1 + g.norm()))
        ),
        normal(3),
    ),
    "forward hook": Animal(
        lambda: with_(
            mlp(nn.Tanh()), lambda m: m[0].register_forward_hook(lambda p, i, out: 2 * out)
        ),
        normal(3),
    ),
    "full backward hook": Animal(
        lambda: with_(
            mlp(nn.Tanh()),
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
            Free(keeps, **two()),
            lambda m: m.__dict__.update(seen=torch.zeros(4).double(), log=[], count=0),
        ),
        normal(3),
    ),
    "running mean in a buffer": Animal(
        lambda: Free(running, **two(mean=torch.zeros(4))), normal(3)
    ),
    "pruned": Animal(
        lambda: with_(mlp(nn.Tanh()), lambda m: prune.l1_unstructured(m[0], "weight", amount=0.5)),
        normal(3),
    ),
    "called row by row": Animal(lambda: Free(rows, **two()), normal(3)),
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
    "int8 weights in a buffer": Animal(quantised, normal(3)),
    "LoRA, merged": Animal(Lora, normal(3)),
    "LoRA, beside": Animal(
        lambda: Free(lambda m, x: m.b(torch.tanh(m.a(x) + m.up(m.down(x)))),
                     **two(down=nn.Linear(3, 1, bias=False), up=nn.Linear(1, 4, bias=False))),
        normal(3),
    ),
    "frozen body": Animal(
        lambda: with_(mlp(nn.Tanh()), lambda m: m[0].requires_grad_(False)), normal(3)
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
        lambda: Free(
            lambda m, x: m.b(
                checkpoint(lambda z: torch.tanh(m.a(z)), x, use_reentrant=False)),
            **two()),
        normal(3),
    ),
    "scripted": Animal(lambda: scripted(mlp(nn.Tanh()).double()), normal(3)),
    "scripted part": Animal(
        lambda: nn.Sequential(scripted(nn.Linear(3, 4)), nn.Linear(4, 2)), normal(3)
    ),
    "compiled": Animal(compiled, normal(3)),
    "torch.func.grad inside": Animal(lambda: Free(score, **two()), normal(3)),
    "torch.func.hessian inside": Animal(lambda: Free(laplace, **two()), normal(3)),
    "torch.func.jvp inside": Animal(lambda: Free(forward_mode, **two()), normal(3)),
    "autograd.grad inside": Animal(lambda: Free(inner_gradient, **two()), normal(3)),
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
    "integrator with masks": Animal(lambda: Free(euler, **two(c=nn.Linear(3, 3))), normal(3)),
    "integrator with a step for each sample": Animal(
        lambda: Free(adaptive, **two(c=nn.Linear(3, 3))), normal(3)
    ),
    "ragged bags with masks": Animal(lambda: Free(bag, **two()), ragged),
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
    "squeezed output": Animal(
        lambda: Free(lambda m, x: plain(m, x)[:, 0].squeeze(), **two()), normal(3)
    ),
    "writes into its input": Animal(
        lambda: Free(lambda m, x: plain(m, x.mul_(2)), **two()), normal(3)
    ),
    "BatchNorm in eval mode": Animal(lambda: mlp(nn.BatchNorm1d(4)), normal(3)),
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
        lambda: Free(
            lambda m, x: plain(m, x[o := torch.argsort(x[:, 0])])[torch.argsort(o)], **two()),
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
        lambda: Free(fixed_point, **two(c=nn.Linear(4, 4))), normal(3)
    ),
    **REFUSED,
    **WILD,
}  # fmt: skip
