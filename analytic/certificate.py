r"""The error bound of a kernel, fixed before a pair is computed.

Errors are carried through the recursion as numbers relative to the diagonal,

    |delta Sigma_ij| <= eps_sigma sqrt(Sigma_ii Sigma_jj), the same for Theta, D, E,

which Cauchy-Schwarz allows for every term: the truncation of Mehler's series, the
quadrature of its coefficients, rounding, and the errors of the covariance *and* of the two
variances that enter a layer (docs/theory/certificate.md).

Legend: R bounds the |rho| of the pairs at hand; tau is the truncation error allowed to a
layer; u is the unit roundoff; k_E, k_D, r_D are the amplification factors at R.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.duals import UNIT
from analytic.recursion import Diagonal, Stage

__all__ = ["Amplification", "Bounds", "amplification", "certify", "layer_error", "skip_error"]

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
    skip_ratio: Array  # (layers,)
    skip_add: Array
    start: float  # error of <x, x'>/d
    ceiling: float  # largest |rho| the bounds hold for; pairs above it are left out
    error: float  # bound of the kernel for all pairs below the ceiling
    diagonal: float  # bound of the kernel at x = x'


@dataclass(frozen=True, slots=True, eq=False)
class Amplification:
    """How a layer amplifies errors: power series in R with non-negative coefficients.

    ``k_e``, ``r_d`` (terms,) and ``k_d`` (terms - 1,) hold the largest coefficient over the
    inputs; the ``rest``s bound what the truncated sums lack at R = 1. ``variance_e`` and
    ``variance_d`` are the responses of E and D to a relative error of the variances,
    ``own_e`` and ``own_d`` those of E[w^2] and E[w'^2], ``skip`` is the largest
    (S + E)/(S + E + 2 mu eta) where a branch ends.
    """

    relu: bool
    k_e: Array
    r_d: Array
    k_d: Array
    rest_e: float
    rest_d: float
    rest_c: float
    variance_e: float
    variance_d: float
    own_e: float
    own_d: float
    noise: float
    skip: float

    def at(self, radius: Array) -> tuple[Array, Array, Array]:
        """(k_E, k_D, r_D) at each R, shape (radii,)."""
        if self.relu:
            d = (np.pi - np.arccos(radius)) / np.pi
            with np.errstate(divide="ignore"):
                return d, 1 / (np.pi * np.sqrt(1 - radius**2)), d
        powers = radius[:, None] ** np.arange(self.k_e.size)  # (radii, terms)
        last = radius**self.k_e.size
        k_e = powers @ self.k_e + last * self.rest_e
        k_d = powers[:, :-1] @ self.k_d + last * self.rest_c
        return k_e, k_d, powers @ self.r_d + last * self.rest_d

    def tails(self, terms: NDArray[np.int64]) -> Array:
        """The larger truncation error of E and D at R = 1 after so many terms."""
        order = np.arange(1.0, self.k_e.size + 1)
        e = np.append(self.k_e / order, self.rest_e / (order[-1] + 1))
        d = np.append(self.r_d, self.rest_d)
        return np.maximum(np.cumsum(e[::-1])[::-1], np.cumsum(d[::-1])[::-1])[terms]


def _ratio(part: Any, whole: Array) -> Array:
    return np.asarray(part / np.where(whole > 0, whole, np.inf))


def amplification(stage: Stage) -> Amplification:
    """The amplification factors of a layer over all its inputs."""
    table, v = stage.duals, stage.variance
    if stage.step.layer.activation.is_relu:
        none = np.empty(0)
        return Amplification(True, none, none, none, 0, 0, 0, 0, 0, 1, 0, UNIT, _skip_ratio(stage))
    squares = table.coefficients**2  # (terms, n)
    order = np.arange(1.0, squares.shape[0] + 1)
    r_d = order * (squares * _ratio(1.0, table.slope)).max(axis=1)
    known = (order * (order - 1)) @ squares  # sum_k k c_k^2, (n,)
    return Amplification(
        relu=False,
        k_e=order * (squares * _ratio(v, table.second)).max(axis=1),
        r_d=r_d,
        k_d=order[:-1] * r_d[1:],
        rest_e=float(_ratio(v * table.rest, table.second).max()),
        rest_d=float(_ratio(table.rest, table.slope).max()),
        rest_c=float(_ratio(np.maximum(v * table.curvature - known, 0), table.slope).max()),
        variance_e=float((v * np.sqrt(_ratio(table.curvature, table.second))).max()),
        variance_d=float((v * np.sqrt(_ratio(table.jerk, table.slope))).max()),
        own_e=float(_ratio(v * np.abs(table.response_e), table.second).max()),
        own_d=float(_ratio(v * np.abs(table.response_d), table.slope).max()),
        noise=table.noise,
        skip=_skip_ratio(stage),
    )


def _skip_ratio(stage: Stage) -> float:
    if stage.skipped is None:
        return 1.0
    sigma, _, mu = stage.skipped
    whole = sigma + stage.duals.second
    return float(_ratio(whole, whole + 2 * mu * stage.duals.mean).max())


RADII = np.array([1.0, 0.9999, 0.999, 0.99, 0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6, 0.45, 0.3])
"""Ceilings that are tried, in this order."""
ROUNDING = 8 * UNIT
"""Rounding of rho, of Horner's scheme (2k roundings of the k-th term: 2 k_E, 2 k_D, counted
in rho) and of the last operations of a layer."""


def certify(diagonal: Diagonal, tolerance: float, start: float) -> Bounds:
    """Choose ceiling and truncation so that the bound meets the tolerance.

    Args:
        diagonal: the recursion at x = x', with the tables of every layer.
        tolerance: wanted bound relative to sqrt(K(x, x) K(x', x')).
        start: relative rounding error of the scalar products <x, x'>/d.
    """
    layers = [amplification(stage) for stage in diagonal.stages]
    fixed = _fixed_errors(diagonal, layers)
    factors = [layer.at(RADII) for layer in layers]
    for index, ceiling in enumerate(RADII):
        at = [tuple(float(f[index]) for f in factor) for factor in factors]
        rounding = _run(diagonal, at, fixed, start, 0.0)
        per_tau = _run(diagonal, at, fixed, start, 1.0) - rounding
        tau = 0.9 * (tolerance - rounding) / per_tau
        if tau >= 2 * UNIT:
            return _bounds(diagonal, layers, fixed, start, float(ceiling), tau)
    return _bounds(diagonal, layers, fixed, start, float(RADII[0]), 2 * UNIT)


class _Fixed(NamedTuple):
    """What a layer adds whatever R is: to E, D and rho, and to a skip that ends there.

    ``diagonal`` is the relative error of the kernel at x = x' after the layer.
    """

    e: float
    d: float
    rho: float
    skip: float
    diagonal: float


def _fixed_errors(diagonal: Diagonal, layers: list[Amplification]) -> list[_Fixed]:
    """Quadrature, rounding and the errors of the variances, layer by layer."""
    fixed: list[_Fixed] = []
    sigma, theta, mean = 2 * UNIT, 0.0, 0.0
    branches: list[tuple[float, float, float]] = []
    for stage, layer in zip(diagonal.stages, layers, strict=True):
        branches += [(sigma, theta, mean)] * stage.step.opens
        variance = sigma + 2 * UNIT
        e = layer.variance_e * variance + 2 * layer.noise + ROUNDING
        d = layer.variance_d * variance + 2 * layer.noise + ROUNDING
        rho = ROUNDING + (variance if layer.relu else 0.0)
        theta = max(variance, theta) + layer.own_d * variance + 2 * layer.noise + 4 * UNIT
        mean = 0.5 * layer.variance_e * variance + layer.noise + 2 * UNIT
        sigma = layer.own_e * variance + 2 * layer.noise + 4 * UNIT
        skip = 0.0
        if stage.step.closes:
            sigma0, theta0, mean0 = branches.pop()
            skip = layer.skip * (mean + mean0) + 4 * UNIT
            sigma = layer.skip * max(sigma, sigma0) + skip
            theta = max(theta, theta0) + UNIT
            mean += mean0
        fixed.append(_Fixed(e, d, rho, skip, max(sigma, theta) + UNIT))
    return fixed


def _run(
    diagonal: Diagonal,
    factors: list[tuple[float, ...]],
    fixed: list[_Fixed],
    start: float,
    tau: float,
) -> float:
    """The bound of the kernel when every layer has the given factors (k_E, k_D, r_D)."""
    sigma: float = start
    theta: float = 0.0
    branches: list[tuple[float, float]] = []
    for stage, (k_e, k_d, r_d), add in zip(diagonal.stages, factors, fixed, strict=True):
        branches += [(sigma, theta)] * stage.step.opens
        add_e, add_d = add.e + add.rho * k_e + tau, add.d + add.rho * k_d + tau
        sigma, theta = layer_error(sigma, theta, k_e, k_d, r_d, add_e, add_d)
        if stage.step.closes:
            sigma0, theta0 = branches.pop()
            ratio = _skip_ratio(stage)
            sigma, theta = skip_error(sigma0, theta0, sigma, theta, ratio, add.skip)
    return float(max(sigma, theta)) + UNIT


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
    k_e, k_d, r_d = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for row, layer in enumerate(layers):
        radius[row] = _radii(layer, groups, tau, ceiling)
        k_e[row], k_d[row], r_d[row] = layer.at(radius[row])
    add = np.array(fixed)  # (layers, 4)
    at_ceiling = [tuple(float(f[0]) for f in layer.at(np.array([ceiling]))) for layer in layers]
    return Bounds(
        radius=radius,
        k_e=k_e,
        k_d=k_d,
        r_d=r_d,
        add_e=add[:, 0:1] + add[:, 2:3] * k_e + tau,
        add_d=add[:, 1:2] + add[:, 2:3] * k_d + tau,
        skip_ratio=np.array([layer.skip for layer in layers]),
        skip_add=add[:, 3],
        start=start,
        ceiling=ceiling,
        error=_run(diagonal, at_ceiling, fixed, start, tau),
        diagonal=fixed[-1].diagonal,
    )


def _radii(layer: Amplification, groups: int, tau: float, ceiling: float) -> Array:
    """The largest R at which each group of terms is truncated below tau."""
    if layer.relu:
        return np.minimum(1 - 2.0 ** -np.arange(1.0, groups + 1), ceiling)
    terms = np.minimum(GROUP * np.arange(1, groups + 1), layer.k_e.size)
    tails = layer.tails(terms)
    radius = np.minimum((tau / np.maximum(tails, tau * 1e-300)) ** (1 / terms), ceiling)
    return np.maximum.accumulate(np.where(radius < 1, radius * (1 - 4 * UNIT), 1.0))
