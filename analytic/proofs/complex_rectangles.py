"""Arithmetic of rectangles of the complex plane, rounded outwards.

A rectangle is a pair of intervals, for the real and the imaginary part. What has no better
bound is a disc around 0; what has none at all is everything.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.proofs.interval_arithmetic import Interval, absolute, outward, reciprocal

__all__ = [
    "ZERO",
    "Rectangle",
    "added",
    "around",
    "clipped",
    "disc",
    "divided",
    "everything",
    "extent",
    "hull",
    "inverted",
    "magnitude",
    "multiplied",
    "negated",
    "raised",
    "scaled",
    "squared",
    "times",
]

Array = NDArray[np.float64]


class Rectangle(NamedTuple):
    """All x + iy with x in one interval and y in the other, elementwise."""

    re: Interval
    im: Interval

    @classmethod
    def of(cls, left: Any, right: Any, bottom: Any, top: Any) -> Rectangle:
        """The rectangle with these ends."""
        return cls(Interval(left, right), Interval(bottom, top))


def extent(a: Interval) -> Any:
    """The largest distance from 0."""
    return np.maximum(np.abs(a.low), np.abs(a.high))


def magnitude(z: Rectangle) -> Array:
    """The largest distance from 0."""
    return np.nextafter(np.hypot(extent(z.re), extent(z.im)) * (1 + 1e-14), np.inf)


ZERO = Interval(np.asarray(0.0), np.asarray(0.0))


def everything(z: Rectangle) -> Rectangle:
    """The whole plane, as many times as there are rectangles."""
    return disc(z, np.full_like(z.re.low, np.inf))


def disc(z: Rectangle, radius: Any) -> Rectangle:
    """All numbers of at most this size."""
    radius = np.where(np.isnan(radius), np.inf, radius) + np.zeros_like(z.re.low)
    return Rectangle.of(-radius, radius, -radius, radius)


def around(a: Interval, radius: Any) -> Rectangle:
    """All numbers within this distance of an interval."""
    radius = np.where(np.isnan(radius), np.inf, radius)
    return Rectangle(added(a, Interval(-radius, radius)), Interval(-radius, radius))


def added(a: Interval, b: Interval) -> Interval:
    """The sum, rounded outwards."""
    return outward(a.low + b.low, a.high + b.high)


def times(a: Interval, b: Interval) -> Interval:
    """The product, widened by 2^-50 of its size; 0 times an infinite end is left out."""
    ends = a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high
    low = np.fmin(np.fmin(ends[0], ends[1]), np.fmin(ends[2], ends[3]))
    high = np.fmax(np.fmax(ends[0], ends[1]), np.fmax(ends[2], ends[3]))
    return Interval(low - np.abs(low) * SLACK - TINY, high + np.abs(high) * SLACK + TINY)


SLACK, TINY = 2.0**-50, 2.0**-1000
"""What a product is widened by, relative to its size and absolutely."""


def scaled(c: float, a: Interval) -> Interval:
    """c times an interval for a power of two c > 0, which is exact."""
    return Interval(c * a.low, c * a.high)


def negated(a: Interval) -> Interval:
    """Minus an interval, which is exact."""
    return Interval(-a.high, -a.low)


def squared(a: Interval) -> Interval:
    """The square, which is not negative."""
    size = absolute(a)
    low, high = outward(size.low**2, size.high**2)
    return Interval(np.maximum(low, 0.0), high)


def multiplied(a: Rectangle, b: Rectangle) -> Rectangle:
    """The product, within the product of the sizes."""
    if b.im is ZERO or a.im is ZERO:
        a, b = (b, a) if a.im is ZERO else (a, b)
        return Rectangle(times(a.re, b.re), times(a.im, b.re))
    re = added(times(a.re, b.re), negated(times(a.im, b.im)))
    return clipped(
        Rectangle(re, added(times(a.re, b.im), times(a.im, b.re))), magnitude(a) * magnitude(b)
    )


def clipped(z: Rectangle, size: Any) -> Rectangle:
    """The part of a rectangle within a bound of the size."""
    size = np.where(np.isnan(size), np.inf, size) * (1 + 1e-13)
    re, im = (Interval(np.fmax(a.low, -size), np.fmin(a.high, size)) for a in z)
    return Rectangle(re, im)


def divided(z: Rectangle, bottom: Interval) -> Rectangle:
    """z divided by a positive number; without a bound where that may be 0."""
    inverse = reciprocal(Interval(bottom.low, bottom.high))
    bad = ~(bottom.low > 0)
    re, im = times(z.re, inverse), times(z.im, inverse)
    return Rectangle.of(
        *(
            np.where(bad, sign * np.inf, end)
            for a in (re, im)
            for sign, end in zip((-1, 1), a, strict=True)
        )
    )


def inverted(z: Rectangle) -> Rectangle:
    """1/z, within the inverse of the smallest size."""
    square = added(squared(z.re), squared(z.im))
    nearest = np.hypot(absolute(z.re).low, absolute(z.im).low)
    found = divided(Rectangle(z.re, negated(z.im)), square)
    return clipped(found, np.where(nearest > 0, 1 / nearest, np.inf) * (1 + 1e-14))


def raised(z: Rectangle, exponent: Any) -> Rectangle:
    """z to a rational power, within that power of the size."""
    if z.im is ZERO:
        z = Rectangle(z.re, Interval(np.zeros_like(z.re.low), np.zeros_like(z.re.low)))
    if not exponent.is_Integer:
        return _fractional(z, float(exponent))
    n = int(exponent)
    if n < 0:
        return raised(inverted(z), sympy.Integer(-n))
    result, square, rest = None, z, n
    while rest:
        if rest & 1:
            result = square if result is None else multiplied(result, square)
        rest >>= 1
        if rest:
            imaginary = scaled(2.0, times(square.re, square.im))
            square = Rectangle(added(squared(square.re), negated(squared(square.im))), imaginary)
    assert result is not None
    return clipped(result, magnitude(z) ** n * (1 + 1e-13 * n))


def _fractional(z: Rectangle, p: float) -> Rectangle:
    """z^p where the real part is positive: its size is |z|^p."""
    near, far = np.hypot(absolute(z.re).low, absolute(z.im).low), magnitude(z)
    size = (far**p if p > 0 else near**p) * (1 + 1e-13)
    return disc(z, np.where(z.re.low > 0, size, np.inf))


def hull(z: Rectangle) -> Rectangle:
    """The rectangle down to the real line."""
    return Rectangle(z.re, Interval(np.minimum(z.im.low, 0.0), np.maximum(z.im.high, 0.0)))
