"""How many images a plan looks at."""

from __future__ import annotations

from analytic.images.stretches import network_stretches
from analytic.network import Network, Shape

__all__ = ["sample_size"]

PLANNED_ENTRIES = 2**25
"""Numbers that a plan computes: pairs of images, of positions, and layers."""
MOST_ROWS = 64
"""Most first images of a plan."""


def sample_size(network: Network, spatial: Shape) -> int:
    """How many first images a plan looks at; of the second ones it takes twice as many.

    Example:
        >>> from analytic.network.description import Convolution, GlobalAveragePooling, Network
        >>> layers = [Convolution("tanh", 3)] * 3
        >>> sample_size(Network(*layers), (8, 8))
        64
        >>> sample_size(Network(*layers, GlobalAveragePooling()), (32, 32))
        4
    """
    entries = sum(
        stretch.grid.shifts * stretch.grid.positions * max(len(stretch.windows), 1)
        for stretch in network_stretches(network, spatial)
    )
    return max(min(int((PLANNED_ENTRIES / (2 * entries)) ** 0.5), MOST_ROWS), 4)
