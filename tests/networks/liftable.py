"""Modules written the way people write them, whose limits are known: families (width) -> module."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

MODULES: dict[str, Entry] = {}
"""By what they are."""


class Entry(NamedTuple):
    """A family.

    Attributes:
        make: a module of some width; torch's generator draws its weights.
        shape: of one input, or of each of several.
        dtype: of the module and its inputs.
    """

    make: Callable[[int], nn.Module]
    shape: tuple[Any, ...]
    dtype: torch.dtype = torch.float64

    def module(self, width: int, seed: int) -> nn.Module:
        """One in its format."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make(width).to(self.dtype).eval()

    def inputs(self, count: int) -> Any:
        """Samples, the same ones whatever else is drawn."""
        generator = torch.Generator().manual_seed(5)

        def drawn(shape: tuple[int, ...]) -> Tensor:
            x = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
            return x.to(self.dtype)

        several = isinstance(self.shape[0], tuple)
        return tuple(map(drawn, self.shape)) if several else drawn(self.shape)


def entry(name: str, *shape: Any, dtype: torch.dtype = torch.float64) -> Callable[[Any], Any]:
    """Note a family under a name."""

    def note(make: Any) -> Any:
        MODULES[name] = Entry(make, shape, dtype)
        return make

    return note


def normal(module: nn.Module, gain: float = 1.0) -> nn.Module:
    """Weights of variance gain^2 / fan_in, biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.normal_(part.weight, std=gain / math.sqrt(part.weight[0].numel()))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


@entry("Sequential, torch's default", 24)
def default(m: int) -> nn.Module:
    return nn.Sequential(nn.Linear(24, m), nn.Tanh(), nn.Linear(m, m), nn.Tanh(), nn.Linear(m, 1))


@entry("five inputs, torch's default", 5)
def few(m: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, m), nn.Tanh(), nn.Linear(m, m), nn.Tanh(), nn.Linear(m, m), nn.Tanh(),
        nn.Linear(m, 1),
    )  # fmt: skip


@entry("Kaiming and relu", 6)
def kaiming(m: int) -> nn.Module:
    net = nn.Sequential(nn.Linear(6, m), nn.ReLU(), nn.Linear(m, m), nn.ReLU(), nn.Linear(m, 3))
    for part in net:
        if isinstance(part, nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
    return net


@entry("Xavier and sigmoid", 6)
def xavier(m: int) -> nn.Module:
    net = nn.Sequential(
        nn.Linear(6, m), nn.Sigmoid(), nn.Linear(m, m), nn.Sigmoid(), nn.Linear(m, 1)
    )
    for part in net:
        if isinstance(part, nn.Linear):
            nn.init.xavier_normal_(part.weight)
            nn.init.normal_(part.bias)
    return net


@entry("LeCun and SELU", 6)
def lecun(m: int) -> nn.Module:
    return normal(
        nn.Sequential(nn.Linear(6, m), nn.SELU(), nn.Linear(m, m), nn.SELU(), nn.Linear(m, 1))
    )


@entry("truncated normal and GELU", 16)
def truncated(m: int) -> nn.Module:
    net = nn.Sequential(nn.Linear(16, m), nn.GELU(), nn.Linear(m, m), nn.GELU(), nn.Linear(m, 1))
    for part in net:
        if isinstance(part, nn.Linear):
            std = 1 / math.sqrt(part.in_features) / 0.87962566103423978
            nn.init.trunc_normal_(part.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(part.bias)
    return net


@entry("orthogonal and tanh", 6)
def orthogonal(m: int) -> nn.Module:
    net = nn.Sequential(nn.Linear(6, m), nn.Tanh(), nn.Linear(m, m), nn.Tanh(), nn.Linear(m, 1))
    for part in net:
        if isinstance(part, nn.Linear):
            nn.init.orthogonal_(part.weight)
            nn.init.zeros_(part.bias)
    with torch.no_grad():
        nn.init.normal_(net.get_parameter("4.weight"), std=1 / math.sqrt(m))
    return net


@entry("NTK parametrisation, bare parameters", 6)
class ByHand(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.u, self.w = nn.Parameter(torch.randn(m, 6)), nn.Parameter(torch.randn(m, m))
        self.b, self.v = nn.Parameter(torch.randn(m)), nn.Parameter(torch.randn(m))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.erf(x @ self.u.T / math.sqrt(6) + 0.3 * self.b)
        return torch.erf(h @ self.w / math.sqrt(len(self.w))) @ self.v / math.sqrt(len(self.v))


class Scaled(nn.Linear):
    """Weights drawn from N(0, 1) and multiplied as they are used (Karras et al. 2018)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight * (1.2 / math.sqrt(self.in_features))
        return functional.linear(input, weight, self.bias)


@entry("equalised learning rate", 6)
def equalised(m: int) -> nn.Module:
    return nn.Sequential(Scaled(6, m), nn.Softplus(), Scaled(m, m), nn.SiLU(), Scaled(m, 1))


@entry("mean field readout", 6)
class MeanField(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.body, self.head = normal(nn.Linear(6, m)), nn.Linear(m, 1, bias=False)
        nn.init.normal_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x))) / self.head.in_features


@entry("blocks in a ModuleList", 6)
class Blocks(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.inward, self.outward = nn.Linear(6, m), nn.Linear(m, 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(m, m), nn.Tanh(), nn.Linear(m, m)) for _ in range(3)
        )
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inward(x)
        for block in self.blocks:
            h = h + 0.5 * block(torch.tanh(h))
        return self.outward(torch.tanh(h))


@entry("functional calls", 6)
class Calls(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, m), nn.Linear(m, m), nn.Linear(m, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.elu(self.a(x), alpha=0.7)
        x = functional.leaky_relu(self.b(x), 0.2, inplace=True)
        return self.c(functional.dropout(x, 0.5, self.training)).squeeze(-1)


@entry("activation of one's own", 6)
class Own(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, m), nn.Linear(m, m), nn.Linear(m, 1)
        normal(self, 1.3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        h = h * torch.sigmoid(1.702 * h) - 0.1
        h = self.b(h)
        return self.c(torch.sin(h) + 0.2 * h)


@entry("residual with projection", 6)
class Projected(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.inward, self.outward = nn.Linear(6, m), nn.Linear(2 * m, 1)
        self.short, self.first, self.second = (
            nn.Linear(m, 2 * m, bias=False), nn.Linear(m, m), nn.Linear(m, 2 * m)
        )  # fmt: skip
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.inward(x))
        h = self.second(torch.relu(self.first(h))) + self.short(h)
        return self.outward(h.relu_())


@entry("frozen backbone", 6)
class Frozen(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, m), nn.Tanh(), nn.Linear(m, m), nn.Tanh())
        self.head = nn.Sequential(nn.Linear(m, m), nn.Tanh(), nn.Linear(m, 1))
        normal(self)
        self.backbone.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))


@entry("only biases and the head trained", 6)
def few_trained(m: int) -> nn.Module:
    net = normal(
        nn.Sequential(nn.Linear(6, m), nn.Tanh(), nn.Linear(m, m), nn.Tanh(), nn.Linear(m, 1))
    )
    for name, p in net.named_parameters():
        p.requires_grad_(name.endswith("bias") or name.startswith("4"))
    return net


@entry("backbone under no_grad", 6)
class NoGrad(Frozen):
    def __init__(self, m: int) -> None:
        super().__init__(m)
        self.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)


@entry("two inputs concatenated", (4,), (3,))
class TwoInputs(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.net = normal(
            nn.Sequential(nn.Linear(7, m), nn.Mish(), nn.Linear(m, m), nn.Mish(), nn.Linear(m, 1))
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.net(torch.cat([x, y], dim=1))


@entry("two branches side by side", 6)
class Branches(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.inward, self.head = nn.Linear(6, m), nn.Linear(2 * m, 1)
        self.one, self.other = nn.Linear(m, m), nn.Linear(m, m)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.inward(x))
        return self.head(torch.cat([torch.relu(self.one(h)), torch.sin(self.other(h))], dim=-1))
