r"""How a layer amplifies the errors of what enters it.

With D(R) = sum_k c_k^2 R^k at s = s' and correlation R, Cauchy-Schwarz for each coefficient
of the power series in rho bounds all pairs with |rho| <= R by (docs/theory/certificate.md)

    k_E = s^2 D(R)/E[w^2],   r_D = D(R)/E[w'^2],   k_D = r_D',   v_E^2 = k_E',   v_D^2 = k_D':

k_E, k_D for a relative error of the covariance, v_E, v_D for one of the variances, and r_D
for the part of Gamma that D lets through.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import MOST_TERMS, CloseForm, Coefficients, Noise, length
from analytic.machine import Array
from analytic.network import Step
from analytic.recursion.amplification_factors import (
    Factors,
    Rests,
    factors_of_bent_line,
    factors_of_series,
)
from analytic.recursion.averages import Average
from analytic.recursion.coefficient_bounds import coefficient_sums, ratio
from analytic.recursion.derivative_norms import norms_beyond
from analytic.recursion.layer_equations import (
    Stage,
)
from analytic.recursion.roundings import own_rounding, roundings_of
from analytic.recursion.shares import (
    in_gamma,
    in_junctions,
    in_trained,
    largest_share,
    mean_share,
    varied_share,
)

__all__ = [
    "Amplification",
    "amplification",
    "larger_of_both",
    "merged",
]


@dataclass(frozen=True, slots=True, eq=False)
class Amplification:
    """How a layer amplifies errors: power series in R with non-negative coefficients.

    Of a x + b |x| (``bent``) all is known by the share ``bend`` of b^2 in a^2 + b^2.
    ``k_e``, ``r_d`` (terms,) hold the largest coefficient over the inputs; k_D = r_D',
    v_E^2 = k_E' and v_D^2 = k_D'. The ``rest``s bound what the truncated sums of k_E, r_D
    and of these three lack at R = 1. ``own_e``, ``own_d`` and ``own_mean`` are the responses
    of E[w^2], E[w'^2] and E[w] (relative to the root of E[w^2]) to a relative error of the
    variance.
    ``share`` is the largest one of weight_std^2 Sigma in Lambda, which has the bias beside it;
    ``mean`` and ``varied`` are the largest shares of (E w)^2 and of Var w in E w^2; ``rounded``
    (3,) what rounding adds to Lambda, T and weight_std^2 Theta of pairs, and ``own_rounding`` what
    it adds to Lambda at x = x'; ``in_trained`` (4,), ``in_gamma`` (2,) and ``in_junctions``
    (junctions, 5) hold the largest shares of the parts of sums (``shares.py``).
    ``reads`` and ``average`` are those of the ``Stage``. Where the series is longer than ``k_e``,
    ``shares`` bounds the larger truncation error of E and D after 0, 1, ... terms; ``closed``
    says that the values of pairs come from a closed form and not from the series, ``beyond`` what
    takes the place of the series where it is too short.
    """

    step: Step
    bent: bool
    bend: float
    k_e: Array
    r_d: Array
    rest_e: float
    rest_d: float
    rest_k: float
    rest_ve: float
    rest_vd: float
    own_e: float
    own_d: float
    own_mean: float
    mean: float
    varied: float
    rounded: Array
    own_rounding: float
    in_trained: Array
    in_gamma: Array
    in_junctions: Array
    noise: Noise
    share: float
    reads: int
    average: Average
    shares: Array
    closed: bool = False
    beyond: CloseForm | None = None

    def at(self, radius: Array) -> Factors:
        """The factors at each R, shape (radii,)."""
        if self.bent:
            return factors_of_bent_line(self.bend, radius)
        rests = Rests(self.rest_e, self.rest_d, self.rest_k, self.rest_ve, self.rest_vd)
        found = factors_of_series(self.k_e, self.r_d, rests, self.mean, self.varied, radius)
        if not self.closed:
            return found
        none, size = np.zeros_like(radius), radius
        if self.step.normalizes:
            size = none + 1
        return found._replace(
            norm_e=none, norm_mean=none, norm_spread=none, norm_d=none, size_e=size,
            size_d=found.r_d, turn_e=found.k_e, turn_d=found.k_d,
        )  # fmt: skip

    @property
    def terms(self) -> int:
        """How many coefficients the series has."""
        return max(self.shares.size - 1, self.k_e.size)

    @property
    def rest(self) -> float:
        """The truncation error of all coefficients at R = 1."""
        return 0.0 if self.bent or self.closed else float(self.tails(np.array([self.terms]))[0])

    def tails(self, terms: NDArray[np.int64]) -> Array:
        """The larger truncation error of E and D at R = 1 after so many terms: that of D."""
        if self.shares.size:
            return self.shares[terms]
        return np.cumsum(np.append(self.r_d, self.rest_d)[::-1])[::-1][terms]


def amplification(
    stage: Stage,
    tail: float,
    most: int = MOST_TERMS,
    *,
    shares: Array | None = None,
    noise: Noise | None = None,
    terms: int | None = None,
    found: Coefficients | None = None,
) -> Amplification:
    """The amplification factors of a layer over all its inputs.

    Args:
        stage: what the layer sees of them.
        tail: share of E[w'^2] that the series may leave out.
        most: largest number of coefficients.
        shares: bound of the shares of E[w'^2] that the series leaves out after 0, 1, ... terms;
            of its coefficients only the first ``most`` are then looked at one by one.
        noise: that of tables as long as ``shares``.
        terms: how many coefficients there are, if that is known.
        found: those that are looked at one by one, if somebody has them.
    """
    table, v, activation = stage.moments, stage.variance, stage.step.layer.activation
    if (line := activation.bent_line) is not None:
        return _of_bent_line(stage, *line)
    if shares is not None:
        terms = min(shares.size - 1, most)
    elif terms is None:
        terms = min(length(activation, np.sqrt(v), tail, most, proved=True), most)
    share_e, share_d = ratio(v, table.second), ratio(1.0, table.slope)
    sums = coefficient_sums(stage, terms, share_e, share_d, found)
    norms = norms_beyond(stage, sums, terms, shares)
    return Amplification(
        step=stage.step,
        bent=False,
        bend=0.0,
        k_e=sums.k_e,
        r_d=sums.r_d,
        rest_e=float(ratio(v * sums.rest, table.second).max()),
        rest_d=float(ratio(sums.rest, table.slope).max()),
        rest_k=float(ratio(norms.once, table.slope).max()),
        rest_ve=float(ratio(v * norms.once, table.second).max()),
        rest_vd=float(ratio(norms.twice, table.slope).max()),
        own_e=norms.own_e,
        own_d=norms.own_d,
        own_mean=float(ratio(np.sqrt(v / 2) * np.abs(sums.b_1), np.sqrt(table.second)).max()),
        mean=mean_share(stage),
        varied=varied_share(stage),
        rounded=roundings_of(stage),
        own_rounding=own_rounding(stage),
        in_trained=in_trained(stage),
        in_gamma=in_gamma(stage),
        in_junctions=in_junctions(stage),
        noise=sums.noise if noise is None else sums.noise.joined(noise),
        share=largest_share(stage),
        reads=stage.reads,
        average=stage.average,
        shares=np.empty(0) if shares is None else larger_of_both(shares, share_e * table.slope),
    )


def _of_bent_line(stage: Stage, slope: float, bend: float) -> Amplification:
    """That of slope x + bend |x|, whose pairs come from a closed form."""
    none = np.empty(0)
    return Amplification(
        step=stage.step,
        bent=True,
        bend=bend**2 / (slope**2 + bend**2),
        k_e=none,
        r_d=none,
        rest_e=0.0,
        rest_d=0.0,
        rest_k=0.0,
        rest_ve=0.0,
        rest_vd=0.0,
        own_e=1.0,
        own_d=0.0,
        own_mean=0.5,
        mean=1.0,
        varied=1.0,
        rounded=roundings_of(stage),
        own_rounding=own_rounding(stage),
        in_trained=in_trained(stage),
        in_gamma=in_gamma(stage),
        in_junctions=in_junctions(stage),
        noise=Noise(),
        share=largest_share(stage),
        reads=stage.reads,
        average=stage.average,
        shares=none,
    )


def larger_of_both(shares: Array, of_e: Array) -> Array:
    """The larger truncation error of E and D; that of E has a factor 1/(k + 1) in every term."""
    return shares * np.maximum(1.0, of_e.max() / np.arange(1.0, shares.size + 1))


def merged(a: Amplification, b: Amplification) -> Amplification:
    """The amplification over the inputs of both, of equally many coefficients."""
    largest = {
        field.name: np.maximum(getattr(a, field.name), getattr(b, field.name))
        for field in fields(a)
        if field.name not in ("step", "bent", "noise", "reads", "average", "closed", "beyond")
    }
    noise, average = a.noise.joined(b.noise), a.average.joined(b.average)
    return replace(a, noise=noise, average=average, **largest)
