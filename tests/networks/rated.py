"""Networks whose parts are trained at rates of their own, and fixed inputs."""

from __future__ import annotations

import torch

from analytic import (
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Readout,
    Residual,
)

__all__ = ["RATED", "RATED_IMAGES", "draw"]

F = FullyConnected
RATED = Network(
    F("tanh", weight_rate=0.25, bias_rate=2),
    Residual(F("softplus", bias_std=0.5, weight_rate=3, bias_rate=0)),
    F("tanh", weight_std=1.5, weight_rate=0, bias_std=0.2),
    Readout(weight_std=0.7, weight_rate=2, bias_rate=0.4),
)
RATED_IMAGES = Network(
    Convolution("tanh", 3, weight_std=0.6, weight_rate=0.5, bias_rate=1.5),
    Convolution("softplus", 3, weight_std=0.5, bias_std=0.3, weight_rate=2, bias_rate=0),
    GlobalAveragePooling(),
    Readout(bias_std=0.5, weight_rate=0.3),
)


def draw(*shape: int) -> torch.Tensor:
    """Normal numbers, always the same."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
