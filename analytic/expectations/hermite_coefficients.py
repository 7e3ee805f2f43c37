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
from dataclasses import dataclass, replace

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.chebyshev_sums import fill, fill_moments
from analytic.expectations.coefficients_of_erf import (
    ERF_COEFFICIENTS,
    erf_coefficients,
    erf_length,
    erf_rest,
)
from analytic.expectations.cut_tails import error_of_cut
from analytic.expectations.error_function import ERF_SECOND, ERF_SLOPE, erf_moments
from analytic.expectations.fifth_derivatives import fifth_mean_squares
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    SLOPE,
    check_underflow,
    kinked,
)
from analytic.expectations.octaves import MOST_TERMS, MOST_TERMS_KINKED, segment
from analytic.expectations.polylines import Polyline
from analytic.expectations.segments import Noise, Segment
from analytic.expectations.small_deviations import LOWEST
from analytic.expectations.splines import Spline, by_pieces
from analytic.expectations.staircases import Staircase
from analytic.expectations.waves import wave
from analytic.machine import UNIT, Array
from analytic.proofs import jump, parity

__all__ = [
    "MOST_TERMS",
    "Coefficients",
    "Moments",
    "coefficients",
    "length",
    "moments",
    "orders",
    "responses",
    "rests",
]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of one activation at n standard deviations s.

    Attributes:
        mean: E[w(s z)], shape (n,).
        second: E[w(s z)^2], shape (n,).
        slope: E[w'(s z)^2], shape (n,), without the point masses where w jumps.
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
        return Moments(*solved.moments(s), noise=Noise.of_moments(solved.noise(s)))
    if (line := by_pieces(activation)) is not None:
        return _of_pieces(activation, line, s)
    if activation.is_erf:
        noise = Noise(mean=0.0, second=ERF_SECOND, square=ERF_SLOPE)
        return Moments(np.zeros_like(s), *erf_moments(s), noise=noise)
    table, second, noise = np.empty((FIRST, s.size)), np.empty(s.size), Noise()
    for octave, chosen in _octaves(s):
        part = segment(activation, octave)
        fill_moments(part, s, chosen, table, second)
        noise = noise.joined(part.noise)
    if kinked(activation):  # a jump of w^(k) makes E w^(k + 1)(sz)^2 infinite
        zero, w = sympy.S.Zero, activation.expression
        jumps = [jump(w, zero, order) is not None for order in (1, 2)]
        table[CURVATURE] = np.inf if jumps[0] else table[CURVATURE]
        table[JERK] = np.inf if any(jumps) else table[JERK]
    if noise.certified and fifth_mean_squares(activation, s) is None:
        noise = noise._replace(certified=False)
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


def _of_pieces(activation: Activation, line: Polyline | Spline | Staircase, s: Array) -> Moments:
    """Moments of an activation by pieces, with what its rules cut off."""
    certified = isinstance(line, Staircase) and line.at_zero
    found = line.moments(s)
    error = 8 * UNIT + error_of_cut(activation, line, s, found[1], found[2])
    noise = Noise.of_coefficients(error, error, certified=certified)
    return _at_zero(activation, s, Moments(*found, noise=noise))


def _at_zero(activation: Activation, s: Array, table: Moments) -> Moments:
    """The same, where a unit that is always 0 does not see the jump that others see there."""
    if activation.jump is None or not (s == 0).any():
        return table
    start = float(activation(np.zeros(1))[0])
    mean, second = np.where(s > 0, table.mean, start), np.where(s > 0, table.second, start**2)
    response = np.where(s > 0, table.response_e, 0.0)
    return replace(table, mean=mean, second=second, response_e=response)


def length(activation: Activation, s: Array, tail: float, most: int = MOST_TERMS) -> int:
    """How many coefficients leave a rest of at most ``tail`` at all s; none for a x + b |x|.

    All inputs get equally many: what one lacks may meet a large one of another.
    """
    if activation.bent_line is not None:
        return 0
    if (solved := wave(activation)) is not None:
        return solved.length(float(s.max()), tail, most)
    if activation.is_erf:
        return erf_length(float(s.max()), tail, most)
    if by_pieces(activation) is not None:
        return min(most, MOST_TERMS_KINKED)
    return max(
        segment(activation, octave, most=most).terms(float(s[chosen].max()), tail)
        for octave, chosen in _octaves(s)
    )


def responses(activation: Activation, s: Array) -> Array | None:
    """Bounds of s^2 |d E w(s z)^2/d s^2|/E w(s z)^2 and the same of w', the largest over all s.

    Shape (2,); 0 below 2^LOWEST, where Taylor's formula has them, and None where a table is
    estimated.
    """
    most = np.zeros(2)
    for octave, chosen in _octaves(s):
        part = segment(activation, octave)
        if isinstance(part, Segment):
            if part.responses is None:
                return None
            here = s[chosen]
            most = np.maximum(most, part.responses.largest(float(here.min()), float(here.max())))
    return most


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
        of_b = _weighted(errors, b)
        noise = Noise(of_b, _weighted(errors, c), spread=of_b)
        return Coefficients(b[orders], rest, noise)
    if activation.is_erf:
        b = np.zeros((terms, s.size))
        b[::2] = erf_coefficients(s, terms)
        noise = Noise(ERF_COEFFICIENTS, ERF_COEFFICIENTS, spread=ERF_COEFFICIENTS)
        return Coefficients(b[orders], erf_rest(s, terms), noise)
    if (line := by_pieces(activation)) is not None:
        assert not isinstance(line, Staircase)
        noise = moments(activation, s).noise
        error = 24 * UNIT + max(noise.slope, 8 * UNIT)
        noise = Noise.of_coefficients(error, error, certified=False)
        b, rest = line.coefficients(s, terms)
        return Coefficients(b[orders], rest, noise=noise)
    start, _, step = orders.indices(terms)
    columns = slice(FIRST + start, FIRST + terms, step)
    b = np.empty((len(range(start, terms, step)), s.size))
    for octave, chosen in _octaves(s):
        part = segment(activation, octave, terms)
        fill(part, columns, s, chosen, b)
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
    octaves = np.frexp(np.maximum(s, 2.0 ** (LOWEST - 1)))[1] - 1
    for octave in range(int(octaves.min()), int(octaves.max()) + 1):
        chosen = np.flatnonzero(octaves == octave)
        if chosen.size:
            yield octave, chosen


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
        noise=Noise(mean=4 * UNIT, second=4 * UNIT, square=3 * UNIT),  # a^2 + b^2, s^2, 2/pi
    )
