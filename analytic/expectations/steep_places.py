r"""Activations that turn in one place away from 0, and product rules whose nodes are dense there.

Let w turn at c in a width b, as tanh(60 (x - 1)) does. Given u = s z, the second unit of a pair is
v = m u + tau xi with m = s' rho/s and tau = s' sqrt(1 - rho^2), so that w(u) turns at u = c, the
mean of w(v) at u = c/m, in a width of max(b, tau)/|m|, and w(v) at xi = (c - m u)/tau. Both
trapezoidal rules are equidistant in a t that is analytic and grows fast there:

    arsinh((u - c)/b) + arsinh((u - c/m) |m|/max(b, tau)) = t
    xi = (c - m u)/tau + b/tau sinh t

Their number of nodes grows like the logarithm of s/b, where nodes graded around 0 need c/b times as
many.

Legend: z, xi independent standard normal.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.quadrature import REACH
from analytic.machine import Array

__all__ = ["Place", "Rules", "rules_at", "steep_place"]


class Place(NamedTuple):
    """Where w turns, and the width in which it does."""

    centre: float
    width: float


class Rules(NamedTuple):
    """The nodes z and their weights, (pairs, q), and xi with theirs for each z, (pairs, q, q')."""

    outer: Array
    outer_weights: Array
    inner: Array
    inner_weights: Array


FARTHEST, POINTS = 64.0, 2**14
"""Where a place is looked for, and at how many points."""
AWAY = 2.0
"""How many widths from 0 a place is that rules graded around 0 do not resolve as well."""
ENDS = 1e-6
"""Size of w'' at the ends from which on w turns there as well, relative to the largest."""
LOOKS = 3
"""How often it is looked more closely."""


@lru_cache(maxsize=256)
def steep_place(activation: Activation) -> Place | None:
    """The mean and the deviation of w''^2, or None where w does not turn in one place away from 0.

    Rules that are dense in a wrong place converge later, and are seen not to.

    Example:
        >>> place = steep_place(Activation("tanh(60*(x - 1))"))
        >>> round(place.centre, 6), round(place.width, 3)
        (1.0, 0.015)
    """
    low, high, found = -FARTHEST, FARTHEST, Place(0.0, 1.0)
    for look in range(LOOKS):
        x = np.linspace(low, high, POINTS + 1)
        with np.errstate(all="ignore"):
            bend, rise = (f**2 for f in activation.derivatives(x, 3)[2:])
            whole, steep = float(bend.sum()), float(rise.sum())
            if not (math.isfinite(steep) and 0 < whole < math.inf):
                return None
            if look == 0 and max(bend[0], bend[-1]) > ENDS**2 * bend.max():
                return None
            centre = float(bend @ x) / whole
            spread = math.sqrt(float(bend @ (x - centre) ** 2) / whole)
        width = max(spread, math.sqrt(whole / steep) if steep > 0 else 0.0, (high - low) / POINTS)
        found = Place(centre, width)
        low, high = centre - 8 * width, centre + 8 * width
    return found if abs(found.centre) > AWAY * found.width else None


def rules_at(
    place: Place, s: Array, slope: Array, tau: Array, shift: Array, sizes: tuple[int, int]
) -> Rules:
    """The rules of some pairs.

    Args:
        place: where w turns.
        s: standard deviations of u, positive, (pairs,).
        slope: m, (pairs,).
        tau: that of v given u.
        shift: u - m u over z, which may be known to more digits.
        sizes: steps of the outer and of the inner rule.
    """
    some = np.where(np.abs(slope) > FLATTEST, slope, np.copysign(FLATTEST, slope))
    second = place.centre / some, np.maximum(place.width, tau) / np.abs(some)
    u, lengths = _between(place, second, REACH * s, sizes[0])
    z = u / s[:, None]
    mean = u - shift[:, None] * z
    tau = np.maximum(tau, 2.0**-500)[:, None]
    centre = np.clip((place.centre - mean) / tau, -REACH, REACH)
    inner = _graded(centre, np.minimum(place.width / tau, WIDEST), sizes[1])
    return Rules(z, lengths / s[:, None] * _density(z), *inner)


FLATTEST = 2.0**-10
"""The smallest |m|: the mean of w(v) hardly depends on u."""
WIDEST = 8.0
"""A width of xi from which on nodes are nearly equidistant."""
NEWTON = 4
"""Steps of Newton's method, from neighbours that are known."""


def _density(z: Array) -> Array:
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _between(
    place: Place, second: tuple[Array, Array], end: Array, steps: int
) -> tuple[Array, Array]:
    """u for equidistant t from -end to end, and du/dt times the step, (pairs, steps + 1) each."""
    many = end.size
    centres = np.stack([np.full(many, place.centre), second[0]])[..., None]
    widths = np.stack([np.full(many, place.width), second[1]])[..., None]

    def at(u: Array) -> Array:
        return np.asarray(np.arcsinh((u - centres) / widths).sum(axis=0))

    def steepness(u: Array) -> Array:
        return np.asarray((1 / np.hypot(u - centres, widths)).sum(axis=0))

    ends = at(np.stack([-end, end], axis=1))
    step = (ends[:, 1:] - ends[:, :1]) / steps
    t = ends[:, :1] + step * np.arange(steps + 1)
    seen = np.linspace(-1, 1, 2 * steps + 1)
    known = centres + widths * np.sinh(seen * np.arcsinh(2 * end[:, None] / widths))
    near = np.sort(np.clip(np.hstack(list(known)), -end[:, None], end[:, None]), axis=1)
    rows: Any = zip(t, at(near), near, strict=True)
    u: Array = np.stack([np.asarray(np.interp(*row), np.float64) for row in rows])
    for _ in range(NEWTON):
        u = u - (at(u) - t) / steepness(u)
    return u, step / steepness(u)


def _graded(centre: Array, width: Array, steps: int) -> tuple[Array, Array]:
    """xi = centre + width sinh(t) from -REACH to REACH, and the weights, (..., steps + 1) each."""
    low, high = (np.arcsinh((end - centre) / width) for end in (-REACH, REACH))
    step = (high - low) / steps
    e: Any = np.exp(low[..., None] + step[..., None] * np.arange(steps + 1))
    xi = centre[..., None] + (width / 2)[..., None] * (e - 1 / e)
    return xi, (step * width / 2)[..., None] * (e + 1 / e) * _density(xi)
