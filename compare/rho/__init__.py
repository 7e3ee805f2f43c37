"""The input distribution rho: samples, targets, norms in L2(rho) and L2(rho x rho).

Enters: the name of a distribution or an array. Leaves: inputs to draw from, evaluation
points, targets with known projections, and distances of kernels without bias. Below: nothing but
``compare.table`` and the harmonics of ``analytic``.
"""

from compare.rho.distance import KernelDistance, kernel_distance, square_norms
from compare.rho.inputs import Inputs
from compare.rho.points import Points, evaluation_points, sphere_dimension
from compare.rho.targets import Ridge, Target, zonal

__all__ = [
    "Inputs",
    "KernelDistance",
    "Points",
    "Ridge",
    "Target",
    "evaluation_points",
    "kernel_distance",
    "sphere_dimension",
    "square_norms",
    "zonal",
]
