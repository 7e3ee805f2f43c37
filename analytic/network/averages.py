"""Layers without weights that add up positions.

Enters: an image of units ``(channels, *spatial)``. Leaves: fewer positions, or a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytic.network.layer_text import Described
from analytic.network.options import Sizes, sizes

__all__ = ["AveragePooling", "Averaging", "Flatten", "GlobalAveragePooling"]


@dataclass(frozen=True, repr=False)
class AveragePooling(Described):
    """The mean over windows of ``size`` positions in every dimension, side by side.

    Raises:
        ValueError: the size is below 1.
        TypeError: it is not an integer.

    Example:
        >>> AveragePooling(2)
        AveragePooling(2)
    """

    size: Sizes

    def __init__(self, size: Sizes) -> None:
        object.__setattr__(self, "size", sizes("size", size))


@dataclass(frozen=True, repr=False)
class Flatten(Described):
    """Q positions with m channels as one vector of Q m units.

    Example:
        >>> Flatten()
        Flatten()
    """


@dataclass(frozen=True, repr=False)
class GlobalAveragePooling(Described):
    """The mean over all positions.

    Example:
        >>> GlobalAveragePooling()
        GlobalAveragePooling()
    """


Averaging = AveragePooling | Flatten | GlobalAveragePooling
