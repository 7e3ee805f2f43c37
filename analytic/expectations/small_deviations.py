"""Moments and coefficients for s below 2^LOWEST, by Taylor's formula at s = 0."""

from __future__ import annotations

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
from analytic.expressions import rounding_error
from analytic.machine import UNIT, Array

__all__ = ["LOWEST", "Origin", "origin"]

LOWEST = -32
"""All s below 2^LOWEST are taken together, see ``Origin``."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The table below 2^LOWEST, by Taylor's formula: the next order is s^2 < 2^-64 of it.

    A segment cannot give small values of s their relative accuracy.

    Attributes:
        derivatives: w, w', w'' and the third derivative at 0.
        noise: as for ``Segment``.
    """

    derivatives: tuple[float, float, float, float]
    noise: Noise

    def terms(self, s: float, tail: float) -> int:
        """See ``Segment``."""
        return 8

    def rest(self, s: float, terms: int) -> float:
        """See ``Segment``."""
        return 8 * UNIT

    def shares(self, s: float, terms: int) -> Array:
        """See ``Segment``."""
        return np.where(np.arange(terms + 1) < self.terms(s, 0.0), 1.0, 8 * UNIT)

    def table(self, s: Array, terms: int) -> Array:
        """All columns, shape (FIRST + terms, n)."""
        w, w1, w2, w3 = self.derivatives
        v = s**2
        table = np.zeros((FIRST + max(terms, 3), s.size))
        table[MEAN] = w + w2 * v / 2
        table[SPREAD] = w1**2 + v * (w2**2 / 2 + w1 * w3) + v**2 * (15 / 36) * w3**2
        table[SLOPE] = w1**2 + v * (w2**2 + w1 * w3) + v**2 * (3 / 4) * w3**2
        table[CURVATURE] = w2**2 + v * w3**2
        table[JERK] = w3**2
        table[RESPONSE_E] = table[SLOPE] + w * w2 + v * (w1 * w3 + w2**2 / 2) + v**2 / 2 * w3**2
        table[RESPONSE_D] = table[CURVATURE] + w1 * w3 + v / 2 * w3**2
        table[FIRST] = w1 + w3 * v / 2
        table[FIRST + 1] = w2 * s / np.sqrt(2)
        table[FIRST + 2] = w3 * v / np.sqrt(6)
        return table[: FIRST + terms]


@lru_cache(maxsize=128)
def origin(activation: Activation) -> Origin | None:
    """The expansion at 0, or None where w has a kink or is flat there."""
    step = 2.0**LOWEST
    at = activation.derivatives(np.array([0.0, step, -step]), 3)
    w1, w2, w3 = (abs(float(values[0])) for values in at[1:])
    expected = at[1][0] + at[2][0] * np.array([step, -step])
    if np.any(np.abs(at[1][1:] - expected) > step**2 * (w1 + w2 + w3) + 4 * UNIT * w1):
        return None
    derivatives = tuple(float(values[0]) for values in at)
    return Origin(derivatives, _noise(activation, derivatives))  # type: ignore[arg-type]


def _noise(activation: Activation, derivatives: tuple[float, ...]) -> Noise:
    """The largest relative error of a derivative at 0.

    One that is 0 has to be exact, unless a slope of lower order outweighs it at such s.
    """
    none, worst, certified = np.zeros(1), 0.0, True
    for order, value in enumerate(derivatives):
        found = rounding_error(activation.expression, none, order)
        error = float(found[0])
        certified &= error == 0 or value != 0 or any(derivatives[1:order])
        worst = max(worst, error / abs(value) if value else 0.0)
    return Noise.of_coefficients(worst + 8 * UNIT, worst + 8 * UNIT, certified)
