"""Coefficients of images, and where they stand in the tables of lanes.

Where all images together are few, the coefficients of every one are computed once, by all cores,
and placed wherever they stand; else some at a time, when a table asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from analytic.activation import Activation
from analytic.compilation import compiled
from analytic.expectations import coefficients, orders
from analytic.images.shifts import Index
from analytic.machine import LANES, Array, cores

__all__ = ["Known", "Layered", "done", "each", "known_parts", "place", "places", "repeat"]

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


class Layered(NamedTuple):
    """What the coefficients of a layer are asked for: w, s of all images (n, P), and how many."""

    activation: Activation
    deviation: Any
    terms: int

    @property
    def size(self) -> int:
        """Numbers of all coefficients."""
        wanted = range(self.terms)[orders(self.activation)]
        return self.deviation.size * len(wanted)

    def of(self, images: slice) -> Array:
        """Those of some images, (orders, images P)."""
        s = self.deviation[images].ravel()
        return coefficients(self.activation, s, self.terms, orders(self.activation)).b


def known_parts(
    layers: Mapping[int, Layered], step: int, pool: ThreadPoolExecutor | None
) -> dict[int, list[Array]]:
    """The coefficients of all images, ``step`` of them at a time, for each layer."""
    tasks = [
        (layer, slice(start, start + step))
        for layer in layers.values()
        for start in range(0, len(layer.deviation), step)
    ]
    found = iter(done(lambda task: task[0].of(task[1]), tasks, pool))
    return {
        at: [next(found) for _ in range(0, len(layer.deviation), step)]
        for at, layer in layers.items()
    }


class Known(NamedTuple):
    """Coefficients of all images, and which of them stand where.

    Attributes:
        parts: those of every layer, (orders, step P) each.
        step: images of a part.
        panels: numbers of the images of every panel, (panels, copies).
    """

    parts: Mapping[int, Sequence[Array]]
    step: int
    panels: Index

    def place(self, at: int, some: Index, positions: int, both: bool, out: Array) -> None:
        """Write those of a layer where ``some`` (panel, copy) stand."""
        part, number = np.divmod(self.panels[some[:, 0], some[:, 1]], self.step)
        for at_part in np.unique(part):
            chosen = part == at_part
            known = self.parts[at][int(at_part)]
            place(known, some[chosen], number[chosen], positions, both, out)


@compiled
def place(b: Any, some: Any, numbers: Any, positions: int, both: bool, out: Any) -> None:
    """Write the coefficients of some images, those of ``numbers`` in b (orders, images P).

    Args:
        b: coefficients of those orders that matter.
        some: (panel, copy, ...) where each of the images stands.
        numbers: of the images in b.
        positions: P.
        both: whether even and odd orders matter.
        out: (panels, Q / LANES, coefficients, LANES).
    """
    depth = min(b.shape[0], out.shape[2])
    for image in range(numbers.size):
        table, done = out[some[image, 0]], numbers[image] * positions
        lead, end = some[image, 1] * positions - done, done + positions
        while done < end:
            chunk, lane = (lead + done) // LANES, (lead + done) % LANES
            count = min(end - done, LANES - lane)
            for k in range(depth):
                row = k // 8 * 8 + k % 8 // 2 + 4 * (k % 2) if both else k
                target, source = table[chunk, row, lane : lane + count], b[k, done : done + count]
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
