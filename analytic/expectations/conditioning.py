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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.expectations.heat_tables import DEGREES, Heat
from analytic.machine import EXACT_SUMS, Array

__all__ = ["Split", "conditional"]

OUTER = 9.0
"""Where the outer law is cut."""


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
def _chebyshev(tau: float, lowest: int, k: int, t: Any) -> None:
    """T_j at tau within its segment k."""
    if k > 0:  # x = -1 and 1 at the ends of half an octave
        mantissa, exponent = math.frexp(tau)
        x = 4 * math.log2(2 * mantissa) + (4 * (exponent - 1 - lowest) - 2 * (k - 1) - 1)
        x = max(x, -1.0)  # where the lowest segment stands for all below
    else:
        ratio = math.ldexp(tau, -lowest)
        x = 2 * ratio * ratio - 1
    t[0] = 1.0
    t[1] = x
    for j in range(2, t.size):
        t[j] = 2 * x * t[j - 1] - t[j - 2]


@compiled
def _evaluate(table: Any, degrees: Any, t: Any, hi: int, lo: int, out: Any) -> None:
    """out[c] = sum_j t[j] table[c, j, lo:hi]."""
    for c in range(table.shape[0]):
        row = out[c]
        if degrees[c] == 0:
            row[:] = 0.0
        for j in range(0, degrees[c], 4):
            a0, a1 = table[c, j, lo:hi], table[c, j + 1, lo:hi]
            a2, a3 = table[c, j + 2, lo:hi], table[c, j + 3, lo:hi]
            t0, t1, t2, t3 = t[j], t[j + 1], t[j + 2], t[j + 3]
            if j == 0:
                for q in range(row.size):
                    row[q] = t0 * a0[q] + t1 * a1[q] + t2 * a2[q] + t3 * a3[q]
            else:
                for q in range(row.size):
                    row[q] += t0 * a0[q] + t1 * a1[q] + t2 * a2[q] + t3 * a3[q]


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
def _turn(rows: Any, parity: int) -> None:
    """Turn W, W', V over y into those over -y."""
    if parity != 0:
        rows[0] *= parity
        rows[1] *= -parity
        return
    n = rows.shape[1]
    for c in range(rows.shape[0]):
        row = rows[c]
        for q in range(n // 2):
            row[q], row[n - 1 - q] = row[n - 1 - q], row[q]


class Split(NamedTuple):
    """How pairs are split, for s <= s', (pairs,) each.

    Attributes:
        sigma: the deviation of g.
        tau_1: that of u given g, or 0 where u = g/kappa.
        tau_2: that of v given g.
        kappa: s' rho/s where it exceeds 1, else 1.
    """

    sigma: Array
    tau_1: Array
    tau_2: Array
    kappa: Array

    @classmethod
    def of(cls, low: Array, high: Array, small: Array) -> Split:
        """From s, s' and 1 - |rho|, without cancellation."""
        gap = high - low
        apart = gap - high * small  # s' rho - s
        one = apart > 0
        rho = 1 - small
        return cls(
            np.where(one, high * rho, np.sqrt(low * high * rho)),
            np.sqrt(low * np.maximum(-apart, 0)),
            np.sqrt(np.where(one, high**2 * small * (2 - small), high * (gap + low * small))),
            np.where(one, high * rho / np.where(one, low, 1.0), 1.0),
        )


@compiled
def _pairs(
    y: Any, lengths: Any, step: float, scale: float, parity: int, lowest: int, table: Any,
    degrees: Any, narrowed: Any, degrees_narrowed: Any, split: Any, first: Any, second: Any,
    flip: Any, unit: Any, unit_: Any, out: Any,
) -> None:  # fmt: skip
    """For each pair (minus, plus, d, the part of the means): see ``conditional``.

    ``first`` and ``second`` are the segments of tau_1 and tau_2; where tau_1 = 0, -1 - first
    is the half octave of kappa.
    """
    room_k = np.empty(y.size)
    room_bits = room_k.view(np.int64)
    room = np.empty((7, y.size))
    t = np.empty(DEGREES)
    middle = 0 if parity != 0 else y.size // 2
    for i in range(unit.size):
        sigma, tau_1, tau_2 = split.sigma[i], split.tau_1[i], split.tau_2[i]
        half = min(int(math.asinh(OUTER * sigma / scale) / step) + 1, y.size - 1 - middle)
        lo, hi = 0 if parity != 0 else middle - half, middle + half + 1
        k, bits, p = room_k[: hi - lo], room_bits[: hi - lo], room[0, : hi - lo]
        a, b = room[1:4, : hi - lo], room[4:7, : hi - lo]
        _weights(y[lo:hi], lengths[lo:hi], sigma, k, bits, p)
        _chebyshev(tau_2, lowest, second[i], t)
        _evaluate(table[second[i]], degrees[second[i]], t, hi, lo, b)
        if flip[i]:
            _turn(b, parity)
        if first[i] >= 0:
            _chebyshev(tau_1, lowest, first[i], t)
            _evaluate(table[first[i]], degrees[first[i]], t, hi, lo, a)
        else:
            octave = -1 - first[i]
            _chebyshev(split.kappa[i], 0, octave + 1, t)
            _evaluate(narrowed[octave], degrees_narrowed[octave], t, hi, lo, a)
            a[2, :] = 0.0
        f, g = unit[i], unit_[i]
        less, more, d, v1, v2 = _gather(p, a, b, f, g)
        inner = (tau_1 * f) ** 2 * v1 + (tau_2 * g) ** 2 * v2
        out[0, i] = (less + inner) / 2
        out[1, i] = (more + inner) / 2
        out[2, i] = d
        out[3, i] = min(less, more) / 2


def _segments(h: Heat, tau: Array) -> NDArray[np.intp]:
    """The segments that hold these tau."""
    return np.clip(_half_octave(tau, h.lowest) + 1, 0 if h.smooth else 1, len(h.table) - 1)


def _half_octave(x: Array, lowest: int = 0) -> NDArray[np.intp]:
    """The k with 2^(lowest + k/2) <= x < 2^(lowest + (k + 1)/2); very negative for x = 0."""
    mantissa, exponent = np.frexp(np.where(x > 0, x, 2.0**-1000))
    return 2 * (exponent - 1 - lowest) + (mantissa >= math.sqrt(0.5))


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
    swap = s > s_
    low, high = np.where(swap, s_, s), np.where(swap, s, s_)
    unit, unit_ = np.where(swap, unit_, unit), np.where(swap, unit, unit_)
    split = Split.of(low, high, np.minimum(minus, plus))
    first, second = _segments(h, split.tau_1), _segments(h, split.tau_2)
    both = split.tau_1 > 0
    octave = np.where(both, 0, _half_octave(split.kappa))
    h.fill(np.concatenate([first[both], second]))
    h.fill_narrowed(octave[~both])
    out = np.empty((7, s.size))
    _pairs(
        h.nodes, h.lengths, h.step, h.scale, h.parity, h.lowest, h.table, h.degrees, h.narrowed,
        h.degrees_narrowed, split, np.where(both, first, -1 - octave), second, plus < minus,
        unit, unit_, out,
    )  # fmt: skip
    noise = h.noise[second].T
    out[4:] = np.maximum(noise, np.where(both, h.noise[first].T, 0.0))
    out[4:6] = np.maximum(out[4:6], np.where(both, 0.0, h.noise_narrowed[octave].T))
    return out
