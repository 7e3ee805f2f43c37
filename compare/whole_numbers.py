"""Whole numbers as people give them: Python's, numpy's, alone or in lists; nothing is cut."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

__all__ = ["whole", "wholes"]


def whole(name: str, value: Any) -> int:
    """An integer of any kind as an ``int``.

    Raises:
        TypeError: it is none.

    Example:
        >>> whole("seeds", 4)
        4
        >>> whole("seeds", 4.7)
        Traceback (most recent call last):
            ...
        TypeError: expected an integer for seeds, got 4.7; pass an int
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"expected an integer for {name}, got {value!r}; pass an int")
    return operator.index(value)


def wholes(name: str, values: Iterable[Any]) -> list[int]:
    """Integers of any kind as a list of ``int``."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(f"expected integers for {name}, got {values!r}; pass a list of them")
    return [whole(name, value) for value in values]
