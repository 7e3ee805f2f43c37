"""Modules of many kinds, float64 and in eval mode, with inputs for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from networks.modules import (
    Compiled,
    Custom,
    Elman,
    Functional,
    Gated,
    Gaussian,
    Head,
    LeNet5,
    Masked,
    Merged,
    Pair,
    Recurrent,
    Routed,
    SmallResNet,
    Table,
    Tied,
    TiedAutoencoder,
    Transformer,
)
from torch import Tensor, nn

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """A module, its inputs, its parameters without rules, and whether torch.func can enter it."""

    make: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]
    slow: tuple[str, ...] = ()
    func: bool = True


def normal(*shape: int) -> Callable[[int], Tensor]:
    """Standard normal inputs."""
    return lambda n: torch.randn(n, *shape, dtype=torch.float64)


def tokens(length: int, size: int = 7) -> Callable[[int], Tensor]:
    """Random sequences of integers."""
    return lambda n: torch.randint(size, (n, length))


CASES: dict[str, Case] = {
    "Linear": Case(lambda: nn.Linear(3, 2), normal(3)),
    "Linear at positions": Case(
        lambda: Head(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), features=20), normal(5, 3)
    ),
    "Conv1d, stride, padding": Case(
        lambda: Head(nn.Conv1d(2, 4, 3, stride=2, padding=1), nn.GELU(), features=20),
        normal(2, 9),
    ),
    "Conv2d, dilation, groups": Case(
        lambda: Head(
            nn.Conv2d(4, 6, 3, dilation=2, groups=2, padding="same"), nn.Tanh(),
            nn.Conv2d(6, 6, (2, 3), groups=6), nn.SiLU(), nn.MaxPool2d(2), features=24,
        ),
        normal(4, 5, 6),
    ),
    "Conv2d, circular padding": Case(
        lambda: Head(
            nn.Conv2d(2, 3, 3, padding="same", padding_mode="circular"), nn.Softplus(),
            features=48,
        ),
        normal(2, 4, 4),
    ),
    "Conv3d": Case(lambda: Head(nn.Conv3d(1, 2, 2), nn.Tanh(), features=24), normal(1, 3, 4, 3)),
    "ConvTranspose1d": Case(
        lambda: Head(nn.ConvTranspose1d(2, 3, 3, stride=2), nn.Tanh(), features=27),
        normal(2, 4),
    ),
    "Average and max pooling": Case(
        lambda: Head(
            nn.Conv1d(1, 4, 3), nn.MaxPool1d(2), nn.Conv1d(4, 4, 2), nn.AvgPool1d(2),
            features=8,
        ),
        normal(1, 13),
    ),
    "BatchNorm in eval mode": Case(
        lambda: Head(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), features=4),
        normal(3),
    ),
    "LayerNorm": Case(
        lambda: Head(nn.Linear(3, 4), nn.LayerNorm([5, 4]), nn.Tanh(), features=20),
        normal(5, 3),
    ),
    "GroupNorm, InstanceNorm": Case(
        lambda: Head(
            nn.Conv1d(2, 4, 2), nn.GroupNorm(2, 4), nn.Tanh(),
            nn.InstanceNorm1d(4, affine=True), nn.Sigmoid(), features=20,
        ),
        normal(2, 6),
    ),
    "Embedding, padding_idx": Case(
        lambda: Head(nn.Embedding(7, 3, padding_idx=2), nn.Tanh(), features=15), tokens(5)
    ),
    "PReLU": Case(
        lambda: Head(nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 4), nn.PReLU(), features=4),
        normal(3),
        func=False,
    ),
    "In-place activation after Linear": Case(
        lambda: Head(nn.Linear(3, 4), nn.ReLU(inplace=True), features=20), normal(5, 3),
    ),
    "Bilinear": Case(
        lambda: Pair(), normal(3)
    ),
    "Weight normalisation": Case(
        lambda: Head(
            nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.Tanh(), features=4
        ),
        normal(3),
    ),
    "RNN": Case(lambda: Recurrent(nn.RNN), normal(4, 3), func=False),
    "LSTM": Case(lambda: Recurrent(nn.LSTM), normal(4, 3), func=False),
    "GRU": Case(lambda: Recurrent(nn.GRU), normal(4, 3), func=False),
    "LeNet-5": Case(LeNet5, normal(1, 28, 28)),
    "Small ResNet": Case(SmallResNet, normal(3, 8, 8)),
    "Tied autoencoder": Case(TiedAutoencoder, normal(6)),
    "Elman network, unrolled": Case(Elman, normal(6, 3)),
    "Transformer block": Case(Transformer, tokens(5)),
    "Transformer block, positions first": Case(
        lambda: Transformer(first=False), tokens(5)
    ),
    "Functional and bare parameters": Case(Functional, normal(3)),
    "Samples and positions merged": Case(Merged, normal(5, 3)),
    "Custom autograd function": Case(Custom, normal(3), func=False),
    "Outputs assigned to entries": Case(Gaussian, normal(3), func=False),
    "Scripted head": Case(
        Compiled, normal(5), ("scripted.weight", "scripted.bias"), func=False
    ),
    "Scripted layer that some samples excite": Case(
        Gated,
        lambda n: torch.tensor([-1.0, 2, 3, -2]).double().repeat(n)[:n, None] * normal(3)(1).abs(),
        func=False,
    ),
    "Embedding of assigned rows": Case(Table, tokens(1, 4), func=False),
    "Weight overwritten in part": Case(Masked, normal(3)),
    "Weight seen once, used twice": Case(Tied, normal(3), func=False),
    "Data-dependent routing": Case(
        Routed,
        lambda n: torch.linspace(-1, 1, n).double()[:, None] + normal(3)(n) / 3,
        tuple(
            f"{layer}.{name}" for layer in ("experts.0", "experts.1", "readout")
            for name in ("weight", "bias")
        ),
        func=False,
    ),
}  # fmt: skip
