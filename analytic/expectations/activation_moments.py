"""Moments of an activation at given standard deviations."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.chebyshev_sums import fill_moments
from analytic.expectations.cut_tails import error_of_cut
from analytic.expectations.error_function import ERF_SECOND, ERF_SLOPE, erf_moments
from analytic.expectations.fifth_derivatives import has_fifth
from analytic.expectations.gaussian_bumps import gaussian_bump
from analytic.expectations.kinks_at_zero import mend_moments
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
from analytic.expectations.octaves import by_octaves, segment
from analytic.expectations.quadrature import Extended
from analytic.expectations.segments import EXACT, Noise
from analytic.expectations.small_deviations import LOWEST
from analytic.expectations.splines import by_pieces
from analytic.expectations.staircases import Staircase
from analytic.expectations.waves import wave
from analytic.machine import EXTENDED, UNIT, Array

__all__ = ["Moments", "halves", "moments"]


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
        wide: ``second`` in extended precision, None where float64 has all that is known.
    """

    mean: Array
    second: Array
    slope: Array
    curvature: Array
    jerk: Array
    response_e: Array
    response_d: Array
    noise: Noise
    wide: Extended | None = None

    def take(self, chosen: slice | NDArray[np.intp]) -> Moments:
        """Those of some of the s."""
        parts = (getattr(self, part.name) for part in fields(self)[:-2])
        return Moments(*(part[chosen] for part in parts), noise=self.noise)

    @property
    def exact(self) -> Extended:
        """E[w(s z)^2] in extended precision."""
        return np.asarray(self.second if self.wide is None else self.wide, np.longdouble)


def moments(activation: Activation, s: Any) -> Moments:
    """Moments of w at the standard deviations s, non-negative, shape (n,).

    They may have extended precision, of which ``noise.unseen`` says what is lost.

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
    if (solved := wave(activation) or gaussian_bump(activation)) is not None:
        found, wide = solved.moments(s)
        return Moments(*found, noise=Noise.of_moments(solved.noise(s)), wide=wide)
    s, low = halves(s)
    if by_pieces(activation) is not None:
        return _of_pieces(activation, s.tobytes())
    if activation.is_erf:
        found, rest = erf_moments(s, low)
        return Moments(np.zeros_like(s), *found, noise=OF_ERF, wide=_both(found[0], rest))
    table, second, rest = np.empty((FIRST, s.size)), np.empty(s.size), np.zeros(s.size)
    noise, octaves = EXACT, [*by_octaves(activation, s)]
    for octave, chosen in octaves:
        part = segment(activation, octave)
        fill_moments(part, (s, low), chosen, table, (second, rest))
        if s[chosen].any() or not kinked(activation):
            noise = noise.joined(part.noise_at(s[chosen]))
    if kinked(activation):
        mend_moments(activation, s, table, (second, rest))
    if noise.certified and not has_fifth(activation, (octave for octave, _ in octaves)):
        noise = noise._replace(certified=False)
    _check(activation, s, noise, table, (second, rest))
    return Moments(
        mean=table[MEAN],
        second=second,
        slope=np.maximum(table[SLOPE], 0),  # interpolated, where it is next to nothing
        curvature=np.maximum(table[CURVATURE], 0),
        jerk=np.maximum(table[JERK], 0),
        response_e=table[RESPONSE_E],
        response_d=table[RESPONSE_D],
        noise=noise,
        wide=_both(second, rest),
    )


def _check(
    activation: Activation, s: Array, noise: Noise, table: Array, both: tuple[Array, Array]
) -> None:
    """Raise where a second moment underflows; where nothing is known, make numbers of all."""
    (second, rest), large = both, s >= 2.0**LOWEST
    if noise.largest < UNKNOWN:
        check_underflow(activation, s[large], second[large])
        return
    table[:] = np.nan_to_num(table, posinf=0.0, neginf=0.0)
    second[:], rest[:] = np.where(second > 0, second, 1.0), 0.0


UNKNOWN = 0.25
"""An error from which on nothing is known of a moment, not even its sign."""
OF_ERF = EXACT._replace(mean=0.0, second=ERF_SECOND, square=ERF_SLOPE, carried=ERF_SECOND - UNIT)
"""That of ``erf_moments``."""


def halves(s: Any) -> tuple[Array, Array]:
    """Numbers of any precision as the sums of two of float64; 0 beside what is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        high = np.asarray(s, np.float64)
        low = np.asarray(s - high, np.float64)
    finite = np.isfinite(high)
    return high, low if finite.all() else np.where(finite, low, 0.0)


def _both(high: Array, low: Array) -> Extended:
    return high.astype(np.longdouble) + low


@lru_cache(maxsize=8)
def _of_pieces(activation: Activation, numbers: bytes) -> Moments:
    """Moments of an activation by pieces, with what its rules cut off; they are asked repeatedly.

    Args:
        activation: w.
        numbers: the deviations.
    """
    s, line = np.frombuffer(numbers), by_pieces(activation)
    assert line is not None
    found, certified = line.moments(s), isinstance(line, Staircase) and line.at_zero
    error = 8 * UNIT + error_of_cut(activation, line, s, found[1], found[2])
    noise = Noise.of_coefficients(error, error, certified=certified)
    return _at_zero(activation, s, Moments(*found, noise=noise))


def _at_zero(activation: Activation, s: Array, table: Moments) -> Moments:
    """The same, where a unit is always w(0) and does not see a jump that others see there."""
    if (s > 0).all():
        return table
    start = float(activation(np.zeros(1))[0])
    mean, second = np.where(s > 0, table.mean, start), np.where(s > 0, table.second, start**2)
    response = np.where((s > 0) | (activation.jump is None), table.response_e, 0.0)
    return replace(table, mean=mean, second=second, response_e=response)


def _bent_line(a: float, b: float, s: Any) -> Moments:
    """Moments of a x + b |x|: its pairs have a closed form and need no coefficients."""
    high, wide = np.asarray(s, np.float64), np.asarray(s, np.longdouble)
    none, slope = np.zeros_like(high), np.full_like(high, a * a + b * b)
    second = (np.longdouble(a) ** 2 + np.longdouble(b) ** 2) * wide**2
    # a^2 + b^2, s^2, 2/pi
    noise = EXACT._replace(mean=4 * UNIT, second=4 * UNIT, square=3 * UNIT, carried=8 * EXTENDED)
    return Moments(
        mean=b * high * np.sqrt(2 / np.pi),
        second=halves(second)[0],
        slope=slope,
        curvature=none,
        jerk=none,
        response_e=slope,
        response_d=none,
        noise=noise,
        wide=second,
    )
