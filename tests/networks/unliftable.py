"""Modules whose limit is of another kind, or not known here, each with a part of the sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from networks.liftable import normal
from torch import Tensor, nn
from torch.nn import functional

REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {}
"""(module, shape of an input, what the sentence says), by what they are."""


def refused(name: str, says: str, *shape: int) -> Callable[[Any], Any]:
    """Note a module under a name."""

    def note(make: Any) -> Any:
        REFUSED[name] = (make, shape, says)
        return make

    return note


def perceptron(*between: nn.Module, width: int = 16) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), *between, nn.Linear(width, 1))


refused("batch normalisation", "batch_norm in BatchNorm1d '1'", 6)(
    lambda: perceptron(nn.BatchNorm1d(16), nn.ReLU())
)
refused("trained gains before Hardtanh", "x w'(x), and it jumps from 1 to 0 at x = 1", 6)(
    lambda: perceptron(nn.LayerNorm(16), nn.Hardtanh())
)


@refused("normalised in groups", "take one group", 1, 6, 6)
def group_norm() -> nn.Module:
    hidden = nn.GroupNorm(2, 8), nn.ReLU(), nn.Flatten()
    return nn.Sequential(nn.Conv2d(1, 8, 3), *hidden, nn.Linear(128, 1))


@refused("gains that are trained", "with gains that start at 1", 6)
def gains() -> nn.Module:
    norm = nn.LayerNorm(16)
    nn.init.normal_(norm.weight, mean=1.0, std=0.1)
    return perceptron(norm, nn.ReLU())


@refused("max pooling", "nn.AvgPool2d", 1, 8, 8)
def max_pooling() -> nn.Module:
    hidden = nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    return nn.Sequential(nn.Conv2d(1, 8, 3), *hidden, nn.Linear(72, 1))


@refused("softmax attention", "with one head its weights stay random", 5, 8)
class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inward, self.outward = nn.Linear(8, 16), nn.Linear(16, 1)
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.inward(x))
        h = self.attend(h, h, h, need_weights=False)[0]
        return self.outward(h.mean(1))


@refused("recurrent network", "the same weights act again at every step", 5, 8)
class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inward, self.rnn = nn.Linear(8, 16), nn.LSTM(16, 16, batch_first=True)
        self.outward = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.outward(self.rnn(torch.tanh(self.inward(x)))[0][:, -1])


@refused("weights used at every step", "tied weights make the units of both places dependent", 6)
class Unrolled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inward, self.again, self.outward = (
            nn.Linear(6, 16),
            nn.Linear(16, 16),
            nn.Linear(16, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.inward(x))
        for _ in range(3):
            h = torch.tanh(self.again(h))
        return self.outward(h)


@refused("tied autoencoder", "tied weights", 6)
class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inward, self.middle, self.outward = (
            nn.Linear(6, 16),
            nn.Linear(16, 16),
            nn.Linear(16, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.middle(torch.tanh(self.inward(x))))
        return self.outward(torch.tanh(functional.linear(h, self.middle.weight.T)))


@refused("decision that reads the units", "got bool in Decides", 6)
class Decides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        if h.mean() > 0:
            h = -h
        return self.b(h)


@refused("function nobody knows", "cumsum in Unknown", 6)
class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.cumsum(self.a(x), 1))


@refused("a width of 3", "it has 3, and a limit of many units says nothing", 6)
def narrow() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3), nn.Tanh(), nn.Linear(3, 1))


@refused("gated linear unit", "such as nn.SiLU", 6)
def gated() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 32), nn.GLU(), nn.Linear(16, 1))


@refused("squeeze and excitation", "to gate others", 1, 6, 6)
class Excited(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.conv(x))
        gate = torch.sigmoid(self.gate(h.mean((2, 3))))
        return self.head((h * gate[:, :, None, None]).mean((2, 3)))


@refused("trained slope", "use nn.LeakyReLU with a fixed slope", 6)
def trained_slope() -> nn.Module:
    return perceptron(nn.PReLU())


@refused("depthwise convolution", "use groups=1", 4, 6, 6)
def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(32, 1)
    )


@refused("embedding of tokens", "one-hot vectors", 5)
class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.embedding(x.long().clamp(0, 6))).mean(1))


@refused("softmax at the end", "leave the last activation to the loss", 6)
def softmax() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3), nn.Sigmoid())


@refused("data added to units", "K_0 stays random", 6)
class Skips(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 16), nn.Linear(16, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(x + self.b(torch.tanh(self.a(x)))))


@refused("trained", "they are trained", 6)
def trained() -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(32, 6)
    for _ in range(30):
        optimiser.zero_grad()
        ((net(x) - x[:, :1]) ** 2).mean().backward()
        optimiser.step()
    return net


@refused("trained far", "largest singular value", 6)
def trained_far() -> nn.Module:
    net = normal(perceptron(nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), width=64))
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.ndim > 1], lr=0.01)
    x = torch.randn(32, 6)
    for _ in range(60):
        optimiser.zero_grad()
        ((net(x) - 5 * x[:, :1]) ** 2).mean().backward()
        optimiser.step()
    return net


@refused("trained a little", "along what they read", 6)
def trained_a_little() -> nn.Module:
    """On inputs of its own, so little that each matrix looks like a draw."""
    net = normal(perceptron(nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), width=128))
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.ndim > 1], lr=0.001)
    x = torch.randn(32, 6)
    for _ in range(150):
        optimiser.zero_grad()
        ((net(x) - 2) ** 2).mean().backward()
        optimiser.step()
    return net


@refused("spectral normalisation", "another function of parameters", 6)
def spectral() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 16), nn.Tanh(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(16, 16)), nn.Tanh(), nn.Linear(16, 1),
    )  # fmt: skip


@refused("zeros at the start", "expected weights that are not 0 at the start", 6)
def zeros() -> nn.Module:
    net = perceptron(nn.Tanh())
    nn.init.zeros_(net[2].weight)  # pyright: ignore[reportIndexIssue, reportArgumentType]
    return net


@refused("two towers of two inputs", "a description has one input", 6)
class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 16), nn.Linear(3, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.a(x[:, :3]) + self.b(x[:, 3:])))


@refused("product of two towers", "products of different units", 6)
class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 16), nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.a(x)) * torch.sigmoid(self.b(x)))


@refused("an output at every position", "average or flatten before it", 1, 6, 6)
def segmentation() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))


@refused("transposed convolution", "other weights at every phase", 1, 6, 6)
def decoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 8, 2, 2),
        nn.Flatten(),
        nn.Linear(512, 1),
    )


@refused("a step as activation", "the function jumps", 6)
def step() -> nn.Module:
    return perceptron(nn.Hardshrink())


@refused("minus its copy at the start", "a frozen copy", 6)
class Centred(nn.Module):
    """Its outputs are 0 at the start (Chizat, Oyallon and Bach 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = perceptron(nn.Tanh())
        self.start = copy.deepcopy(self.net).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) - self.start(x)
