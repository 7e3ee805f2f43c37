"""Checks of what a layer is given."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Sizes", "choice", "number", "sizes"]

Sizes = int | tuple[int, ...]
"""One number for every spatial dimension, or one for each."""


def sizes(name: str, value: Any) -> Sizes:
    """A size for every dimension, or one for each of one to three."""
    several = isinstance(value, tuple | list)
    parts: list[Any] = [*value] if several else [value]  # pyright: ignore[reportUnknownArgumentType]
    for size in parts:
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(f"expected integers for {name}, got {value!r}; pass 3 or (3, 3)")
    numbers = tuple(int(size) for size in parts)
    if len(numbers) not in (1, 2, 3) or min(numbers) < 1:
        raise ValueError(
            f"expected a positive {name} for one, two or three dimensions, got {value!r}; pass 3"
            " or (3, 3)"
        )
    return numbers if several else numbers[0]


def choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(
            f"expected {name} {' or '.join(map(repr, choices))}, got {value!r}; choose one"
        )


LARGEST_SCALE = 1e100
"""Largest standard deviation; its inverse is the smallest."""


def number(name: str, value: float, *, positive: bool) -> float:
    """A finite number that is not negative, nor 0 if ``positive``."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"expected a number for {name}, got {type(value).__name__}; pass a float"
        ) from None
    if not math.isfinite(found) or found < 0 or (positive and found == 0):
        kind = "a positive" if positive else "a non-negative"
        raise ValueError(f"expected {kind} finite {name}, got {value!r}; change it")
    if found > LARGEST_SCALE or 0 < found < 1 / LARGEST_SCALE:
        raise ValueError(
            f"expected a {name} from {1 / LARGEST_SCALE} to {LARGEST_SCALE}, whose square float64"
            f" can hold, got {value!r}; change it"
        )
    return found
