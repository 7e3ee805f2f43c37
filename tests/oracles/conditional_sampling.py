"""Networks without weights, many at once, from one generator: ``compare.rate.integrated_weights``.

It shares with what it is an oracle for (``analytic.corrections``) the description of the network,
the maps of positions and the torch functions of the activation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analytic import Network
from compare.rate import integrated_weights
from compare.rate.integrated_weights import (
    DrawnNetworks,
    DrawnSignal,
    Normal,
    back,
    back_covariance,
    gram,
)
from compare.rate.integrated_weights import IntegratedLayer as DrawnLayer

__all__ = [
    "DrawnLayer",
    "DrawnNetworks",
    "DrawnSignal",
    "back",
    "back_covariance",
    "draw_layers",
    "draw_networks",
    "gram",
    "sample_kernels",
]


def sample_kernels(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """K_0 of ``count`` independent networks, shape (count, n, n)."""
    return draw_networks(network, x, width, count, generator, dtype).kernel


def draw_networks(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> DrawnNetworks:
    """``count`` independent networks; small matrices are solved in float64, units in ``dtype``."""
    normal = _normal(count, generator, dtype)
    return integrated_weights.draw_networks(network, x, width, count, normal, dtype)


def draw_layers(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> list[DrawnLayer]:
    """Only the way forward."""
    normal = _normal(count, generator, dtype)
    return integrated_weights.draw_layers(network, x, width, count, normal, dtype)[0]


def _normal(count: int, generator: torch.Generator, dtype: torch.dtype) -> Normal:
    def draw(rows: int, columns: int) -> Tensor:
        return torch.randn(count, rows, columns, dtype=dtype, generator=generator)

    return draw
