"""Moments and coefficients for s below 2^LOWEST, by Taylor's formula at s = 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analytic.activation import Activation
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    SLOPE,
    SPREAD,
)
from analytic.expectations.segments import Noise
from analytic.expressions import X, derivative, extended_values
from analytic.machine import UNIT, Array
from analytic.proofs import kinks, supremum_between

__all__ = ["LOWEST", "Origin", "origin"]

LOWEST = -32
"""All s below 2^LOWEST are taken together, see ``Origin``."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The table below 2^LOWEST, by Taylor's formula of order four (see ``_remainder``).

    A segment cannot give small values of s their relative accuracy.

    Attributes:
        derivatives: w and its first four derivatives at 0.
        noise: as for ``Segment``.
        still: that of s = 0, where only w and w' at 0 are rounded.
    """

    derivatives: tuple[float, ...]
    noise: Noise
    still: Noise

    def noise_at(self, s: Array) -> Noise:
        """That of these s."""
        return self.noise if s.any() else self.still

    @property
    def size(self) -> int:
        """See ``Segment``."""
        return 8

    @property
    def complete(self) -> bool:
        """See ``Segment``."""
        return True

    def terms(self, s: float, tail: float) -> int:
        """See ``Segment``."""
        return self.size

    def rest(self, s: float, terms: int) -> float:
        """See ``Segment``."""
        return 8 * UNIT

    def shares(self, s: float, terms: int) -> Array:
        """See ``Segment``."""
        return np.where(np.arange(terms + 1) < self.size, 1.0, 8 * UNIT)

    def table(self, s: Array, terms: int) -> Array:
        """All columns, shape (FIRST + terms, n)."""
        w, w1, w2, w3, w4 = self.derivatives
        v = s**2
        c = (w1 + w3 * v / 2, w2 * s + w4 * v * s / 2, w3 * v / 2**0.5, w4 * v * s / 6**0.5)
        table = np.zeros((FIRST + max(terms, 4), s.size))
        table[MEAN] = w + w2 * v / 2 + w4 * v**2 / 8
        table[SPREAD] = sum(c[k] ** 2 / (k + 1) for k in range(4))
        table[SLOPE] = sum(c[k] ** 2 for k in range(4))
        table[CURVATURE] = w2**2 + v * (w3**2 + w2 * w4) + v**2 * (3 / 4) * w4**2
        table[JERK] = w3**2 + v * w4**2
        by_w = w * w2 + v * (w1 * w3 + w2**2 / 2 + w * w4 / 2) + v**2 / 2 * w3**2
        by_slope = w1 * w3 + v * (w3**2 / 2 + w2 * w4) + v**2 / 2 * w4**2
        table[RESPONSE_E] = table[SLOPE] + by_w + v**2 * (7 * w2 * w4 / 8 + 5 * v * w4**2 / 16)
        table[RESPONSE_D] = table[CURVATURE] + by_slope
        for k in range(4):
            table[FIRST + k] = c[k] / np.sqrt(k + 1)
        return table[: FIRST + terms]


@lru_cache(maxsize=128)
def origin(activation: Activation) -> Origin | None:
    """The expansion at 0, or None where w has a kink or is too flat there."""
    step, none = 2.0**LOWEST, np.zeros(1, dtype=np.longdouble)
    at = activation.derivatives(np.array([0.0, step, -step]), 4)
    zero = [derivative(activation.expression, order).subs(X, 0) == 0 for order in range(5)]
    known = [extended_values(activation.expression, none, order) for order in range(5)]
    found = tuple(0.0 if z else float(value[0]) for z, (value, _) in zip(zero, known, strict=True))
    errors = [float(error[0]) + UNIT * abs(float(value[0])) for value, error in known]
    remainder = _remainder(activation, found)
    if remainder < 1:
        lost = [0.0 if z else error for z, error in zip(zero, errors, strict=True)]
        return Origin(found, _noise(found, lost, remainder), _still(found, lost))
    w1, w2, w3 = (abs(float(values[0])) for values in at[1:4])
    expected = at[1][0] + at[2][0] * np.array([step, -step])
    if np.any(np.abs(at[1][1:] - expected) > step**2 * (w1 + w2 + w3) + 4 * UNIT * w1):
        return None
    noise = Noise.of_coefficients(8 * UNIT, 8 * UNIT, certified=False)
    return Origin(found, noise, noise)


def _noise(derivatives: tuple[float, ...], errors: list[float], remainder: float) -> Noise:
    """The remainder, and the relative errors of the derivatives at 0, ``CROWDED`` times each.

    One that is 0 has to be exact, unless a slope of lower order outweighs it at such s. By that an
    error e of w_m is e s^(m - l)/|w_l| at most, times 5: see ``_remainder``.
    """
    lost, certified = remainder, True
    lead, slope = next(((m, w) for m, w in enumerate(derivatives) if m and w), (0, 0.0))
    for order, (value, error) in enumerate(zip(derivatives, errors, strict=True)):
        certified &= error == 0 or value != 0 or any(derivatives[1:order])
        alone = CROWDED * error / abs(value) if value else math.inf if error else 0.0
        if 0 < lead < order:
            alone = min(alone, 8 * error * 2.0 ** (LOWEST * (order - lead)) / abs(slope))
        lost += alone if certified else 0.0
    return Noise.of_coefficients(lost + 8 * UNIT, lost + 8 * UNIT, certified)


def _still(derivatives: tuple[float, ...], errors: list[float]) -> Noise:
    """That of w(0) and w'(0), which are squared; what is 0 has to be exact."""
    value, slope = (
        error / abs(w) if w else math.inf if error else 0.0
        for w, error in zip(derivatives[:2], errors[:2], strict=True)
    )
    value, slope = value + UNIT, slope + UNIT
    if not math.isfinite(value + slope):
        return Noise.of_coefficients(value, slope, certified=False)
    second, square = 2 * value + UNIT, 2 * slope + UNIT
    carried = second if derivatives[0] else 0.0
    return Noise(value, slope, value, second, square, slope, carried, unseen=0.0)


CROWDED = 2.5
"""The norm of the part of w_m in w(sz) or w'(sz), relative to the least that the whole may have:
1.37, 1.58, 2.45, 1.58, 2.1 for m = 0, ..., 4, when parts of other orders cancel the most of it."""


def _remainder(activation: Activation, derivatives: tuple[float, ...]) -> float:
    r"""What is beyond order four, relative to the norms of w and w'.

    With M a bound of the fifth derivative for \|y\| <= 64 s, the remainders of w and w' have norms
    of at most sqrt(945)/120 M s^5 and sqrt(105)/24 M s^4. A derivative w_m at 0, m > 0, enters
    two Hermite coefficients which cannot both be small, whatever the other derivatives are: the
    norms of w(sz) and w'(sz) are at least \|w_m\| s^m/5 and 0.4 \|w_m\| s^(m - 1). Beyond
    \|z\| = 64 the Gaussian is e^-2048.
    """
    reach, switches = 64 * 2.0**LOWEST, kinks(activation.expression)
    if not switches.complete or any(abs(float(place)) <= reach for place in switches.places):
        return math.inf
    most = supremum_between(derivative(activation.expression, 5), reach)
    if most == 0:
        return 0.0
    sizes = (2.0 ** (LOWEST * (5 - m)) / abs(derivatives[m]) for m in range(1, 5) if derivatives[m])
    return 1.4 * most * min(sizes, default=math.inf)
