"""A rule of Gauss in extended precision, for what is tabulated once."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["graded_panels"]


def graded_panels(order: int) -> tuple[Any, Any]:
    """Gauss-Legendre panels of [0, 1], geometric towards 0, in extended precision."""
    nodes: Any = np.polynomial.legendre.leggauss(order)[0].astype(np.longdouble)
    slip, slope = _legendre(order, nodes)
    nodes = nodes - slip / slope  # one step of Newton's method
    weights = 2 / ((1 - nodes**2) * _legendre(order, nodes)[1] ** 2)
    ends = np.concatenate([[0.0], 2.0 ** np.arange(-40.0, 1)]).astype(np.longdouble)
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def _legendre(order: int, x: Any) -> tuple[Any, Any]:
    """The Legendre polynomial and its derivative."""
    older, old = np.ones_like(x), x
    for k in range(1, order):
        older, old = old, ((2 * k + 1) * x * old - k * older) / (k + 1)
    return old, order * (older - x * old) / (1 - x**2)
