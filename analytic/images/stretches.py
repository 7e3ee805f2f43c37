r"""A network of images as stretches in which every shift goes alone.

For a shift (dy, dx) the field Sigma(p, p + shift) is an image. A convolution that keeps the
positions is a sum over its windows, and the nonlinearity acts on each number: a field goes through
such layers alone. Strides, "valid" convolutions and averages change the shifts; there a stretch
ends, and its fields are added to those of the next one.

Branches that keep the positions begin and end within a stretch. Where they begin otherwise, the
stretch ends as well: its fields leave once for each of them, by the first layer of the branch if
that changes the shifts, as they are if not. They wait until it is their turn; the sum of the
branches so far waits meanwhile, and enters the stretch in which the last one ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from analytic.images.grids import Grid, Window, united
from analytic.images.linear_maps import Leave, Passage, passages, unchanged
from analytic.network import Network, Shape

__all__ = ["Stretch", "network_stretches", "put", "taken"]

State = TypeVar("State")


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Layers that every shift goes through alone.

    Attributes:
        grid: positions and shifts.
        first: number of its first weight layer in the network.
        windows: one for each of its weight layers; None where the sum has been taken already.
        reads: how many positions each of the layers reads.
        additions: how often each of the sums over windows is rounded, None where there is none.
        marks: before each of the layers, how many copies of the fields are put aside within the
            stretch, and whether they change places with fields that were.
        averaged: whether it begins with the last of the averages before its first layer.
        waiting: the grids of all fields that wait where it begins, its own last.
        entries: how many of them enter it: the last of all first, and sums that end in it.
        leaves: how it ends, one for each branch that begins behind it.
        swaps: whether its fields wait from there on, and those that were waiting go on.
    """

    grid: Grid
    first: int
    windows: tuple[Window | None, ...]
    reads: tuple[int, ...]
    additions: tuple[int | None, ...]
    marks: tuple[tuple[int, bool], ...]
    averaged: bool
    waiting: tuple[Grid, ...]
    entries: int
    leaves: tuple[Leave, ...]
    swaps: bool


def taken(waiting: list[State], stretch: Stretch) -> list[State]:
    """What enters a stretch, of the states that wait: taken from their end."""
    return [waiting.pop() for _ in range(stretch.entries)]


def put(waiting: list[State], found: Sequence[State], stretch: Stretch) -> None:
    """Add what leaves a stretch to the states that wait; the last of all goes on."""
    if stretch.swaps:
        waiting[-1:-1] = found
    else:
        waiting.extend(reversed(found))


@dataclass(slots=True)
class _Aside:
    """Copies of units that are put aside, with the steps that take them and that end their sum.

    A skip has no layers: it is added, and nothing takes it.
    """

    taken: int | None = None
    ends: int = 0


@lru_cache(maxsize=32)
def network_stretches(network: Network, spatial: Shape) -> tuple[Stretch, ...]:
    """Cut a network into stretches, once for networks and images that come again.

    Args:
        network: the description.
        spatial: shape of the images.

    Example:
        >>> from analytic.network.description import AveragePooling, Convolution, Network
        >>> flat = network_stretches(Network(Convolution("tanh", 3)), (8, 8))
        >>> pooled = network_stretches(Network(Convolution("tanh", 3), AveragePooling(2)), (8, 8))
        >>> [stretch.grid.shifts for stretch in flat], pooled[0].grid.rows
        ([1, 1], array([0, 1, 7]))
    """
    steps, readout = passages(network, spatial)
    asides, taken_at = _asides(steps)
    cut = _Cut(_first(steps[0]))
    for at, passage in enumerate(steps):
        for average in passage.averages:
            cut.end([average.leave(cut.grid)], averaged=average is passage.averages[-1])
        swaps = at in taken_at and not _are_local(steps[at + 1 : taken_at[at].ends + 1])
        if swaps:
            cut.end([unchanged(cut.grid, cut.grid)], swaps=True)
        outside = _outside(steps, at, asides[at])
        if outside:
            cut.end(_beginnings(steps, passage, asides[at], outside, cut.grid))
        elif not (passage.map.is_local or at in taken_at):
            cut.end([passage.map.leave(cut.grid)])
        cut.layer(passage, passage.step.opens - len(outside), passage.step.switches and not swaps)
    for average in readout:
        cut.end([average.leave(cut.grid)], averaged=average is readout[-1])
    return cut.finished()


def _first(passage: Passage) -> Grid:
    """What is needed of the images."""
    return passage.averages[0].before if passage.averages else united(passage.begins)


def _asides(steps: Sequence[Passage]) -> tuple[list[list[_Aside]], dict[int, _Aside]]:
    """What is put aside before each step, the last first, and by steps what they take."""
    waiting: list[_Aside] = []
    found: list[list[_Aside]] = []
    taken_at: dict[int, _Aside] = {}
    for at, (step, *_) in enumerate(steps):
        if step.switches:
            waiting[-1].taken = at
            taken_at[at] = waiting[-1]
        fresh = [_Aside() for _ in range(step.opens)]
        found.append(fresh[::-1])
        waiting += fresh
        for _ in range(step.closes):
            waiting.pop().ends = at
    return found, taken_at


def _are_local(steps: Sequence[Passage]) -> bool:
    """Whether the fields go through steps one by one."""
    return all(passage.map.is_local and not passage.averages for passage in steps)


def _outside(steps: Sequence[Passage], at: int, asides: Sequence[_Aside]) -> list[int]:
    """Which of the units that are put aside before a step are not added in the same stretch."""
    return [
        number
        for number, aside in enumerate(asides)
        if not (steps[at].map.is_local and _are_local(steps[at + 1 : aside.ends + 1]))
    ]


def _beginnings(
    steps: Sequence[Passage], passage: Passage, asides: Sequence[_Aside],
    outside: Sequence[int], grid: Grid,
) -> list[Leave]:  # fmt: skip
    """How fields leave a stretch, to the layer of a passage first, then to what is put aside."""
    first = passage.map
    found = [unchanged(grid, first.before) if first.is_local else first.leave(grid)]
    for number in outside:
        at = asides[number].taken
        taker = None if at is None else steps[at]
        if taker is None or taker.map.is_local or taker.step.opens:
            found.append(unchanged(grid, passage.begins[number + 1]))
        else:
            found.append(taker.map.leave(grid))
    return found


class _Cut:
    """The stretches that have been cut, and the layers of the one that follows.

    Attributes:
        grid: its positions and shifts.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._found: list[Stretch] = []
        self._waiting: list[Grid] = []
        self._begin(0, False)

    def _begin(self, first: int, averaged: bool) -> None:
        self._first, self._averaged = first, averaged
        self._windows: list[Window | None] = []
        self._reads: list[int] = []
        self._additions: list[int | None] = []
        self._marks: list[tuple[int, bool]] = []
        self._inside, self._entering = 0, 0  # put aside in this stretch, or where it began

    def layer(self, passage: Passage, opens: int, switches: bool) -> None:
        """Add a layer, before which copies are put aside or taken within the stretch."""
        own = passage.map
        window = own.window if own.is_local else None
        self._windows.append(window)
        self._additions.append(None if window is None else own.additions)
        self._reads.append(own.reads)
        self._marks.append((opens, switches))
        if switches:
            self._reach(1)
        self._inside += opens
        self._reach(passage.step.closes)
        self._inside -= passage.step.closes

    def _reach(self, depth: int) -> None:
        """So many of what has been put aside are needed."""
        more = max(depth - self._inside, 0)
        self._entering, self._inside = self._entering + more, self._inside + more

    def end(
        self, leaves: Sequence[Leave], *, averaged: bool = False, swaps: bool = False
    ) -> None:  # fmt: skip
        """The stretch ends; ``averaged`` says how the next one begins."""
        self._found.append(self._stretch(tuple(leaves), swaps))
        taken(self._waiting, self._found[-1])
        put(self._waiting, [leave.grid for leave in leaves], self._found[-1])
        self.grid = self._waiting[-1]
        self._begin(self._first + len(self._windows), averaged)

    def _stretch(self, leaves: tuple[Leave, ...], swaps: bool) -> Stretch:
        entries = self._entering + bool(self._found)
        return Stretch(
            self.grid, self._first, tuple(self._windows), tuple(self._reads),
            tuple(self._additions), tuple(self._marks), self._averaged, tuple(self._waiting),
            entries, leaves, swaps,
        )  # fmt: skip

    def finished(self) -> tuple[Stretch, ...]:
        """All stretches."""
        return (*self._found, self._stretch((), False))
