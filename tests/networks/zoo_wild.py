"""More of the zoo: modules that were tried by somebody who wanted them to fail."""

from __future__ import annotations

import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from networks.zoo_parts import Animal, Free, mlp, normal, plain, tokens, two, with_
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, rnn
from torch.utils.checkpoint import checkpoint

__all__ = ["WILD"]


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


def lengths(n: int) -> tuple[Tensor, Tensor]:
    return normal(4, 3)(n), torch.arange(n) % 4 + 1


def in_a_dict() -> nn.Module:
    parts = two()
    held = {"deep": [{"w": parts["a"].weight}]}
    return Free(lambda m, x: m.b(torch.tanh(m.a(x) + x @ held["deep"][0]["w"].exp().T)), **parts)


def made_lazily(m: Any, x: Tensor) -> Tensor:
    if not hasattr(m, "w"):
        m.w = nn.Parameter(torch.ones(x.shape[1], 4, dtype=x.dtype))
    return m.b(torch.tanh(m.a(x) + x @ m.w))


def ensemble(m: Any, x: Tensor) -> Tensor:
    stacked = {
        name: torch.stack([net.get_parameter(name) for net in m.nets])
        for name, _ in m.nets[0].named_parameters()
    }
    values = torch.func.vmap(lambda p: torch.func.functional_call(m.nets[0], p, (x,)))(stacked)
    return values.mean(0)


def packed(m: Any, x: Tensor, length: Tensor) -> Tensor:
    sequence = rnn.pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
    return m.b(m.r(sequence)[1][-1])


class Symmetric(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return w.triu() + w.triu(1).T


class Exponential(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return torch.matrix_exp(0.1 * w)


def stacked() -> nn.Module:
    layer = nn.Linear(3, 3)
    for part in (Symmetric(), Exponential()):
        parametrize.register_parametrization(layer, "weight", part)
    parametrizations.spectral_norm(layer)
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(3, 2))


class Proxy(nn.Module):
    """Asks another module for what it has not."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Free(plain, **two())

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x) * self.a.weight.sum()))


def written_in_place(m: Any, x: Tensor) -> Tensor:
    h = m.a(x)
    h.add_(1).mul_(0.5)
    h[:, 0] = h[:, 1].clone() * 2
    h.masked_fill_(h > 3, 0)
    return m.b(torch.tanh_(h))


def threads(m: Any, x: Tensor) -> Tensor:
    with ThreadPoolExecutor(2) as pool:
        a, c = pool.map(lambda layer: layer(x), [m.a, m.c])
    return m.b(torch.tanh(a * c))


class Halved(torch.autograd.Function):
    """A product whose gradient by the weight is not the derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.T

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore
        x, w = ctx.saved_tensors
        return g @ w, 0.5 * g.T @ x


def nested(m: Any, x: Tensor) -> Tensor:
    offsets = torch.arange(0, 2 * len(x) + 1, 2)
    h = torch.nested.nested_tensor_from_jagged(x.flatten(0, 1), offsets)
    return m.b(torch.tanh(m.a(h))).values().reshape(len(x), 2, 2)[:, 0]


def cached(m: Any, x: Tensor) -> Tensor:
    m.cache.h, m.cache.calls = m.a(x), m.cache.calls + 1
    return m.b(torch.tanh(m.cache.h))


def own_backward(m: Any, x: Tensor) -> Tensor:
    z = x.detach().requires_grad_()
    plain(m, z).sum().backward()
    assert z.grad is not None
    return plain(m, x + 0.1 * z.grad)


def routed(m: Any, x: Tensor) -> Tensor:
    out = torch.zeros(len(x), 2, dtype=x.dtype)
    for k, expert in enumerate((m.a, m.c)):
        chosen = ((x[:, 0] > 0).long() == k).nonzero()[:, 0]
        if len(chosen):
            out = out.index_put((chosen,), m.b(torch.tanh(expert(x[chosen]))))
    return out


def radius(m: Any, x: Tensor) -> Tensor:
    near = (torch.cdist(x, x) < 0.5).to(x.dtype)
    return near @ m.b(torch.tanh(m.a(x)))


def grouped(m: Any, x: Tensor) -> Tensor:
    _, group = torch.unique((x[:, 0] / 10).round(), return_inverse=True)
    sums = torch.zeros(int(group.max()) + 1, 4, dtype=x.dtype)
    return m.b(sums.index_add(0, group, torch.tanh(m.a(x)))[group])


def outliers(n: int) -> Tensor:
    """The first and the last are alone, two others are close."""
    x = normal(3)(n)
    x[0] += 100
    x[-1] -= 100
    x[2] = x[1] + 0.01
    return x


def inner_step(m: Any, x: Tensor) -> Tensor:
    loss = plain(m, x).square().sum()
    (slope,) = torch.autograd.grad(loss, m.a.weight, create_graph=True)
    return m.b(torch.tanh(functional.linear(x, m.a.weight - 0.1 * slope, m.a.bias)))


def own_noise(m: Any, x: Tensor) -> Tensor:
    return plain(m, x + torch.randn(x.shape, generator=m.generator).to(x))


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # pyright: ignore
        raise NotImplementedError("no derivative")


WILD: dict[str, Animal] = {
    "weight in a dict in a closure": Animal(in_a_dict, normal(3)),
    "lazy layers after a run": Animal(
        lambda: with_(nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(2)),
                      lambda m: m(torch.randn(2, 3))),
        normal(3),
    ),
    "parameter that forward makes": Animal(
        lambda: Free(made_lazily, **two()), normal(3), "expected parameters that were there before"
    ),
    "ensemble by vmap of functional_call": Animal(
        lambda: Free(ensemble, nets=nn.ModuleList([mlp(nn.Tanh()) for _ in range(3)])), normal(3)
    ),
    "Jacobian of a Jacobian inside": Animal(
        lambda: Free(lambda m, x: torch.func.vmap(torch.func.jacfwd(torch.func.jacrev(
            lambda z: plain(m, z)[0])))(x).flatten(1), **two()),
        normal(3),
    ),
    "stacked parametrisations": Animal(stacked, normal(3)),
    "module with __getattr__": Animal(Proxy, normal(3)),
    "readout tied to the embedding": Animal(
        lambda: with_(Free(lambda m, i: m.o(m.e(i).tanh().mean(1)), e=nn.Embedding(7, 3),
                           o=nn.Linear(3, 7, bias=False)),
                      lambda m: setattr(m.o, "weight", m.e.weight)),
        tokens(4),
    ),
    "complex weights from real ones": Animal(
        lambda: Free(lambda m, x: (x.to(torch.complex128) @ torch.view_as_complex(m.w)).abs(),
                     w=parameter(3, 2, 2)),
        normal(3),
    ),
    "hook that mixes the batch": Animal(
        lambda: with_(mlp(nn.Tanh()),
                      lambda m: m[1].register_forward_hook(lambda p, i, o: o - o.mean(0))),
        normal(3),
    ),
    "expanded weights": Animal(
        lambda: Free(lambda m, x: m.b(torch.tanh(
            torch.bmm(x[:, None], m.w[None].expand(len(x), 3, 4))[:, 0])),
            **two(w=parameter(3, 4))),
        normal(3),
    ),
    "Toeplitz weights": Animal(
        lambda: Free(lambda m, x: m.b(torch.tanh(x @ m.w.as_strided((3, 4), (1, 1)))),
                     **two(w=parameter(6))),
        normal(3),
    ),
    "activations written in place": Animal(lambda: Free(written_in_place, **two()), normal(3)),
    "packed sequences": Animal(
        lambda: Free(packed, r=nn.GRU(3, 4, batch_first=True), b=nn.Linear(4, 2)), lengths
    ),
    "nested checkpoints": Animal(
        lambda: Free(lambda m, x: checkpoint(lambda z: m.b(checkpoint(
            lambda y: torch.tanh(m.a(y)), z, use_reentrant=False)), x, use_reentrant=False),
            **two()),
        normal(3),
    ),
    "threads in forward": Animal(lambda: Free(threads, **two(c=nn.Linear(3, 4))), normal(3)),
    "forward set on the instance": Animal(
        lambda: with_(Free(plain, **two()), lambda m: setattr(m, "forward", types.MethodType(
            lambda s, x: 2 * plain(s, x) + s.b.bias.sum(), m))),
        normal(3),
    ),
    "gradient that is no derivative": Animal(
        lambda: Free(lambda m, x: m.b(torch.tanh(Halved.apply(x, m.w))),  # pyright: ignore
                     **two(w=parameter(4, 3))),
        normal(3),
    ),
    "nested tensors inside": Animal(lambda: Free(nested, **two()), normal(2, 3)),
    "cache in an object": Animal(
        lambda: with_(Free(cached, **two()), lambda m: setattr(
            m, "cache", types.SimpleNamespace(h=None, calls=0))),
        normal(3),
    ),
    "backward inside forward": Animal(lambda: Free(own_backward, **two()), normal(3)),
    "experts by routing": Animal(lambda: Free(routed, **two(c=nn.Linear(3, 4))), normal(3)),
    "neighbours within a radius": Animal(lambda: Free(radius, **two()), outliers),
    "sums over groups of the batch": Animal(lambda: Free(grouped, **two()), outliers),
    "inner step of gradient descent": Animal(lambda: Free(inner_step, **two()), normal(3)),
    "generator of its own": Animal(
        lambda: with_(Free(own_noise, **two()), lambda m: setattr(
            m, "generator", torch.Generator().manual_seed(3))),
        normal(3), "expected a function of its inputs",
    ),
    "backward pass that fails": Animal(
        lambda: Free(lambda m, x: plain(m, x) + Broken.apply(m.b(m.a(x))), **two()),  # pyright: ignore
        normal(3), "expected a module that torch.autograd can differentiate",
    ),
}  # fmt: skip
