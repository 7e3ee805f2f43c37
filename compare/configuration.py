"""A configuration among arrays: plain data as the bytes of its JSON text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import plain

__all__ = ["packed", "unpacked"]


def packed(config: dict[str, Any]) -> NDArray[Any]:
    """An array of one text.

    Example:
        >>> unpacked(packed({"widths": [1, 2]}))
        {'widths': [1, 2]}
    """
    return np.array(json.dumps(config, default=plain))


def unpacked(array: NDArray[Any]) -> dict[str, Any]:
    """What ``packed`` was given."""
    return json.loads(str(array))
