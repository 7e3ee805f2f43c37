"""Modules whose tangent kernels the tests compare: common ones, and awkward ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Head(nn.Module):
    """A body, its positions flattened, and a linear readout."""

    def __init__(self, *body: nn.Module, features: int, outputs: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.readout = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.body(x).flatten(1))


class LeNet5(nn.Sequential):
    """LeCun et al. (1998), with average pooling and tanh."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
        )  # fmt: skip


class Skip(nn.Module):
    """A residual block of two convolutions with BatchNorm."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _ in range(2))
        self.short = nn.Conv2d(before, after, 1, stride)
        for norm in self.norms:
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu_(self.norms[0](self.first(x)))
        h = self.norms[1](self.second(h))
        h += self.short(x)
        return functional.relu(h)


class SmallResNet(nn.Sequential):
    """Three residual blocks and global average pooling."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1), Skip(8, 8, 1), Skip(8, 12, 2), Skip(12, 16, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
        )  # fmt: skip


class TiedAutoencoder(nn.Module):
    """The decoder uses the encoder's weight, transposed; the output is one of 6 entries."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6) / 2)
        self.hidden, self.visible = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        code = torch.tanh(functional.linear(x, self.weight, self.hidden))
        return functional.linear(code, self.weight.T, self.visible)


class Elman(nn.Module):
    """h_t = tanh(W x_t + U h_{t-1} + b), unrolled."""

    def __init__(self) -> None:
        super().__init__()
        self.inward, self.across = nn.Linear(3, 5), nn.Linear(5, 5, bias=False)
        self.readout = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            h = torch.tanh(self.inward(x[:, t]) + self.across(h))
        return self.readout(h)


class Functional(nn.Module):
    """Bare parameters and functional calls in a custom forward."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(5, 3))
        self.u = nn.Parameter(torch.randn(5, 5))
        self.gain, self.shift = nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(1))
        self.v = nn.Parameter(torch.randn(5))
        self.temperature = nn.Parameter(torch.tensor(1.3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(x @ self.w.T / 3**0.5) * self.gain - self.shift
        h = h + torch.sin(functional.linear(h, 0.5 * self.u)) / self.temperature
        h = functional.relu_((self.u @ h.T).T + self.gain)
        return 2 * (h @ self.v)


class Transformer(nn.Module):
    """Token and position embeddings, a block, and the embedding again as the readout."""

    def __init__(self, first: bool = True) -> None:
        super().__init__()
        self.embedding, self.position = nn.Embedding(7, 8), nn.Embedding(5, 8)
        self.block = nn.TransformerEncoderLayer(
            8, 2, 16, dropout=0.0, batch_first=first, norm_first=first, activation="gelu"
        )
        self.first = first

    def forward(self, ids: Tensor) -> Tensor:
        h = self.embedding(ids) + self.position(torch.arange(ids.shape[1]))
        h = self.block(h if self.first else h.transpose(0, 1))
        h = h[:, -1] if self.first else h[-1]
        return functional.linear(h, self.embedding.weight)


class Square(torch.autograd.Function):
    """A product that no function mode sees."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x * w**2

    @staticmethod
    def backward(ctx: Any, *signal: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return signal[0] * w**2, (2 * w * x * signal[0]).sum(0)


class Custom(nn.Module):
    """A custom autograd function hides a parameter; torch.func cannot enter it either."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.readout = nn.Parameter(torch.randn(3)), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(torch.tanh(Square.apply(x, self.hidden)))


class Gaussian(nn.Module):
    """Mean and log-variance, written into place: assignments are not seen."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.log_std = nn.Linear(3, 1), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        out = x.new_zeros(len(x), 2)
        out[:, :1] = self.mean(x)
        out[:, 1] = self.log_std
        return out


class Compiled(nn.Module):
    """A scripted head beside a plain one."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.scripted = nn.Linear(5, 1), _scripted(nn.Linear(5, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.plain(x), self.scripted(x)], 1)


class Gated(nn.Module):
    """A scripted layer that some samples alone excite, among them neither first nor last."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.scripted = nn.Linear(3, 1), _scripted(nn.Linear(1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.plain(x)[:, 0] + self.scripted(functional.relu(x[:, :1]))[:, 0]


class Table(nn.Module):
    """An embedding whose rows are assigned one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.randn(3)) for _ in "ab")
        self.readout = nn.Linear(3, 2)

    def forward(self, ids: Tensor) -> Tensor:
        table = self.first.new_zeros(4, 3)
        table[0], table[1] = self.first, self.second
        return self.readout(torch.tanh(table[ids[:, 0]]))


class Masked(nn.Module):
    """A copy of the weight with a row set to zero; the use before that is plain."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * 1.0
        h = torch.tanh(x @ self.weight)
        weight[1] = 0
        return functional.linear(h, weight)


class Tied(nn.Module):
    """A seen use of a weight after an unseen one, which only the graph shows."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))
        self.unused = nn.Parameter(torch.randn(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(Square.apply(x, self.weight)) * self.weight


class Routed(nn.Module):
    """Each sample goes to one of two experts: control flow that depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(3, 4) for _ in range(2))
        self.readout = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 4)
        for sign, expert in enumerate(self.experts):
            chosen = (x[:, 0] > 0) == bool(sign)
            if chosen.any():
                h[chosen] = expert(x[chosen])
        return self.readout(torch.tanh(h))


class Recurrent(nn.Module):
    """A recurrent module of torch, whose kernels have no rule."""

    def __init__(self, kind: Callable[..., nn.RNNBase]) -> None:
        super().__init__()
        self.recurrent, self.readout = kind(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.recurrent(x)[0][:, -1])


class Merged(nn.Module):
    """Positions and samples in one axis, in either order."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast = nn.Linear(3, 4), nn.Linear(4, 4)
        self.readout = nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        h = torch.tanh(self.slow(x.reshape(n * t, d))).reshape(n, t, 4).transpose(0, 1)
        h = torch.tanh(self.fast(h.reshape(t * n, 4))).reshape(t, n, 4)
        return self.readout(h.transpose(0, 1).reshape(n, -1)).squeeze()


def _scripted(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on Python 3.14
        return torch.jit.script(layer)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(3, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.bilinear(x, torch.tanh(x))
