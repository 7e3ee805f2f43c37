"""Gaussian integrals by quadrature, for activations without a formula.

Enters: an activation and standard deviations s. Leaves: its moments E w(sz), E w(sz)^2, ...
and its Hermite coefficients a_k(s) = E[w(sz) h_k(z)], from tables that are made once for an
octave of s; and, for nearly parallel pairs, the squared distance of two units. Each
comes with a bound of its error. Below: the activation and what is proved of it.
"""

from analytic.expectations.activation_moments import Moments, moments
from analytic.expectations.angle_integrals import TOGETHER
from analytic.expectations.angle_parts import (
    EDGES,
    KEYS,
    LOGARITHMIC,
    PARTS,
    TABLE,
    argument_in,
    places_of,
    sides_in,
    sort_by_keys,
)
from analytic.expectations.banded_sums import Banded, band_width, banded
from analytic.expectations.clenshaw_lanes import BLOCK as LOW_RANK_BLOCK
from analytic.expectations.clenshaw_lanes import (
    OF_D,
    OF_E,
    contract,
    low_rank_sums,
    room_of_sums,
)
from analytic.expectations.clenshaw_lanes import TOGETHER as ROWS_TOGETHER
from analytic.expectations.clenshaw_lanes import WIDTH as LOW_RANK_WIDTH
from analytic.expectations.close_pairs import distances
from analytic.expectations.conditioned_pairs import Gaps, varies_fast
from analytic.expectations.few_units import moments_of_few, orders_beyond, units_of_few
from analytic.expectations.fifth_derivatives import fifth_mean_squares, has_formulas
from analytic.expectations.heat_choice import heat as conditioning_tables
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
from analytic.expectations.kink_tables import KinkTable, kink_table
from analytic.expectations.kinks_at_zero import is_bent
from analytic.expectations.listed_pairs import sum_listed_pairs
from analytic.expectations.logarithmic_tables import LogTable, log_table, near_table
from analytic.expectations.norm_gaps import NormGap, gap_of_activations, gap_of_preactivations
from analytic.expectations.octaves import MOST_TERMS_WHOLE
from analytic.expectations.product_rules import Angle
from analytic.expectations.quadrant_moments import CLOSE_POWERS, quadrant_sums
from analytic.expectations.quadrature import Rule, hermite_basis, uniform_rule
from analytic.expectations.rank_reduction import near_ones
from analytic.expectations.segments import Noise
from analytic.expectations.slope_bends import KinkLines, kink_lines
from analytic.expectations.small_angles import CLOSE_LINES, FARTHEST_LINES, LINES, line_sums
from analytic.expectations.small_deviations import LOWEST
from analytic.expectations.splines import by_pieces
from analytic.expectations.truncated_powers import KinkPowers, kink_powers
from analytic.expectations.turned_slopes import slope_change, turning
from analytic.expectations.unit_tables import TERMS, Units, units
from analytic.expectations.waves import wave
from analytic.expectations.wide_cells import WideTables, wide_tables
from analytic.expectations.wide_pairs import FARTHEST, WideRoom, cell_of, wide_moments

ClosedForm = KinkLines | KinkPowers
"""Closed forms of activations by pieces, with kinks."""
CloseForm = KinkTable | LogTable | ClosedForm
"""What takes the place of a series that is too short."""

__all__ = [
    "CLOSE_LINES",
    "CLOSE_POWERS",
    "EDGES",
    "FARTHEST",
    "FARTHEST_LINES",
    "KEYS",
    "LINES",
    "LOGARITHMIC",
    "LOWEST",
    "LOW_RANK_BLOCK",
    "LOW_RANK_WIDTH",
    "MOST_TERMS",
    "MOST_TERMS_WHOLE",
    "OF_D",
    "OF_E",
    "PARTS",
    "ROWS_TOGETHER",
    "TABLE",
    "TERMS",
    "TOGETHER",
    "Angle",
    "Banded",
    "CloseForm",
    "ClosedForm",
    "Coefficients",
    "Gaps",
    "LogTable",
    "Moments",
    "Noise",
    "NormGap",
    "Rule",
    "Units",
    "WideRoom",
    "WideTables",
    "arcsine",
    "argument_in",
    "band_width",
    "banded",
    "by_pieces",
    "cell_of",
    "coefficients",
    "conditioning_tables",
    "contract",
    "distances",
    "fifth_mean_squares",
    "gap_of_activations",
    "gap_of_preactivations",
    "has_formulas",
    "hermite_basis",
    "is_bent",
    "jump_distances",
    "kink_lines",
    "kink_powers",
    "kink_table",
    "length",
    "line_sums",
    "log_table",
    "low_rank_sums",
    "moments",
    "moments_of_few",
    "near_ones",
    "near_table",
    "orders",
    "orders_beyond",
    "places_of",
    "quadrant_sums",
    "responses",
    "rests",
    "room_of_sums",
    "sides_in",
    "slope_change",
    "sort_by_keys",
    "sum_listed_pairs",
    "turning",
    "uniform_rule",
    "units",
    "units_of_few",
    "varies_fast",
    "wave",
    "wide_moments",
    "wide_tables",
]
