"""The mean square of the slope at x = x', where units may be 0 at a kink."""

from __future__ import annotations

import numpy as np

from analytic.expectations import Moments
from analytic.machine import Array
from analytic.network import Step

__all__ = ["own_slope"]


def own_slope(step: Step, variance: Array, gamma: Array, table: Moments) -> Array:
    """E[w'^2] of each input; units that are 0 but trained, at a kink, have torch's slope there.

    They occur where an input is 0 and biases start at 0: bias_std = 0, bias_rate > 0.

    Raises:
        ValueError: that slope depends on how w is written: it is not that of relu or |x|, 0.
    """
    still = (variance == 0) & (gamma > 0)
    if not still.any():
        return table.slope
    activation = step.layer.activation
    slopes = activation.derivatives(np.array([-1.0, -1e-30, 0.0, 1e-30, 1.0]), 1)[1]
    _, left, here, right, _ = slopes
    if abs(right - left) <= 1e-12 * np.abs(slopes).max():
        return table.slope
    if here != 0.0 or activation.bent_line is None:
        raise ValueError(
            f"expected units that vary before {activation!r}, whose slope jumps at 0, got an input"
            " at which they are 0, with biases that start there (bias_std=0) and are trained; give"
            " them a positive bias_std, or take relu, whose slope at 0 is 0"
        )
    return np.where(still, 0.0, table.slope)
