"""The limiting kernels of deep networks at infinite width, to a stated accuracy."""

from analytic.accuracy import AccuracyError, Estimate, Kernels
from analytic.activation import Activation
from analytic.foresight import Plan
from analytic.limit import kernel, kernel_diagonal, kernel_estimate, kernel_plan
from analytic.network import FullyConnected, Network, Residual
from analytic.regression import Prediction, predict
from analytic.symbolic import dual

__all__ = [
    "AccuracyError",
    "Activation",
    "Estimate",
    "FullyConnected",
    "Kernels",
    "Network",
    "Plan",
    "Prediction",
    "Residual",
    "dual",
    "kernel",
    "kernel_diagonal",
    "kernel_estimate",
    "kernel_plan",
    "predict",
]
