"""The constant of Assumption 3.6 from quadrature, to be set beside the fitted one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic import AccuracyError, Network, fluctuation
from analytic.corrections import sampled_fluctuation
from compare.rho import square_norms

__all__ = ["predicted_mean"]

IMAGES, POSITIONS = 8, 24
"""So many images of so many positions at most have a predicted constant: a minute of one core."""


def predicted_mean(
    network: Network, x: NDArray[np.float64], population: int | None
) -> tuple[float, float] | tuple[None, None]:
    """C in E ||K_0 - K_inf||^2 = C/m + O(m^-2) on a sample of inputs, and its standard error.

    Args:
        network: the description.
        x: the sample, shape (n, d) or (n, channels, *spatial).
        population: as in ``kernel_distance``.

    Returns:
        the mean of ``fluctuation`` over the pairs that ``kernel_distance`` counts, with the
        error 0 for vectors and that of sampled units for a few small images; (None, None) for
        more and for activations for which it is not derived.
    """
    if network.is_spatial and (len(x) > IMAGES or np.prod(x.shape[2:]) > POSITIONS):
        return None, None
    try:
        if not network.is_spatial:
            return _mean(fluctuation(network, x), population), 0.0
        c, error = sampled_fluctuation(network, x)
    except (ValueError, AccuracyError):
        return None, None
    return _mean(c, population), _error_of_mean(error, population)


def _mean(c: NDArray[np.float64], population: int | None) -> float:
    return float(square_norms(np.sqrt(np.maximum(c, 0.0)), population))


def _error_of_mean(error: NDArray[np.float64], population: int | None) -> float:
    """Of the mean of independent entries, of which C(x, x') and C(x', x) are one."""
    weight = [[_mean(e, population) for e in row] for row in _units(len(error))]
    twice = np.triu(np.asarray(weight) * error * (2 - np.eye(len(error))))
    return float(np.sqrt((twice**2).sum()))


def _units(n: int) -> NDArray[np.float64]:
    """All matrices with a single 1, shape (n, n, n, n)."""
    return np.eye(n * n).reshape(n, n, n, n)
