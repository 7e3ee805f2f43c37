r"""The difference of the norms of two units, as sharp as itself.

Two nearly equal units have norms r, r' of which float64 knows the difference no better than u r,
whereas it is a part of their distance. It is carried from layer to layer: behind a weight layer
s^2 - s'^2 = weight_std^2 (r^2 - r'^2), without the bias, and behind an activation

    E w(u)^2 - E w(v)^2 = int_{s'^2}^{s^2} R(t) dt,    R = d E w(sz)^2/d s^2 = E [w'^2 + w w''],

by Simpson's rule, whose values have no part in common that would cancel. For w'' = q w it is
elementary (``Wave.rise``, ``Bump.rise``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.activation_moments import Moments, moments
from analytic.expectations.gaussian_bumps import gaussian_bump
from analytic.expectations.waves import wave
from analytic.machine import UNIT, Array

__all__ = ["NormGap", "gap_of_activations", "gap_of_preactivations"]


class NormGap(NamedTuple):
    """The difference r - r' of two norms, and its error, (pairs,) each."""

    value: Array
    error: Array


def gap_of_preactivations(gap: NormGap, sums: Array, weight: float, total: Array) -> NormGap:
    """s - s' from r - r'.

    Args:
        gap: r - r'.
        sums: r + r'.
        weight: weight_std^2.
        total: s + s'.
    """
    rate = weight * sums / np.where(total > 0, total, np.inf)
    value = rate * gap.value
    return NormGap(value, rate * gap.error + 8 * UNIT * np.abs(value))


FAR = 2.0**-5
"""A relative difference of s^2 from which on the rule is not needed."""
UNDERFLOW = 1e-300
"""What is lost where exponentials underflow."""
ROUNDED = 2**6
"""Roundings of R, relative to E w'^2 + |E w w''|: those of tables and of the rule."""


@np.errstate(over="ignore", invalid="ignore")  # an error that is NaN is not sharp
def gap_of_activations(
    activation: Activation, first: Moments, second: Moments, s: Array, s_: Array, gap: NormGap,
    variation: float,
) -> NormGap:  # fmt: skip
    """r - r' behind an activation from s - s'.

    Args:
        activation: w.
        first: the moments at s.
        second: those at s'.
        s: standard deviations of the first units, (pairs,).
        s_: those of the second ones.
        gap: s - s'.
        variation: relative error of s^2 and s'^2.
    """
    r, r_ = np.sqrt(first.second), np.sqrt(second.second)
    both = np.where(r + r_ > 0, r + r_, np.inf)
    wrong = (variation * np.abs(m.response_e) * d**2 for m, d in ((first, s), (second, s_)))
    of_tables = (first.noise.of_values + 2 * UNIT) * np.maximum(r, r_)
    plain = NormGap(r - r_, sum(wrong) / both + of_tables)
    if (line := activation.bent_line) is not None:
        size = float(np.hypot(*line))
        return NormGap(size * gap.value, size * (gap.error + 4 * UNIT * np.abs(gap.value)))
    apart = gap.value * (s + s_)  # s^2 - s'^2
    of_apart = gap.error * (s + s_) + 4 * UNIT * np.abs(apart)
    if (solved := wave(activation) or gaussian_bump(activation)) is not None:
        rise, slope, turned = solved.rise(s_**2, apart)
        relative = ROUNDED * UNIT + turned * (variation + 4 * UNIT)
        of_rise = slope * of_apart + np.minimum(relative * np.abs(rise), slope * np.abs(apart))
    else:
        middle = moments(activation, np.sqrt((s**2 + s_**2) / 2))
        parts = (first, middle, second)
        ends, center = (first.response_e + second.response_e) / 2, middle.response_e
        rise = apart * (ends + 2 * center) / 3
        size = np.max([m.slope + np.abs(m.response_e - m.slope) for m in parts], axis=0)
        share = np.abs(apart) / np.where(s * s_ > 0, s * s_, np.inf)
        # what the rule leaves is smaller by share^2 than what the trapezoid has beside it
        left = np.where(share < FAR, np.abs(ends - center) * share**2, np.inf)
        of_rise = size * (of_apart + (ROUNDED * UNIT + 4 * variation) * np.abs(apart))
        of_rise += np.where(apart == 0, 0.0, np.abs(apart) * left)
    error = (of_rise + 4 * UNIT * np.abs(rise) + UNDERFLOW) / both
    sharp = error < plain.error
    return NormGap(np.where(sharp, rise / both, plain.value), np.where(sharp, error, plain.error))
