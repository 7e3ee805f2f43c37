"""What a result was made with."""

from __future__ import annotations

import platform

import numpy as np
import torch

__all__ = ["versions"]


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
