r"""The width from which ||K_0 - K_inf||^2 <= epsilon with probability 1 - delta.

The distances of one width are their mean times a factor R of mean 1, whose law is the same for all
widths at leading order. With q the (1 - delta)-quantile of R, pooled over all widths, the width
asked for is the smallest beyond which

    q (C/m + c/m^2) <= epsilon,

without the floor B, which a sweep on which Assumption 3.6 holds finds compatible with 0. What is
not known of C, c, B >= 0 and q makes its interval: B, however small, may exceed a smaller epsilon,
and then the upper end is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compare.rate.fits import WidthExpansion, fit_linear
from compare.rate.statistics import Interval

__all__ = ["RequiredWidth", "check_accuracy", "from_constant", "required_width"]

Array = NDArray[np.float64]
DRAWS = 4000
"""Laws drawn from the errors of the fit."""
EXACT_INTEGERS = 2**53
"""Integers beyond are not exact in float64."""


class RequiredWidth(NamedTuple):
    """Widths that suffice for ||K_0 - K_inf||^2 <= epsilon with probability 1 - delta.

    ``measured`` is read off the measured law of D, with ``interval`` from the errors of the fit
    (its upper end infinite if the floor is not known to be below epsilon); ``markov`` needs only
    the fitted mean; ``predicted`` is C/(epsilon delta) with the constant from quadrature, None
    where that is not derived. None is below the smallest width that was measured.
    """

    measured: int
    markov: int
    interval: Interval
    predicted: int | None


def check_accuracy(epsilon: float, delta: float) -> None:
    """Raise ``ValueError`` unless 0 < epsilon < inf (not subnormal) and 0 < delta < 1."""
    if not np.finfo(np.float64).tiny <= epsilon < math.inf or not 0 < delta < 1:
        raise ValueError(
            "expected epsilon > 0 (finite, at least 2.3e-308) and 0 < delta < 1, got"
            f" {epsilon} and {delta}; change them"
        )


def required_width(
    widths: Sequence[int],
    distances: Sequence[Array],
    law: WidthExpansion,
    epsilon: float,
    delta: float,
    confidence: float,
) -> tuple[int, int, Interval]:
    """(measured, by Markov's inequality, interval of the first).

    Raises:
        ValueError: delta is too small to be seen in so few networks, or the width too large.
    """
    m = np.asarray(widths, dtype=np.float64)
    factors = np.sort(np.concatenate([d / d.mean() for d in distances]))
    if delta * factors.size < 1:
        raise ValueError(
            f"expected delta of at least {1 / factors.size:.3g}, as {factors.size} networks show"
            f" nothing rarer, got {delta}; raise it or use more seeds"
        )
    (c1, c2), _ = fit_linear(np.column_stack([1 / m, 1 / m**2]), distances)
    q = float(np.quantile(factors, 1 - delta))
    laws = np.array([[c1, c2, 0.0], [c1, c2, 0.0]])
    measured, markov = _smallest(laws, np.array([epsilon / q, epsilon * delta]), widths[0])
    drawn = _smallest(*_draws(law, factors, epsilon, delta), narrowest=widths[0])
    low, high = np.quantile(
        drawn, [(1 - confidence) / 2, (1 + confidence) / 2], method="closest_observation"
    )
    return _integer(measured), _integer(markov), (float(low), float(high))


def from_constant(constant: float, epsilon: float, delta: float, smallest: int) -> int:
    """C/(epsilon delta), at least the smallest width measured."""
    return _integer(max(constant / (epsilon * delta), smallest))


def _draws(
    law: WidthExpansion, factors: Array, epsilon: float, delta: float
) -> tuple[Array, Array]:
    """Laws (C, c, B) within their errors, B >= 0, and epsilon over drawn quantiles of R."""
    rng = np.random.default_rng(0)
    centre = np.array([law.constant, law.correction, law.floor])
    laws = rng.multivariate_normal(centre, law.covariance, DRAWS, method="svd")
    slope = law.covariance[2] / max(float(law.covariance[2, 2]), np.finfo(np.float64).tiny)
    laws = laws - np.minimum(laws[:, 2:], 0.0) * slope  # the nearest law without a floor
    laws[:, 2] = np.maximum(laws[:, 2], 0.0)
    # the number of R below its quantile is binomial; beyond the largest R nothing is known
    rank = rng.binomial(factors.size, 1 - delta, DRAWS)
    return laws, epsilon / np.append(factors, np.inf)[rank]


def _smallest(laws: Array, bounds: Array, narrowest: int) -> Array:
    """The m from which C/m + c/m^2 + B <= bound for all larger ones, not below the narrowest.

    In u = 1/m the end is the smallest positive root of c u^2 + C u + B - bound.
    """
    c1, c2, room = laws[:, 0], laws[:, 1], bounds - laws[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(c1**2 + 4 * c2 * room)
        u = 2 * room / (c1 + root)  # in the form that does not cancel
    u = np.where(np.isnan(root) | (c1 + root <= 0), np.inf, u)  # never reaches the bound
    return np.where(room > 0, np.maximum(1 / np.where(room > 0, u, 1.0), narrowest), np.inf)


def _integer(width: float) -> int:
    if not width < EXACT_INTEGERS:
        raise ValueError(f"expected a width below 2^53, got {width:.3g}; raise epsilon or delta")
    return math.ceil(width)
