"""Memory of large answers that nobody holds any more, for those to come.

The system clears the pages of new memory: of an answer that is written once that takes as long as
writing it. Small arrays are kept by the allocator, large ones here, a few of them, until an answer
of another size is asked for.
"""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np

from analytic.machine import CACHE_LINE, Array

__all__ = ["LEAST", "MOST", "empty", "kept_numbers"]

LEAST, MOST = 2**22, 2**25
"""Numbers of an answer that is kept, at least, and of all that are: 32 and 256 MB."""
MARGIN = CACHE_LINE // 8
"""Numbers more, so that an answer can begin on a cache line."""
_kept: deque[Array] = deque()


class _Lent:
    """The memory of an answer: all its views hold this, and it goes when the last of them goes."""

    __slots__ = ("__array_interface__", "__weakref__")

    def __init__(self, room: Array) -> None:
        self.__array_interface__: Any = room.__array_interface__
        weakref.finalize(self, _keep, room).atexit = False


def empty(n: int, k: int) -> Array:
    """An array (n, k) of whatever stands in its memory; large ones begin on a cache line."""
    size = n * k
    if size < LEAST:
        return np.empty((n, k))
    room = _taken(size + MARGIN)
    array: Array = np.asarray(_Lent(room)) if room.size <= MOST else room
    start = -room.__array_interface__["data"][0] % CACHE_LINE // 8
    return array[start : start + size].reshape(n, k)


def kept_numbers() -> int:
    """How many numbers are kept."""
    return sum(room.size for room in tuple(_kept))


def _taken(size: int) -> Array:
    """A kept array of so many numbers, or a new one; those of other sizes are given up."""
    with suppress(IndexError):  # there is none, or another thread was first
        while size <= MOST:
            room = _kept.pop()
            if room.size == size:
                return room
    return np.empty(size)


def _keep(room: Array) -> None:
    """Keep an array that nobody holds; the oldest are given up where these are too many."""
    _kept.append(room)
    with suppress(IndexError):
        while kept_numbers() > MOST:
            _kept.popleft()
