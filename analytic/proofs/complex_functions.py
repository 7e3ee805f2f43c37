r"""The elementary functions on rectangles of the complex plane.

With z = x + iy they are written in real ones that neither overflow nor cancel where the
function does not:

    tanh z    = (tanh 2x + i sin 2y sech 2x) / (1 + cos 2y sech 2x)
    sigmoid z = (2 sigmoid 2x + cos y sech x + i sin y sech x) / (2 + 2 cos y sech x)

and what has no such form by its slope, f(x + iy) in f(x) + |y| sup |f'| (disc). Functions
that switch (|u|, sign, max) are not analytic and not among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from analytic.expressions import ORDERS, normal_cdf, sigmoid, softplus
from analytic.proofs.complex_rectangles import (
    Rectangle,
    added,
    around,
    divided,
    extent,
    hull,
    magnitude,
    negated,
    scaled,
    squared,
    times,
)
from analytic.proofs.interval_arithmetic import Interval, absolute, outward, reciprocal
from analytic.proofs.interval_functions import FUNCTIONS

__all__ = ["ANALYTIC"]


def _real(f: Any, a: Interval) -> Interval:
    return FUNCTIONS[f](a)


def _exp(z: Rectangle) -> Rectangle:
    size = _real(sympy.exp, z.re)
    return Rectangle(times(size, _real(sympy.cos, z.im)), times(size, _real(sympy.sin, z.im)))


def _sinh(z: Rectangle) -> Rectangle:
    re = times(_real(sympy.sinh, z.re), _real(sympy.cos, z.im))
    return Rectangle(re, times(_real(sympy.cosh, z.re), _real(sympy.sin, z.im)))


def _cosh(z: Rectangle) -> Rectangle:
    re = times(_real(sympy.cosh, z.re), _real(sympy.cos, z.im))
    return Rectangle(re, times(_real(sympy.sinh, z.re), _real(sympy.sin, z.im)))


def _turned(z: Rectangle) -> Rectangle:
    """iz."""
    return Rectangle(negated(z.im), z.re)


def _sin(z: Rectangle) -> Rectangle:
    found = _sinh(_turned(z))  # sin z = -i sinh iz
    return Rectangle(found.im, negated(found.re))


def _cos(z: Rectangle) -> Rectangle:
    return _cosh(_turned(z))


def _tanh(z: Rectangle) -> Rectangle:
    x, y = scaled(2.0, z.re), scaled(2.0, z.im)
    decay = _real(sympy.sech, x)
    bottom = _one_plus(times(_real(sympy.cos, y), decay))
    return divided(Rectangle(_real(sympy.tanh, x), times(_real(sympy.sin, y), decay)), bottom)


def _one_plus(a: Interval) -> Interval:
    return outward(1 + a.low, 1 + a.high)


def _sech(z: Rectangle) -> Rectangle:
    """2 conj(cosh z)/(cosh 2x + cos 2y), by sech x = t: cosh x sech 2x = t/(2 - t^2)."""
    t = _real(sympy.sech, z.re)
    bottom = _one_plus(times(_real(sympy.cos, scaled(2.0, z.im)), _double_sech(t)))
    share = times(t, reciprocal(added(_TWO, negated(squared(t)))))
    re = times(scaled(2.0, share), _real(sympy.cos, z.im))
    im = times(times(scaled(2.0, share), _real(sympy.tanh, z.re)), _real(sympy.sin, z.im))
    return divided(Rectangle(re, negated(im)), bottom)


_TWO = Interval(np.asarray(2.0), np.asarray(2.0))


def _double_sech(t: Interval) -> Interval:
    """sech 2x = t^2/(2 - t^2)."""
    return times(squared(t), reciprocal(added(_TWO, negated(squared(t)))))


def _sigmoid(z: Rectangle) -> Rectangle:
    decay = _real(sympy.sech, z.re)
    wave = times(_real(sympy.cos, z.im), decay)
    top = added(scaled(2.0, _real(sigmoid, scaled(2.0, z.re))), wave)
    return divided(
        Rectangle(top, times(_real(sympy.sin, z.im), decay)), scaled(2.0, _one_plus(wave))
    )


def _softplus(z: Rectangle) -> Rectangle:
    return around(_real(softplus, z.re), _height_times(z, magnitude(_sigmoid(hull(z)))))


def _height_times(z: Rectangle, slope: Any) -> Any:
    """|y| times a bound of the slope, 0 on the real line."""
    height = extent(z.im)
    return np.where(height == 0, 0.0, height * slope * (1 + 1e-14))


def _normal_cdf(z: Rectangle) -> Rectangle:
    """Its slope is exp(-z^2/2)/sqrt(2 pi), at most exp((y^2 - x^2)/2)/sqrt(2 pi) in size."""
    least, height = absolute(z.re).low, extent(z.im)
    slope = np.exp((height**2 - least**2) / 2) * (1 + 1e-10 + 1e-15 * least**2)
    return around(_real(normal_cdf, z.re), _height_times(z, slope / math.sqrt(2 * math.pi)))


def _erf(z: Rectangle) -> Rectangle:
    least, height = absolute(z.re).low, extent(z.im)
    slope = np.exp(height**2 - least**2) * (1 + 1e-10 + 1e-15 * least**2)
    return around(_real(sympy.erf, z.re), _height_times(z, 2 / math.sqrt(math.pi) * slope))


def _distance_to_i(z: Rectangle) -> Any:
    """A lower bound of |z - i||z + i| on a rectangle that reaches down to the real line."""
    x, bound = absolute(z.re).low, np.ones_like(z.re.low)
    for sign in (-1.0, 1.0):
        y = absolute(added(z.im, Interval(np.asarray(sign), np.asarray(sign)))).low
        bound = bound * np.hypot(x, y)
    return bound * (1 - 1e-14)


def _asinh(z: Rectangle) -> Rectangle:
    slope = 1 / np.sqrt(_distance_to_i(hull(z)))
    return around(_real(sympy.asinh, z.re), _height_times(z, slope))


def _atan(z: Rectangle) -> Rectangle:
    return around(_real(sympy.atan, z.re), _height_times(z, 1 / _distance_to_i(hull(z))))


def _log(z: Rectangle) -> Rectangle:
    """log |z| + i arg z where the real part is positive."""
    bad = ~(z.re.low > 0)
    near = np.hypot(np.maximum(z.re.low, 0.0), absolute(z.im).low) * (1 - 1e-14)
    re = _real(sympy.log, Interval(np.where(bad, 0.0, near), magnitude(z)))
    angle = np.where(bad, np.inf, np.arctan(extent(z.im) / z.re.low) * (1 + 1e-14))
    return Rectangle(
        Interval(np.where(bad, -np.inf, re.low), np.where(bad, np.inf, re.high)),
        Interval(-angle, angle),
    )


def _tan(z: Rectangle) -> Rectangle:
    """-i tanh iz."""
    found = _tanh(_turned(z))
    return Rectangle(found.im, negated(found.re))


def _cardinal_sine(order: int) -> Callable[[Rectangle], Rectangle]:
    """Its slope is at most cosh(y)/(k + 2)."""

    def enclosure(z: Rectangle) -> Rectangle:
        slope = np.cosh(extent(z.im)) / (order + 2)
        return around(_real(ORDERS[order], z.re), _height_times(z, slope))

    return enclosure


ANALYTIC: dict[Any, Callable[[Rectangle], Rectangle]] = {
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
    **{function: _cardinal_sine(k) for k, function in enumerate(ORDERS)},
}
