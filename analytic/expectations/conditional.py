r"""Close pairs by conditioning: one outer sum over functions of one unit, compiled.

Let u, v have standard deviations s <= s' and correlation rho >= 0, and split them as

    u = g + tau_1 b_1,  v = g + tau_2 b_2,   Var g = s s' rho      if s >= s' rho, else
    u = (s/(s' rho)) g,  v = g + tau b,      Var g = (s' rho)^2,   tau^2 = s'^2 (1 - rho^2)

with independent normal b. Given g the two are independent, so that with the W, V of
``heat_tables`` and r^2 = E w(u)^2

    E (w(u)/r - w(v)/r')^2 = E (W_1/r - W_2/r')^2 + tau_1^2 E V_1/r^2 + tau_2^2 E V_2/r'^2
    E w'(u) w'(v)          = E W'_1 W'_2

at y = g: non-negative terms only, nothing cancels however close the pair is. For rho < 0
the second unit is w(-v). The outer law is summed by the trapezoidal rule at fixed nodes, so
that W and V are needed as functions of tau alone.

Legend: as in the formulas; minus = 1 - rho, plus = 1 + rho, small the smaller of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.expectations.heat_tables import DEGREES, LOCAL, Heat
from analytic.machine import EXACT_SUMS, Array

__all__ = ["conditional", "outer_deviation", "segments"]

OUTER = 9.0
"""Where the outer law is cut."""


@compiled
def _split(s: float, s_: float, small: float) -> tuple[float, float, float, float]:
    """(sigma, tau_1, tau_2, kappa) for s <= s': the deviation of g, and u = g/kappa + ..."""
    apart = (s_ - s) - s_ * small  # s' rho - s
    if apart > 0:
        sigma = s_ * (1 - small)
        return sigma, 0.0, s_ * math.sqrt(small * (2 - small)), sigma / s
    sigma = math.sqrt(s * s_ * (1 - small))
    tau_1 = math.sqrt(s * -apart)
    tau_2 = math.sqrt(s_ * ((s_ - s) + s * small))
    return sigma, tau_1, tau_2, 1.0


MAGIC = 1.5 * 2.0**52
_MAGIC_BITS = int(np.float64(MAGIC).view(np.int64))
_LOG2E = 1 / math.log(2)
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_F3, _F4, _F5, _F6, _F7, _F8, _F9, _F10, _F11, _F12, _F13 = (
    1.0 / math.factorial(k) for k in range(3, 14)
)


@compiled
def _weights(y: Any, lengths: Any, sigma: float, k: Any, bits: Any, p: Any) -> None:
    """p = density of N(0, sigma^2) at y times the length.

    exp(-x) = 2^n exp(r), with n read from the bits of a sum: loops without a branch.
    """
    rate = -0.5 / (sigma * sigma)
    unit = 1.0 / (sigma * math.sqrt(2 * math.pi))
    for q in range(y.size):
        k[q] = (y[q] * y[q] * rate) * _LOG2E + MAGIC
    for q in range(y.size):
        n = k[q] - MAGIC
        r = (y[q] * y[q] * rate - n * _LN2_HIGH) - n * _LN2_LOW
        e = _F13
        e = e * r + _F12
        e = e * r + _F11
        e = e * r + _F10
        e = e * r + _F9
        e = e * r + _F8
        e = e * r + _F7
        e = e * r + _F6
        e = e * r + _F5
        e = e * r + _F4
        e = e * r + _F3
        e = e * r + 0.5
        e = e * r + 1.0
        e = e * r + 1.0
        p[q] = e * (lengths[q] * unit)
    for q in range(y.size):
        bits[q] = (bits[q] - _MAGIC_BITS + 1023) << 52
    for q in range(y.size):
        p[q] *= k[q]


@compiled
def _chebyshev(tau: float, lowest: int, kinked: bool, t: Any) -> int:
    """T_j at tau within its segment; returns the segment."""
    if tau > 0:
        mantissa, exponent = math.frexp(tau)  # tau = mantissa 2^exponent, 1/2 <= mantissa < 1
    else:
        mantissa, exponent = 0.5, lowest - 64
    k = exponent - lowest
    if k > 0:
        x = 2 * math.log2(mantissa) + 1
    elif kinked:
        k, x = 1, -1.0
    else:
        ratio = math.ldexp(tau, -lowest)
        k, x = 0, 2 * ratio * ratio - 1
    t[0] = 1.0
    t[1] = x
    for j in range(2, t.size):
        t[j] = 2 * x * t[j - 1] - t[j - 2]
    return k


@compiled
def _evaluate(table: Any, t: Any, lo: int, hi: int, out: Any) -> None:
    """out[c] = sum_j t[j] table[c, j, lo:hi]."""
    for c in range(3):
        row = out[c]
        for j in range(0, t.size, 4):
            a0, a1 = table[c, j, lo:hi], table[c, j + 1, lo:hi]
            a2, a3 = table[c, j + 2, lo:hi], table[c, j + 3, lo:hi]
            t0, t1, t2, t3 = t[j], t[j + 1], t[j + 2], t[j + 3]
            if j == 0:
                for q in range(row.size):
                    row[q] = t0 * a0[q] + t1 * a1[q] + t2 * a2[q] + t3 * a3[q]
            else:
                for q in range(row.size):
                    row[q] += t0 * a0[q] + t1 * a1[q] + t2 * a2[q] + t3 * a3[q]


@compiled
def _narrowed(y: Any, edges: Any, local: Any, kappa: float, out: Any) -> None:
    """w and w' at y/kappa, from the powers of the cells."""
    inverse = 1 / kappa
    cell = 0
    last = edges.size - 2
    for q in range(y.size):
        x = y[q] * inverse
        while cell < last and edges[cell + 1] < x:
            cell += 1
        low, high = edges[cell], edges[cell + 1]
        z = (2 * x - (low + high)) / (high - low)
        powers = local[cell]
        w = powers[0, LOCAL - 1]
        w1 = powers[1, LOCAL - 1]
        for j in range(LOCAL - 2, -1, -1):
            w = w * z + powers[0, j]
            w1 = w1 * z + powers[1, j]
        out[0, q] = w
        out[1, q] = w1
        out[2, q] = 0.0


def _add_up(p: Any, a: Any, b: Any, f: float, g: float) -> tuple[float, float, float, float, float]:
    """Sums of p (A f - B g)^2, p (A f + B g)^2, p A'B', p V_1 and p V_2."""
    less = more = d = v1 = v2 = 0.0
    a0, a1, a2 = a[0], a[1], a[2]
    b0, b1, b2 = b[0], b[1], b[2]
    for q in range(p.size):
        x, y = a0[q] * f, b0[q] * g
        less += p[q] * ((x - y) * (x - y))
        more += p[q] * ((x + y) * (x + y))
        d += p[q] * (a1[q] * b1[q])
        v1 += p[q] * a2[q]
        v2 += p[q] * b2[q]
    return less, more, d, v1, v2


_gather: Any = compiled(_add_up, EXACT_SUMS | {"reassoc"})
"""Sums of non-negative numbers, but for d: any order is good, and four at a time are faster."""


@compiled
def _reverse(rows: Any) -> None:
    """Turn a table over q into one over -q."""
    n = rows.shape[1]
    for c in range(rows.shape[0]):
        row = rows[c]
        for q in range(n // 2):
            row[q], row[n - 1 - q] = row[n - 1 - q], row[q]


@compiled
def _pairs(
    y: Any, lengths: Any, step: float, scale: float, table: Any, local: Any, edges: Any,
    lowest: int, kinked: bool, s: Any, s_: Any, minus: Any, plus: Any, unit: Any, unit_: Any,
    out: Any,
) -> None:  # fmt: skip
    nodes = y.size
    room_k = np.empty(nodes)
    room_bits = room_k.view(np.int64)
    room = np.empty((7, nodes))
    t = np.empty(DEGREES)
    for i in range(s.size):
        u, v, f, g = s[i], s_[i], unit[i], unit_[i]
        if u > v:
            u, v, f, g = v, u, g, f
        flip = plus[i] < minus[i]
        small = plus[i] if flip else minus[i]
        sigma, tau_1, tau_2, kappa = _split(u, v, small)
        half = min(int(math.asinh(OUTER * sigma / scale) / step) + 1, nodes // 2)
        lo, hi = nodes // 2 - half, nodes // 2 + half + 1
        near = y[lo:hi]
        k, bits, p = room_k[: hi - lo], room_bits[: hi - lo], room[0, : hi - lo]
        a, b = room[1:4, : hi - lo], room[4:7, : hi - lo]
        _weights(near, lengths[lo:hi], sigma, k, bits, p)
        segment = _chebyshev(tau_2, lowest, kinked, t)
        _evaluate(table[segment], t, lo, hi, b)
        if flip:
            _reverse(b)
        if tau_1 > 0:
            segment = _chebyshev(tau_1, lowest, kinked, t)
            _evaluate(table[segment], t, lo, hi, a)
        else:
            _narrowed(near, edges, local, kappa, a)
        less, more, d, v1, v2 = _gather(p, a, b, f, g)
        inner = (tau_1 * f) ** 2 * v1 + (tau_2 * g) ** 2 * v2
        out[0, i] = (less + inner) / 2
        out[1, i] = (more + inner) / 2
        out[2, i] = d
        out[3, i] = (more if flip else less) / 2


def segments(h: Heat, tau: Array) -> NDArray[np.intp]:
    """The segments that hold these tau."""
    k = np.where(tau > 0, np.frexp(tau)[1] - h.lowest, 0)
    return np.clip(k, 0 if h.smooth else 1, h.table.shape[0] - 1)


def outer_deviation(s: Array, s_: Array, small: Array) -> Array:
    """The standard deviation of g."""
    low, high = np.minimum(s, s_), np.maximum(s, s_)
    rho = 1 - small
    return np.where(low < high * rho, high * rho, np.sqrt(low * high * rho))


def conditional(
    h: Heat, s: Array, s_: Array, minus: Array, plus: Array, unit: Array, unit_: Array
) -> Array:
    """The squared distance of two units by conditioning.

    Args:
        h: the tables of w.
        s: standard deviation of u, shape (pairs,).
        s_: that of v.
        minus: 1 - rho.
        plus: 1 + rho.
        unit: 1/sqrt(E w(u)^2).
        unit_: 1/sqrt(E w(v)^2).

    Returns:
        (minus, plus, d, the part of the means in the smaller of the first two, errors of
        the tables of W, W' and V), shape (7, pairs).
    """
    low, high = np.minimum(s, s_), np.maximum(s, s_)
    small = np.minimum(minus, plus)
    apart = (high - low) - high * small
    tau_1 = np.sqrt(low * np.maximum(-apart, 0))
    tau_2 = np.where(
        apart > 0,
        high * np.sqrt(small * (2 - small)),
        np.sqrt(high * np.maximum((high - low) + low * small, 0)),
    )
    k, k_ = segments(h, tau_1), segments(h, tau_2)
    h.fill(np.unique(np.concatenate([k, k_])))
    out = np.empty((7, s.size))
    _pairs(
        h.nodes, h.lengths, h.step, h.scale, h.table, h.local, h.edges, h.lowest, not h.smooth,
        s, s_, minus, plus, unit, unit_, out,
    )  # fmt: skip
    out[4:] = np.maximum(h.noise[k], h.noise[k_]).T
    return out
