"""How far finite networks are from their limit, and what the paper's assumptions make of it."""

from compare.convergence import Convergence, RequiredWidth, convergence
from compare.distance import Sampled, kernel_distance
from compare.inputs import Inputs

__all__ = [
    "Convergence",
    "Inputs",
    "RequiredWidth",
    "Sampled",
    "convergence",
    "kernel_distance",
]
