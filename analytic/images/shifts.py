r"""Shifts along one axis, and how a linear layer carries them.

A pair of positions (p, q) of an axis of P positions is the shift d = q - p mod P and the place
p: for every shift, Sigma(p, p + d) is a line of P numbers. A filter reads (s p + d k, s q + d k)
with the same k, which is the shift s (q - p): it acts on the place and on the shift apart. A
pooling window reads all (s p + a, s q + b), with the shifts s (q - p) + b - a.

Legend: P positions before a layer and P' after it; s the stride; K the size of the filter, whose
readings are ``apart`` positions from each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Index", "Readings", "Scatter", "filter_readings", "pool_readings", "scatter"]

Index = NDArray[np.int64]


class Readings(NamedTuple):
    """What the pairs after a layer read, one entry for each: all arrays of the same shape.

    Entries with the same ``tap`` have readings that belong together.
    """

    after: Index  # shift of the pair
    target: Index  # its place
    tap: Index
    shift: Index  # shift that is read, 0, ..., P - 1
    source: Index  # place that is read
    step: int  # from the source of one place to that of the next


class Scatter(NamedTuple):
    """Runs of places that go together from one line to another, sorted by shift.

    The runs of the i-th shift before the layer are first[i], ..., first[i + 1] - 1; a run adds
    the places source, source + step, ... to the places target, target + 1, ... of the shift
    number ``after``.
    """

    first: Index  # (shifts before + 1,)
    after: Index  # (runs,), the same for the others
    target: Index
    source: Index
    length: Index
    step: int

    @property
    def is_local(self) -> bool:
        """Whether every shift stays what it is, on as many places."""
        number = np.repeat(np.arange(self.first.size - 1), np.diff(self.first))
        return self.step == 1 and bool(np.all(number == self.after))


def filter_readings(
    shifts: Index,
    positions: int,
    after: int,
    size: int,
    stride: int,
    back: int,
    wraps: bool,
    apart: int = 1,
) -> Readings:
    """What a filter reads for some shifts after it.

    Args:
        shifts: those after the layer.
        positions: P.
        after: P'.
        size: K.
        stride: s.
        back: the first reading of place p is s p - back.
        wraps: whether the axis is a circle; otherwise there are zeros outside.
        apart: the distance of two readings.

    Example:
        >>> found = filter_readings(np.array([0]), 3, 3, 3, 1, 1, False)
        >>> found.target.tolist(), found.source.tolist()
        ([0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 2, 1, 2])
    """
    all_places, taps = np.arange(after), np.arange(size)
    d, p, k = (a.ravel() for a in np.meshgrid(shifts, all_places, taps, indexing="ij"))
    u, v = (stride * place + apart * k - back for place in (p, (p + d) % after))
    inside = (u >= 0) & (u < positions) & (v >= 0) & (v < positions) | wraps
    d, p, k, u, v = (part[inside] for part in (d, p, k, u, v))
    return Readings(d, p, k, (v - u) % positions, u % positions, stride)


def pool_readings(shifts: Index, positions: int, after: int, size: int, stride: int) -> Readings:
    """What a pooling window reads for some shifts after it; see ``filter_readings``.

    A tap is a size + b for the readings a and b of two windows.
    """
    window, places = np.arange(size), np.arange(after)
    d, p, a, b = (x.ravel() for x in np.meshgrid(shifts, places, window, window, indexing="ij"))
    u, v = stride * p + a, stride * ((p + d) % after) + b
    return Readings(d, p, a * size + b, (v - u) % positions, u, stride)


def scatter(readings: Readings, before: Index, after: Index) -> Scatter:
    """The readings as runs.

    Args:
        readings: what is read.
        before: all shifts before the layer, increasing.
        after: all shifts after it, increasing.
    """
    shift, new = np.searchsorted(before, readings.shift), np.searchsorted(after, readings.after)
    order = np.lexsort((readings.target, readings.tap, new, shift))
    shift, new, tap, target, source = (
        part[order] for part in (shift, new, readings.tap, readings.target, readings.source)
    )
    same = (np.diff(shift) == 0) & (np.diff(new) == 0) & (np.diff(tap) == 0)
    goes_on = same & (np.diff(target) == 1) & (np.diff(source) == readings.step)
    start = np.flatnonzero(np.append(True, ~goes_on)) if target.size else np.empty(0, np.int64)
    first = np.searchsorted(shift[start], np.arange(before.size + 1))
    length = np.diff(np.append(start, target.size))
    return Scatter(first, new[start], target[start], source[start], length, readings.step)
