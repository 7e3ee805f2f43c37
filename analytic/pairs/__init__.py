"""The recursion for many pairs of vectors, compiled.

Enters: a ``Problem``'s tables and scalar products. Leaves: rows of Sigma and Theta at the
readout, with a bound for each group of columns; pairs that are too parallel for the series
are left out as NaN and taken by themselves (``left_out_pairs``). ``prepare`` makes the problem.
Below: ``analytic.recursion``.
"""

from analytic.pairs.angles import Angles, prepare_angles
from analytic.pairs.close_inputs import Close
from analytic.pairs.entries import cheap_entries
from analytic.pairs.input_angles import angle_of_inputs
from analytic.pairs.input_products import roundings, scalar_products
from analytic.pairs.left_out import NEAR, left_out_pairs
from analytic.pairs.nearly_parallel import NearlyParallel, nearly_parallel_pairs, unit_moments
from analytic.pairs.pair_recursion import weight_layer
from analytic.pairs.pair_sums import share_or_zero
from analytic.pairs.preparation import own_ends, prepare
from analytic.pairs.row_blocks import ROW_BLOCK, Series, rows_together
from analytic.pairs.stored_tiles import store
from analytic.pairs.tile_states import end_branch
from analytic.pairs.unit_angles import angle_of_sum, normalized_angle

__all__ = [
    "NEAR",
    "ROW_BLOCK",
    "Angles",
    "Close",
    "NearlyParallel",
    "Series",
    "angle_of_inputs",
    "angle_of_sum",
    "cheap_entries",
    "end_branch",
    "left_out_pairs",
    "nearly_parallel_pairs",
    "normalized_angle",
    "own_ends",
    "prepare",
    "prepare_angles",
    "roundings",
    "rows_together",
    "scalar_products",
    "share_or_zero",
    "store",
    "unit_moments",
    "weight_layer",
]
