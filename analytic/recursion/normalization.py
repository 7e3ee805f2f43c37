r"""What a normalisation does to errors.

Let V = Sigma - mu^2 at x = x', s^2 = V + eps, and kappa be the largest Sigma/V. Where Sigma is
wrong by a and mu by e, relative to the root of Sigma, V is wrong by v = kappa (a + 2 e), s^2 by at
most as much, and relative to what they are at x = x'

    (Sigma_ij - mu_i mu_j)/(s_i s_j)   by   kappa (a_ij + 2 e) + v,
    Theta_ij/(s_i s_j)                 by   v more than Theta,
    V/(V + eps)                        by   the largest share of eps in s^2 times v.

Over the P positions of an image (mu = 0, kappa = 1) s^2 is a mean, wrong by the largest error v of
its terms and P roundings, and Sigma_pp/s^2 by v for Sigma_pp and v for s^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from analytic.expectations import MOST_TERMS, MOST_TERMS_WHOLE, Noise, length
from analytic.machine import UNIT
from analytic.recursion.amplification_of_erf import erf_amplification
from analytic.recursion.coefficient_bounds import ratio
from analytic.recursion.error_amplification import Amplification, amplification
from analytic.recursion.layer_equations import Diagonal, Stage

__all__ = ["NormalizationErrors", "amplifications", "normalized", "of_normalization"]


class NormalizationErrors(NamedTuple):
    """Errors of Sigma and Theta at x = x' behind a normalisation, and those it adds to pairs."""

    sigma: float
    theta: float
    e: float
    d: float


def amplifications(
    state: Diagonal,
    tail: float,
    longer: Sequence[bool] | None = None,
    *,
    like: Sequence[Amplification | None] | None = None,
) -> list[Amplification]:
    """Those of all layers, of at most MOST_TERMS coefficients each, or as many as ``like`` has.

    Where they may be ``longer``, layers of erf that need as many take the closed form, others
    up to MOST_TERMS_WHOLE coefficients.
    """

    def of(stage: Stage, may_be_longer: bool, model: Amplification | None) -> Amplification:
        if stage.step.normalizes:
            return normalized(stage)
        if model is not None:
            if model.closed:
                return erf_amplification(stage)
            return amplification(stage, tail, terms=model.k_e.size)
        activation, s = stage.step.layer.activation, np.sqrt(stage.variance)
        if not may_be_longer:
            return amplification(stage, tail)
        if activation.is_erf and length(activation, s, tail) >= MOST_TERMS:
            return erf_amplification(stage)
        return amplification(stage, tail, MOST_TERMS_WHOLE)

    count = len(state.stages)
    return list(map(of, state.stages, longer or [False] * count, like or [None] * count))


def normalized(stage: Stage) -> Amplification:
    """The amplification of a normalisation: kappa for Sigma, none for Theta."""
    none = np.empty(0)
    kappa = float(np.max(1 + ratio(stage.mu**2, stage.trained), initial=1.0))
    still = float(np.max(1 - ratio(stage.trained, stage.variance), initial=0.0))
    return replace(
        amplification(stage, 0.0),
        k_e=np.array([kappa * (1 + 4 * UNIT), 0.0, 0.0]),
        own_e=2.0 if stage.step.over_positions else still,
        r_d=np.array([1.0, 0.0, 0.0]),
        rest_e=0.0,
        rest_d=0.0,
        rest_k=0.0,
        rest_ve=0.0,
        rest_vd=0.0,
        mean=1.0,
        varied=1.0,
        share=1.0,
        in_gamma=np.array([0.0, 1.0]),
        noise=Noise(),
        shares=none,
        closed=True,
    )


def of_normalization(
    layer: Amplification, sigma: float, theta: float, mean: float
) -> NormalizationErrors:
    """The errors behind a normalisation, from those of an input with itself before it."""
    kappa = float(layer.k_e[0])
    rounding = 2 * UNIT if layer.own_e == 0 else 4 * UNIT  # eps is added, and V divided by the sum
    variance = kappa * (sigma + 2 * mean + (2 + layer.reads) * UNIT) + rounding
    return NormalizationErrors(
        layer.own_e * variance + (rounding if layer.own_e else UNIT),
        theta + variance + 4 * UNIT,
        2 * kappa * mean + variance + 4 * UNIT,
        variance + 4 * UNIT,
    )
