r"""What share the parts of a sum have in it, at x = x': how far the errors of a part reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.machine import UNIT, Array
from analytic.recursion.coefficient_bounds import ratio
from analytic.recursion.formulas import preactivation
from analytic.recursion.layer_equations import Diagonal, Stage

__all__ = [
    "in_gamma",
    "in_junctions",
    "in_kernels",
    "in_trained",
    "largest_share",
    "largest_shares",
    "mean_share",
    "varied_share",
]


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


def varied_share(stage: Stage) -> float:
    """The largest share of Var w in E w^2; 1 where E w^2 is 0."""
    least = float(ratio(stage.moments.mean**2, stage.moments.second).min())
    return min(max(1 - least, 0.0) + 8 * UNIT, 1.0)


def in_trained(stage: Stage) -> Array:
    r"""What rates do to errors, as (learned, shift, rounding, whole).

    T = rate weight_std^2 Sigma + bias_rate = rate Lambda + (bias_rate - rate bias_std^2).
    ``learned`` is the largest share of rate weight_std^2 Sigma in T. ``shift`` is that of the
    bracket, a kernel that is the same at all pairs, if it is not negative; otherwise it is 1, for
    |T_ij| <= sqrt(T_ii T_jj). ``rounding`` is what the product with a rate adds, ``whole`` the
    largest rate Lambda/T. At rate 1 of all parameters T is Lambda: (share, 0, 0, 1).
    """
    _, bias, rate, bias_rate = stage.step.coefficients
    if rate == 1.0 and bias_rate == bias:
        return np.array([largest_share(stage), 0.0, 0.0, 1.0])
    learned = float(np.max(1 - ratio(bias_rate, stage.trained), initial=0.0)) + 2 * UNIT
    shift = bias_rate - rate * bias
    of_shift = float(ratio(shift, stage.trained).max()) if shift >= 0 else 1.0
    whole = rate * stage.variance
    lost = ((stage.trained == 0) & (whole > 0)).any()  # all of Lambda cancels
    whole = np.inf if lost else float(ratio(whole, stage.trained).max())
    return np.array([learned, min(of_shift + 2 * UNIT, 1.0), UNIT, whole])


def in_gamma(stage: Stage) -> Array:
    """Those of T and of weight_std^2 Theta in Gamma."""
    return largest_shares(stage.trained, np.maximum(stage.gamma - stage.trained, 0))


ROUNDED = 5 * UNIT
"""Of a readout that is not the default one: its products and sums."""


def in_kernels(state: Diagonal) -> tuple[float, float, float]:
    """Those of T and of weight_std^2 Theta in the tangent kernel, and what the readout rounds.

    The relative error of Sigma is that of weight_std^2 Sigma and not less than that of T.
    """
    trained, theta, rounding = state.sigma, state.theta, 0.0
    if state.output != (1.0, 0.0, 1.0, 0.0):
        _, trained, _ = preactivation(state.sigma, state.theta, *state.output)
        theta, rounding = np.maximum(state.ntk - trained, 0), ROUNDED
    of_trained, of_theta = largest_shares(trained, theta)
    return float(of_trained), float(of_theta), rounding


def in_junctions(stage: Stage) -> Array:
    """What the sums that end at a layer do to errors, one row each, (junctions, 5).

    The largest (S + E)/(S + E + 2 mu eta), with S, mu of the branches before and E, eta of the
    last; the largest shares of S and E in S + E, and those of the two Theta in theirs.
    """
    rows = [np.empty((0, 5))]
    for (sigma0, theta0, mu0), (sigma, theta, mu), _ in stage.junctions:
        whole = sigma0 + sigma
        largest = ratio(whole, whole + 2 * mu0 * mu).max()
        parts = largest_shares(sigma0, sigma), largest_shares(theta0, theta)
        rows.append(np.concatenate([[largest], *parts])[None, :])
    return np.concatenate(rows)
