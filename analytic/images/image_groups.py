"""Which images go together, and their tables: made when needed, kept while there is room."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np

from analytic.images.field_expectations import FieldLayer
from analytic.images.lane_places import KnownPanels
from analytic.images.lane_tables import Tables
from analytic.images.planning import Plans
from analytic.images.shifted_positions import pixels
from analytic.images.shifts import Index
from analytic.images.stretch_layouts import FIELDS, Layout
from analytic.images.unit_norms import NormTables, pixel_lines
from analytic.machine import LANES, Array

__all__ = ["KEPT_TABLES", "Blocking", "Shelf", "blocking", "strip_rows"]

KEPT_TABLES = 2**28
"""Bytes of tables that are kept."""
BETWEEN = 2**25
"""Bytes of the fields of a block between two stretches."""
STRIP = 64
"""Most first images that share the tables of the second ones."""
FEW = 2**20
"""Lanes of all pairs of images that are few enough to share one set of tables."""
WORK = 2**16
"""Lanes that are worth a strip of their own."""
STRIPS = 4
"""Strips of them for all threads, the first of which have more pairs."""


class Blocking(NamedTuple):
    """How many images go together.

    Attributes:
        size: first images of a block.
        copies: images of a panel.
        strip: first images of a strip.
        rows: first images that have tables together.
        panels: panels of second ones that have.
    """

    size: int
    copies: int
    strip: int
    rows: int
    panels: int

    @property
    def whole(self) -> bool:
        """Whether all images have tables together."""
        return self.rows > self.size or self.panels > self.size


def blocking(alone: Sequence[Layout], n: int, k: int) -> Blocking:
    """The blocks for n first and k second images.

    Args:
        alone: the stretches, one image wide.
        n: first images.
        k: second ones.
    """
    most = max(layout.stretch.grid.positions for layout in alone)
    copies = max(min(LANES // most, k), 1)
    lanes = max(layout.lanes for layout in alone)
    held = max(layout.bytes_between for layout in alone[1:])
    pairs = max(min(FIELDS // (16 * lanes), BETWEEN // held), 1)
    panels, work = -(-k // copies), n * -(-k // copies) * lanes
    size = -(-n // max(min(STRIPS, work // WORK), 1))
    if 0 < work <= FEW and size * panels <= pairs:
        return Blocking(size, copies, size, n, panels)
    size = _power(min(int(pairs**0.5), max(n, 1)))
    return Blocking(size, copies, strip_rows(size, n), size, size)


def strip_rows(size: int, n: int) -> int:
    """Rows of a strip: some strips should be left for all threads."""
    return size * max(min(STRIP // size, n // (4 * size)), 1)


def _power(size: int) -> int:
    """The largest power of two that is not larger."""
    return 1 << (max(size, 1).bit_length() - 1)


class ImageGroup(NamedTuple):
    """Some panels of images: their tables and pixels."""

    tables: Tables | NormTables
    x: Array


class Shelf:
    """Groups of panels of images, made when they are needed and kept while there is room.

    Args:
        plans: the images.
        layers: the layers.
        panels: the images of all panels, (panels, copies).
        size: panels of a group.
        lanes: Q of the input.
    """

    def __init__(
        self, plans: Plans, layers: dict[int, FieldLayer], panels: Index, size: int, lanes: int
    ) -> None:
        self.plans, self.layers, self._lanes = plans, layers, lanes
        self.panels, self.size = panels, size
        self._kept: dict[int, ImageGroup] = {}
        self._depths: dict[int, int] = {}
        self._lock = Lock()

    @property
    def bytes_each(self) -> float:
        """Memory of the tables of an image, of those that are kept."""
        kept = list(self._kept.values())
        images = sum(len(group.tables) for group in kept) * self.panels.shape[1]
        return sum(group.tables.bytes for group in kept) / max(images, 1)

    def group(self, number: int) -> ImageGroup:
        """The panels from number * size on."""
        found = self._kept.get(number)
        if found is None:
            found = self._made(number)
            with self._lock:
                kept = sum(group.tables.bytes for group in self._kept.values())
                if kept <= KEPT_TABLES:
                    found = self._kept.setdefault(number, found)
        return found

    def _made(self, number: int) -> ImageGroup:
        panels = self.panels[number * self.size : (number + 1) * self.size]
        images, place = np.unique(panels, return_inverse=True)
        place = place.reshape(panels.shape)
        seen, x, defects = self.plans.sights(images), self.plans.x[images], self.plans.defects
        if defects is not None:
            norms = NormTables(seen, defects.sources, place)
            return ImageGroup(norms, pixel_lines(x, place, self._lanes))
        held = KnownPanels(self.plans.known, panels)
        tables = Tables(seen, self.layers, place, self._depths, held)
        return ImageGroup(tables, pixels(x, place, self._lanes))
