"""The dynamics gap: trained networks against exp(-T_K t) r_0, taken apart.

Enters: a network, inputs, a target, widths and samples. Leaves: the records ``DynamicsGap``
and ``DynamicsScaling`` with their pictures and verdicts. Below: ``compare.theory`` and
``compare.rate``.
"""

from compare.dynamics.design import (
    Repetition,
    Resolution,
    check_cell,
    check_grid,
    check_growth,
    check_linearised,
)
from compare.dynamics.doubt import Doubt, DynamicsError
from compare.dynamics.failure_shares import Failures
from compare.dynamics.gap_record import DynamicsGap
from compare.dynamics.measurement import dynamics_gap
from compare.dynamics.runs import Modes, StackedRuns, mean_error
from compare.dynamics.scaling import dynamics_growth, dynamics_scaling
from compare.dynamics.scaling_record import DynamicsScaling

__all__ = [
    "Doubt",
    "DynamicsError",
    "DynamicsGap",
    "DynamicsScaling",
    "Failures",
    "Modes",
    "Repetition",
    "Resolution",
    "StackedRuns",
    "check_cell",
    "check_grid",
    "check_growth",
    "check_linearised",
    "dynamics_gap",
    "dynamics_growth",
    "dynamics_scaling",
    "mean_error",
]
