"""Layers without weights that add up positions.

Enters: an image of units ``(channels, *spatial)``. Leaves: fewer positions, or a vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analytic.network.layer_text import Described
from analytic.network.options import Sizes, sizes

__all__ = [
    "AveragePooling",
    "Averaging",
    "Flatten",
    "GlobalAveragePooling",
    "Pooling",
    "SumPooling",
]


@dataclass(frozen=True, repr=False)
class Pooling(Described):
    """Windows of some size; the one of position p begins at stride p."""

    size: Sizes
    stride: Sizes | None = None

    def __init__(self, size: Sizes, *, stride: Sizes | None = None) -> None:
        object.__setattr__(self, "size", sizes("size", size))
        object.__setattr__(self, "stride", None if stride is None else sizes("stride", stride))

    @property
    def step(self) -> Sizes:
        """From the beginning of one window to that of the next."""
        return self.size if self.stride is None else self.stride


class AveragePooling(Pooling):
    """The mean over windows of ``size`` positions in every dimension.

    Args:
        size: R, one number for all dimensions or one for each.
        stride: s, the same: the window of position p is s p, ..., s p + R - 1. There are
            floor((P - R)/s) + 1 windows for P positions. None puts windows side by side, which
            must be all positions.

    Raises:
        ValueError: a number is below 1.
        TypeError: it is not an integer.

    Example:
        >>> AveragePooling(3, stride=2)
        AveragePooling(3, stride=2)
    """


class SumPooling(Pooling):
    """The sum over windows: ``AveragePooling`` and a ``Scale`` by the positions of a window.

    Args:
        size: R, one number for all dimensions or one for each.
        stride: s, the same; see ``AveragePooling``.

    Raises:
        ValueError: a number is below 1.
        TypeError: it is not an integer.

    Example:
        >>> SumPooling((2, 3))
        SumPooling((2, 3))
    """

    def mean(self, dimensions: int) -> tuple[AveragePooling, float]:
        """The mean over the same windows, and their positions in so many dimensions.

        Example:
            >>> SumPooling(2, stride=1).mean(2)
            (AveragePooling(2, stride=1), 4.0)
        """
        count = self.size**dimensions if isinstance(self.size, int) else math.prod(self.size)
        return AveragePooling(self.size, stride=self.stride), float(count)


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


Averaging = Pooling | Flatten | GlobalAveragePooling
