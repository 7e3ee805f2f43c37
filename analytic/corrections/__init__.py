"""What finite width adds to the limit, from quadrature alone: variance, covariance, mean, law.

Enters: a network of fully connected and residual layers, and inputs. Leaves: the coefficients
of 1/m in Var K_0 (``fluctuation``), in the covariance of two entries of K_0, in
E K_0 - K_inf, and what follows for ||K_0 - K_inf||^2. Below: ``analytic.recursion``,
``analytic.expectations`` and what they stand on.
"""

from analytic.corrections.joint_variance import fluctuation_covariance
from analytic.corrections.law_of_distance import DistanceLaw, distance_law
from analytic.corrections.mean_shift import mean_correction
from analytic.corrections.pair_variance import fluctuation
from analytic.corrections.sampled_variance import sampled_fluctuation
from analytic.corrections.stacked_layers import Place, StackLayer, stack

__all__ = [
    "DistanceLaw",
    "Place",
    "StackLayer",
    "distance_law",
    "fluctuation",
    "fluctuation_covariance",
    "mean_correction",
    "sampled_fluctuation",
    "stack",
]
