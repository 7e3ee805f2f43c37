r"""The errors of a kernel from layer to layer, relative to the diagonal (``analytic.recursion``).

At x = x' an input has variances of its own; the errors of these enter those of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from analytic.machine import EXTENDED, UNIT
from analytic.network import fold
from analytic.recursion.amplification_factors import LEVELS, RADII, Factors
from analytic.recursion.averages import Average
from analytic.recursion.costs import Account, Cost
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.layer_errors import (
    SUM,
    LayerFactors,
    SkipFactors,
    layer_error,
    of_sum,
    skip_error,
)
from analytic.recursion.normalization import of_normalization
from analytic.recursion.roundings import ARC_COSINE, ARC_SINE, SERIES

__all__ = [
    "AVERAGING",
    "MEAN_SQUARE",
    "OWN",
    "ErrorPropagation",
    "Fixed",
    "added",
    "junction_factors",
    "layer_factors",
]


class Fixed(NamedTuple):
    """Errors that come with a layer: of its variances, its tables (E and D), rho, E and D.

    Those of the tables of E are ``value`` for the mean and the coefficients together, and ``mean``
    and ``spread`` for each. ``junctions`` are added to the sums that end there.
    """

    variance: float
    value: float
    slope: float
    rho: float
    e: float
    d: float
    mean: float = 0.0
    spread: float = 0.0
    junctions: tuple[float, ...] = ()


AVERAGING = 16 * UNIT
"""The most that an average over positions rounds: see ``analytic.images.linear_maps.Leave``."""
MEAN_SQUARE = 64 * EXTENDED
"""Of |x|^2/d: a square, a quotient, and sums in blocks: 31 roundings up to 10^6 features."""
OWN = 2 * UNIT
"""Truncation error at pairs of positions of one input; variances may depend on it."""


class ErrorPropagation:
    """The errors of a network from layer to layer.

    Attributes:
        layers: how each layer amplifies errors.
        fixed: what comes with each layer.
        diagonal: bound of the relative error of the kernel at x = x'.
        in_kernel: largest shares of Sigma and Theta in the kernel, and rounding at the readout.
        levels: the amplification factors of each layer at ``LEVELS``.
    """

    def __init__(
        self,
        layers: list[Amplification],
        readout: Average,
        start: float,
        spread: float,
        in_kernel: Sequence[float] = (1.0, 1.0, 0.0),
        nearest: Sequence[float] = (),
    ) -> None:
        self.layers, self.readout, self.start = layers, readout, start
        self.in_kernel = tuple(map(float, in_kernel))
        found, first = [layer.at(np.append(RADII, LEVELS)) for layer in layers], RADII.size
        self._factors = [Factors(*(factor[:first] for factor in at)) for at in found]
        self.levels = [Factors(*(factor[first:] for factor in at)) for at in found]
        self.fixed: list[Fixed] = []
        self.diagonal = self._fix(spread, nearest or [1.0] * len(layers))

    def error(self, index: int, tau: float, least: Sequence[float] = ()) -> float:
        """The bound of the kernel when all |rho| are below RADII[index].

        Args:
            index: of the radius.
            tau: truncation error of every layer.
            least: what the layers cannot go below.
        """
        taus = [max(tau, rest) for rest in least] if least else [tau] * len(self.layers)
        start = _Errors(self.start, 0.0, 0.0)
        parts = self._parts(index, taus)
        state = fold(parts, start, _passed, _added, step=_STEP, averaged=_averaged)
        return self._of_kernels(state.averaged(self.readout))

    def costs(self, bound: float) -> list[Cost]:
        """What the operations make of errors, at the smallest radius that explains a bound."""
        reach = [index for index in range(len(RADII)) if self.error(index, 0.0) >= bound]
        parts = self._parts(max(reach, default=0), [0.0] * len(self.layers))
        steps = [layer.step for layer in self.layers]
        seen = Account(steps, lambda state: max(state.sigma, state.theta))
        state = fold(
            parts, _Errors(self.start, 0.0, 0.0), seen.after(_passed), seen.added(_added),
            step=_STEP, averaged=seen.averaged(_averaged),
        )  # fmt: skip
        return seen.read(state, state.averaged(self.readout))

    def _parts(self, index: int, taus: Sequence[float]) -> Iterator[_Part]:
        at = [Factors(*(float(f[index]) for f in factors)) for factors in self._factors]
        return map(_Part, self.layers, at, self.fixed, taus)

    def _of_kernels(self, state: _Errors) -> float:
        """The larger error of Sigma and of Sigma + Theta."""
        *shares, rounding = self.in_kernel
        return max(state.sigma, of_sum(state.sigma, state.theta, *shares)) + UNIT + rounding

    def _fix(self, spread: float, nearest: Sequence[float]) -> float:
        """Quadrature, rounding, errors of variances; ``nearest`` bounds |rho| at two positions."""

        def averaged(part: _Known, state: _Own) -> _Own:
            return state.averaged(part[0].average)

        def after(part: _Known, state: _Own) -> _Own:
            layer, factors, radius = part
            own, mean, fixed = _fixed(layer, state)
            self.fixed.append(fixed)
            known = factors if radius == RADII[0] else layer.at(np.array([radius]))
            at = Factors(*(float(f[0]) for f in known))
            lost = max(OWN, layer.rest * radius**layer.terms)
            return _Own(own, mean, _passed(_Part(layer, at, fixed, lost), state.apart))

        def added(part: _Known, at: int, total: _Own, branch: _Own) -> _Own:
            own, mean, junction = _own_sum(part[0], at, total, branch)
            fixed = self.fixed[-1]
            self.fixed[-1] = fixed._replace(junctions=(*fixed.junctions, junction))
            factors = junction_factors(part[0], self.fixed[-1], at)
            return _Own(own, mean, _Errors(*skip_error(total.apart, branch.apart, factors)))

        own = _Errors(spread + MEAN_SQUARE, 0.0, 0.0)
        start = _Own(own, 0.0, _Errors(spread + self.start, 0.0, 0.0))
        parts = zip(self.layers, self._factors, nearest, strict=True)
        last = fold(parts, start, after, added, step=lambda part: part[0].step, averaged=averaged)
        own = last.averaged(self.readout).own
        return self._of_kernels(own._replace(sigma=own.sigma + UNIT))  # it is rounded to float64


class _Errors(NamedTuple):
    """Relative errors of Sigma and Theta, and a bound of |Theta| relative to the diagonal."""

    sigma: float
    theta: float
    reach: float

    def joined(self, other: _Errors) -> _Errors:
        return _Errors(*(float(np.maximum(a, b)) for a, b in zip(self, other, strict=True)))

    def averaged(self, average: Average) -> _Errors:
        if average.rounding == 0:
            return self
        return _Errors(
            average.sigma * (self.sigma + average.rounding),
            average.theta * (self.theta + average.rounding),
            min(average.theta * self.reach, 1.0),
        )


class _Own(NamedTuple):
    """Errors at x = x': at one position, of the mean there, and at two positions of one input."""

    own: _Errors
    mean: float
    apart: _Errors

    def averaged(self, average: Average) -> _Own:
        if average.rounding == 0:
            return self
        own = self.own._replace(sigma=self.own.sigma + UNIT)  # fields have float64
        own = own.joined(self.apart) if average.mixes else own
        mean = average.sigma * (self.mean + average.rounding)
        return _Own(own.averaged(average), mean, self.apart.averaged(average))


def _fixed(layer: Amplification, state: _Own) -> tuple[_Errors, float, Fixed]:
    """The errors of an input with itself after a layer, of its mean, and what they add to pairs."""
    if layer.step.normalizes:
        found = of_normalization(layer, state.own.sigma, state.own.theta, state.mean)
        own = _Errors(found.sigma, found.theta, 1.0)
        return own, 0.0, Fixed(0.0, 0.0, 0.0, 0.0, found.e, found.d)
    of_lambda, of_trained, of_tangent = map(float, layer.rounded)
    covariance = layer.share * state.own.sigma + layer.own_rounding
    trained = covariance + UNIT
    if of_trained != of_lambda:  # rates: T is not Lambda
        trained = float(layer.in_trained[0]) * state.own.sigma + of_trained + UNIT
    of_theta = state.own.theta + of_tangent
    theta = of_sum(trained, of_theta, *layer.in_gamma) + 2 * UNIT
    variance = covariance + layer.noise.unseen
    theta += layer.own_d * variance + layer.noise.square
    mean = layer.own_mean * variance + layer.noise.mean
    sigma = layer.own_e * variance + layer.noise.carried
    if layer.step.keeps_mean:
        mean = state.mean + 2 * UNIT
    if layer.step.passes:  # 1 - rate, its inverse and the product are rounded
        sigma, theta = sigma + 3 * UNIT, theta + 3 * UNIT
    rounding = ARC_COSINE if layer.bent else ARC_SINE if layer.closed else SERIES
    value, slope, of_mean, spread = (2 * error for error in layer.noise.of_pairs)
    fixed = Fixed(variance, value, slope, *rounding, of_mean, spread)
    return _Errors(sigma, theta, 1.0), mean, fixed


def _own_sum(
    layer: Amplification, at: int, total: _Own, branch: _Own
) -> tuple[_Errors, float, float]:
    """The errors of an input with itself after a sum, of its mean, and what they add to pairs.

    Errors of means are relative to the root of Sigma, of which a sum may have less than its parts.
    A sum of means is rounded once, and side by side they are multiplied by rounded shares.
    """
    ratio, of_sigma0, of_sigma, of_theta0, of_theta = map(float, layer.in_junctions[at])
    skip = ratio * (branch.mean + total.mean) + SUM
    sigma = ratio * of_sum(total.own.sigma, branch.own.sigma, of_sigma0, of_sigma) + skip
    theta = of_sum(total.own.theta, branch.own.theta, of_theta0, of_theta) + SUM
    mean = (branch.mean + total.mean) * max(1.0, ratio) ** 0.5
    mean += UNIT if layer.step.shares[at] is None else 3 * UNIT
    return _Errors(sigma, theta, 1.0), mean, skip


class _Part(NamedTuple):
    """A layer, its factors at the largest |rho|, what comes with it, and its truncation error."""

    layer: Amplification
    at: Factors
    fixed: Fixed
    tau: float


_STEP = attrgetter("layer.step")
_Known = tuple[Amplification, Factors, float]


def _averaged(part: _Part, state: _Errors) -> _Errors:
    return state.averaged(part.layer.average)


def _passed(part: _Part, state: _Errors) -> _Errors:
    """The errors of a pair after a layer."""
    layer, at, fixed, tau = part
    tau = 0.0 if layer.bent or layer.closed else tau
    with np.errstate(invalid="ignore"):  # NaN is refused
        return _Errors(*layer_error(state, layer_factors(layer, at, fixed, tau)))


def _added(part: _Part, number: int, total: _Errors, branch: _Errors) -> _Errors:
    """The errors of a pair after a sum that ends with a layer."""
    return _Errors(*skip_error(total, branch, junction_factors(part.layer, part.fixed, number)))


def layer_factors(layer: Amplification, at: Factors, fixed: Fixed, tau: float) -> LayerFactors:
    """What a layer does to errors."""
    of_trained, of_theta = map(float, layer.in_gamma)
    learned, shift, *_ = map(float, layer.in_trained)
    of_lambda, trained, tangent = map(float, layer.rounded)
    add_e, add_d = added(at, fixed, tau)
    return LayerFactors(
        at.radius, layer.share, of_trained, of_theta, at.k_e, at.k_d, at.r_d, add_e, add_d,
        learned, shift, trained, of_lambda, tangent,
    )  # fmt: skip


def junction_factors(layer: Amplification, fixed: Fixed, number: int) -> SkipFactors:
    """What one of the sums that end at a layer does to errors."""
    ratio, *shares = map(float, layer.in_junctions[number])
    return SkipFactors(ratio, fixed.junctions[number], *shares)


def added(at: Factors, fixed: Fixed, tau: Any) -> tuple[Any, Any]:
    """What a layer adds to the errors of E and D."""
    apart = fixed.mean * at.norm_mean + fixed.spread * at.norm_spread
    tables = np.minimum(fixed.value * at.norm_e, apart)
    e = (tables if np.ndim(tables) else float(tables)) + fixed.e * at.size_e + tau
    d = fixed.slope * at.norm_d + fixed.d * at.size_d + tau
    with np.errstate(invalid="ignore"):  # no error of an infinite factor: refused, not warned of
        turned = fixed.variance * at.v_e + fixed.rho * at.turn_e
        return e + turned, d + fixed.variance * at.v_d + fixed.rho * at.turn_d
