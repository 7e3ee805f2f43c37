r"""Plackett's integrals over the angle between two units, compiled.

    once(theta) = int_0^theta exp(-Q(t)) dt/(2 pi),
    bent(theta) = int_0^theta (cos t - cos theta) exp(-Q(t)) dt/(2 pi),
    Q(t) = (A - B)^2/(2 sin(t)^2) + A B/(2 cos(t/2)^2),

for the kinks A, B of two units in their own deviations. With t = theta x, P = |A - B|/theta and
xi = x^2,

    exp(-Q) = exp(-P^2/(2 x^2)) f(xi),   f smooth:  -log f = (A - B)^2 g(t)/2 + A B/(2 cos(t/2)^2),
    g(t) = 1/sin(t)^2 - 1/t^2,

so that the essential singularity is a weight: the integral is sum_j p_j(P) f(xi_j) with fixed
Chebyshev points xi_j and weights that are functions of P alone, tabulated once. Where the jumps of
a unit sum up to 0 and all kinks are within one deviation, all exp(-Q) are nearly 1
and cancel; then 1 - exp(-Q) is integrated instead, with the weights p_j(0) - p_j(P), which are
tabulated divided by P.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.angle_integrals import TOGETHER
from analytic.expectations.kinks_in_step import KINK_ROWS, integrals_in_step
from analytic.expectations.precise_panels import graded_panels
from analytic.machine import Array, aligned

__all__ = ["NODES", "STEEPEST", "Ramps", "kink_integrals"]

NODES = 20
"""Nodes in xi."""
WIDEST = 9
"""From this P on the integral is below exp(-40)."""
TERMS = 16
"""Chebyshev coefficients of the weights on every interval of length 1 of P."""
STEEPEST = 10.0
"""Largest A B tan(theta/2)^2/2, the logarithm by which f falls, that the nodes resolve."""

NEAR_ONE, GENTLE = 0.3, 0.6
"""Largest 1 - rho and logarithm of f for which pairs are taken in step."""


class Ramps(NamedTuple):
    """The kinks of a unit: places x_i and jumps of the slope, (kinks,) each."""

    places: Array
    jumps: Array


@lru_cache(maxsize=1)
def _rule() -> tuple[Array, Array, Array]:
    """The points xi_j, (NODES,), and the weights' coefficients, (WIDEST, TERMS, NODES).

    The last ones are those of (p_j(0) - p_j(P))/P at P < 1, (TERMS, NODES).
    """
    pi: Any = np.arccos(np.longdouble(-1))
    k: Any = np.arange(NODES)
    xi: Any = (1 + np.cos(pi * (k + 0.5) / NODES)) / 2
    x, dx = graded_panels(24)
    basis: Any = np.cos(k[:, None] * np.arccos(2 * x**2 - 1)) * dx
    lagrange: Any = 2 / np.longdouble(NODES) * np.cos((k[:, None] + 0.5) * k * pi / NODES)
    lagrange[:, 0] /= 2
    j: Any = np.arange(TERMS)
    phase = pi * (j + 0.5) / TERMS
    to_series: Any = 2 / np.longdouble(TERMS) * np.cos(j[:, None] * phase)
    to_series[0] /= 2
    p = np.arange(WIDEST)[:, None] + (1 + np.cos(phase)) / 2  # (WIDEST, TERMS)
    weights = np.exp(-((p[:, :, None] / x) ** 2) / 2) @ basis.T @ lagrange.T
    lacking = -np.expm1(-((p[0, :, None] / x) ** 2) / 2) @ basis.T @ lagrange.T / p[0, :, None]
    tables = (to_series @ part for part in (weights, lacking))
    found, flat = (table.astype(np.float64) for table in tables)
    return xi.astype(np.float64), found, flat


@lru_cache(maxsize=1)
def _series() -> tuple[Array, Array]:
    """Powers of v = t^2: of (sin(t/2)/t)^2 by Taylor, and of g(t) by interpolation."""
    taylor = [
        0.5 * (-1.0) ** k * 2 / math.factorial(2 * k + 2) for k in range(14)
    ]  # (1 - cos t)/2 = t^2 (1/4 - t^2/48 + ...)
    half = np.array([0.5 * value for value in taylor])
    top = (np.pi / 2) ** 2
    points = np.cos(np.pi * (np.arange(24) + 0.5) / 24)
    v = top * (1 + points) / 2
    t = np.sqrt(v)
    small = 1 / 3 + v / 15 + 2 * v**2 / 189 + v**3 / 675 + 2 * v**4 / 10395
    small = small + 1382 * v**5 / 58046625 + 4 * v**6 / 1403325
    value = np.where(t < 0.2, small, 1 / np.sin(t) ** 2 - 1 / v)
    fit: Any = np.polynomial.chebyshev.Chebyshev.fit(v, value, 15, domain=[0, top])
    return half, np.asarray(fit.coef)


@compiled
def _angles(theta: float, small: float, xi: Any, half: Any, bend: Any, o: Any) -> None:
    """At the nodes: g(t), 1/(2 cos(t/2)^2), (cos t - cos theta)/theta^2, in the rows of o."""
    square = theta * theta
    top = (math.pi / 2) ** 2
    for j in range(NODES):
        v = square * xi[j]
        h = 0.0
        for k in range(13, -1, -1):
            h = h * v + half[k]
        h *= v  # sin(t/2)^2
        x = 2 * (2 * v / top - 1)
        older, old = 0.0, 0.0
        for k in range(bend.size - 1, 0, -1):
            older, old = old, bend[k] + x * old - older
        o[0, j] = bend[0] + 0.5 * x * old - older
        o[1, j] = 0.5 / (1 - h)
        o[2, j] = (small - 2 * h) / square if square > 0 else 0.5 * (1 - xi[j])


@compiled
def _weights(series: Any, x: float, weights: Any) -> None:
    """The sums of Chebyshev series at x/2, in row 0."""
    weights[:] = 0.0
    for d in range(TERMS - 1, 0, -1):
        for j in range(NODES):
            value = series[d, j] + x * weights[0, j] - weights[1, j]
            weights[1, j] = weights[0, j]
            weights[0, j] = value
    for j in range(NODES):
        weights[0, j] = series[0, j] + 0.5 * x * weights[0, j] - weights[1, j]


@compiled
def _one(gap: float, both: float, theta: float, table: Any, o: Any, weights: Any) -> Any:
    """2 pi once/theta and 2 pi bent/theta^3 of a pair of kinks."""
    wide = gap / theta if theta > 0 else (0.0 if gap == 0 else 2.0 * WIDEST)
    if wide >= WIDEST:
        return 0.0, 0.0
    k = int(wide)
    _weights(table[k], 2 * (2 * (wide - k) - 1), weights)
    once = bent = 0.0
    square = gap * gap / 2
    for j in range(NODES):
        value = weights[0, j] * math.exp(-(square * o[0, j] + both * o[1, j]))
        once += value
        bent += value * o[2, j]
    return once, bent


@compiled
def _lack(
    gap: float, both: float, theta: float, table: Any, flat: Any, o: Any, weights: Any, still: Any
) -> Any:
    """The same of 1 - exp(-Q), and a size; ``still`` are the weights at P = 0."""
    wide = gap / theta if theta > 0 else (0.0 if gap == 0 else 2.0 * WIDEST)
    once = bent = size = 0.0
    if wide >= 1:
        first, second = _one(gap, both, theta, table, o, weights)
        for j in range(NODES):
            bent += still[j] * o[2, j]
        return 1 - first, bent - second, 1 + first
    _weights(flat, 2 * (2 * wide - 1), weights)
    square = gap * gap / 2
    for j in range(NODES):
        near = wide * weights[0, j]
        far = -(still[j] - near) * math.expm1(-(square * o[0, j] + both * o[1, j]))
        once += near + far
        bent += (near + far) * o[2, j]
        size += abs(near) + abs(far)
    return once, bent, size


@compiled
def _all(
    a: Any, jumps: Any, b: Any, jumps_: Any, s: Any, s_: Any, small: Any, rule: Any, out: Any
) -> None:
    xi, table, flat, half, bend = rule
    o, weights, still = np.empty((3, NODES)), np.empty((2, NODES)), np.empty((2, NODES))
    _weights(table[0], -2.0, still)
    ends = jumps.sum() == 0.0 or jumps_.sum() == 0.0  # the constant 1 cancels
    farthest, farthest_ = np.abs(a).max(), np.abs(b).max()
    for i in range(s.size):
        theta = 2 * math.asin(math.sqrt(small[i] / 2))
        _angles(theta, small[i], xi, half, bend, o)
        once = bent = size = 0.0
        near = ends and farthest <= s[i] and farthest_ <= s_[i]  # otherwise exp(-Q) may be small
        for m in range(a.size):
            for n in range(b.size):
                gap = abs(a[m] * (s_[i] - s[i]) + s[i] * (a[m] - b[n])) / (s[i] * s_[i])  # A - B
                both, jump = (a[m] / s[i]) * (b[n] / s_[i]), jumps[m] * jumps_[n]
                if near:
                    jump = -jump
                    first, second, most = _lack(gap, both, theta, table, flat, o, weights, still[0])
                else:
                    first, second = _one(gap, both, theta, table, o, weights)
                    most = first
                once += jump * first
                bent += jump * second
                size += abs(jump) * most
        out[0, i] = once * theta / (2 * math.pi)
        out[1, i] = bent * theta * theta * theta / (2 * math.pi)
        out[2, i] = size * theta / (2 * math.pi)


def kink_integrals(one: Ramps, other: Ramps, s: Array, s_: Array, small: Array) -> Array:
    """The two integrals with their jumps, sum_ij beta_i beta_j (once, bent), and a size.

    The size is that of what is added up for once, sum_ij |beta_i beta_j| once or less; that of bent
    is below it times 1 - cos(theta). Shape (3, pairs).

    Args:
        one: the kinks of u.
        other: those of v.
        s: standard deviation of u, shape (pairs,).
        s_: that of v.
        small: 1 - cos(theta), at most 1.
    """
    out = np.empty((3, s.size))
    a, b = (np.abs(kinks.places).max() for kinks in (one, other))
    steep = a / s * (b / s_) * small / (2 * (2 - small))  # tan(theta/2)^2 = small/(2 - small)
    short = (steep <= GENTLE) & (small <= NEAR_ONE)
    near = np.zeros_like(short)
    if one.jumps.sum() == 0 or other.jumps.sum() == 0:  # the constant 1 cancels
        near = short & (a <= s) & (b <= s_)  # otherwise exp(-Q) may be small
    rest = ~short & (steep <= STEEPEST)
    ways = (
        (near, partial(_in_step, lacking=True)), (short & ~near, _in_step),
        (rest, _by_weights), (~short & ~rest, _by_panels),
    )  # fmt: skip
    for chosen, method in ways:
        if chosen.all():
            return method(one, other, s, s_, small)
        if chosen.any():
            out[:, chosen] = method(one, other, s[chosen], s_[chosen], small[chosen])
    return out


def _in_step(
    one: Ramps, other: Ramps, s: Array, s_: Array, small: Array, lacking: bool = False
) -> Array:
    out, room = np.empty((3, s.size)), aligned(KINK_ROWS, TOGETHER)
    pairs, kinks = np.stack([s, s_, small]), _products(one, other)
    integrals_in_step(kinks, lacking, pairs, room, room.ravel(), room.view(np.int64), out)
    return out


def _products(one: Ramps, other: Ramps) -> Array:
    """x, x' and the product of their jumps, (pairs of kinks, 3); (-x, -x') counts as (x, x')."""
    found: dict[tuple[float, float], float] = {}
    for x, jump in zip(*one, strict=True):
        for x_, jump_ in zip(*other, strict=True):
            sign = -1.0 if x < 0 or (x == 0 and x_ < 0) else 1.0
            key = abs(float(x)), sign * float(x_)
            found[key] = found.get(key, 0.0) + float(jump * jump_)
    return np.array([(*places, jump) for places, jump in found.items() if jump != 0]).reshape(-1, 3)


def _by_weights(one: Ramps, other: Ramps, s: Array, s_: Array, small: Array) -> Array:
    out = np.empty((3, s.size))
    _all(*one, *other, s, s_, small, (*_rule(), *_series()), out)
    return out


PANELS = np.concatenate([np.arange(0.0, 8.0), np.arange(8.0, 39.0, 2.0)])
"""Ends of panels in log(theta/t): where the weight exp(-y) is small they may be wider."""


def _by_panels(one: Ramps, other: Ramps, s: Array, s_: Array, small: Array) -> Array:
    """The same for kinks far out, where f falls too fast: slowly, in y = log(theta/t)."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half, middle = np.diff(PANELS)[:, None] / 2, (PANELS[1:] + PANELS[:-1])[:, None] / 2
    theta = 2 * np.arcsin(np.sqrt(small / 2))[:, None]
    t = theta * np.exp(-(middle + half * nodes).ravel())  # (pairs, nodes)
    bend, whole = np.sin(t / 2) ** 2, np.sin(t) ** 2
    fall = 2 * np.sin((theta + t) / 2) * np.sin((theta - t) / 2)  # cos t - cos theta
    density = (half * weights).ravel() * t / (2 * np.pi)
    out = np.zeros((3, s.size))
    for x, jump in zip(*one, strict=True):
        for x_, jump_ in zip(*other, strict=True):
            gap = (x * (s_ - s) + s * (x - x_)) / (s * s_)  # A - B
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                q = (gap[:, None] ** 2 + 4 * (x / s * x_ / s_)[:, None] * bend) / (2 * whole)
            e = np.where(whole > 0, np.exp(-q), 0.0) * density
            found = jump * jump_ * np.stack([np.sum(e, axis=1), np.sum(e * fall, axis=1)])
            out += np.stack([*found, np.abs(found[0])])
    return out
