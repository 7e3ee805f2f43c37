"""What a module calls, and what its tensors stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from empirical.lifting.places import Location
from empirical.lifting.units import Units

__all__ = ["FunctionCall", "Value"]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a tensor of the run stands for.

    Attributes:
        units: at every entry of the tensor.
        axes: what the axes of the tensor are: 0 samples, 1 units, from 2 on positions.
        pads: what has been put around the positions, before and after, in every dimension.
        wraps: whether that is the other end of the image, rather than zeros.
    """

    units: Units
    axes: tuple[int, ...]
    pads: tuple[tuple[int, int], ...] = ()
    wraps: bool = False

    @property
    def canonical(self) -> bool:
        """Whether the axes are in order and nothing has been put around."""
        return self.in_order and not self.pads

    @property
    def in_order(self) -> bool:
        """Whether the axes are in order."""
        return self.axes == tuple(range(len(self.units.shape) + 1))


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCall:
    """A function of torch that the module has called.

    Attributes:
        name: without underscores: ``add_`` and ``__add__`` are ``add``.
        args: by position.
        kwargs: by name.
        result: what it gave.
        place: where.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    place: Location

    def bound(self, names: str, **defaults: Any) -> list[Any]:
        """The arguments in the order of their names, whichever way they were passed."""
        keys = names.split()
        found = {**defaults, **dict(zip(keys, self.args, strict=False)), **self.kwargs}
        return [found.get(key) for key in keys]
