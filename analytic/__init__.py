"""The limiting kernels of deep networks at infinite width, to a stated accuracy.

The names are imported when they are first used (PEP 562): a description of a network needs
sympy, a kernel needs numba too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic.activation import Activation
    from analytic.closed_forms import dual, dual_obstacle
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
    from analytic.prediction import Prediction, ensemble, predict
    from analytic.results import AccuracyError, Estimate, Kernels
    from analytic.solve import Plan
    from analytic.spectrum import Eigenspaces, SphereSpectrum, nystrom, sphere_spectrum

_HOME = {
    "AccuracyError": "results",
    "Activation": "activation",
    "AveragePooling": "network",
    "Convolution": "network",
    "Eigenspaces": "spectrum",
    "Estimate": "results",
    "Flatten": "network",
    "FullyConnected": "network",
    "GlobalAveragePooling": "network",
    "Kernels": "results",
    "Network": "network",
    "Plan": "solve",
    "Prediction": "prediction",
    "Residual": "network",
    "SphereSpectrum": "spectrum",
    "dual": "closed_forms",
    "dual_obstacle": "closed_forms",
    "ensemble": "prediction",
    "kernel": "limit",
    "kernel_diagonal": "limit",
    "kernel_estimate": "limit",
    "kernel_plan": "limit",
    "nystrom": "spectrum",
    "predict": "prediction",
    "sphere_spectrum": "spectrum",
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
    "ensemble",
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
