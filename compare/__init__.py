"""How far finite networks are from their limit, and what the paper's assumptions make of it."""

from compare.convergence import Convergence, RequiredWidth, convergence
from compare.distance import Sampled, kernel_distance
from compare.dynamics import dynamics_gap
from compare.dynamics_record import DynamicsError, DynamicsGap
from compare.hypotheses import Assumptions, assumptions
from compare.inputs import Inputs
from compare.scaling import dynamics_growth, dynamics_scaling
from compare.scaling_record import DynamicsScaling
from compare.targets import Target

__all__ = [
    "Assumptions",
    "Convergence",
    "DynamicsError",
    "DynamicsGap",
    "DynamicsScaling",
    "Inputs",
    "RequiredWidth",
    "Sampled",
    "Target",
    "assumptions",
    "convergence",
    "dynamics_gap",
    "dynamics_growth",
    "dynamics_scaling",
    "kernel_distance",
]
