r"""What share the parts of a sum have in it, at x = x': how far the errors of a part reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.machine import UNIT, Array
from analytic.recursion.coefficient_bounds import ratio
from analytic.recursion.layer_equations import Stage

__all__ = ["in_gamma", "in_skip", "largest_share", "largest_shares", "mean_share", "skip_ratio"]


def largest_share(stage: Stage) -> float:
    """The largest share of weight_std^2 Sigma in Lambda; at least an ulp above 0."""
    bias = stage.step.bias
    return float(np.max(1 - ratio(bias, stage.variance), initial=0.0)) + 2 * UNIT


def largest_shares(a: Any, b: Any) -> Array:
    """The largest shares of a and of b in a + b, over all inputs at which it is not 0, (2,)."""
    whole = np.asarray(a + b)
    if not np.isfinite(whole).all() or not whole.any():
        return np.ones(2)
    return np.array([ratio(a, whole).max(), ratio(b, whole).max()])


def mean_share(stage: Stage) -> float:
    """The largest share of (E w)^2 in E w^2."""
    return min(float(ratio(stage.moments.mean**2, stage.moments.second).max()), 1.0)


def in_gamma(stage: Stage) -> Array:
    """Those of rate Lambda and of weight_std^2 Theta in Gamma."""
    trained = stage.step.rate * stage.variance
    return largest_shares(trained, np.maximum(stage.gamma - trained, 0))


def in_skip(stage: Stage) -> Array:
    """Those of alpha and of the branch that ends here, in Sigma (without means) and in Theta."""
    if stage.skipped is None:
        return np.ones((2, 2))
    sigma, theta, _ = stage.skipped
    branch = stage.moments.slope * stage.gamma
    return np.stack([largest_shares(sigma, stage.moments.second), largest_shares(theta, branch)])


def skip_ratio(stage: Stage) -> float:
    """The largest (S + E)/(S + E + 2 mu eta) of the skip that ends at a layer."""
    if stage.skipped is None:
        return 1.0
    sigma, _, mu = stage.skipped
    whole = sigma + stage.moments.second
    return float(ratio(whole, whole + 2 * mu * stage.moments.mean).max())
