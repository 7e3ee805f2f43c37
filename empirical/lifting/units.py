r"""What a module computes, as units that are made of other units.

Legend: a *unit* is a random number at every position of an image, ``units`` of them are alike;
*data* are what the inputs give without any parameter. Every record knows what it reads, and its
shape is (units, \*spatial). Records are compared by identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import sympy
from torch import Tensor

from analytic.network import Averaging, Layer, Shape
from empirical.lifting.places import Location

__all__ = [
    "Applied",
    "Averaged",
    "Beside",
    "InputData",
    "Matrix",
    "Normalised",
    "Total",
    "Units",
    "Weights",
    "sources",
    "upstream",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A parameter as it enters a product, factor times the parameter.

    Attributes:
        name: of the parameter.
        tensor: the parameter.
        factor: by which it is multiplied first.
        turned: whether it is transposed.
    """

    name: str
    tensor: Tensor
    factor: float = 1.0
    turned: bool = False

    def times(self, factor: float) -> Matrix:
        """The same with another factor in front."""
        return replace(self, factor=self.factor * factor)

    @property
    def value(self) -> Tensor:
        """The numbers, transposed and multiplied."""
        tensor = self.tensor.detach()
        return self.factor * (tensor.T if self.turned else tensor)


@dataclass(frozen=True, slots=True, eq=False)
class InputData:
    """What the first weights read."""

    shape: Shape
    place: Location


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Sums over units with trained or frozen weights.

    Attributes:
        source: what is read.
        weight: its numbers are (units, units read, and the positions of a filter).
        bias: or None.
        window: the positions, as keywords of ``Convolution``; None if fully connected.
        shape: of the units.
        place: where.
    """

    source: Units
    weight: Matrix
    bias: Matrix | None
    window: dict[str, Any] | None
    shape: Shape
    place: Location

    @property
    def parameters(self) -> tuple[Matrix, ...]:
        """The weights, and the biases if there are any."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """A function of units, one by one."""

    source: Units
    expression: sympy.Expr
    shape: Shape
    place: Location


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """A part without weights that the description has a name for."""

    source: Units
    layer: Averaging | Layer
    shape: Shape
    place: Location


@dataclass(frozen=True, slots=True, eq=False)
class Total:
    """The sum of units."""

    terms: tuple[Units, ...]
    shape: Shape
    place: Location


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Units side by side."""

    terms: tuple[Units, ...]
    shape: Shape
    place: Location


@dataclass(frozen=True, slots=True, eq=False)
class Normalised:
    """Units less their mean and divided by their deviation, at every position or all together.

    Attributes:
        source: what is normalised.
        eps: is added to the variance.
        gain: by which each unit is multiplied, None if by nothing.
        shift: that is added then, or None.
        shape: of the units.
        place: where.
        positions: whether mean and deviation are those of all positions together.
    """

    source: Units
    eps: float
    gain: Matrix | None
    shift: Matrix | None
    shape: Shape
    place: Location
    positions: bool = False

    @property
    def parameters(self) -> tuple[Matrix, ...]:
        """The gains and the shifts, if there are any."""
        return tuple(m for m in (self.gain, self.shift) if m is not None)


Units = InputData | Weights | Applied | Averaged | Normalised | Total | Beside


def sources(units: Units) -> tuple[Units, ...]:
    """What some units are made of."""
    if isinstance(units, InputData):
        return ()
    return units.terms if isinstance(units, Total | Beside) else (units.source,)


def upstream(units: Units) -> Iterator[Units]:
    """All units that these are made of, each once and behind its sources; these last."""
    done: set[int] = set()
    ahead = [(units, False)]
    while ahead:
        one, entered = ahead.pop()
        if entered:
            yield one
        elif id(one) not in done:
            done.add(id(one))
            ahead.append((one, True))
            ahead += [(source, False) for source in sources(one) if id(source) not in done]
