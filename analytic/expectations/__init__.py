"""Gaussian integrals by quadrature, for activations without a formula.

Enters: an activation and standard deviations s. Leaves: its moments E w(sz), E w(sz)^2, ...
and its Hermite coefficients a_k(s) = E[w(sz) h_k(z)], from tables that are made once for an
octave of s; and, for nearly parallel pairs, the squared distance of two units. Each
comes with a bound of its error. Below: the activation and what is proved of it.
"""

from analytic.expectations.activation_moments import Moments, moments
from analytic.expectations.close_pairs import Units, distances, units
from analytic.expectations.fifth_derivatives import fifth_mean_squares, has_formulas
from analytic.expectations.hermite_coefficients import (
    MOST_TERMS,
    Coefficients,
    coefficients,
    length,
    orders,
    responses,
    rests,
)
from analytic.expectations.inverse_sine import arcsine
from analytic.expectations.jumping_pairs import jump_distances
from analytic.expectations.octaves import MOST_TERMS_WHOLE
from analytic.expectations.product_rules import Angle
from analytic.expectations.quadrature import Rule, hermite_basis, uniform_rule
from analytic.expectations.segments import Noise
from analytic.expectations.small_deviations import LOWEST

__all__ = [
    "LOWEST",
    "MOST_TERMS",
    "MOST_TERMS_WHOLE",
    "Angle",
    "Coefficients",
    "Moments",
    "Noise",
    "Rule",
    "Units",
    "arcsine",
    "coefficients",
    "distances",
    "fifth_mean_squares",
    "has_formulas",
    "hermite_basis",
    "jump_distances",
    "length",
    "moments",
    "orders",
    "responses",
    "rests",
    "uniform_rule",
    "units",
]
