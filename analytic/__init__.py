"""The limiting kernels of deep networks at infinite width, to a stated accuracy.

The names are imported when they are first used (PEP 562): a description of a network needs
sympy, a kernel needs numba too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic.accuracy import AccuracyError, Estimate, Kernels
    from analytic.activation import Activation
    from analytic.foresight import Plan
    from analytic.limit import kernel, kernel_diagonal, kernel_estimate, kernel_plan
    from analytic.network import (
        AveragePooling,
        Convolution,
        Flatten,
        FullyConnected,
        GlobalAveragePooling,
        Network,
        Residual,
    )
    from analytic.nystrom_extension import nystrom
    from analytic.operator import Eigenspaces
    from analytic.regression import Prediction, predict
    from analytic.sphere import SphereSpectrum, sphere_spectrum
    from analytic.symbolic import dual, dual_obstacle

_HOME = {
    "AccuracyError": "accuracy",
    "Activation": "activation",
    "AveragePooling": "network",
    "Convolution": "network",
    "Eigenspaces": "operator",
    "Estimate": "accuracy",
    "Flatten": "network",
    "FullyConnected": "network",
    "GlobalAveragePooling": "network",
    "Kernels": "accuracy",
    "Network": "network",
    "Plan": "foresight",
    "Prediction": "regression",
    "Residual": "network",
    "SphereSpectrum": "sphere",
    "dual": "symbolic",
    "dual_obstacle": "symbolic",
    "kernel": "limit",
    "kernel_diagonal": "limit",
    "kernel_estimate": "limit",
    "kernel_plan": "limit",
    "nystrom": "nystrom_extension",
    "predict": "regression",
    "sphere_spectrum": "sphere",
}

__all__ = [
    "AccuracyError",
    "Activation",
    "AveragePooling",
    "Convolution",
    "Eigenspaces",
    "Estimate",
    "Flatten",
    "FullyConnected",
    "GlobalAveragePooling",
    "Kernels",
    "Network",
    "Plan",
    "Prediction",
    "Residual",
    "SphereSpectrum",
    "dual",
    "dual_obstacle",
    "kernel",
    "kernel_diagonal",
    "kernel_estimate",
    "kernel_plan",
    "nystrom",
    "predict",
    "sphere_spectrum",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analytic' has no attribute {name!r}")
    value = getattr(import_module(f"analytic.{_HOME[name]}"), name)
    globals()[name] = value
    return value
