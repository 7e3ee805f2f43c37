"""What a record's file holds besides numbers, and whether its contents belong together.

A configuration among arrays is plain data as the bytes of its JSON text. A file may be whole, to
its checksum, and hold what no measurement writes: shapes that do not fit one another, widths that
fall, a norm below 0. Such files are refused when they are read, in one sentence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import plain

__all__ = ["check_arrays", "check_entries", "check_rising", "packed", "plausible", "unpacked"]


def packed(config: dict[str, Any]) -> NDArray[Any]:
    """An array of one text.

    Example:
        >>> unpacked(packed({"widths": [1, 2]}))
        {'widths': [1, 2]}
    """
    return np.array(json.dumps(config, default=plain))


def unpacked(array: NDArray[Any], needed: Collection[str] = ()) -> dict[str, Any]:
    """What ``packed`` was given.

    Raises:
        ValueError: it is no JSON object, or lacks one of the entries that are needed.
    """
    found = json.loads(str(array))
    check_entries(found, needed)
    return found


def check_entries(found: Any, needed: Collection[str]) -> None:
    """Raise ``ValueError`` unless it is a dict with the entries that are needed."""
    missing = [name for name in needed if not isinstance(found, dict) or name not in found]
    if missing or not isinstance(found, dict):
        raise ValueError(f"a configuration without {missing[0] if missing else 'entries'}")


@contextmanager
def plausible(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Say of contents that make no sense which file they are in.

    Raises:
        ValueError: something inside raised what contents of the wrong kind raise.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected {what} in {path}, got one that no measurement writes ({error}); name another"
        ) from error


def check_rising(name: str, values: Sequence[float], least: int = 1) -> None:
    """Raise ``ValueError`` unless there are ``least`` numbers or more, each above the last."""
    found = [float(v) for v in values]
    if len(found) < least or not all(a < b for a, b in pairwise(found)):
        raise ValueError(f"{name} are {found[:6]}, not {least} or more that rise")


def check_arrays(
    arrays: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, str],
    sizes: Mapping[str, int],
    *,
    positive: Collection[str] = (),
    partial: Collection[str] = (),
) -> None:
    """Raise ``ValueError`` unless arrays of numbers have the shapes that they should have.

    Args:
        arrays: by name; those that are named in ``shapes`` are looked at.
        shapes: the names of the axes of each, such as "widths seeds".
        sizes: of the axes that are known; others have to agree among the arrays.
        positive: arrays that have no negative number.
        partial: arrays that have NaN where nothing was measured.
    """
    known = dict(sizes)
    for name, axes in shapes.items():
        a, letters = arrays[name], axes.split()
        if a.dtype.kind not in "fiu" or a.ndim != len(letters):
            raise ValueError(f"{name} of shape {a.shape} and kind {a.dtype}, not ({axes})")
        for letter, size in zip(letters, a.shape, strict=True):
            if known.setdefault(letter, size) != size:
                raise ValueError(f"{name} with {size} {letter}, not {known[letter]}")
        if name not in partial and not np.isfinite(a).all():
            raise ValueError(f"{name} with NaN or infinity")
        if name in positive and (a < 0).any():
            raise ValueError(f"{name} with {a.min():.3g}, below 0")
