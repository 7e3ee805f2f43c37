"""LeNet-5, as Figure 1 of the paper takes it: for images of 28 x 28 or 32 x 32 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LeNetFive", "lenet5"]


class LeNetFive(nn.Module):
    """Two convolutions, each with tanh and average pooling, and three linear layers.

    Images of 28 x 28 pixels get two rows and columns of zeros on every side.

    References:
        LeCun, Bottou, Bengio and Haffner (1998), section II.
    """

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the ten classes, shape (n, 10)."""
        side = (32 - x.shape[-1]) // 2
        return self.classifier(self.features(nn.functional.pad(x, (side,) * 4)))


def lenet5(seed: int) -> nn.Module:
    """LeNet-5 with torch's own initialisation, the same for the same seed.

    Example:
        >>> sum(p.numel() for p in lenet5(0).parameters())
        61706
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LeNetFive()
