"""Modules with normalisations over units, and in float32; they join those of ``liftable``."""

from __future__ import annotations

import math

import torch
from networks.liftable import entry, normal
from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.LayerNorm):
    """Over the channels of images (channels first), as in Liu et al. (2022)."""

    def forward(self, input: Tensor) -> Tensor:
        h = input.permute(0, 2, 3, 1)
        h = functional.layer_norm(h, self.normalized_shape, self.weight, self.bias, self.eps)
        return h.permute(0, 3, 1, 2)


@entry("ConvNet with LayerNorm", 3, 8, 8)
class ConvNet(nn.Module):
    """The stem, a block and the head of Liu et al. (2022), with a convolution of all channels."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, m, 2, stride=2), ChannelNorm(m, eps=1e-6))
        self.wide, self.norm = nn.Conv2d(m, m, 3, padding=1), nn.LayerNorm(m, eps=1e-6)
        self.up, self.down = nn.Linear(m, 2 * m), nn.Linear(2 * m, m)
        self.last, self.head = nn.LayerNorm(m), nn.Linear(m, 10)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        h = self.norm(self.wide(x).permute(0, 2, 3, 1))
        x = x + self.down(functional.gelu(self.up(h))).permute(0, 3, 1, 2)
        return self.head(self.last(x.mean((-2, -1))))


@entry("perceptron with LayerNorm", 6)
def perceptron(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Linear(6, m), nn.LayerNorm(m), nn.ReLU(), nn.Linear(m, m), nn.LayerNorm(m),
            nn.ReLU(), nn.Linear(m, 1),
        )
    )  # fmt: skip


@entry("LayerNorm right before GELU", 6)
def gained(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Linear(6, m), nn.LayerNorm(m), nn.GELU(), nn.Linear(m, m), nn.LayerNorm(m),
            nn.Tanh(), nn.Linear(m, 1),
        )
    )  # fmt: skip


@entry("GroupNorm of one group", 2, 6, 6)
def together(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Conv2d(2, m, 3, padding=1), nn.GroupNorm(1, m), nn.SiLU(), nn.Conv2d(m, m, 3),
            nn.GroupNorm(1, m), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(m, 1),
        )
    )  # fmt: skip


@entry("normalised before each block", 7, 4)
class Mixer(nn.Module):
    """A transformer's perceptrons without its attention: on tokens."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, m), nn.Linear(m, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(m) for _ in range(2))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(m, 2 * m), nn.GELU(), nn.Linear(2 * m, m)) for _ in range(2)
        )
        self.last = nn.LayerNorm(m, elementwise_affine=False)
        normal(self)
        self.norms[0].requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        for norm, block in zip(self.norms, self.blocks, strict=True):
            h = h + block(norm(h))
        return self.head(self.last(h).mean(1))


@entry("one group of all units", 6)
def grouped(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Linear(6, m), nn.Tanh(), nn.GroupNorm(1, m), nn.Linear(m, m), nn.Softplus(),
            nn.LayerNorm(m, bias=False), nn.Linear(m, 1),
        )
    )  # fmt: skip


@entry("float32", 6, dtype=torch.float32)
def narrow(m: int) -> nn.Module:
    return normal(
        nn.Sequential(nn.Linear(6, m), nn.Tanh(), nn.Linear(m, m), nn.SiLU(), nn.Linear(m, 3))
    )


@entry("float32 that casts", 1, 6, 6, dtype=torch.float32)
class Casting(nn.Module):
    """Its forward names the format of its parameters."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, m, 3), nn.LayerNorm(m), nn.Linear(m, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv((x.float() - torch.tensor(0.5)) * 2).to(torch.float32)
        return self.head(torch.relu(self.norm(h.flatten(2).mT)).mean(1))


@entry("sines of the inputs first", 3)
class Encoded(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.tensor([1.0, 2.0, 4.0]))
        self.net = normal(nn.Sequential(nn.Linear(18, m), nn.ReLU(), nn.Linear(m, 1)))

    def forward(self, x: Tensor) -> Tensor:
        angles = (x[:, :, None] * self.get_buffer("frequencies")).flatten(1)
        return self.net(torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1))


@entry("two layers that read the data, torch's default", 2)
class Projected(nn.Module):
    """A projection of the inputs around a block."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.short, self.a, self.b = nn.Linear(2, m), nn.Linear(2, m), nn.Linear(m, m)
        self.head = nn.Linear(m, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.short(x) + self.b(torch.relu(self.a(x)))
        return self.head(torch.relu(h))


@entry("linear stem, torch's default", 2)
class Stem(nn.Module):
    """A perceptron of residual blocks that begin with their normalisation."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.stem = nn.Linear(2, m)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(m), nn.ReLU(), nn.Linear(m, m), nn.Tanh(), nn.Linear(m, m))
            for _ in range(2)
        )
        self.head = nn.Sequential(nn.LayerNorm(m), nn.Linear(m, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for block in self.blocks:
            h = (h + block(h)) / math.sqrt(2)
        return self.head(h)


@entry("a last layer at every position", 2, 6, 6)
def last(m: int) -> nn.Module:
    """All convolutions to the last one, and the average of its outputs (Lin et al. 2014)."""
    return normal(
        nn.Sequential(
            nn.Conv2d(2, m, 3, padding=1), nn.ReLU(), nn.Conv2d(m, m, 3, stride=2, padding=1),
            nn.ReLU(), nn.Conv2d(m, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
    )  # fmt: skip


@entry("sharp softplus", 3)
def sharp(m: int) -> nn.Module:
    """Geometric initialisation of a signed distance (Atzmon and Lipman 2020)."""
    layers = [nn.Linear(3, m), nn.Linear(m, m), nn.Linear(m, 1)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.out_features))
        nn.init.zeros_(layer.bias)
    a, b, c = layers
    return nn.Sequential(a, nn.Softplus(beta=100), b, nn.Softplus(beta=100), c)


@entry("products by einsum, a frozen slope", 5, 3)
class Products(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(m, 3)), nn.Parameter(torch.randn(m, m))
        self.c, self.scale = nn.Parameter(torch.randn(m)), 1 / math.sqrt(m)
        self.slope = nn.PReLU().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.slope(torch.einsum("oc, btc -> bto", self.a, x))
        h = torch.erf(self.scale * torch.einsum("btc,co->bot", h, self.b))
        return self.scale * torch.einsum("bi,i->b", h.mean(2), self.c)
