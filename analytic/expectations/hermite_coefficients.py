r"""What the recursion needs to know of an activation: moments and coefficients.

Legend: s the standard deviation of a pre-activation, rho the correlation of two of them,
(u, u') the pair; c_k(s) = E[w'(s z) h_k(z)] the Hermite coefficients of the slope. With
b_k = c_k / sqrt(k + 1), Mehler's formula and Stein's lemma give both expectations at once,

    E[w(u) w(u')]   = E[w(u)] E[w(u')] + s s' rho P(rho),   P = sum_k b_k(s) b_k(s') rho^k,
    E[w'(u) w'(u')] = d/d rho (rho P(rho)),

without a division by s: a zero input needs no case of its own (docs/theory/duals.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analytic.activation import Activation
from analytic.expectations.activation_moments import Moments, halves, moments
from analytic.expectations.chebyshev_sums import fill
from analytic.expectations.coefficients_of_erf import (
    ERF_COEFFICIENTS,
    erf_coefficients,
    erf_length,
    erf_rest,
)
from analytic.expectations.kinks_at_zero import mend_coefficients
from analytic.expectations.node_tables import FIRST, kinked
from analytic.expectations.octaves import (
    MOST_TERMS,
    MOST_TERMS_KINKED,
    MOST_TERMS_PIECES,
    by_octaves,
    segment,
)
from analytic.expectations.polylines import lost_in_coefficients
from analytic.expectations.segments import EXACT, Noise, Segment
from analytic.expectations.splines import Spline, by_pieces
from analytic.expectations.staircases import Staircase
from analytic.expectations.waves import wave
from analytic.machine import UNIT, Array
from analytic.proofs import parity

__all__ = [
    "MOST_TERMS",
    "Coefficients",
    "coefficients",
    "length",
    "orders",
    "responses",
    "rests",
]


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


def length(
    activation: Activation, s: Array, tail: float, most: int = MOST_TERMS, *, proved: bool = False
) -> int:
    """How many coefficients leave a rest of at most ``tail`` at all s; none for a x + b |x|.

    All inputs get equally many: what one lacks may meet a large one of another.
    """
    if activation.bent_line is not None:
        return 0
    if (solved := wave(activation)) is not None:
        return solved.length(float(s.max()), tail, most)
    if activation.is_erf:
        return erf_length(float(s.max()), tail, most)
    if (line := by_pieces(activation)) is not None:
        cheap = isinstance(line, Spline) and line.is_cubic
        return min(most, MOST_TERMS_KINKED if cheap else MOST_TERMS_PIECES)
    tops = [(octave, float(s[chosen].max())) for octave, chosen in by_octaves(activation, s)]
    parts = [segment(activation, octave, most=most, proved=proved) for octave, _ in tops]
    wanted = max(part.terms(top, tail) for part, (_, top) in zip(parts, tops, strict=True))
    return min(wanted, *(part.size for part in parts if not part.complete), wanted)


def responses(activation: Activation, s: Array) -> Array | None:
    """Bounds of s^2 |d E w(s z)^2/d s^2|/E w(s z)^2 and the same of w', the largest over all s.

    Shape (2,); 0 below 2^LOWEST, where Taylor's formula has them, and None where a table is
    estimated.
    """
    most = np.zeros(2)
    for octave, chosen in by_octaves(activation, s):
        part = segment(activation, octave)
        if isinstance(part, Segment):
            if part.responses is None:
                return None
            here = s[chosen]
            most = np.maximum(most, part.responses.largest(float(here.min()), float(here.max())))
    return most


def rests(activation: Activation, s: Array, terms: int) -> tuple[Array, Noise]:
    """Bound of sum_{k >= t} c_k(s)^2 / E[w'(s z)^2] for t = 0, ..., terms over all s.

    The noise of tables of so many terms comes with it. Of activations by pieces none is known.
    """
    if by_pieces(activation) is not None:
        return np.ones(terms + 1), Noise(certified=False)
    most, noise = np.zeros(terms + 1), Noise()
    for octave, chosen in by_octaves(activation, s):
        part = segment(activation, octave, terms)
        top = float(s[chosen].max())
        most = np.maximum(most, part.shares(top, terms))
        noise = noise.joined(part.noise_at(s[chosen]))
    return most, noise


def coefficients(
    activation: Activation, s: Any, terms: int, orders: slice = slice(None), most: int = 0,
    known: Moments | None = None,
) -> Coefficients:  # fmt: skip
    """The first coefficients at the standard deviations s, shape (n,).

    Args:
        activation: w.
        s: as above.
        terms: how many.
        orders: which of them are wanted; where w' is even or odd, every other one is 0.
        most: how many may be asked for at other times: then their bits do not depend on ``terms``.
        known: the moments at s, if somebody has them.
    """
    rest, noise = np.zeros(s.size), EXACT
    if terms == 0:
        return Coefficients(np.empty((0, s.size)), rest, noise)
    if (solved := wave(activation)) is not None:
        b, rest = solved.coefficients(s, terms)
        c, errors = b * np.sqrt(np.arange(1.0, terms + 1))[:, None], solved.rounding(s, terms)
        of_b = _weighted(errors, b)
        noise = EXACT._replace(value=of_b, slope=_weighted(errors, c), spread=of_b)
        return Coefficients(b[orders], rest, noise)
    s, low = halves(s)
    if activation.is_erf:
        b = np.zeros((terms, s.size))
        b[::2] = erf_coefficients(s, low, terms)
        of_b = ERF_COEFFICIENTS
        noise = EXACT._replace(value=of_b, slope=of_b, spread=of_b)
        return Coefficients(b[orders], erf_rest(s, terms), noise)
    if (line := by_pieces(activation)) is not None:
        assert not isinstance(line, Staircase)
        table = known or moments(activation, s)
        error = 24 * UNIT + max(table.noise.slope, 8 * UNIT)
        error += lost_in_coefficients(line, s, table.second, table.slope)
        noise = Noise.of_coefficients(error, error, certified=False)
        b, rest = line.coefficients(s, terms)
        return Coefficients(b[orders], rest, noise=noise)
    start, _, step = orders.indices(terms)
    columns = slice(FIRST + start, FIRST + terms, step)
    b = np.empty((len(range(start, terms, step)), s.size))
    for octave, chosen in by_octaves(activation, s):
        part = segment(activation, octave, max(terms, most))
        fill(part, columns, (s, low), chosen, b)
        rest[chosen] = part.rest(float(s[chosen].max()), terms)
        if s[chosen].any() or not kinked(activation):
            noise = noise.joined(part.noise_at(s[chosen]))
    if kinked(activation):
        mend_coefficients(activation, s, start, b, rest)
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
