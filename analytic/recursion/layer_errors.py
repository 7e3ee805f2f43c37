r"""How errors pass through one layer: two rules that run in Python and in compiled code.

An ``ErrorState`` is a triple (eps_sigma, eps_theta, reach): the errors of Sigma and Theta relative
to the diagonal, and a bound of |Theta_ij| relative to it. The legend is that of
``analytic.recursion.certificate``.

A sum of two kernels A + B has |A_ij| + |B_ij| <= sqrt((A + B)_ii (A + B)_jj). What is wrong by a in
A and by b > a in B is therefore wrong by a in all of the sum, and by b - a in the largest share
that B has in it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba.extending import register_jitable

from analytic.machine import UNIT

__all__ = ["ErrorState", "LayerFactors", "SkipFactors", "layer_error", "of_sum", "skip_error"]

ErrorState = tuple[Any, Any, Any]

SUM = 4 * UNIT
"""Rounding of a sum of branches: two products of means and three sums; or, side by side, two shares
that are rounded, of widths that were added, their products and a sum."""


class LayerFactors(NamedTuple):
    """What a layer does to errors at some R."""

    radius: Any  # R
    share: Any  # of weight_std^2 Sigma in Lambda: the bias is exact
    of_trained: Any  # largest share of T in Gamma
    of_theta: Any  # largest share of weight_std^2 Theta in Gamma
    k_e: Any
    k_d: Any  # infinite: the slope of arccos at 1, where it has a root; D of max(x, 0)
    r_d: Any
    add_e: Any
    add_d: Any
    learned: Any = 1.0  # of rate weight_std^2 Sigma in T
    shift: Any = 0.0  # of what T has beside rate Lambda
    of_t: Any = 3 * UNIT  # roundings of T,
    of_lambda: Any = 3 * UNIT  # of Lambda,
    of_tangent: Any = 2 * UNIT  # and of weight_std^2 Theta


class SkipFactors(NamedTuple):
    """What a sum of branches does to errors: largest shares of those before and of the last."""

    ratio: Any  # the largest (S + E)/(S + E + 2 mu eta)
    add: Any
    of_sigma0: Any
    of_sigma: Any
    of_theta0: Any
    of_theta: Any


@register_jitable
def of_sum(a: Any, b: Any, share_a: Any, share_b: Any) -> Any:
    """A relative bound of a sum from those of its parts and their largest shares.

    Nothing comes from a part that has no share, however wrong it is.
    """
    if b > a:
        return a + (b - a) * share_b if share_b > 0 else a
    if a > b:
        return b + (a - b) * share_a if share_a > 0 else b
    return b if a == b else a + b  # NaN where one of them is


def layer_error(state: ErrorState, f: LayerFactors) -> ErrorState:
    """The errors after a layer: |d(D Gamma)| <= |dD| |Gamma| + |D| |dGamma|."""
    eps_sigma, eps_theta, reach = state
    covariance = f.share * eps_sigma + f.of_lambda
    trained = f.learned * eps_sigma + f.of_t
    gamma = of_sum(trained, eps_theta + f.of_tangent, f.of_trained, f.of_theta) + UNIT
    own = f.radius + (1 - f.radius) * f.shift  # of |T_ij|
    size = of_sum(own, reach, f.of_trained, f.of_theta)  # of |Gamma_ij|
    d = math.sqrt(2 * (covariance + f.add_e)) if f.k_d == math.inf else f.k_d * covariance + f.add_d
    reach = min(f.r_d * size, 1.0)  # of |D_ij Gamma_ij|, a product that is rounded
    theta = d * size + f.r_d * gamma + UNIT * reach
    return f.k_e * covariance + f.add_e, theta, reach


def skip_error(before: ErrorState, branch: ErrorState, f: SkipFactors) -> ErrorState:
    """The errors after a sum, from those of the branches before and of the last one."""
    sigma = f.ratio * of_sum(before[0], branch[0], f.of_sigma0, f.of_sigma) + f.add
    theta = of_sum(before[1], branch[1], f.of_theta0, f.of_theta) + SUM
    return sigma, theta, of_sum(before[2], branch[2], f.of_theta0, f.of_theta)
