r"""The linear maps of a network of images, with the shifts that are needed before each of them.

They are followed from the readout back. Flattening needs the shift 0 only, pooling windows of r
side by side the shifts below r, global pooling all. Where branches end the units of all of them are
needed at the same shifts; where they begin, at the shifts that any of them needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from analytic.images.axes import pooled, three
from analytic.images.grids import POINT, Grid, Window, needed, united, window_of
from analytic.machine import LANES, UNIT
from analytic.network import (
    AveragePooling,
    Averaging,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Layer,
    Network,
    Pointwise,
    Pooling,
    Shape,
    Step,
    fold,
    itself,
    shape_after,
)

__all__ = ["Leave", "LinearMap", "Passage", "passages", "unchanged"]


@dataclass(frozen=True, slots=True, eq=False)
class Leave:
    """How the fields of a stretch become others, with positions and shifts ``grid``.

    ``total`` adds up all of them, ``mean`` and ``sum`` what the window says; what is not a sum
    is divided by the number ``count`` of what was added. ``mixes`` says whether a pair reads
    other combinations of positions than equal ones, ``pools`` what size and stride the windows
    of an average have along each axis, ``places`` how many positions a total has.
    """

    kind: Literal["sum", "mean", "total"]
    grid: Grid
    window: Window | None
    count: int
    mixes: bool
    pools: tuple[tuple[int, int], ...] = ()
    places: int = 1

    @property
    def rounding(self) -> float:
        """The relative rounding of what is added up and divided.

        Kahan's sum has 2 where a lane has more than one term, that of all lanes one for each
        halving, sums of shifts that are added up apart 3, and the quotient one, unless it is by a
        power of 2.
        """
        if self.kind == "sum" or self.count == 1:
            return 0.0
        total = self.kind == "total"
        kahan = 2 * (self.mixes or not total or self.places > LANES)
        halvings = math.ceil(math.log2(min(self.places, LANES))) if total else 0
        quotient = int(math.frexp(self.count)[0] != 0.5)
        return (kahan + halvings + 3 * self.mixes + quotient) * UNIT


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A linear map, the shape of the images before it, and what is needed there and behind."""

    layer: Layer
    shape: Shape
    before: Grid
    after: Grid

    @cached_property
    def window(self) -> Window | None:
        """How it carries the shifts that it needs."""
        return window_of(self.layer, self.shape, self.before, self.after)

    @property
    def reads(self) -> int:
        """How many positions are summed up in a pre-activation, 0 if there is none."""
        if isinstance(self.layer, Convolution):
            return math.prod(three(self.layer.kernel_size, len(self.shape)))
        return int(isinstance(self.layer, FullyConnected | Pointwise))

    @property
    def additions(self) -> int:
        """How often a sum over a window is rounded (``analytic.images.fields.window_sums``).

        Lines are added up one after the other, then their columns.
        """
        assert isinstance(self.layer, Convolution)
        deep, low, right = three(self.layer.kernel_size, len(self.shape))
        return deep * low - 1 + right - 1

    @cached_property
    def is_local(self) -> bool:
        """Whether every shift goes through it alone and finds as many positions behind it."""
        if isinstance(self.layer, FullyConnected | Pointwise):
            return True
        same = self.before[:2] == self.after[:2]
        return self.reads > 0 and same and all(axis.is_local for axis in self.window or ())

    def leave(self, before: Grid) -> Leave:
        """How the fields of a stretch leave by it."""
        layer, after = self.layer, self.after
        if isinstance(layer, Flatten | GlobalAveragePooling):
            mixes = isinstance(layer, GlobalAveragePooling)
            all_of = tuple((size, size) for size in before.sides)
            count = before.positions ** (2 if mixes else 1)
            return Leave("total", after, None, count, mixes, all_of, before.positions)
        window = self.window
        if before is not self.before:
            window = window_of(layer, self.shape, before, after)
        if self.reads:
            return Leave("sum", after, window, 1, False)
        assert isinstance(layer, Pooling)
        pools = pooled(layer, len(self.shape))
        size = math.prod(size for size, _ in pools)
        return Leave("mean", after, window, size**2, size > 1, pools)


def unchanged(before: Grid, after: Grid) -> Leave:
    """How fields enter another stretch as they are, at the shifts that are needed there."""
    return LinearMap(AveragePooling(1), before.sides, after, after).leave(before)


class Passage(NamedTuple):
    """A step of the network: the averages before it, and its own linear map.

    ``begins`` is what is needed of the units that the layer reads, by the layer first, then by
    each of the copies that are put aside here, the last one first.
    """

    step: Step
    averages: tuple[LinearMap, ...]
    map: LinearMap
    begins: tuple[Grid, ...]


def passages(network: Network, spatial: Shape) -> tuple[list[Passage], tuple[LinearMap, ...]]:
    """All steps of a network, and the averages before its readout.

    Args:
        network: the description.
        spatial: shape of the images.
    """
    shapes, last = _shapes(network, spatial)
    need, readout = _back(network.readout, last, POINT)
    aside: list[Grid] = []
    found: list[Passage] = []
    for step, shape in zip(reversed(network.steps), reversed(shapes), strict=True):
        *_, read = _along(step.averages, shape)
        aside += [need] * step.closes
        before = needed(step.layer, read, need)
        begins = before, *(aside.pop() for _ in range(step.opens))
        own, need = LinearMap(step.layer, read, before, need), united(begins)
        if step.switches:
            need, aside[-1] = aside[-1], need
        need, averages = _back(step.averages, shape, need)
        found.insert(0, Passage(step, averages, own, begins))
    return found, readout


def _shapes(network: Network, spatial: Shape) -> tuple[list[Shape], Shape]:
    """The shapes before each step, with its averages, and behind the last one."""
    found: list[Shape] = []

    def averaged(step: Step, shape: Shape) -> Shape:
        found.append(shape)
        return _along(step.averages, shape)[-1]

    def after(step: Step, shape: Shape) -> Shape:
        if not step.averages:  # what the step reads, once branches have changed places
            found[-1] = shape
        return shape_after(step.layer, shape)

    def added(_: Step, __: int, ___: Shape, shape: Shape) -> Shape:
        return shape

    last = fold(network.steps, spatial, after, added, step=itself, averaged=averaged)
    return found, last


def _along(averages: tuple[Averaging, ...], shape: Shape) -> list[Shape]:
    """The shapes before the averages and behind each of them."""
    shapes = [shape]
    for layer in averages:
        shapes.append(shape_after(layer, shapes[-1]))
    return shapes


def _back(
    averages: tuple[Averaging, ...], shape: Shape, need: Grid
) -> tuple[Grid, tuple[LinearMap, ...]]:
    """What averages need, and their maps."""
    maps: list[LinearMap] = []
    shapes = _along(averages, shape)[:-1]
    for layer, found in zip(reversed(averages), reversed(shapes), strict=True):
        before = needed(layer, found, need)
        maps.insert(0, LinearMap(layer, found, before, need))
        need = before
    return need, tuple(maps)
