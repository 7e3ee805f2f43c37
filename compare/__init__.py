"""How far finite networks are from their limit, and what the paper's assumptions make of it."""

from compare.dynamics import (
    DynamicsError,
    DynamicsGap,
    DynamicsScaling,
    Repetition,
    Resolution,
    dynamics_gap,
    dynamics_growth,
    dynamics_scaling,
)
from compare.hypotheses import Assumptions, assumptions
from compare.low_rank import (
    HessianGrowth,
    RankGrowth,
    RankPath,
    Spectrum,
    covering_table,
    hessian_growth,
    lenet5,
    rank_growth,
    rank_path,
    spectrum,
)
from compare.rate import Convergence, LimitGap, RequiredWidth, convergence, gap
from compare.rho import Inputs, KernelDistance, Target, kernel_distance

__all__ = [
    "Assumptions",
    "Convergence",
    "DynamicsError",
    "DynamicsGap",
    "DynamicsScaling",
    "HessianGrowth",
    "Inputs",
    "KernelDistance",
    "LimitGap",
    "RankGrowth",
    "RankPath",
    "Repetition",
    "RequiredWidth",
    "Resolution",
    "Spectrum",
    "Target",
    "assumptions",
    "convergence",
    "covering_table",
    "dynamics_gap",
    "dynamics_growth",
    "dynamics_scaling",
    "gap",
    "hessian_growth",
    "kernel_distance",
    "lenet5",
    "rank_growth",
    "rank_path",
    "spectrum",
]
