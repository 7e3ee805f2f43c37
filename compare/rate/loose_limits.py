"""Limits to as many digits as are to be had, for what is measured or drawn to fewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic import AccuracyError, Network, kernel

__all__ = ["best_limit", "tangent_limit"]

Array = NDArray[np.float64]
LIMIT_TOLERANCES, LAST_TOLERANCE = (1e-10, 1e-8, 1e-5), 1e-3
"""Of a limit, the first ones that are not refused; K_0 of a million units is a thousandth off."""


def tangent_limit(network: Network, x: Array) -> Array:
    """K_inf, where need be to fewer digits than ``kernel`` asks for."""
    for tolerance in LIMIT_TOLERANCES:
        try:
            return kernel(network, x, tolerance=tolerance)
        except AccuracyError:
            continue
    return kernel(network, x, tolerance=LAST_TOLERANCE)


def best_limit(network: Network, x: Array) -> tuple[Array, bool]:
    """K_inf and whether it has a certified bound: if none holds, the best value without one.

    Raises:
        AccuracyError: what may be wrong by all of its size is no value.
    """
    try:
        return tangent_limit(network, x), True
    except AccuracyError as error:
        best = error.estimate
        if not error.bound < 1 or best is None or not np.isfinite(best.value).all():
            raise
        return np.asarray(best.value), False
