r"""The error bound of a kernel, fixed before a pair is computed.

Errors are carried through the recursion as numbers relative to the diagonal,

    |delta Sigma_ij| <= eps_sigma sqrt(Sigma_ii Sigma_jj), the same for Theta, D, E,

which Cauchy-Schwarz allows for every term: the truncation of Mehler's series, the
quadrature of its coefficients, rounding, and the errors of the covariance *and* of the two
variances that enter a layer (docs/theory/certificate.md).

Legend: R bounds the |rho| of the pairs at hand; tau is the truncation error allowed to a
layer; u is the unit roundoff; k_E, k_D, r_D are the amplification factors at R, and
v_E, v_D those of a relative error of the variances.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.amplification import Amplification, Factors, amplification, skip_ratio
from analytic.duals import UNIT
from analytic.recursion import Diagonal

__all__ = ["Bounds", "certify", "layer_error", "skip_error"]

Array = NDArray[np.float64]


def layer_error(
    eps_sigma: Any, eps_theta: Any, k_e: Any, k_d: Any, r_d: Any, add_e: Any, add_d: Any
) -> tuple[Any, Any]:
    """(eps_sigma, eps_theta) after a layer; runs in Python and in compiled code."""
    covariance = eps_sigma + 2 * UNIT
    gamma = max(covariance, eps_theta) + 2 * UNIT
    return k_e * covariance + add_e, k_d * covariance + add_d + r_d * gamma + 2 * UNIT


def skip_error(
    eps_sigma0: Any, eps_theta0: Any, eps_sigma: Any, eps_theta: Any, ratio: Any, add: Any
) -> tuple[Any, Any]:
    """(eps_sigma, eps_theta) after a skip, from those of its two branches."""
    return ratio * max(eps_sigma0, eps_sigma) + add, max(eps_theta0, eps_theta) + UNIT


class Bounds(NamedTuple):
    """Radii and error constants of every layer (rows) and group of terms (columns).

    A group g stands for 8 (g + 1) terms of the series; ``radius`` is the largest |rho| for
    which they suffice, and the others are the factors of ``layer_error`` at that |rho|.
    """

    radius: Array  # (layers, groups), increasing in g
    k_e: Array
    k_d: Array
    r_d: Array
    add_e: Array
    add_d: Array
    lengths: NDArray[np.int64]  # coefficients of even and of odd order that matter, (layers, 2)
    skip_ratio: Array  # (layers,)
    skip_add: Array
    start: float  # error of <x, x'>/d
    ceiling: float  # largest |rho| the bounds hold for; pairs above it are left out
    error: float  # bound of the kernel for all pairs below the ceiling
    diagonal: float  # bound of the kernel at x = x'


RADII = np.array([1.0, 0.9999, 0.999, 0.99, 0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6, 0.45, 0.3])
"""Ceilings that are tried, in this order."""
ROUNDING = 8 * UNIT
"""Rounding of rho, of Horner's scheme (2k roundings of the k-th term: 2 k_E, 2 k_D, counted
in rho) and of the last operations of a layer."""


def certify(
    diagonal: Diagonal,
    tolerance: float,
    tail: float,
    start: float,
    *,
    tight: bool = False,
    spread: float = 0.0,
) -> Bounds:
    """Choose ceiling and truncation so that the bound meets the tolerance.

    Args:
        diagonal: the recursion at x = x'.
        tolerance: wanted bound relative to sqrt(K(x, x) K(x', x')).
        tail: share of E[w'^2] that the tables may leave out.
        start: relative rounding error of the scalar products <x, x'>/d.
        tight: whether truncation shall cost no more than rounding does.
        spread: relative error of |x|^2/d beyond rounding.
    """
    layers = [amplification(stage, tail) for stage in diagonal.stages]
    fixed = _fixed_errors(diagonal, layers, spread)
    factors = [layer.at(RADII) for layer in layers]
    for index, ceiling in enumerate(RADII):
        rounding = _run(diagonal, factors, index, fixed, start, 0.0)
        per_tau = _run(diagonal, factors, index, fixed, start, 1.0) - rounding
        tau = 0.9 * (tolerance - rounding) / per_tau if per_tau > 0 else 0.0
        if tau >= 2 * UNIT:
            if tight:
                tau = min(tau, max(rounding / per_tau, 2 * UNIT))
            return _bounds(diagonal, layers, fixed, start, float(ceiling), tau)
    return _bounds(diagonal, layers, fixed, start, float(RADII[0]), 2 * UNIT)


class _Fixed(NamedTuple):
    """Errors that come with a layer: of its variances, of E and D, and of rho.

    ``skip`` is added to a skip that ends there; ``diagonal`` is the relative error of the
    kernel at x = x' after the layer.
    """

    variance: float
    moments: float
    rho: float
    skip: float
    diagonal: float


def _fixed_errors(diagonal: Diagonal, layers: list[Amplification], spread: float) -> list[_Fixed]:
    """Quadrature, rounding and the errors of the variances, layer by layer."""
    fixed: list[_Fixed] = []
    sigma, theta, mean = spread + 2 * UNIT, 0.0, 0.0
    branches: list[tuple[float, float, float]] = []
    for stage, layer in zip(diagonal.stages, layers, strict=True):
        branches += [(sigma, theta, mean)] * stage.step.opens
        variance = sigma + 2 * UNIT
        moments = 2 * layer.noise + ROUNDING
        rho = ROUNDING + (variance if layer.relu else 0.0)
        theta = max(variance, theta) + layer.own_d * variance + 2 * layer.noise + 4 * UNIT
        mean = layer.own_mean * variance + layer.noise + 2 * UNIT
        sigma = layer.own_e * variance + 2 * layer.noise + 4 * UNIT
        skip = 0.0
        if stage.step.closes:
            sigma0, theta0, mean0 = branches.pop()
            skip = layer.skip * (mean + mean0) + 4 * UNIT
            sigma = layer.skip * max(sigma, sigma0) + skip
            theta = max(theta, theta0) + UNIT
            mean += mean0
        fixed.append(_Fixed(variance, moments, rho, skip, max(sigma, theta) + UNIT))
    return fixed


def _run(
    diagonal: Diagonal,
    factors: list[Factors],
    index: int,
    fixed: list[_Fixed],
    start: float,
    tau: float,
) -> float:
    """The bound of the kernel when every layer has its factors at one index."""
    sigma: float = start
    theta: float = 0.0
    branches: list[tuple[float, float]] = []
    for stage, factor, add in zip(diagonal.stages, factors, fixed, strict=True):
        branches += [(sigma, theta)] * stage.step.opens
        at = Factors(*(float(f[index]) for f in factor))
        add_e, add_d = _added(at, add, tau)
        sigma, theta = layer_error(sigma, theta, at.k_e, at.k_d, at.r_d, add_e, add_d)
        if stage.step.closes:
            sigma0, theta0 = branches.pop()
            ratio = skip_ratio(stage)
            sigma, theta = skip_error(sigma0, theta0, sigma, theta, ratio, add.skip)
    return float(max(sigma, theta)) + UNIT


def _added(at: Factors, fixed: _Fixed, tau: float) -> tuple[Any, Any]:
    """What a layer adds to the errors of E and D."""
    e = fixed.moments + fixed.variance * at.v_e + fixed.rho * at.k_e + tau
    return e, fixed.moments + fixed.variance * at.v_d + fixed.rho * at.k_d + tau


GROUP = 8
"""Terms of the series (even and odd together) by which its length grows."""


def _bounds(
    diagonal: Diagonal,
    layers: list[Amplification],
    fixed: list[_Fixed],
    start: float,
    ceiling: float,
    tau: float,
) -> Bounds:
    groups = max(max(-(-layer.k_e.size // GROUP) for layer in layers), 24)
    shape = (len(layers), groups)
    radius = np.full(shape, ceiling)
    k_e, k_d, r_d, add_e, add_d = np.zeros((5, *shape))
    for row, (layer, add) in enumerate(zip(layers, fixed, strict=True)):
        radius[row] = _radii(layer, groups, tau, ceiling)
        at = layer.at(radius[row])
        k_e[row], k_d[row], r_d[row] = at.k_e, at.k_d, at.r_d
        add_e[row], add_d[row] = _added(at, add, tau)
    at_ceiling = [layer.at(np.array([ceiling])) for layer in layers]
    return Bounds(
        radius=radius,
        k_e=k_e,
        k_d=k_d,
        r_d=r_d,
        add_e=add_e,
        add_d=add_d,
        lengths=np.array([_lengths(layer.r_d) for layer in layers]),
        skip_ratio=np.array([layer.skip for layer in layers]),
        skip_add=np.array([add.skip for add in fixed]),
        start=start,
        ceiling=ceiling,
        error=_run(diagonal, at_ceiling, 0, fixed, start, tau),
        diagonal=fixed[-1].diagonal,
    )


def _lengths(shares: Array) -> list[int]:
    """How many coefficients of even and of odd order exceed rounding, in fours."""
    tails = [np.cumsum(shares[start::2][::-1])[::-1] for start in (0, 1)]
    return [-4 * (-int(np.count_nonzero(tail > UNIT / 16)) // 4) for tail in tails]


def _radii(layer: Amplification, groups: int, tau: float, ceiling: float) -> Array:
    """The largest R at which each group of terms is truncated below tau."""
    if layer.relu:
        return np.minimum(1 - 2.0 ** -np.arange(1.0, groups + 1), ceiling)
    terms = np.minimum(GROUP * np.arange(1, groups + 1), layer.k_e.size)
    tails = layer.tails(terms)
    radius = np.minimum((tau / np.maximum(tails, tau * 1e-300)) ** (1 / terms), ceiling)
    return np.maximum.accumulate(np.where(radius < 1, radius * (1 - 4 * UNIT), 1.0))
