r"""Whether an activation is analytic between the real line and a contour, by complex enclosures.

A bound of \|w\| on a contour says nothing of the poles below it. Where the strip of analyticity is
not known, boxes that cover all of the region are enclosed: where every part of an expression has a
finite enclosure it has no singularity. In z the contours are {y^2 = c^2 + t^2 x^2}, and what
lies below them is star-shaped about 0, so that s z stays in the region of the largest s.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from analytic.expressions import stable
from analytic.machine import Array
from analytic.proofs import Rectangle, modulus

__all__ = ["image", "is_analytic_below"]

ALONG, ACROSS = 64, 4
"""Boxes that cover a region at first, along the line and across."""
ROUNDS, BOXES = 10, 2048
"""How often those without a bound are quartered, and how many of them there may be."""


def image(beta: Any, t1: Array, t2: Array, a1: Array, a2: Array) -> tuple[Array, ...]:
    """Smallest and largest x and y of z(t + ia) on boxes: z = t, or sinh(t)/beta if beta > 0."""
    graded = beta > 0
    bottom = np.where(graded, beta, 1.0)
    farther, nearer = np.maximum(np.abs(t1), np.abs(t2)), np.minimum(np.abs(t1), np.abs(t2))
    nearer = np.where(t1 * t2 < 0, 0.0, nearer)
    wide, narrow = np.cos(a1) / bottom, np.cos(a2) / bottom
    x_low = np.where(graded, np.sinh(t1) * np.where(t1 < 0, wide, narrow), t1)
    x_high = np.where(graded, np.sinh(t2) * np.where(t2 < 0, narrow, wide), t2)
    y_low = np.where(graded, np.cosh(nearer) * np.sin(a1) / bottom, a1)
    y_high = np.where(graded, np.cosh(farther) * np.sin(a2) / bottom, a2)
    return x_low, x_high, y_low, y_high


@lru_cache(maxsize=1024)
def is_analytic_below(
    expression: Any, high: float, beta: float, height: float, reach: float
) -> bool:
    """Whether w(s z) is analytic on the real line and up to the contour, for s up to high.

    Args:
        expression: w.
        high: the largest s.
        beta: scale of the map z = sinh(t)/beta, or 0 for z = t.
        height: imaginary part of t on the contour.
        reach: half length of the contour in z.
    """
    function, end = stable(expression), np.arcsinh(reach * beta) if beta else reach
    t, a = np.linspace(-end, end, ALONG + 1), np.linspace(0.0, height, ACROSS + 1)
    box = np.stack([part.ravel() for part in _boxes(t[:-1], t[1:], a[:-1], a[1:])])
    for _ in range(ROUNDS):
        rectangle = Rectangle.of(*(high * end for end in image(beta, *box)))
        box = box[:, ~np.isfinite(modulus(function, rectangle))]
        if not box.size:
            return True
        if box.shape[1] > BOXES:
            return False
        t1, t2, a1, a2 = box
        t, a = (t1 + t2) / 2, (a1 + a2) / 2
        quarters = (t1, t, a1, a), (t, t2, a1, a), (t1, t, a, a2), (t, t2, a, a2)
        box = np.concatenate([np.stack(quarter) for quarter in quarters], axis=1)
    return False


def _boxes(t1: Array, t2: Array, a1: Array, a2: Array) -> tuple[Array, ...]:
    """Every interval of t with every one of a."""
    (left, bottom), (right, top) = np.meshgrid(t1, a1), np.meshgrid(t2, a2)
    return left, right, bottom, top
