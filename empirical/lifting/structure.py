"""From units that are made of units to the layers of a description.

The units that all ways from the data to some units pass through are their *gates*. The branches
of a sum begin at the last gate that its terms have in common, and each of them is a stack of its
own: so a graph of units that is made of stacks and sums becomes one of layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analytic.activation import NAMES, Activation
from analytic.network import (
    AveragePooling,
    Concatenate,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Layer,
    LayerNorm,
    Network,
    Nonlinearity,
    Readout,
    Residual,
    Scale,
    Sum,
)
from empirical.lifting.places import LiftingError, Location, refusal
from empirical.lifting.pointwise_functions import the_factor
from empirical.lifting.units import (
    Applied,
    Averaged,
    Beside,
    InputData,
    Normalised,
    Total,
    Units,
    Weights,
    sources,
    upstream,
)

__all__ = ["Built", "built", "check_wide", "network_from"]

FEWEST_UNITS = 4
"""Fewest units of a layer."""


@dataclass(frozen=True, slots=True)
class Built:
    """Layers, and the weights that they stand for.

    Attributes:
        layers: of the network.
        parts: the units of each layer with weights, in the order in which they are run.
        normalised: those of each normalisation, in the same order.
    """

    layers: tuple[Layer, ...]
    parts: tuple[Weights, ...]
    normalised: tuple[Normalised, ...]


def built(units: Units, numbers: Mapping[int, Mapping[str, float]]) -> Built:
    """The layers that make some units of the data.

    Args:
        units: what the readout reads.
        numbers: the keywords of every layer with weights or gains, by the id of its units.

    Raises:
        LiftingError: a graph that is not made of stacks and sums, or weights that are used twice.
    """
    builder = _Builder(units, numbers)
    layers = builder.stack(units, builder.data)
    _check_each_once([*builder.parts, *builder.normalised])
    return Built(tuple(layers), tuple(builder.parts), tuple(builder.normalised))


class _Builder:
    """Turns units into layers, and collects those with weights."""

    def __init__(self, units: Units, numbers: Mapping[int, Mapping[str, float]]) -> None:
        self.numbers = numbers
        self.parts: list[Weights] = []
        self.normalised: list[Normalised] = []
        self.gates: dict[int, tuple[Units, ...]] = {}
        self.uses: dict[int, int] = {}
        for one in upstream(units):
            below = [self.gates[id(source)] for source in sources(one)]
            self.gates[id(one)] = (*_common(below), one)
            for source in sources(one):
                self.uses[id(source)] = self.uses.get(id(source), 0) + 1
        self.data = self.gates[id(units)][0]

    def stack(self, units: Units, start: Units) -> list[Layer]:
        """The layers from some units to others."""
        if units is start:
            return []
        if isinstance(units, Total | Beside):
            return self.branched(units, start)
        assert not isinstance(units, InputData)
        before = self.stack(units.source, start)
        if isinstance(units, Weights):
            self.parts.append(units)
            return [*before, self.weights(units)]
        if isinstance(units, Applied):
            return _with_function(before, units)
        if isinstance(units, Normalised):
            self.normalised.append(units)
            numbers: dict[str, Any] = dict(self.numbers[id(units)])
            return [*before, LayerNorm(positions=units.positions, **numbers)]
        return _with_average(before, units)

    def weights(self, units: Weights) -> Layer:
        """A linear layer."""
        keywords: dict[str, Any] = dict(self.numbers[id(units)])
        if units.window is None:
            return FullyConnected("identity", **keywords)
        window = {name: _one(value) for name, value in units.window.items()}
        return Convolution("identity", **window, **keywords)  # pyright: ignore[reportArgumentType]

    def branched(self, units: Total | Beside, start: Units) -> list[Layer]:
        """Branches that are added or stand side by side, behind what they have in common."""
        terms = self.terms(units)
        first = _common([self.gates[id(term)] for term in terms])[-1]
        before = self.stack(first, start)
        branches = [self.stack(term, first) for term in terms]
        if isinstance(units, Beside) and not all(branches[1:]):
            raise refusal(
                "units that are passed on in front of the others", units.place,
                "a description has them first", "write torch.cat([h, branch(h)], dim=1)",
            )  # fmt: skip
        branches.sort(key=bool)  # a skip first; the others as they were written
        try:
            if isinstance(units, Beside):
                return [*before, Concatenate(*branches)]
            if not branches[0] and len(branches) == 2:
                return [*before, Residual(*branches[1])]
            return [*before, Sum(*branches)]
        except ValueError as error:
            raise refusal(
                "branches that a description can have", units.place,
                f"the description refuses it: {error}", "change this block",
            ) from error  # fmt: skip

    def terms(self, units: Total | Beside) -> list[Units]:
        """Those of sums within the sum as well, where nothing else reads these."""
        found: list[Units] = []
        for term in units.terms:
            inner = type(term) is type(units) and self.uses[id(term)] == 1
            found += self.terms(term) if inner else [term]  # pyright: ignore[reportArgumentType]
        return found


def _common(lists: list[tuple[Units, ...]]) -> tuple[Units, ...]:
    """The first gates that are the same in all lists."""
    if not lists:
        return ()
    found: list[Units] = []
    for row in zip(*lists, strict=False):
        if any(one is not row[0] for one in row):
            break
        found.append(row[0])
    return tuple(found)


def _with_function(before: list[Layer], units: Applied) -> list[Layer]:
    factor = the_factor(units.expression)
    if factor is not None and factor > 0:
        return _scaled(before, factor)
    outer, inner = units.expression.as_coeff_Mul()
    try:
        activation = Activation(units.expression)
        if activation.jump is not None:
            raise refusal(
                "continuous pointwise functions", units.place,
                f"{activation.jump}: its slope, which the tangent kernel needs, is no function",
                "use a continuous activation, such as nn.Tanh or nn.Hardtanh",
            )  # fmt: skip
        if outer > 0 and outer != 1 and activation.name not in NAMES:
            return _scaled(_with_function(before, replace(units, expression=inner)), float(outer))
    except LiftingError:
        raise
    except ValueError as error:
        raise refusal(
            "pointwise functions with a limit", units.place, str(error), "use another activation"
        ) from error
    last = before[-1] if before else None
    if isinstance(last, FullyConnected | Convolution) and last.activation == _IDENTITY:
        return [*before[:-1], replace(last, activation=activation)]
    return [*before, Nonlinearity(activation)]


def _scaled(before: list[Layer], factor: float) -> list[Layer]:
    """A factor behind layers; two of them are one."""
    last = before[-1] if before else None
    if isinstance(last, Scale):
        before, factor = before[:-1], factor * last.factor
    return before if factor == 1.0 else [*before, Scale(factor)]


def _with_average(before: list[Layer], units: Averaged) -> list[Layer]:
    """An average; windows of all positions and their flattening are the global one."""
    single = all(p == 1 for p in units.source.shape[1:])
    if isinstance(units.layer, Flatten) and single:
        for k in range(len(before) - 1, -1, -1):
            pool = before[k]
            if isinstance(pool, AveragePooling) and pool.stride is None:  # it reads all positions
                return [*before[:k], GlobalAveragePooling(), *before[k + 1 :]]
            if not isinstance(pool, Scale):
                break
    if isinstance(units.layer, Scale):
        return _scaled(before, units.layer.factor)
    return [*before, units.layer]


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


_IDENTITY = Activation("identity")


def _check_each_once(parts: list[Weights | Normalised]) -> None:
    """Raise where a parameter is used in two places."""
    known: dict[int, Location] = {}
    for part in parts:
        for matrix in part.parameters:
            if id(matrix.tensor) in known:
                raise refusal(
                    "weights that are used once", part.place,
                    f"the parameter {matrix.name!r} is also used by"
                    f" {known[id(matrix.tensor)]}: tied weights make the units of both places"
                    " dependent, as in a recurrent network or an autoencoder, or the branches of a"
                    " sum are read again inside it",
                    "give each place parameters of its own",
                )  # fmt: skip
            known[id(matrix.tensor)] = part.place


def check_wide(hidden: list[Weights]) -> None:
    """Raise unless there are hidden layers, of some width."""
    if not hidden:
        raise LiftingError(
            "expected a module with hidden layers, got a linear one: its kernel does not depend on"
            " the weights, and is the same at all widths"
        )
    for part in hidden:
        if part.shape[0] < FEWEST_UNITS:
            raise refusal(
                f"layers of at least {FEWEST_UNITS} units", part.place,
                f"it has {part.shape[0]}, and a limit of many units says nothing about so few",
                "widen it, or leave it out: two linear maps in a row are one",
            )  # fmt: skip


def network_from(layers: tuple[Layer | Readout, ...]) -> Network:
    """The network, or why there is none."""
    try:
        network = Network(*layers)
        network.commuted()  # what ``check_gains`` has not seen
        return network
    except ValueError as error:
        text = ", ".join(map(repr, layers))
        raise LiftingError(
            f"expected a module whose layers make a network, got {text}: {error}"
        ) from error
