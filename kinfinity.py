"""The public names of ``analytic``, ``empirical`` and ``compare``, imported when first used."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic import *
    from compare import *
    from empirical import *

__version__ = "0.1.0"

_NAMES = {
    "analytic": "AccuracyError Activation AveragePooling Convolution DistanceLaw Eigenspaces"
    " Estimate Flatten FullyConnected GlobalAveragePooling Kernels Network Plan Prediction"
    " Residual SphereSpectrum distance_law dual dual_obstacle ensemble fluctuation"
    " fluctuation_covariance kernel kernel_diagonal kernel_estimate kernel_plan"
    " mean_correction nystrom predict sphere_spectrum",
    "compare": "Assumptions Convergence DynamicsError DynamicsGap DynamicsScaling Inputs"
    " KernelDistance Repetition RequiredWidth Resolution Target assumptions convergence"
    " dynamics_gap dynamics_growth dynamics_scaling kernel_distance",
    "empirical": "FiniteNetwork Flow FlowError TangentEstimate TangentShares gradient_flow"
    " streamed_tangent_kernel tangent_kernel tangent_kernel_diagonal tangent_kernel_estimate"
    " tangent_kernel_shares tangent_kernels",
}
_HOME = {name: package for package, names in _NAMES.items() for name in names.split()}
__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kinfinity' has no attribute {name!r}")
    package = importlib.import_module(_HOME[name])
    if Path(str(package.__file__)).resolve().parents[1] != Path(__file__).resolve().parent:
        expected = f"expected {_HOME[name]} from kinfinity {__version__}, got {package.__file__}"
        raise ImportError(f"{expected}; rename that folder or start Python elsewhere")
    return getattr(package, name)


if __name__ == "__main__":
    importlib.import_module("compare.command.cli").main()
