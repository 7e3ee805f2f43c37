"""The limiting kernels of deep networks at infinite width, to a stated accuracy.

The names are imported when they are first used (PEP 562): a description of a network needs
sympy, a kernel needs numba too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic.activation import Activation
    from analytic.closed_forms import dual, dual_obstacle
    from analytic.corrections import (
        DistanceLaw,
        distance_law,
        fluctuation,
        fluctuation_covariance,
        mean_correction,
    )
    from analytic.limit import kernel, kernel_diagonal, kernel_estimate, kernel_plan
    from analytic.network import (
        AveragePooling,
        Concatenate,
        Convolution,
        Dropout,
        Flatten,
        FullyConnected,
        GlobalAveragePooling,
        LayerNorm,
        Network,
        Nonlinearity,
        Readout,
        Residual,
        Scale,
        Sum,
        SumPooling,
        lenet,
        mlp,
        myrtle,
        resnet,
        wide_resnet,
    )
    from analytic.parameter_shares import KernelShares, kernel_shares
    from analytic.prediction import Prediction, ensemble, predict
    from analytic.results import AccuracyError, Estimate, Kernels
    from analytic.solve import Plan
    from analytic.spectrum import Eigenspaces, SphereSpectrum, nystrom, sphere_spectrum

_HOME = {
    "AccuracyError": "results",
    "Activation": "activation",
    "AveragePooling": "network",
    "Concatenate": "network",
    "Convolution": "network",
    "Dropout": "network",
    "DistanceLaw": "corrections",
    "Eigenspaces": "spectrum",
    "Estimate": "results",
    "Flatten": "network",
    "FullyConnected": "network",
    "GlobalAveragePooling": "network",
    "KernelShares": "parameter_shares",
    "Kernels": "results",
    "LayerNorm": "network",
    "Network": "network",
    "Nonlinearity": "network",
    "Readout": "network",
    "Plan": "solve",
    "Prediction": "prediction",
    "Residual": "network",
    "Scale": "network",
    "SphereSpectrum": "spectrum",
    "Sum": "network",
    "SumPooling": "network",
    "distance_law": "corrections",
    "dual": "closed_forms",
    "dual_obstacle": "closed_forms",
    "ensemble": "prediction",
    "fluctuation": "corrections",
    "fluctuation_covariance": "corrections",
    "kernel": "limit",
    "kernel_diagonal": "limit",
    "kernel_estimate": "limit",
    "kernel_plan": "limit",
    "kernel_shares": "parameter_shares",
    "lenet": "network",
    "mean_correction": "corrections",
    "mlp": "network",
    "myrtle": "network",
    "nystrom": "spectrum",
    "predict": "prediction",
    "resnet": "network",
    "sphere_spectrum": "spectrum",
    "wide_resnet": "network",
}

__all__ = [
    "AccuracyError",
    "Activation",
    "AveragePooling",
    "Concatenate",
    "Convolution",
    "DistanceLaw",
    "Dropout",
    "Eigenspaces",
    "Estimate",
    "Flatten",
    "FullyConnected",
    "GlobalAveragePooling",
    "KernelShares",
    "Kernels",
    "LayerNorm",
    "Network",
    "Nonlinearity",
    "Plan",
    "Prediction",
    "Readout",
    "Residual",
    "Scale",
    "SphereSpectrum",
    "Sum",
    "SumPooling",
    "distance_law",
    "dual",
    "dual_obstacle",
    "ensemble",
    "fluctuation",
    "fluctuation_covariance",
    "kernel",
    "kernel_diagonal",
    "kernel_estimate",
    "kernel_plan",
    "kernel_shares",
    "lenet",
    "mean_correction",
    "mlp",
    "myrtle",
    "nystrom",
    "predict",
    "resnet",
    "sphere_spectrum",
    "wide_resnet",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analytic' has no attribute {name!r}")
    value = getattr(import_module(f"analytic.{_HOME[name]}"), name)
    globals()[name] = value
    return value
