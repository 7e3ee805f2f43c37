r"""The factors by which errors grow in a layer, at pairs with |rho| up to R.

With D(R) = sum_k c_k^2 R^k at s = s' and correlation R they follow from two power series,

    k_E = s^2 D(R)/E[w^2],   r_D = D(R)/E[w'^2],   k_D = r_D',   v_E^2 = k_E',   v_D^2 = k_D'

(docs/theory/certificate.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.machine import Array

__all__ = [
    "LEVELS",
    "OF_D",
    "OF_E",
    "RADII",
    "Factors",
    "Rests",
    "factors_of_bent_line",
    "factors_of_series",
]


class Factors(NamedTuple):
    """The amplification factors of a layer at some R.

    Errors of the mean and of the coefficients of one of two inputs enter E by ``norm_e`` if they
    are known together, by ``norm_mean`` and ``norm_spread`` if each is; those of the coefficients
    enter D by ``norm_d``. ``size_e`` and ``size_d`` count the roundings of E and D, relative to
    ``OF_E`` and ``OF_D`` of their values at x = x'. Errors of rho enter E by ``turn_e`` and D by
    ``turn_d``.
    """

    radius: Any
    k_e: Any
    k_d: Any
    r_d: Any
    v_e: Any
    v_d: Any
    norm_e: Any
    norm_mean: Any
    norm_spread: Any
    norm_d: Any
    size_e: Any
    size_d: Any
    turn_e: Any
    turn_d: Any


class Rests(NamedTuple):
    """What the truncated sums of k_E, r_D, k_D, v_E^2 and v_D^2 lack at R = 1."""

    e: float
    d: float
    k: float
    ve: float
    vd: float


_LEFT = [
    0,
    1e-8,
    1e-7,
    3e-7,
    1e-6,
    3e-6,
    1e-5,
    3e-5,
    1e-4,
    3e-4,
    1e-3,
    3e-3,
    0.01,
    0.03,
    0.06,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.55,
]
RADII = 1 - np.array([*_LEFT, 0.7, 1.0])
"""Ceilings that are tried, in this order."""
LEVELS = np.concatenate(
    [np.linspace(0, 0.6, 21), 1 - 0.4 * 2 ** (-np.arange(1, 21) / 3), 1 - 4.0 ** -np.arange(5, 14)]
)
LEVELS[-1] = 1.0
"""The |rho| for which factors are tabulated; a pair takes those of the next one."""
OF_E, OF_D = 5, 5
"""The most roundings of a term of E and of D."""
LARGEST = 1e300
"""Stands for infinity where a derivative has no finite norm: no bound will hold."""


def factors_of_bent_line(bend: float, radius: Array) -> Factors:
    """Those of a x + b |x| with the share ``bend`` of b^2 in a^2 + b^2, which need no tables."""
    part, none = 2 / np.pi * bend, np.zeros_like(radius)
    d, one = 1 - bend + part * np.arcsin(radius), none + 1
    with np.errstate(divide="ignore"):
        k_d = part / np.sqrt(1 - radius**2)
    # at a given covariance variances turn rho; of s s' they leave part sqrt(1 - rho^2)
    return Factors(
        radius, d, k_d, d, none + part, radius * k_d, none, none, none, none, one, d, d, k_d
    )


def factors_of_series(
    k_e: Array, r_d: Array, rests: Rests, mean: float, varied: float, radius: Array
) -> Factors:
    """Those of a series in rho.

    Args:
        k_e: the largest c_k^2 s^2/E[w^2], (terms,).
        r_d: the largest c_k^2/E[w'^2].
        rests: what these leave out.
        mean: the largest share of (E w)^2 in E w^2.
        varied: that of Var w.
        radius: R, (radii,).
    """
    order = np.arange(k_e.size)
    with np.errstate(over="ignore"):  # of what is not known at all
        slope, bend = order[1:] * r_d[1:], order[1:-1] * order[2:] * r_d[2:]
        parts = [k_e, slope, r_d, order[1:] * k_e[1:], bend]
    # the rest of k c_k^2 R^(k - 1) is bounded by itself at R = 1, and by that of c_k^2
    ends = (rests.e, 0), (rests.k, rests.d), (rests.d, 0), (rests.ve, rests.e), (rests.vd, rests.d)
    powers = _powers(radius, order.size)
    at_e, k_d, at_d, v_e, v_d = (
        powers[:, : part.size] @ part
        + np.minimum(
            _times(powers[:, part.size], rest),
            np.inf if power == 0 else _times(_largest(power, order.size, radius), wide),
        )
        for part, (rest, wide), power in zip(parts, ends, (0, 1, 0, 1, 2), strict=True)
    )
    k_d = np.minimum(k_d, LARGEST)  # infinite only where it is the slope of arccos
    # of a term of E, a share k_e/(k + 1) of order k + 1, rho^k is turned
    turn = powers[:, :-1] @ (order / (order + 1) * k_e) + _times(powers[:, -1], rests.e)
    norm_d = np.sqrt(np.minimum(powers**2 @ np.append(r_d, rests.d), 1.0))
    size_e, count_d = _roundings(k_e, mean, varied, radius)
    return Factors(
        radius=radius,
        k_e=at_e,
        k_d=k_d,
        r_d=at_d,
        v_e=np.sqrt(v_e),
        v_d=np.sqrt(v_d),
        norm_e=np.sqrt(mean + (1 - mean) * radius**2),
        norm_mean=np.sqrt(mean) + 0 * radius,
        norm_spread=np.sqrt(varied) * radius,
        norm_d=norm_d,
        size_e=size_e,
        size_d=count_d * at_d,
        turn_e=radius * turn,
        turn_d=radius * k_d,
    )


def _roundings(k_e: Array, mean: float, varied: float, radius: Array) -> tuple[Array, float]:
    """Those of E and D, by ``OF_E`` and ``OF_D``.

    E E' has two, its product and the sum with the series. A term of this has that of the product of
    two coefficients, of the sum to which it is added, of the product with Lambda, and of the sum
    with E E', if that is not 0; where there are even and odd orders, that of their sum. D has
    three, and two more where there are both (docs/theory/certificate.md).
    """
    both, m = bool(k_e[1::2].any() and k_e[::2].any()), (mean, 1 - varied)
    count = 3 + both + (mean > 0)
    size_e = np.maximum(*(2 * share + count * (1 - share) * radius for share in m))
    return size_e / OF_E, (3 + 2 * both) / OF_D


def _powers(radius: Array, last: int) -> Array:
    """R^0, ..., R^last, (radii, last + 1); as products they cost a tenth."""
    powers = np.broadcast_to(radius[:, None], (radius.size, last + 1)).copy()
    powers[:, 0] = 1.0
    return np.asarray(np.multiply.accumulate(powers, axis=1))


def _times(power: Array, rest: float) -> Array:
    """The product, and 0 where a factor is, whatever the other."""
    return np.multiply(power, rest, out=np.zeros_like(power), where=(power > 0) & (rest > 0))


def _largest(power: int, first: int, radius: Array) -> Array:
    """The largest k^power R^(k - power) over k >= first, R <= 1."""
    with np.errstate(divide="ignore"):
        k = np.maximum(first, power / -np.log(np.maximum(radius, 1e-300)))
    k = np.where(radius < 1, k, np.inf)
    return np.where(radius < 1, k**power * radius ** (np.minimum(k, 1e9) - power), np.inf)
