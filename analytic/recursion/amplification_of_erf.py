r"""How a layer of erf amplifies errors, in closed form.

With t = 2 s^2/(1 + 2 s^2), Williams (1997) gives E[w^2] = (2/pi) arcsin t and

    k_E(R) = t/(arcsin t sqrt(1 - t^2 R^2)),    r_D(R) = sqrt(1 - t^2)/sqrt(1 - t^2 R^2).

Their coefficients at R^(2j) are (t/arcsin t) a_j t^(2j) and sqrt(1 - t^2) a_j t^(2j) with
a_j = binom(2j, j)/4^j. Each of them grows with t up to one maximum and falls behind it. What is
left out from a coefficient on, and its sums with 2j and 2j (2j - 1), are expectations of increasing
functions under weights a_j t^(2j), which move up with t, times factors that grow: they are largest
at the largest t. So the range of s says all (docs/theory/certificate.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from analytic.machine import UNIT, Array
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.layer_equations import Stage
from analytic.recursion.roundings import own_rounding, roundings_of
from analytic.recursion.shares import in_gamma, in_junctions, in_trained, largest_share

__all__ = ["erf_amplification"]

COEFFICIENTS = 32
"""Those that are looked at one by one; the others are bounded by their sums."""


def erf_amplification(stage: Stage) -> Amplification:
    """The amplification of a layer of erf whose pairs come from the closed form.

    Args:
        stage: what the layer sees of its inputs.
    """
    v = np.array([stage.variance.min(), stage.variance.max()])
    low, high = 2 * v / (1 + 2 * v)
    beside = float((1 + 4 * v[1]) / (1 + 2 * v[1]) ** 2)  # 1 - t^2 at the largest t
    j = np.arange(float(COEFFICIENTS))
    a = np.cumprod(np.append(1.0, 1 - 0.5 / j[1:]), dtype=np.float64)
    k_e, r_d = np.zeros((2, 2 * COEFFICIENTS))
    for series, factor, peak in ((k_e, _steep, _steep_peaks()), (r_d, _flat, _flat_peaks())):
        series[::2] = a * factor(np.clip(peak, low, high), j)
    lacking = _lacking(high, beside, a, j)
    response = 1 / (_arcsine_ratio(high) * beside**0.5)  # s^2 E[w'^2]/E[w^2]
    return Amplification(
        step=stage.step,
        bent=False,
        bend=0.0,
        k_e=k_e,
        r_d=r_d,
        rest_e=response * lacking[0],
        rest_d=lacking[0],
        rest_k=lacking[1],
        rest_ve=response * lacking[1],
        rest_vd=lacking[2],
        own_e=float(np.sqrt((1 - low) / (1 + low)) / _arcsine_ratio(low)),
        own_d=float(high / (1 + high)),
        own_mean=0.0,
        mean=0.0,
        varied=1.0,
        rounded=roundings_of(stage),
        own_rounding=own_rounding(stage),
        in_trained=in_trained(stage),
        in_gamma=in_gamma(stage),
        in_junctions=in_junctions(stage),
        noise=stage.moments.noise,
        share=largest_share(stage),
        reads=stage.reads,
        average=stage.average,
        shares=np.empty(0),
        closed=True,
    )


def _steep(t: Array, j: Array) -> Array:
    """t^(2j + 1)/arcsin t."""
    return t ** (2 * j) / _arcsine_ratio(t)


def _flat(t: Array, j: Array) -> Array:
    """t^(2j) sqrt(1 - t^2)."""
    return t ** (2 * j) * np.sqrt((1 - t) * (1 + t))


def _arcsine_ratio(t: Any) -> Any:
    """arcsin t/t."""
    return np.arcsin(t) / np.where(t > 0, t, 1.0) + (t == 0)


@lru_cache(maxsize=1)
def _steep_peaks() -> Array:
    """Where ``_steep`` is largest: phi cot phi = 1/(2j + 1) with t = sin phi, by bisection."""
    j = np.arange(COEFFICIENTS)
    low, high = np.zeros(j.size), np.full(j.size, np.pi / 2)
    for _ in range(50):
        middle = (low + high) / 2
        before = (2 * j + 1) * middle * np.cos(middle) > np.sin(middle)
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return np.sin(low)


def _flat_peaks() -> Array:
    """Where ``_flat`` is largest."""
    j = np.arange(COEFFICIENTS)
    return np.sqrt(2 * j / (2 * j + 1))


def _lacking(t: float, beside: float, a: Array, j: Array) -> Array:
    """What the other coefficients of r_D add up to, with the weights 1, 2j and 2j (2j - 1).

    The sums over all j are known; those of the first ones are subtracted.
    """
    weights = np.array([np.ones(j.size), 2 * j, 2 * j * (2 * j - 1)])
    found = weights @ (beside**0.5 * a * t ** (2 * j))
    p = t * t
    whole = np.array([1.0, p / beside, (p + 2 * p * p) / beside**2])
    return np.maximum(whole - found, 0.0) + 8 * UNIT * whole
