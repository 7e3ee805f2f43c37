r"""What the recursion needs to know of an activation: moments and coefficients.

Legend: s the standard deviation of a pre-activation, rho the correlation of two of them,
(u, u') the pair; c_k(s) = E[w'(s z) h_k(z)] the Hermite coefficients of the slope. With
b_k = c_k / sqrt(k + 1), Mehler's formula and Stein's lemma give both expectations at once,

    E[w(u) w(u')]   = E[w(u)] E[w(u')] + s s' rho P(rho),   P = sum_k b_k(s) b_k(s') rho^k,
    E[w'(u) w'(u')] = d/d rho (rho P(rho)),

without a division by s: a zero input needs no case of its own. The derivation and the
error bounds stand in docs/theory/duals.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.compilation import compiled
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    SLOPE,
    SPREAD,
    check_underflow,
    kinked,
)
from analytic.expectations.octaves import MOST_TERMS, MOST_TERMS_KINKED, segment
from analytic.expectations.segments import Noise, Segment
from analytic.expectations.small_deviations import LOWEST, Origin
from analytic.expectations.splines import by_pieces
from analytic.expectations.waves import wave
from analytic.machine import LANES, UNIT, Array
from analytic.proofs import jump, parity

__all__ = [
    "MOST_TERMS",
    "Coefficients",
    "Moments",
    "coefficients",
    "length",
    "moments",
    "orders",
    "rests",
]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of one activation at n standard deviations s.

    Attributes:
        mean: E[w(s z)], shape (n,).
        second: E[w(s z)^2], shape (n,).
        slope: E[w'(s z)^2], shape (n,).
        curvature: E[w''(s z)^2], shape (n,).
        jerk: E[w'''(s z)^2], shape (n,).
        response_e: E[w'^2 + w w''], the derivative of ``second`` by s^2, shape (n,).
        response_d: E[w''^2 + w' w'''], the derivative of ``slope`` by s^2, shape (n,).
        noise: their relative errors.
    """

    mean: Array
    second: Array
    slope: Array
    curvature: Array
    jerk: Array
    response_e: Array
    response_d: Array
    noise: Noise


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """Hermite coefficients of one activation at n standard deviations s.

    Attributes:
        b: b_k(s), shape (orders, n).
        rest: bound of sum_{k >= terms} c_k(s)^2 relative to E[w'(s z)^2], shape (n,).
        noise: their relative errors.
    """

    b: Array
    rest: Array
    noise: Noise


def moments(activation: Activation, s: Array) -> Moments:
    """Moments of w at the standard deviations s, non-negative, shape (n,).

    Raises:
        ValueError: one of them is not finite.
    """
    if not np.isfinite(s).all():
        raise ValueError(
            "expected pre-activations whose variance float64 can hold, got infinity; lower"
            " weight_std or scale the inputs"
        )
    if (bent := activation.bent_line) is not None:
        return _bent_line(*bent, s)
    if (solved := wave(activation)) is not None:
        return Moments(*solved.moments(s), noise=Noise.of_formula(solved.noise(s)))
    if (line := by_pieces(activation)) is not None:
        return Moments(*line.moments(s), noise=Noise(8 * UNIT, 8 * UNIT, certified=False))
    table, noise = np.empty((FIRST, s.size)), Noise()
    for octave, chosen in _octaves(s):
        part = segment(activation, octave)
        _fill(part, slice(FIRST), s, chosen, table)
        noise = noise.joined(part.noise)
    if kinked(activation):  # a jump of w^(k) makes E w^(k + 1)(sz)^2 infinite
        zero, w = sympy.S.Zero, activation.expression
        jumps = [jump(w, zero, order) is not None for order in (1, 2)]
        table[CURVATURE] = np.inf if jumps[0] else table[CURVATURE]
        table[JERK] = np.inf if any(jumps) else table[JERK]
    second = table[MEAN] ** 2 + s**2 * table[SPREAD]
    large = s >= 2.0**LOWEST
    check_underflow(activation, s[large], second[large])
    return Moments(
        mean=table[MEAN],
        second=second,
        slope=table[SLOPE],
        curvature=np.maximum(table[CURVATURE], 0),
        jerk=np.maximum(table[JERK], 0),
        response_e=table[RESPONSE_E],
        response_d=table[RESPONSE_D],
        noise=noise,
    )


def length(activation: Activation, s: Array, tail: float, most: int = MOST_TERMS) -> int:
    """How many coefficients leave a rest of at most ``tail`` at all s; none for a x + b |x|.

    All inputs get equally many: what one lacks may meet a large one of another.
    """
    if activation.bent_line is not None:
        return 0
    if (solved := wave(activation)) is not None:
        return solved.length(float(s.max()), tail, most)
    if by_pieces(activation) is not None:
        return min(most, MOST_TERMS_KINKED)
    return max(
        segment(activation, octave, most=most).terms(float(s[chosen].max()), tail)
        for octave, chosen in _octaves(s)
    )


def rests(activation: Activation, s: Array, terms: int) -> tuple[Array, Noise]:
    """Bound of sum_{k >= t} c_k(s)^2 / E[w'(s z)^2] for t = 0, ..., terms over all s.

    The noise of tables of so many terms comes with it.
    """
    most, noise = np.zeros(terms + 1), Noise()
    for octave, chosen in _octaves(s):
        part = segment(activation, octave, terms)
        top = float(s[chosen].max())
        most, noise = np.maximum(most, part.shares(top, terms)), noise.joined(part.noise)
    return most, noise


def coefficients(
    activation: Activation, s: Array, terms: int, orders: slice = slice(None)
) -> Coefficients:
    """The first coefficients at the standard deviations s, shape (n,).

    Args:
        activation: w.
        s: see above.
        terms: how many.
        orders: which of them are wanted; where w' is even or odd, every other one is 0.
    """
    rest, noise = np.zeros(s.size), Noise()
    if terms == 0:
        return Coefficients(np.empty((0, s.size)), rest, noise)
    if (solved := wave(activation)) is not None:
        b, rest = solved.coefficients(s, terms)
        c, errors = b * np.sqrt(np.arange(1.0, terms + 1))[:, None], solved.rounding(s, terms)
        noise = Noise(_weighted(errors, b), _weighted(errors, c))
        return Coefficients(b[orders], rest, noise)
    if (line := by_pieces(activation)) is not None:
        noise = Noise(32 * UNIT, 32 * UNIT, certified=False)
        b, rest = line.coefficients(s, terms)
        return Coefficients(b[orders], rest, noise=noise)
    start, _, step = orders.indices(terms)
    columns = slice(FIRST + start, FIRST + terms, step)
    b = np.empty((len(range(start, terms, step)), s.size))
    for octave, chosen in _octaves(s):
        part = segment(activation, octave, terms)
        _fill(part, columns, s, chosen, b)
        rest[chosen] = part.rest(float(s[chosen].max()), terms)
        noise = noise.joined(part.noise)
    return Coefficients(b, rest, noise)


def _weighted(errors: Array, columns: Array) -> float:
    """The largest norm of a column with relative errors, relative to its own."""
    scaled = columns / (np.abs(columns).max(axis=0) + 1e-300)
    norms = np.linalg.norm(scaled, axis=0) + 1e-300
    return float((np.linalg.norm(errors * scaled, axis=0) / norms).max(initial=0.0))


def orders(activation: Activation) -> slice:
    """The orders whose coefficients are not 0 because w' is even or odd."""
    symmetry = parity(activation.derivative)
    return slice(int(symmetry == "odd"), None, 1 if symmetry is None else 2)


def _octaves(s: Array) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The octaves of s, and which inputs they hold."""
    octaves = np.floor(np.log2(np.maximum(s, 2.0 ** (LOWEST - 1)))).astype(int)
    for octave in range(int(octaves.min()), int(octaves.max()) + 1):
        chosen = np.flatnonzero(octaves == octave)
        if chosen.size:
            yield octave, chosen


def _fill(
    part: Segment | Origin, columns: slice, s: Array, chosen: NDArray[np.intp], table: Array
) -> None:
    """Some columns of a segment for the chosen inputs."""
    if isinstance(part, Origin):
        table[:, chosen] = part.table(s[chosen], columns.stop - FIRST)[columns]
    else:
        series = np.ascontiguousarray(part.series[:, columns])
        _evaluate(series, part.low, part.high, s, chosen, table)
        powers = (
            part.powers[columns.start : FIRST] if columns.stop == FIRST else part.powers[FIRST:]
        )
        if powers.any():
            table[:, chosen] *= s[chosen] ** powers[:, None].astype(np.float64)


@compiled
def _evaluate(series: Any, low: float, high: float, s: Any, members: Any, table: Any) -> None:
    """table[c, i] <- sum_j series[j, c] T_j(t(s_i)) for i in members."""
    points = series.shape[0]
    chebyshev = np.empty((points, LANES))  # T_j(t) of a block of inputs
    columns = np.empty((4, LANES))
    for start in range(0, members.size, LANES):
        count = min(LANES, members.size - start)
        for i in range(LANES):
            last = members[start + min(i, count - 1)]
            chebyshev[0, i] = 1.0
            chebyshev[1, i] = (2.0 * s[last] - low - high) / (high - low)
        for j in range(2, points):
            for i in range(LANES):
                twice = 2.0 * chebyshev[1, i]
                chebyshev[j, i] = twice * chebyshev[j - 1, i] - chebyshev[j - 2, i]
        for c in range(0, table.shape[0], 4):
            last = table.shape[0] - 1
            wanted = (c, min(c + 1, last), min(c + 2, last), min(c + 3, last))
            columns[:] = 0.0
            for j in range(points - 4, -1, -4):
                _add_four(series, chebyshev, j, wanted, columns)
            for k in range(min(4, table.shape[0] - c)):
                for i in range(count):
                    table[c + k, members[start + i]] = columns[k, i]


@compiled
def _add_four(series: Any, chebyshev: Any, j: int, wanted: Any, columns: Any) -> None:
    """Four terms of four columns."""
    t = (chebyshev[j], chebyshev[j + 1], chebyshev[j + 2], chebyshev[j + 3])
    a0, a1, a2, a3 = series[j], series[j + 1], series[j + 2], series[j + 3]
    b0, b1, b2, b3 = wanted
    p = (a3[b0], a2[b0], a1[b0], a0[b0])
    q = (a3[b1], a2[b1], a1[b1], a0[b1])
    r = (a3[b2], a2[b2], a1[b2], a0[b2])
    u = (a3[b3], a2[b3], a1[b3], a0[b3])
    c0, c1, c2, c3 = columns[0], columns[1], columns[2], columns[3]
    for i in range(LANES):
        v0, v1, v2, v3 = c0[i], c1[i], c2[i], c3[i]
        for k in range(4):
            x = t[3 - k][i]
            v0 += p[k] * x
            v1 += q[k] * x
            v2 += r[k] * x
            v3 += u[k] * x
        c0[i] = v0
        c1[i] = v1
        c2[i] = v2
        c3[i] = v3


def _bent_line(a: float, b: float, s: Array) -> Moments:
    """Moments of a x + b |x|: its pairs have a closed form and need no coefficients."""
    none, slope = np.zeros_like(s), np.full_like(s, a * a + b * b)
    return Moments(
        mean=b * s * np.sqrt(2 / np.pi),
        second=slope * s**2,
        slope=slope,
        curvature=none,
        jerk=none,
        response_e=slope,
        response_d=none,
        noise=Noise(),
    )
