"""The constant of Assumption 3.6 from quadrature, to be set beside the fitted one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic import AccuracyError, Network, fluctuation
from compare.rho import square_norms

__all__ = ["predicted_mean"]


def predicted_mean(
    network: Network, x: NDArray[np.float64], population: int | None
) -> float | None:
    """C in E ||K_0 - K_inf||^2 = C/m + O(m^-2) on a sample of inputs.

    Args:
        network: the description.
        x: the sample, shape (n, d).
        population: as in ``kernel_distance``.

    Returns:
        the mean of ``fluctuation`` over the pairs that ``kernel_distance`` counts, or None for
        images and for activations for which it is not derived.
    """
    if network.is_spatial:  # the time grows like the fourth power of images times positions
        return None
    try:
        c = fluctuation(network, x)
    except (ValueError, AccuracyError):
        return None
    return float(square_norms(np.sqrt(np.maximum(c, 0.0)), population))
