r"""The errors of a kernel from layer to layer.

They are relative to the diagonal, as in ``analytic.recursion``, whose legend this shares.
At x = x' an input has variances of its own; the errors of these enter those of all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from analytic.machine import UNIT
from analytic.recursion.error_amplification import Amplification, Factors
from analytic.recursion.layer_equations import Average

__all__ = ["AVERAGING", "OWN", "RADII", "ROUNDING", "Chain", "added", "layer_error", "skip_error"]

RADII = np.array([1.0, 0.9999, 0.999, 0.99, 0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6, 0.45, 0.3])
"""Ceilings that are tried, in this order."""
ROUNDING = 8 * UNIT
"""Rounding of rho, of Horner's scheme (2k roundings of the k-th term: 2 k_E, 2 k_D, counted
in rho) and of the last operations of a layer."""


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


class Fixed(NamedTuple):
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
        self.fixed: list[Fixed] = []
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
            self.fixed.append(Fixed(variance, moments, rho, (layer.reads - 1) * UNIT, skip))
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
    add: Fixed,
    tau: float,
) -> _Errors:
    """The errors after a layer, with what is averaged before it and skipped around it."""
    state = state.averaged(layer.average)
    branches += [state] * layer.step.opens
    add_e, add_d = added(at, add, 0.0 if layer.relu or layer.closed else tau)
    after = _Errors(*layer_error(*state, at.k_e, at.k_d, at.r_d, add_e, add_d))
    if layer.step.closes:
        after = _Errors(*skip_error(*branches.pop(), *after, layer.skip, add.skip))
    return after


def added(at: Factors, fixed: Fixed, tau: Any) -> tuple[Any, Any]:
    """What a layer adds to the errors of E and D."""
    e = fixed.moments + fixed.variance * at.v_e + fixed.rho * at.k_e + tau
    d = fixed.moments + fixed.variance * at.v_d + fixed.rho * at.k_d + tau
    return e, d + fixed.gamma * at.r_d
