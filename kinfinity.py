"""Kinfinity: the infinite-width limit of deep networks, computed, measured and compared.

    import kinfinity as ki

gathers the public names of the packages ``analytic``, ``empirical`` and ``compare``, each
imported when it is first used.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "analytic": (
        "AccuracyError Activation Estimate FullyConnected Kernels Network Residual"
        " kernel kernel_diagonal kernel_estimate"
    ).split(),
    "empirical": "FiniteNetwork tangent_kernel".split(),
    "compare": "Convergence Inputs convergence kernel_distance".split(),
}
_HOME = {name: package for package, names in _PUBLIC.items() for name in names}
__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kinfinity' has no attribute {name!r}")
    package = importlib.import_module(_HOME[name])
    found, ours = Path(package.__file__ or "nowhere").resolve().parent.parent, Path(__file__).resolve().parent
    if found != ours:
        raise ImportError(
            f"expected {_HOME[name]} from kinfinity {__version__} in {ours}, got {package.__file__};"
            " rename that folder or start Python elsewhere"
        )
    return getattr(package, name)


if __name__ == "__main__":
    importlib.import_module("compare.cli").main()
