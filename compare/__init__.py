"""How far finite networks are from their limit, and what the paper's assumptions make of it."""

from compare.convergence import Convergence, RequiredWidth, convergence
from compare.distance import Sampled, kernel_distance
from compare.hypotheses import Assumptions, assumptions
from compare.inputs import Inputs

__all__ = [
    "Assumptions",
    "Convergence",
    "Inputs",
    "RequiredWidth",
    "Sampled",
    "assumptions",
    "convergence",
    "kernel_distance",
]
