"""Modules of images and sequences whose limits are known; they join those of ``liftable``."""

from __future__ import annotations

import torch
from networks.liftable import entry, normal
from torch import Tensor, nn
from torch.nn import functional


@entry("LeNet with tanh", 1, 14, 14)
class LeNet(nn.Module):
    """LeCun et al. (1998), in its proportions."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, m, 5, padding=2), nn.Conv2d(m, 2 * m, 5)
        self.fc1, self.fc2 = nn.Linear(2 * m, 8 * m), nn.Linear(8 * m, 4 * m)
        self.fc3 = nn.Linear(4 * m, 10)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = functional.avg_pool2d(torch.tanh(self.conv2(x)), 3)
        x = x.view(x.size(0), -1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


class Block(nn.Module):
    """A block of a wide residual network without normalisation."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.shortcut = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.shortcut, nn.Identity):
            return x + self.conv2(functional.relu(self.conv1(functional.relu(x))))
        out = functional.relu(x)
        return self.shortcut(out) + self.conv2(functional.relu(self.conv1(out)))


@entry("wide ResNet without normalisation", 3, 8, 8)
class WideResNet(nn.Module):
    """Zagoruyko and Komodakis (2016)."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, m, 3, padding=1, bias=False)
        self.groups = nn.Sequential(Block(m, m, 1), Block(m, m, 1), Block(m, 2 * m, 2))
        self.head = nn.Linear(2 * m, 4)
        normal(self, 1.3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.groups(self.stem(x)))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


@entry("all convolutions, global average", 3, 6, 6)
def all_convolutional(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Conv2d(3, m, 3, padding="same"), nn.GELU(), nn.Conv2d(m, m, 2, stride=2), nn.GELU(),
            nn.Conv2d(m, m, 3, padding=1, padding_mode="circular"), nn.GELU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(m, 2),
        )
    )  # fmt: skip


@entry("images flattened for a perceptron", 1, 5, 5)
def flattened(m: int) -> nn.Module:
    return normal(
        nn.Sequential(nn.Flatten(), nn.Linear(25, m), nn.ReLU(), nn.Linear(m, m), nn.ReLU(),
                      nn.Linear(m, 10))
    )  # fmt: skip


@entry("pixels scaled first", 1, 6, 6)
class Pixels(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, m, 3, stride=2, padding=1), nn.Linear(9 * m, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        x = (x - 0.1307) / 0.3081
        return self.head(torch.flatten(torch.tanh(self.conv(x)), 1))


@entry("sequence, mean over time", 2, 12)
class Sequence1d(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(2, m, 5, padding=2), nn.Conv1d(m, m, 3, padding=1)
        self.head = nn.Linear(m, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.silu(self.a(x))
        h = h + functional.silu(self.b(h))
        return self.head(h.mean(-1))


@entry("tokens, channels last", 7, 4)
class Tokens(nn.Module):
    """A perceptron at every position, and the mean over them (deep sets)."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, m), nn.Linear(m, m), nn.Linear(m, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.b(torch.tanh(self.a(x))))
        return self.c(h.mean(dim=1))


@entry("patches as tokens", 3, 8, 8)
class Patches(nn.Module):
    """The stem of a vision transformer, a perceptron for each patch, the mean of all."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, m, 4, stride=4), nn.Linear(m, m)
        self.head = nn.Linear(m, 2)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x).flatten(2).transpose(1, 2)
        h = h + self.inner(functional.gelu(h))
        return self.head(functional.gelu(h).mean(1))


@entry("sum over positions", 1, 6, 6)
class Summed(nn.Module):
    def __init__(self, m: int) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, m, 3), nn.Linear(m, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.erf(self.conv(x)).sum((2, 3)) / 4)


@entry("bottleneck with strided shortcut", 2, 6, 6)
class Bottleneck(nn.Module):
    """He et al. (2016), figure 5, without normalisation."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, m, 3, padding=1)
        self.down = nn.Sequential(
            nn.Conv2d(m, m, 1, stride=2), nn.Tanh(), nn.Conv2d(m, m, 3, padding=1), nn.Tanh(),
            nn.Conv2d(m, 2 * m, 1),
        )  # fmt: skip
        self.short = nn.Conv2d(m, 2 * m, 1, stride=2)
        self.head = nn.Linear(2 * m * 9, 1)
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.stem(x))
        h = torch.tanh(self.down(h) + self.short(h))
        return self.head(h.reshape(len(h), -1))


@entry("dense block in one dimension", 2, 10)
class Dense(nn.Module):
    """Huang et al. (2017), a list that grows, without normalisation."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, m, 3, padding=1)
        self.steps = nn.ModuleList(nn.Conv1d(m * (k + 1), m, 3, padding=1) for k in range(2))
        self.head = nn.Linear(3 * m, 1)
        normal(self, 1.4)

    def forward(self, x: Tensor) -> Tensor:
        features = [functional.softplus(self.stem(x))]
        for step in self.steps:
            features.append(functional.softplus(step(torch.cat(features, dim=1))))
        return self.head(torch.cat(features, dim=1).mean(-1))


@entry("dilated convolutions", 1, 16)
def dilated(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Conv1d(1, m, 3, padding=1), nn.Tanh(), nn.Conv1d(m, m, 3, padding=2, dilation=2),
            nn.Tanh(), nn.Conv1d(m, m, 3, padding="same", dilation=4), nn.Tanh(),
            nn.Flatten(), nn.Linear(16 * m, 1),
        )
    )  # fmt: skip


@entry("overlapping averages", 1, 7, 7)
def overlapping(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Conv2d(1, m, 3, padding=1), nn.Tanh(), nn.AvgPool2d(3, stride=2),
            nn.Conv2d(m, m, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(m, 1),
        )
    )  # fmt: skip


@entry("tanh form of GELU, hardswish", 6)
def approximate(m: int) -> nn.Module:
    return normal(
        nn.Sequential(
            nn.Linear(6, m), nn.GELU(approximate="tanh"), nn.Linear(m, m), nn.Hardswish(),
            nn.Linear(m, 1),
        )
    )  # fmt: skip
