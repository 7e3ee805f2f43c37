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

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.amplification import Amplification, Factors
from analytic.duals import UNIT
from analytic.recursion import Average

__all__ = ["Bounds", "certify", "layer_error", "own_bounds", "skip_error"]

Array = NDArray[np.float64]


def layer_error(
    eps_sigma: Any, eps_theta: Any, k_e: Any, k_d: Any, r_d: Any, add_e: Any, add_d: Any
) -> tuple[Any, Any]:
    """(eps_sigma, eps_theta) after a layer; runs in Python and in compiled code.

    An infinite k_d is the slope of arccos at 1, where it has a root: D of max(x, 0).
    """
    covariance = eps_sigma + 2 * UNIT
    gamma = max(covariance, eps_theta) + 2 * UNIT
    d = math.sqrt(2 * (covariance + add_e)) if k_d == math.inf else k_d * covariance + add_d
    return k_e * covariance + add_e, d + r_d * gamma + 2 * UNIT


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
    layers: list[Amplification],
    tolerance: float,
    start: float,
    *,
    tight: bool = False,
    spread: float = 0.0,
    whole: bool = False,
    readout: Average = Average(),  # noqa: B008
) -> Bounds:
    """Choose ceiling and truncation so that the bound meets the tolerance.

    Args:
        layers: how each layer amplifies errors.
        tolerance: wanted bound relative to sqrt(K(x, x) K(x', x')).
        start: relative rounding error of the scalar products <x, x'>/d.
        tight: whether truncation shall cost no more than rounding does.
        spread: relative error of |x|^2/d beyond rounding.
        whole: whether no pair may be left out.
        readout: the averages before the readout.
    """
    chain = Chain(layers, readout, start, spread)
    for index in range(1 if whole else len(RADII)):
        rounding = chain.error(index, 0.0)
        per_tau = chain.error(index, 1.0) - rounding
        tau = 0.9 * (tolerance - rounding) / per_tau if per_tau > 0 else 0.0
        if tau >= 2 * UNIT:
            if tight:
                tau = min(tau, max(rounding / per_tau, 2 * UNIT))
            if chain.error(index, tau) <= tolerance:
                return _bounds(chain, index, tau, whole)
    return _bounds(chain, 0, 2 * UNIT, whole)


class _Fixed(NamedTuple):
    """Errors that come with a layer: of its variances, of E and D, and of rho and Gamma.

    ``skip`` is added to a skip that ends there.
    """

    variance: float
    moments: float
    rho: float
    gamma: float
    skip: float


AVERAGING = 16 * UNIT
"""Rounding of an average over positions."""
OWN = 8 * UNIT
"""Truncation error at pairs of positions of one input, which variances may depend on."""


class Chain:
    """The errors of a network from layer to layer.

    Attributes:
        layers: how each layer amplifies errors.
        fixed: what comes with each layer.
        diagonal: bound of the relative error of the kernel at x = x'.
    """

    def __init__(
        self, layers: list[Amplification], readout: Average, start: float, spread: float
    ) -> None:
        self.layers, self.readout, self.start = layers, readout, start
        self._factors = [layer.at(RADII) for layer in layers]
        self.fixed: list[_Fixed] = []
        self.diagonal = self._fix(spread)

    def error(self, index: int, tau: float, least: Sequence[float] = ()) -> float:
        """The bound of the kernel when all |rho| are below RADII[index].

        Args:
            index: of the radius.
            tau: truncation error of every layer.
            least: what the layers cannot go below.
        """
        state = _Errors(self.start, 0.0)
        branches: list[_Errors] = []
        for row, (layer, add) in enumerate(zip(self.layers, self.fixed, strict=True)):
            at = Factors(*(float(f[index]) for f in self._factors[row]))
            lost = max(tau, least[row]) if least else tau
            state = _passed(state, branches, layer, at, add, lost)
        sigma, theta = state.averaged(self.readout)
        return max(sigma, theta) + UNIT

    def _fix(self, spread: float) -> float:
        """Quadrature, rounding and the errors of the variances, layer by layer."""
        state, mean = _Errors(spread + 2 * UNIT, 0.0), 0.0
        own = _Errors(spread + self.start, 0.0)  # at two positions of one input
        branches: list[tuple[_Errors, float]] = []
        own_branches: list[_Errors] = []
        for layer, factor in zip(self.layers, self._factors, strict=True):
            if layer.average != Average():
                mean *= layer.average.sigma
                state = state.joined(own).averaged(layer.average)
            branches += [(state, mean)] * layer.step.opens
            variance = state.sigma + (1 + layer.reads) * UNIT
            skip = 0.0
            theta = max(variance, state.theta) + (layer.reads + 3) * UNIT
            theta += layer.own_d * variance + 2 * layer.noise
            new = layer.own_mean * variance + layer.noise + 2 * UNIT
            state = _Errors(layer.own_e * variance + 2 * layer.noise + 4 * UNIT, theta)
            if layer.step.closes:
                before, mean0 = branches.pop()
                skip = layer.skip * (new + mean0) + 4 * UNIT
                sigma = layer.skip * max(state.sigma, before.sigma) + skip
                state = _Errors(sigma, max(theta, before.theta) + UNIT)
                new += mean0
            mean = new
            rho = ROUNDING + (layer.reads - 1) * UNIT + (variance if layer.relu else 0.0)
            moments = 2 * layer.noise + ROUNDING
            self.fixed.append(_Fixed(variance, moments, rho, (layer.reads - 1) * UNIT, skip))
            at = Factors(*(float(f[0]) for f in factor))
            own = _passed(own, own_branches, layer, at, self.fixed[-1], max(OWN, layer.rest))
        if self.readout != Average():
            state = state.joined(own).averaged(self.readout)
        return max(state) + UNIT


class _Errors(NamedTuple):
    """Relative errors of Sigma and Theta."""

    sigma: float
    theta: float

    def joined(self, other: _Errors) -> _Errors:
        return _Errors(max(self.sigma, other.sigma), max(self.theta, other.theta))

    def averaged(self, average: Average) -> _Errors:
        if average == Average():
            return self
        return _Errors(
            average.sigma * (self.sigma + AVERAGING), average.theta * (self.theta + AVERAGING)
        )


def _passed(
    state: _Errors,
    branches: list[_Errors],
    layer: Amplification,
    at: Factors,
    add: _Fixed,
    tau: float,
) -> _Errors:
    """The errors after a layer, with what is averaged before it and skipped around it."""
    state = state.averaged(layer.average)
    branches += [state] * layer.step.opens
    add_e, add_d = _added(at, add, 0.0 if layer.relu else tau)
    after = _Errors(*layer_error(*state, at.k_e, at.k_d, at.r_d, add_e, add_d))
    if layer.step.closes:
        after = _Errors(*skip_error(*branches.pop(), *after, layer.skip, add.skip))
    return after


def _added(at: Factors, fixed: _Fixed, tau: Any) -> tuple[Any, Any]:
    """What a layer adds to the errors of E and D."""
    e = fixed.moments + fixed.variance * at.v_e + fixed.rho * at.k_e + tau
    d = fixed.moments + fixed.variance * at.v_d + fixed.rho * at.k_d + tau
    return e, d + fixed.gamma * at.r_d


GROUP = 8
"""Terms of the series (even and odd together) by which its length grows."""


def _bounds(chain: Chain, index: int, tau: float, whole: bool) -> Bounds:
    layers, ceiling = chain.layers, float(RADII[index])
    least: list[float] = []
    groups = max(max(-(-layer.k_e.size // GROUP) for layer in layers), 24)
    shape = (len(layers), groups)
    radius = np.full(shape, ceiling)
    k_e, k_d, r_d, add_e, add_d = np.zeros((5, *shape))
    for row, (layer, add) in enumerate(zip(layers, chain.fixed, strict=True)):
        radius[row], lost = _radii(layer, groups, tau, ceiling, whole)
        least.append(float(lost[-1]))
        at = layer.at(radius[row])
        k_e[row], k_d[row], r_d[row] = at.k_e, at.k_d, at.r_d
        add_e[row], add_d[row] = _added(at, add, lost)
    return Bounds(
        radius=radius,
        k_e=k_e,
        k_d=k_d,
        r_d=r_d,
        add_e=add_e,
        add_d=add_d,
        lengths=np.array([_lengths(layer.r_d) for layer in layers]),
        skip_ratio=np.array([layer.skip for layer in layers]),
        skip_add=np.array([add.skip for add in chain.fixed]),
        start=chain.start,
        ceiling=ceiling,
        error=chain.error(index, tau, least),
        diagonal=chain.diagonal,
    )


def own_bounds(layer: Amplification) -> Bounds:
    """Radii for pairs of positions of one input, at the least truncation; no errors."""
    groups = max(-(-layer.k_e.size // GROUP), 24)
    radius, _ = _radii(layer, groups, OWN, 1.0, True)
    none = np.zeros((1, groups))
    return Bounds(
        radius=radius[None, :],
        k_e=none,
        k_d=none,
        r_d=none,
        add_e=none,
        add_d=none,
        lengths=np.array([_lengths(layer.r_d)]),
        skip_ratio=np.zeros(1),
        skip_add=np.zeros(1),
        start=0.0,
        ceiling=1.0,
        error=0.0,
        diagonal=0.0,
    )


def _lengths(shares: Array) -> list[int]:
    """How many coefficients of even and of odd order exceed rounding, in fours."""
    tails = [np.cumsum(shares[start::2][::-1])[::-1] for start in (0, 1)]
    return [-4 * (-int(np.count_nonzero(tail > UNIT / 16)) // 4) for tail in tails]


def _radii(
    layer: Amplification, groups: int, tau: float, ceiling: float, whole: bool
) -> tuple[Array, Array]:
    """The largest R at which each group of terms is truncated below tau, and by how much.

    If ``whole`` the last group serves all R, whatever it leaves out.
    """
    lost = np.full(groups, 0.0 if layer.relu else tau)
    if layer.relu:
        radius = np.minimum(1 - 2.0 ** -np.arange(1.0, groups + 1), ceiling)
    else:
        terms = np.minimum(GROUP * np.arange(1, groups + 1), layer.k_e.size)
        tails = layer.tails(terms)
        radius = np.minimum((tau / np.maximum(tails, tau * 1e-300)) ** (1 / terms), ceiling)
        radius = np.maximum.accumulate(np.where(radius < 1, radius * (1 - 4 * UNIT), 1.0))
        lost[-1] = max(tau, tails[-1] if whole else 0.0)
    if whole:
        radius[-1] = ceiling
    return radius, lost
