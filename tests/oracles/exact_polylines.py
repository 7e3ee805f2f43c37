"""Piecewise linear units in 60 digits, by closed forms between kinks and by panels of the angle."""

from __future__ import annotations

import bisect
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np

from analytic.expectations.polylines import Polyline

__all__ = ["angle_integrals_of", "parallel_moments"]

DIGITS, FARTHEST, ORDER = 60, 40, 40
_number: Any = mpmath.mpf


def parallel_moments(
    one: Polyline, other: Polyline, deviations: tuple[float, float], units: tuple[float, float]
) -> tuple[Any, Any, Any]:
    """E (w/r - v/r')^2, E (w/r + v/r')^2 and E w' v' of u = s z, v = s' z; ``units`` are 1/r."""
    with mpmath.workdps(DIGITS):
        scales = [_number(s) for s in deviations]
        far = _number(FARTHEST)
        ends = {-far, far}
        for line, s in zip((one, other), scales, strict=True):
            ends |= {z for z in (_number(x) / s for x in line.places.tolist()) if abs(z) < far}
        less = more = slopes = _number(0)
        ordered = sorted(ends)
        for a, b in pairwise(ordered):
            moments = _moments_between(a, b)
            w, v = (
                _of_piece(line, s, _number(unit), (a + b) / 2)
                for line, s, unit in zip((one, other), scales, units, strict=True)
            )
            less += _square([p - q for p, q in zip(w, v, strict=True)], moments)
            more += _square([p + q for p, q in zip(w, v, strict=True)], moments)
            slopes += (
                w[1] * v[1] / (scales[0] * scales[1] * _number(units[0]) * units[1]) * moments[0]
            )
        return less, more, slopes


def _of_piece(line: Polyline, s: Any, unit: Any, z: Any) -> tuple[Any, Any]:
    """c and k of c + k z, which is w(s z)/r about z."""
    k = bisect.bisect_right(line.places.tolist(), s * z)
    start = max(k - 1, 0)
    slope = _number(float(line.slopes[k]))
    level = _number(float(line.values[start])) - slope * _number(float(line.places[start]))
    return level * unit, slope * s * unit


def _moments_between(a: Any, b: Any) -> tuple[Any, Any, Any]:
    low, high = mpmath.npdf(a), mpmath.npdf(b)
    inside = mpmath.ncdf(-a) - mpmath.ncdf(-b) if a >= 0 else mpmath.ncdf(b) - mpmath.ncdf(a)
    return inside, low - high, inside + a * low - b * high


def _square(f: Any, moments: Any) -> Any:
    return f[0] ** 2 * moments[0] + 2 * f[0] * f[1] * moments[1] + f[1] ** 2 * moments[2]


def angle_integrals_of(
    one: Polyline, other: Polyline, deviations: tuple[float, float], small: float
) -> tuple[Any, Any]:
    """sum_ij beta_i beta_j of once and of bent, at 1 - rho = ``small``."""
    with mpmath.workdps(DIGITS):
        a, b = (
            [(_number(float(x)) / _number(s), float(jump)) for x, jump in _kinks(line)]
            for line, s in zip((one, other), deviations, strict=True)
        )
        kinks = [(x, y, jump * jump_) for x, jump in a for y, jump_ in b]
        theta = 2 * mpmath.asin(mpmath.sqrt(_number(small) / 2))
        gaps = [abs(x - y) for x, y, _ in kinks if x != y]
        ends = [min([gap / 12 for gap in gaps] + [theta / 4])]
        while ends[-1] < theta:
            ends.append(2 * ends[-1])
        ends = [_number(0), *ends[:-1], theta]
        once = bent = _number(0)
        for low, high in pairwise(ends):
            half, middle = (high - low) / 2, (high + low) / 2
            for node, weight in _nodes():
                t = middle + half * node
                density = half * weight * _density(kinks, t) / (2 * mpmath.pi)
                once += density
                bent += density * 2 * mpmath.sin((theta + t) / 2) * mpmath.sin((theta - t) / 2)
        return once, bent


def _kinks(line: Polyline) -> Any:
    return [pair for pair in zip(line.places, line.jumps, strict=True) if pair[1] != 0]


def _density(kinks: Any, t: Any) -> Any:
    square, turn = 2 * mpmath.sin(t) ** 2, 2 * mpmath.cos(t / 2) ** 2
    return sum(j * mpmath.exp(-((x - y) ** 2 / square + x * y / turn)) for x, y, j in kinks)


@lru_cache(maxsize=1)
def _nodes() -> list[tuple[Any, Any]]:
    """Those of Gauss and Legendre: four steps of Newton's method from float64."""
    with mpmath.workdps(DIGITS):
        found = []
        for start in np.polynomial.legendre.leggauss(ORDER)[0]:
            node = _number(float(start))
            for _ in range(4):
                value, slope = _legendre_at(node)
                node -= value / slope
            found.append((node, 2 / ((1 - node**2) * _legendre_at(node)[1] ** 2)))
        return found


def _legendre_at(x: Any) -> tuple[Any, Any]:
    older, old = _number(1), x
    for k in range(2, ORDER + 1):
        older, old = old, ((2 * k - 1) * x * old - (k - 1) * older) / k
    return old, ORDER * (x * old - older) / (x * x - 1)
