r"""What a table is between its nodes: norms and their derivatives on short intervals of s.

A series p = sum_j a_j cos(j t) is within h \|p'\| + h^2/2 \|p''\| + h^3/6 \|p^(3)\| + h^4/24 sum_j
j^4 \|a_j\| of its value in the middle of an interval of length 2h; s changes there by less than a
share h/2. The derivative of a series that errs by e errs by at most about (points)^2 e (Markov).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from analytic.expectations.node_tables import MEAN, SLOPE, SPREAD
from analytic.expectations.quadrature import Extended
from analytic.expectations.segments import IntArray, Responses
from analytic.machine import Array

__all__ = ["norms_between", "responses_between"]

BETWEEN = 16
"""Places between two points of an interpolation at which norms are looked at."""
CLOSER = 4
"""How many times as many there are for responses."""
STEEPER = 24
"""How much more than (points)^2 s f'/2 may err than f: twice for s and the length of an octave, and
6 times since what is missed is a geometric series of terms, of ratio 1/1.12 at most, that are j^2
as steep."""


class _Places(NamedTuple):
    """Middles s of short intervals, their half length h in t, and three columns on them.

    ``value`` and ``reach`` (places, 3) hold E w'^2, Var w/s^2 and E w over their ``powers`` of s.
    """

    s: Array
    h: float
    value: Array
    reach: Array
    powers: list[int]


class _Norms(NamedTuple):
    """Bounds of norms on short intervals around every s, (places,) each.

    ``norm`` is a lower bound of the root of E w'^2 over its power of s, ``root`` one of that of
    E w^2; ``slope`` is an upper bound of the root of E w'^2 and ``mean`` one of |E w|.
    """

    s: Array
    norm: Array
    root: Array
    slope: Array
    mean: Array


def norms_between(series: Extended, powers: IntArray, low: float, places: int = BETWEEN) -> _Norms:
    """The norms between the nodes."""
    at = _places(series, powers, low, places)
    guard = (1 + at.h / 2) ** (3 + sum(map(abs, at.powers)))
    size = np.abs(at.value)
    least, most = np.maximum(size - at.reach, 0), size + at.reach
    unscaled = np.stack([at.s**p for p in at.powers], axis=1)
    second = (least[:, 2] * unscaled[:, 2]) ** 2 + at.s**2 * least[:, 1] * unscaled[:, 1]
    return _Norms(
        at.s, np.sqrt(least[:, 0]), np.sqrt(second) / guard,
        np.sqrt(most[:, 0] * unscaled[:, 0]) * guard, most[:, 2] * unscaled[:, 2] * guard,
    )  # fmt: skip


def responses_between(
    series: Extended, powers: IntArray, low: float, points: int, error: float
) -> Responses:  # fmt: skip
    """Bounds of the responses of E w^2 and E w'^2 to a relative error of s^2.

    With f = s^p q they are s f'/(2 f), s f' = s^p (p q + s q').

    Args:
        series: Chebyshev coefficients of the columns over powers of s.
        powers: these powers.
        low: the smallest s.
        points: of the interpolation, of which the series keeps the first terms.
        error: of the table.
    """
    closer = CLOSER * BETWEEN
    at, turned = (_places(series, powers, low, closer, order) for order in (0, 1))
    s, h = at.s[:, None], at.h / 2
    power, guard = np.array(at.powers), (1 + h) ** (4 + sum(map(abs, at.powers)))
    size, wrong = np.abs(at.value), at.reach  # of q
    steep = power * at.value + s * turned.value  # p q + s q'
    loose = np.abs(power) * wrong + s * (h * np.abs(turned.value) + (1 + h) * turned.reach)
    unscaled = s**power
    (_, spread, mean), (_, of_spread, of_mean) = (
        np.moveaxis(f * unscaled, 1, 0) for f in (at.value, steep)
    )
    (_, d_spread, d_mean), (_, d_of_spread, d_of_mean) = (
        np.moveaxis(f * unscaled, 1, 0) for f in (wrong, loose)
    )
    v = at.s**2
    second = mean * of_mean + v * (spread + of_spread / 2)
    off = np.abs(mean) * d_of_mean + np.abs(of_mean) * d_mean + d_mean * d_of_mean
    off += v * (d_spread + d_of_spread / 2)
    sizes = np.abs(mean * of_mean) + v * (np.abs(spread) + np.abs(of_spread) / 2) + off
    least = norms_between(series, powers, low, closer)
    with np.errstate(divide="ignore", invalid="ignore"):
        own_e = (np.abs(second) + off + (guard - 1) * sizes) / least.root**2
        own_d = (np.abs(steep) + loose)[:, 0] / (2 * np.maximum(size - wrong, 0)[:, 0])
    # in the second the power of s cancels
    found = np.stack([own_e, own_d]) + STEEPER * points**2 * error
    found = np.where(np.isnan(found), np.inf, found)
    return Responses(at.s * (1 - h), at.s * (1 + h), found)


def _places(
    series: Extended, powers: IntArray, low: float, between: int, order: int = 0
) -> _Places:
    """Three columns, or their derivatives by s, on short intervals."""
    places = between * len(series)
    h = math.pi / places / 2
    angle = h * np.arange(1, 2 * places, 2)
    a: Array = series[:, [SLOPE, SPREAD, MEAN]].astype(np.float64)
    if order:
        a = np.asarray(np.polynomial.chebyshev.chebder(a, order), np.float64) * 2 / low
    j = np.arange(len(a), dtype=np.float64)[:, None]
    even, odd = np.cos(angle[:, None] * j[:, 0]), np.sin(angle[:, None] * j[:, 0])
    value: Array = even @ a
    reach: Array = h**4 / 24 * np.sum(j**4 * np.abs(a), axis=0)
    for power, waves in ((1, odd), (2, even), (3, odd)):
        reach = reach + h**power / math.factorial(power) * np.abs(waves @ (j**power * a))
    s = low * (3 + np.cos(angle)) / 2
    own = [int(powers[column]) for column in (SLOPE, SPREAD, MEAN)]
    return _Places(s, h, value, reach, own)
