"""Random damages to the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

__all__ = ["check_damages", "damages"]


def check_damages(path: Path, load: Callable[[Path], Any], count: int = 500) -> None:
    """See that a file is refused after each of many damages, and taken as it was."""
    content = path.read_bytes()
    for damaged in damages(content, count):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"expected a record of .* damaged .*; restore it"):
            load(path)
    path.write_bytes(content)
    load(path)


def damages(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Copies of a content with one bit turned, an end or a piece cut off, two blocks swapped.

    All differ from the content.
    """
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        data = bytearray(content)
        kind, size = made % 4, len(content)
        a, b = sorted(int(i) for i in rng.integers(0, size, 2))
        if kind == 0:
            data[a] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del data[a:]
        elif kind == 2:
            del data[a : b + 1]
        else:
            length = int(rng.integers(1, 1 + max(1, min(64, b - a))))
            data[a : a + length], data[b : b + length] = (
                data[b : b + length],
                data[a : a + length],
            )
        if bytes(data) != content:
            made += 1
            yield bytes(data)
