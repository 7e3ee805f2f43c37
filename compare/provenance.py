"""What a result was made with."""

from __future__ import annotations

import platform
from importlib import metadata

import numpy as np
import torch

__all__ = ["version", "versions"]


def version() -> str:
    """The version of kinfinity that is installed."""
    try:
        return metadata.version("kinfinity")
    except metadata.PackageNotFoundError:  # run from a folder that was never installed
        return "not installed"


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
