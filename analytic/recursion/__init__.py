"""The layer recursion of the limiting kernels, and the errors it carries.

Enters: a network and the squares |x|^2/d. Leaves: the state at x = x' after every layer, how
each layer amplifies an error, the error bound of the kernel before a pair is computed, and
all of it laid out as arrays for the compiled code (``Program``, ``InputTables``, ``Tile``).
A kernel ready to be computed is a ``Problem``. The recursion itself is a few functions that run on
arrays here and on scalars in the rooms above. Below: ``analytic.network`` and
``analytic.expectations``.
"""

from analytic.recursion.amplification_of_erf import erf_amplification
from analytic.recursion.averages import NO_AVERAGE, Average, AveragedNorms
from analytic.recursion.certificate import (
    Bounds,
    certify,
    certify_behind,
    factors_of,
    first_beyond,
    junction_of,
)
from analytic.recursion.chaos import growth, mean_slope, stage_growth
from analytic.recursion.chord_errors import NOMINAL, TRIED, Boundary, ChordErrors, pixel_chord
from analytic.recursion.classes import classes_of, with_classes
from analytic.recursion.close_layouts import lay_out
from analytic.recursion.coefficient_bounds import BATCH
from analytic.recursion.costs import Account, Cost, dearest_cost, read_out
from analytic.recursion.error_amplification import (
    Amplification,
    amplification,
    merged,
)
from analytic.recursion.error_propagation import AVERAGING, MEAN_SQUARE, OWN, ErrorPropagation
from analytic.recursion.formulas import centred, plain, preactivation, residual, side_by_side
from analytic.recursion.input_sizes import with_sizes
from analytic.recursion.layer_equations import (
    Diagonal,
    Junction,
    Stage,
    diagonal,
    kernels_at,
    mean_squares,
    own_preactivation,
    require_finite,
    wide_preactivation,
    wide_root,
)
from analytic.recursion.layer_errors import (
    layer_error,
    of_sum,
    skip_error,
)
from analytic.recursion.normalization import amplifications, normalized
from analytic.recursion.own_certificate import own_bounds
from analytic.recursion.problem import Data, Problem, RowBlock
from analytic.recursion.roundings import ARC_COSINE, own_rounding
from analytic.recursion.series_radii import GROUP
from analytic.recursion.shares import in_kernels
from analytic.recursion.tables import (
    ROWS,
    InputTables,
    Program,
    Tile,
    input_tables,
    new_tile,
    program,
)

__all__ = [
    "ARC_COSINE",
    "AVERAGING",
    "BATCH",
    "GROUP",
    "MEAN_SQUARE",
    "NOMINAL",
    "NO_AVERAGE",
    "OWN",
    "ROWS",
    "TRIED",
    "Account",
    "Amplification",
    "Average",
    "AveragedNorms",
    "Boundary",
    "Bounds",
    "ChordErrors",
    "Cost",
    "Data",
    "Diagonal",
    "ErrorPropagation",
    "InputTables",
    "Junction",
    "Problem",
    "Program",
    "RowBlock",
    "Stage",
    "Tile",
    "amplification",
    "amplifications",
    "centred",
    "certify",
    "certify_behind",
    "classes_of",
    "dearest_cost",
    "diagonal",
    "erf_amplification",
    "factors_of",
    "first_beyond",
    "growth",
    "in_kernels",
    "input_tables",
    "junction_of",
    "kernels_at",
    "lay_out",
    "layer_error",
    "mean_slope",
    "mean_squares",
    "merged",
    "new_tile",
    "normalized",
    "of_sum",
    "own_bounds",
    "own_preactivation",
    "own_rounding",
    "pixel_chord",
    "plain",
    "preactivation",
    "program",
    "read_out",
    "require_finite",
    "residual",
    "side_by_side",
    "skip_error",
    "stage_growth",
    "wide_preactivation",
    "wide_root",
    "with_classes",
    "with_sizes",
]
