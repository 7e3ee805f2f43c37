r"""Mean squares of the derivatives of an activation, from its coefficients.

c_k = E[w'(s z) h_k(z)] are the coefficients of the slope. Those of its derivatives follow,
sqrt(k + 1) c_{k+1}/s of the second and sqrt((k + 1)(k + 2)) c_{k+2}/s^2 of the third, so that

    s^2 E w''^2 = sum k c_k^2,    s^4 E (w^(3))^2 = sum k (k - 1) c_k^2.

What the coefficients from N on have of them is bounded by Hoelder's inequality between Parseval's
rest q = sum c_k^2 and X = s^8 E (w^(5))^2 = sum k (k - 1) (k - 2) (k - 3) c_k^2, of which an
enclosure is known:

    sum k c_k^2 <= q^(3/4) (C X)^(1/4),    sum k (k - 1) c_k^2 <= (q C X)^(1/2),

with C = N^4/(N (N - 1) (N - 2) (N - 3)). Where what is left after N, ..., F coefficients is known,
it is summed by parts up to F.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import LOWEST, fifth_mean_squares, has_formulas, responses
from analytic.machine import Array
from analytic.recursion.coefficient_bounds import CoefficientSums, ratio
from analytic.recursion.layer_equations import Stage

__all__ = ["DerivativeNorms", "norms_beyond"]


class DerivativeNorms(NamedTuple):
    """Of every input, (n,).

    ``once`` and ``twice`` bound what the coefficients that are not looked at one by one have of
    s^2 E w''^2 and s^4 E (w^(3))^2; ``own_e`` and ``own_d`` the responses of E[w^2] and E[w'^2]
    to a relative error of the variance, the largest over the inputs.
    """

    once: Array
    twice: Array
    own_e: float
    own_d: float


def norms_beyond(
    stage: Stage, sums: CoefficientSums, terms: int, shares: Array | None
) -> DerivativeNorms:
    """Those of a layer.

    Args:
        stage: what the layer sees of its inputs.
        sums: over its first coefficients.
        terms: how many these are.
        shares: what 0, 1, ... coefficients leave of E[w'^2], where it is known for more of them.
    """
    table, v, activation = stage.moments, stage.variance, stage.step.layer.activation
    if has_formulas(activation) or not table.noise.certified or terms < 4:
        return _by_table(stage, sums)
    fifth, own = fifth_mean_squares(activation, np.sqrt(v)), responses(activation, np.sqrt(v))
    if fifth is None or own is None:
        return _by_table(stage, sums)
    last = terms if shares is None else shares.size - 1
    rest = sums.rest if shares is None else shares[last] * table.slope
    c = last**3 / ((last - 1) * (last - 2) * (last - 3))
    with np.errstate(invalid="ignore"):
        root = np.sqrt(rest)
        twice = root * np.sqrt(c * fifth)
        once = root * np.sqrt(twice)
    small = np.where(np.sqrt(v) < 2.0**LOWEST, 64 * rest, 0.0)
    once, twice = np.maximum(once, small), np.maximum(twice, small)
    if shares is not None:
        by_parts = _by_parts(shares, terms)
        once, twice = once + by_parts[0] * table.slope, twice + by_parts[1] * table.slope
    own_e, own_d = np.maximum(own, _responses(stage, np.sqrt(v) < 2.0**LOWEST))
    return DerivativeNorms(once, twice, float(own_e), float(own_d))


def _by_table(stage: Stage, sums: CoefficientSums) -> DerivativeNorms:
    """From the moments, where these have formulas, or are estimates."""
    table, v = stage.moments, stage.variance
    # a unit that is always 0 sees no kink, where these are infinite
    curvature, jerk = (np.where(v > 0, m, 0.0) for m in (table.curvature, table.jerk))
    with np.errstate(over="ignore"):
        once, twice = v * curvature, v * (v * jerk)
    return DerivativeNorms(
        _left(once, sums.once),
        _left(twice, sums.twice),
        *map(float, _responses(stage, np.ones(v.shape, dtype=np.bool_))),
    )


def _left(whole: Array, part: Array) -> Array:
    """What is left without a part; infinite where float64 does not hold the whole."""
    return np.subtract(whole, part, out=np.full_like(whole, np.inf), where=whole < np.inf).clip(0)


def _responses(stage: Stage, chosen: NDArray[np.bool_]) -> Array:
    """The largest responses of the chosen inputs by their moments, (2,)."""
    table, v = stage.moments, stage.variance
    pairs = (table.response_e, table.second), (table.response_d, table.slope)
    return np.array([ratio(v * np.abs(r), f)[chosen].max(initial=0.0) for r, f in pairs])


def _by_parts(shares: Array, terms: int) -> tuple[float, float]:
    """Bounds of the sums of k c_k^2 and k (k - 1) c_k^2 from ``terms`` to the end of the shares."""
    k, after = np.arange(terms + 1.0, shares.size), shares[terms + 1 :]
    first = float(shares[terms])
    return (
        terms * first + float(after.sum()),
        terms * (terms - 1) * first + float((2 * (k - 1) * after).sum()),
    )
