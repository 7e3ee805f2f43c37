"""Coefficients of images, and where they stand in the tables of lanes.

Where all images together are few, the coefficients of every one are computed once, those that the
error bound looks at first, and placed wherever they stand; else some at a time, when a table asks
for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np

from analytic.activation import Activation
from analytic.compilation import compiled
from analytic.expectations import Coefficients, Moments, coefficients, orders
from analytic.images.shifts import Index
from analytic.machine import LANES, Array, cores

__all__ = ["Known", "KnownPanels", "done", "each", "place", "places", "repeat"]

MANY = 8
"""Calls that are worth threads of their own."""

Given = TypeVar("Given")
Found = TypeVar("Found")


def places(panels: Index) -> tuple[Index, Index]:
    """(panel, copy, image) whose coefficients are asked for, and (panel, copy) of repetitions."""
    panel, copy = np.indices(panels.shape)
    again = (copy > 0) & (panels == panels[:, :1])
    fresh = np.stack([panel, copy, panels], axis=-1)[~again]
    return fresh, np.argwhere(again)


def done(
    task: Callable[[Given], Found], given: Iterable[Given], pool: ThreadPoolExecutor | None
) -> list[Found]:
    """What a task makes of all that is given, by threads if there are any."""
    return list(map(task, given) if pool is None else pool.map(task, given))


def each(task: Callable[[int], None], count: int) -> None:
    """Do a task for each number below ``count``, on all cores if there are many."""
    if count < MANY:
        for number in range(count):
            task(number)
        return
    with ThreadPoolExecutor(cores()) as pool:
        done(task, range(count), pool)


class Known:
    """Coefficients of a layer for all images, each computed once, when it is asked for.

    Args:
        activation: w.
        deviation: s of all images, (n P,).
        most: how many may be asked for.
    """

    def __init__(self, activation: Activation, deviation: Any, most: int) -> None:
        self._activation, self._deviation, self._most = activation, deviation, most
        self._parts: list[Array] = []
        self._lock = Lock()

    def begin(self, terms: int, moments: Moments) -> Coefficients:
        """The first of them, with what is known of their errors."""
        found = coefficients(
            self._activation, self._deviation, terms, orders(self._activation), self._most, moments
        )
        self._parts = [found.b]
        return found

    def first(self, count: int) -> list[Array]:
        """At least so many of those whose orders matter, or all there are: parts (orders, n P)."""
        with self._lock:
            wanted = range(self._most)[orders(self._activation)]
            more = wanted[sum(map(len, self._parts)) : count]
            if len(more):
                some, terms = slice(more.start, None, more.step), more[-1] + 1
                new = coefficients(self._activation, self._deviation, terms, some, self._most)
                self._parts.append(new.b)
            return [*self._parts]


class KnownPanels(NamedTuple):
    """What is known of all images, by the numbers of layers, and which of them stand where.

    Attributes:
        known: the coefficients.
        panels: numbers of the images of every panel, (panels, copies).
    """

    known: Mapping[int, Known]
    panels: Index

    def place(self, at: int, some: Index, positions: int, both: bool, out: Array) -> None:
        """Write those of a layer where ``some`` (panel, copy) stand."""
        images, first = self.panels[some[:, 0], some[:, 1]], 0
        for b in self.known[at].first(out.shape[2]):
            place(b, first, some, images, positions, both, out)
            first += len(b)


@compiled
def place(
    b: Any, first: int, some: Any, numbers: Any, positions: int, both: bool, out: Any
) -> None:  # fmt: skip
    """Write the coefficients of some images, those of ``numbers`` in b (orders, images P).

    Args:
        b: coefficients of those orders that matter.
        first: how many such orders come before them.
        some: (panel, copy, ...) where each of the images stands.
        numbers: of the images in b.
        positions: P.
        both: whether even and odd orders matter.
        out: (panels, Q / LANES, coefficients, LANES).
    """
    depth = min(b.shape[0], out.shape[2] - first)
    for image in range(numbers.size):
        table, done = out[some[image, 0]], numbers[image] * positions
        lead, end = some[image, 1] * positions - done, done + positions
        while done < end:
            chunk, lane = (lead + done) // LANES, (lead + done) % LANES
            count = min(end - done, LANES - lane)
            for at in range(depth):
                k = first + at
                row = k // 8 * 8 + k % 8 // 2 + 4 * (k % 2) if both else k
                target, source = table[chunk, row, lane : lane + count], b[at, done : done + count]
                for j in range(count):
                    target[j] = source[j]
            done += count


@compiled
def repeat(out: Any, again: Any, positions: int) -> None:
    """Write the lanes of the first image of a panel again, as those of (panel, copy).

    Images that stand side by side are so small that all are in the first vector of lanes.
    """
    for number in range(again.shape[0]):
        table, first = out[again[number, 0], 0], again[number, 1] * positions
        for k in range(table.shape[0]):
            target, source = table[k, first : first + positions], table[k, :positions]
            for p in range(positions):
                target[p] = source[p]
