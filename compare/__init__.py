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
from compare.rate import Convergence, RequiredWidth, convergence
from compare.rho import Inputs, KernelDistance, Target, kernel_distance

__all__ = [
    "Assumptions",
    "Convergence",
    "DynamicsError",
    "DynamicsGap",
    "DynamicsScaling",
    "Inputs",
    "KernelDistance",
    "Repetition",
    "RequiredWidth",
    "Resolution",
    "Target",
    "assumptions",
    "convergence",
    "dynamics_gap",
    "dynamics_growth",
    "dynamics_scaling",
    "kernel_distance",
]
