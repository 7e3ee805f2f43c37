"""What pairs of units ask of each one of them, tabulated once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic.activation import Activation
from analytic.expectations.activation_moments import Moments
from analytic.expectations.estimated_tables import is_rough
from analytic.expectations.hermite_coefficients import coefficients
from analytic.expectations.node_tables import kinked
from analytic.expectations.splines import by_pieces
from analytic.machine import Array

__all__ = ["TERMS", "Units", "units"]

TERMS = 64
"""Coefficients of the series: as dear as the outer sum."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What pairs of units ask of each one, (n,) each.

    Attributes:
        activation: w.
        s: standard deviations of the pre-activations.
        moments: those of w at s.
        b: coefficients b_k, shape (n, TERMS - 1).
        a: the coordinates E w(sz)/r and s b_k/r, shape (n, TERMS), or as many as were asked for.
        rest: what the coefficients lack of E w'^2, relative to it.
        noise: error of the c_k relative to their norm, and of all moments.
        noise_a: that of the coordinates.
        wanted: an error of pairs that is small enough.
    """

    activation: Activation
    s: Array
    moments: Moments
    a: Array
    b: Array
    rest: Array
    noise: float
    noise_a: float
    wanted: float = 0.0

    @property
    def r(self) -> Array:
        return np.sqrt(self.moments.second)


def units(
    activation: Activation, s: Array, moments: Moments, terms: int = TERMS, wanted: float = 0.0
) -> Units:
    """Tabulate the coefficients that close pairs use; more than TERMS where w is smooth."""
    if kinked(activation) or by_pieces(activation) is not None or is_rough(activation):
        terms = min(terms, TERMS)
    found = coefficients(activation, s, terms - 1, known=moments)
    b = np.ascontiguousarray(found.b.T)
    r = np.sqrt(moments.second)
    unit = 1 / np.where(r > 0, r, np.inf)
    a = np.column_stack([moments.mean * unit, b * (s * unit)[:, None]])
    noise = max(found.noise.slope, moments.noise.largest)
    noise_a = max(found.noise.value, moments.noise.of_values)
    return Units(activation, s, moments, a, b, found.rest, noise, noise_a, wanted)
