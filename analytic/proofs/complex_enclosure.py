r"""Enclosures of an expression on rectangles of the complex plane.

A rectangle is a pair of intervals, for the real and the imaginary part. The bounds of
quadrature need the size of an activation beside the real line; the order of magnitude
suffices, but it must be an upper bound. With z = x + iy the elementary functions are
written in real ones that neither overflow nor cancel where the function does not:

    tanh z    = (tanh 2x + i sin 2y sech 2x) / (1 + cos 2y sech 2x)
    sigmoid z = (2 sigmoid 2x + cos y sech x + i sin y sech x) / (2 + 2 cos y sech x)

and what has no such form by its slope, f(x + iy) in f(x) + |y| sup |f'| (disc). Functions
that switch (|u|, sign, max) are not analytic: their size is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.expressions import X, normal_cdf, sigmoid, softplus
from analytic.proofs.interval import (
    FUNCTIONS,
    Interval,
    absolute,
    constant,
    enclose,
    outward,
    reciprocal,
)

__all__ = ["Rectangle", "log_real_modulus", "modulus"]

Array = NDArray[np.float64]


class Rectangle(NamedTuple):
    """All x + iy with x in one interval and y in the other, elementwise."""

    re: Interval
    im: Interval

    @classmethod
    def of(cls, left: Any, right: Any, bottom: Any, top: Any) -> Rectangle:
        """The rectangle with these ends."""
        return cls(Interval(left, right), Interval(bottom, top))


def modulus(expression: Any, box: Rectangle) -> Array:
    """An upper bound of the size of f on each rectangle, infinite where none was found.

    The expression has to be in its stable form.

    Example:
        >>> box = Rectangle.of(*map(np.asarray, (0.0, 0.5, 0.0, 1.0)))
        >>> bool(abs(np.tanh(0.5 + 1j)) <= modulus(sympy.tanh(X), box) < np.inf)
        True
    """
    if not expression.free_symbols:
        return np.full_like(box.re.low, _largest(constant(expression)))
    with np.errstate(all="ignore"):
        size = _size(_visit(expression, {X: box}))
    return np.where(np.isnan(size), np.inf, size)


def log_real_modulus(expression: Any, low: Array, high: Array) -> Array:
    """The logarithm of an upper bound of the size of f on real intervals.

    Where the value overflows, logarithms are carried through sums, products, powers and
    exponentials instead. Infinite where no bound was found.
    """
    box = Interval(low, high)
    with np.errstate(all="ignore"):
        found = _log_size(expression, box) + np.zeros_like(low)
    return np.where(np.isnan(found), np.inf, found)


def _log_size(node: Any, box: Interval) -> Array:
    enclosed = enclose(node, box)
    size = np.log(_largest(enclosed)) + 1e-14
    size = np.where(np.isnan(size), np.inf, size)
    if np.all(size < np.inf):
        return size
    if isinstance(node, sympy.exp):
        return np.fmin(size, enclose(node.args[0], box).high)
    if isinstance(node, sympy.cosh | sympy.sinh):
        return np.fmin(size, _largest(enclose(node.args[0], box)))
    if node.is_Add or node.is_Mul:
        parts = [_log_size(argument, box) + np.zeros_like(box.low) for argument in node.args]
        combine = np.logaddexp.reduce if node.is_Add else np.sum
        return np.fmin(size, combine(np.stack(parts), axis=0) + 1e-12)
    if node.is_Pow and node.exp.is_positive:
        return np.fmin(size, float(node.exp) * _log_size(node.base, box) * (1 + 1e-15))
    return size


def _largest(a: Interval) -> Any:
    return np.maximum(np.abs(a.low), np.abs(a.high))


def _size(z: Rectangle) -> Array:
    """The largest distance from 0."""
    return np.nextafter(np.hypot(_largest(z.re), _largest(z.im)) * (1 + 1e-14), np.inf)


def _visit(node: Any, seen: dict[Any, Rectangle]) -> Rectangle:
    if node not in seen:
        seen[node] = _node(node, seen)
    return seen[node]


def _node(node: Any, seen: dict[Any, Rectangle]) -> Rectangle:
    if not node.free_symbols:
        return Rectangle(constant(node), _ZERO)
    if node.is_Pow:
        return _power(_visit(node.base, seen), node.exp)
    parts = [_visit(argument, seen) for argument in node.args]
    if node.is_Add:
        total = parts[0]
        for part in parts[1:]:
            total = Rectangle(_plus(total.re, part.re), _plus(total.im, part.im))
        return total
    if node.is_Mul:
        product = parts[0]
        for part in parts[1:]:
            product = _product(product, part)
        return product
    known = _COMPLEX.get(node.func)
    return _everything(parts[0]) if known is None else known(parts[0])


_ZERO = Interval(np.asarray(0.0), np.asarray(0.0))


def _everything(z: Rectangle) -> Rectangle:
    return _disc(z, np.full_like(z.re.low, np.inf))


def _disc(z: Rectangle, radius: Any) -> Rectangle:
    """All numbers of at most this size."""
    radius = np.where(np.isnan(radius), np.inf, radius) + np.zeros_like(z.re.low)
    return Rectangle.of(-radius, radius, -radius, radius)


def _around(a: Interval, radius: Any) -> Rectangle:
    """All numbers within this distance of an interval."""
    radius = np.where(np.isnan(radius), np.inf, radius)
    return Rectangle(_plus(a, Interval(-radius, radius)), Interval(-radius, radius))


def _plus(a: Interval, b: Interval) -> Interval:
    return outward(a.low + b.low, a.high + b.high)


def _times(a: Interval, b: Interval) -> Interval:
    """The product, widened by 2^-50 of its size; 0 times an infinite end is left out."""
    ends = a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high
    low = np.fmin(np.fmin(ends[0], ends[1]), np.fmin(ends[2], ends[3]))
    high = np.fmax(np.fmax(ends[0], ends[1]), np.fmax(ends[2], ends[3]))
    return Interval(low - np.abs(low) * SLACK - TINY, high + np.abs(high) * SLACK + TINY)


SLACK, TINY = 2.0**-50, 2.0**-1000
"""What a product is widened by, relative to its size and absolutely."""


def _scaled(c: float, a: Interval) -> Interval:
    """c times an interval for a power of two c > 0, which is exact."""
    return Interval(c * a.low, c * a.high)


def _minus(a: Interval) -> Interval:
    return Interval(-a.high, -a.low)


def _real(f: Any, a: Interval) -> Interval:
    return FUNCTIONS[f](a)


def _square(a: Interval) -> Interval:
    size = absolute(a)
    low, high = outward(size.low**2, size.high**2)
    return Interval(np.maximum(low, 0.0), high)


def _product(a: Rectangle, b: Rectangle) -> Rectangle:
    if b.im is _ZERO or a.im is _ZERO:
        a, b = (b, a) if a.im is _ZERO else (a, b)
        return Rectangle(_times(a.re, b.re), _times(a.im, b.re))
    re = _plus(_times(a.re, b.re), _minus(_times(a.im, b.im)))
    return _clipped(
        Rectangle(re, _plus(_times(a.re, b.im), _times(a.im, b.re))), _size(a) * _size(b)
    )


def _clipped(z: Rectangle, size: Any) -> Rectangle:
    """The part of a rectangle within a bound of the size."""
    size = np.where(np.isnan(size), np.inf, size) * (1 + 1e-13)
    re, im = (Interval(np.fmax(a.low, -size), np.fmin(a.high, size)) for a in z)
    return Rectangle(re, im)


def _over(z: Rectangle, bottom: Interval) -> Rectangle:
    """z divided by a positive number; without a bound where that may be 0."""
    inverse = reciprocal(Interval(bottom.low, bottom.high))
    bad = ~(bottom.low > 0)
    re, im = _times(z.re, inverse), _times(z.im, inverse)
    return Rectangle.of(
        *(
            np.where(bad, sign * np.inf, end)
            for a in (re, im)
            for sign, end in zip((-1, 1), a, strict=True)
        )
    )


def _inverse(z: Rectangle) -> Rectangle:
    square = _plus(_square(z.re), _square(z.im))
    nearest = np.hypot(absolute(z.re).low, absolute(z.im).low)
    found = _over(Rectangle(z.re, _minus(z.im)), square)
    return _clipped(found, np.where(nearest > 0, 1 / nearest, np.inf) * (1 + 1e-14))


def _power(z: Rectangle, exponent: Any) -> Rectangle:
    if z.im is _ZERO:
        z = Rectangle(z.re, Interval(np.zeros_like(z.re.low), np.zeros_like(z.re.low)))
    if not exponent.is_Integer:
        return _fractional(z, float(exponent))
    n = int(exponent)
    if n < 0:
        return _power(_inverse(z), sympy.Integer(-n))
    result, square, rest = None, z, n
    while rest:
        if rest & 1:
            result = square if result is None else _product(result, square)
        rest >>= 1
        if rest:
            imaginary = _scaled(2.0, _times(square.re, square.im))
            square = Rectangle(_plus(_square(square.re), _minus(_square(square.im))), imaginary)
    assert result is not None
    return _clipped(result, _size(z) ** n * (1 + 1e-13 * n))


def _fractional(z: Rectangle, p: float) -> Rectangle:
    """z^p where the real part is positive: its size is |z|^p."""
    near, far = np.hypot(absolute(z.re).low, absolute(z.im).low), _size(z)
    size = (far**p if p > 0 else near**p) * (1 + 1e-13)
    return _disc(z, np.where(z.re.low > 0, size, np.inf))


def _hull(z: Rectangle) -> Rectangle:
    """The rectangle down to the real line."""
    return Rectangle(z.re, Interval(np.minimum(z.im.low, 0.0), np.maximum(z.im.high, 0.0)))


def _exp(z: Rectangle) -> Rectangle:
    size = _real(sympy.exp, z.re)
    return Rectangle(_times(size, _real(sympy.cos, z.im)), _times(size, _real(sympy.sin, z.im)))


def _sinh(z: Rectangle) -> Rectangle:
    re = _times(_real(sympy.sinh, z.re), _real(sympy.cos, z.im))
    return Rectangle(re, _times(_real(sympy.cosh, z.re), _real(sympy.sin, z.im)))


def _cosh(z: Rectangle) -> Rectangle:
    re = _times(_real(sympy.cosh, z.re), _real(sympy.cos, z.im))
    return Rectangle(re, _times(_real(sympy.sinh, z.re), _real(sympy.sin, z.im)))


def _turned(z: Rectangle) -> Rectangle:
    """iz."""
    return Rectangle(_minus(z.im), z.re)


def _sin(z: Rectangle) -> Rectangle:
    found = _sinh(_turned(z))  # sin z = -i sinh iz
    return Rectangle(found.im, _minus(found.re))


def _cos(z: Rectangle) -> Rectangle:
    return _cosh(_turned(z))


def _tanh(z: Rectangle) -> Rectangle:
    x, y = _scaled(2.0, z.re), _scaled(2.0, z.im)
    decay = _real(sympy.sech, x)
    bottom = _one_plus(_times(_real(sympy.cos, y), decay))
    return _over(Rectangle(_real(sympy.tanh, x), _times(_real(sympy.sin, y), decay)), bottom)


def _one_plus(a: Interval) -> Interval:
    return outward(1 + a.low, 1 + a.high)


def _sech(z: Rectangle) -> Rectangle:
    """2 conj(cosh z)/(cosh 2x + cos 2y), by sech x = t: cosh x sech 2x = t/(2 - t^2)."""
    t = _real(sympy.sech, z.re)
    bottom = _one_plus(_times(_real(sympy.cos, _scaled(2.0, z.im)), _double_sech(t)))
    share = _times(t, reciprocal(_plus(_TWO, _minus(_square(t)))))
    re = _times(_scaled(2.0, share), _real(sympy.cos, z.im))
    im = _times(_times(_scaled(2.0, share), _real(sympy.tanh, z.re)), _real(sympy.sin, z.im))
    return _over(Rectangle(re, _minus(im)), bottom)


_TWO = Interval(np.asarray(2.0), np.asarray(2.0))


def _double_sech(t: Interval) -> Interval:
    """sech 2x = t^2/(2 - t^2)."""
    return _times(_square(t), reciprocal(_plus(_TWO, _minus(_square(t)))))


def _sigmoid(z: Rectangle) -> Rectangle:
    decay = _real(sympy.sech, z.re)
    wave = _times(_real(sympy.cos, z.im), decay)
    top = _plus(_scaled(2.0, _real(sigmoid, _scaled(2.0, z.re))), wave)
    return _over(
        Rectangle(top, _times(_real(sympy.sin, z.im), decay)), _scaled(2.0, _one_plus(wave))
    )


def _softplus(z: Rectangle) -> Rectangle:
    return _around(_real(softplus, z.re), _height_times(z, _size(_sigmoid(_hull(z)))))


def _height_times(z: Rectangle, slope: Any) -> Any:
    """|y| times a bound of the slope, 0 on the real line."""
    height = _largest(z.im)
    return np.where(height == 0, 0.0, height * slope * (1 + 1e-14))


def _normal_cdf(z: Rectangle) -> Rectangle:
    """Its slope is exp(-z^2/2)/sqrt(2 pi), at most exp((y^2 - x^2)/2)/sqrt(2 pi) in size."""
    least, height = absolute(z.re).low, _largest(z.im)
    slope = np.exp((height**2 - least**2) / 2) * (1 + 1e-10 + 1e-15 * least**2)
    return _around(_real(normal_cdf, z.re), _height_times(z, slope / math.sqrt(2 * math.pi)))


def _erf(z: Rectangle) -> Rectangle:
    least, height = absolute(z.re).low, _largest(z.im)
    slope = np.exp(height**2 - least**2) * (1 + 1e-10 + 1e-15 * least**2)
    return _around(_real(sympy.erf, z.re), _height_times(z, 2 / math.sqrt(math.pi) * slope))


def _distance_to_i(z: Rectangle) -> Any:
    """A lower bound of |z - i||z + i| on a rectangle that reaches down to the real line."""
    x, bound = absolute(z.re).low, np.ones_like(z.re.low)
    for sign in (-1.0, 1.0):
        y = absolute(_plus(z.im, Interval(np.asarray(sign), np.asarray(sign)))).low
        bound = bound * np.hypot(x, y)
    return bound * (1 - 1e-14)


def _asinh(z: Rectangle) -> Rectangle:
    slope = 1 / np.sqrt(_distance_to_i(_hull(z)))
    return _around(_real(sympy.asinh, z.re), _height_times(z, slope))


def _atan(z: Rectangle) -> Rectangle:
    return _around(_real(sympy.atan, z.re), _height_times(z, 1 / _distance_to_i(_hull(z))))


def _log(z: Rectangle) -> Rectangle:
    """log |z| + i arg z where the real part is positive."""
    bad = ~(z.re.low > 0)
    near = np.hypot(np.maximum(z.re.low, 0.0), absolute(z.im).low) * (1 - 1e-14)
    re = _real(sympy.log, Interval(np.where(bad, 0.0, near), _size(z)))
    angle = np.where(bad, np.inf, np.arctan(_largest(z.im) / z.re.low) * (1 + 1e-14))
    return Rectangle(
        Interval(np.where(bad, -np.inf, re.low), np.where(bad, np.inf, re.high)),
        Interval(-angle, angle),
    )


def _tan(z: Rectangle) -> Rectangle:
    """-i tanh iz."""
    found = _tanh(_turned(z))
    return Rectangle(found.im, _minus(found.re))


_COMPLEX: dict[Any, Callable[[Rectangle], Rectangle]] = {
    sympy.asinh: _asinh,
    sympy.atan: _atan,
    sympy.cos: _cos,
    sympy.cosh: _cosh,
    sympy.erf: _erf,
    sympy.exp: _exp,
    sympy.log: _log,
    sympy.sech: _sech,
    sympy.sin: _sin,
    sympy.sinh: _sinh,
    sympy.tan: _tan,
    sympy.tanh: _tanh,
    normal_cdf: _normal_cdf,
    sigmoid: _sigmoid,
    softplus: _softplus,
}
