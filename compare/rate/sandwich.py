r"""Standard errors of fits to groups of skewed values, and how well these are known themselves.

D_ms, s = 1..n_m, are values of one width, mu_m(beta) their mean in the model, r = D/mu - 1.
The estimates solve sum g (D/mu - 1) = 0 with g = d log mu/d beta, so that

    Cov beta = A^-1 (sum_m v_m g_m g_m^T) A^-1,   A = sum_m n_m g_m g_m^T,
    v_m = n_m/(n_m - 1) sum_s r_ms^2.

The variance of one parameter is a sum of independent shares, V = sum_m V_m, and a share varies
by Var V_m/V_m^2 = 2/(n_m - 1) + k/n_m, k the excess kurtosis of D. A chi-square with

    nu = 2 V^2 / sum_m Var V_m

degrees of freedom varies as much (Welch 1947, Satterthwaite 1946), and its Student's interval
covers where the distances are so skewed that the number of seeds would say too much. Sample
kurtoses of skewed values are too small; a gamma law has k = 6 Var D/(E D)^2: the larger is taken.
Values with a control variate have two shares for each width, one for each of their means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compare.rate.controlled import Controlled, Distances
from compare.rate.statistics import Interval, student

__all__ = ["Uncertainty", "check_groups", "excess_kurtosis", "uncertainty"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """How well the parameters of a fit are known.

    Attributes:
        covariance: of the parameters, shape (p, p).
        freedom: degrees of freedom of each variance, shape (p,).
    """

    covariance: Array
    freedom: Array

    def stderr(self, index: int) -> float:
        """The standard error of one parameter."""
        return float(np.sqrt(self.covariance[index, index]))

    def interval(self, value: float, index: int, confidence: float) -> Interval:
        """Student's interval of one parameter."""
        return student(value, self.stderr(index), confidence, float(self.freedom[index]))


def check_groups(groups: Sequence[Distances]) -> tuple[Array, Array]:
    """The means and the sizes of groups of values, if a law can be fitted to them.

    Raises:
        ValueError: a group has fewer than two values, values that are negative or not finite,
            or only zeros.
    """
    for index, group in enumerate(groups, 1):
        d = group.values if isinstance(group, Controlled) else group
        if d.size < 2:
            raise ValueError(
                f"expected at least 2 values in every group, got {d.size} in group {index}: one"
                " value has no standard error; use more seeds"
            )
        if not np.isfinite(d).all() or (d < 0).any():
            raise ValueError(
                f"expected finite values of at least 0, got"
                f" {d[~(np.isfinite(d) & (d >= 0))][0]} in group {index}; check the kernels"
            )
        if not d.mean() > 0:
            raise ValueError(
                f"expected values above 0, got only zeros in group {index}: a distance that is"
                " exactly 0 has no rate; check that the inputs are not all zero"
            )
        if not group.mean() > 0:
            raise ValueError(
                f"expected a mean above 0 in group {index}, got {group.mean():.3g} by its control"
                " variate, which has little to do with the values; leave it out"
            )
    return np.array([d.mean() for d in groups]), np.array([d.size for d in groups])


def uncertainty(gradient: Array, mu: Array, groups: Sequence[Distances]) -> Uncertainty:
    """Covariance and degrees of freedom of the parameters of a fit.

    Args:
        gradient: d log mu/d beta, shape (groups, p).
        mu: the fitted means, shape (groups,).
        groups: the values.
    """
    counts = np.array([d.size for d in groups])
    spread, varying = _spread(groups, mu)
    rows = np.linalg.inv(gradient.T @ (counts[:, None] * gradient)) @ gradient.T  # (p, groups)
    covariance = (rows * spread) @ rows.T
    shares = rows**2 * spread  # V_m of each parameter
    noise = (shares**2 @ varying) / 2
    total = shares.sum(axis=1) ** 2
    known = noise > 1e-300  # values without any spread have errors of 0, known exactly
    freedom = np.divide(total, noise, out=np.full(len(total), np.inf), where=known)
    return Uncertainty(covariance, np.maximum(freedom, 1.0))


def _spread(groups: Sequence[Distances], mu: Array) -> tuple[Array, Array]:
    """v of every group, and the square of the relative error of v."""
    drawn = [d.others if isinstance(d, Controlled) else d for d in groups]
    kurtosis = excess_kurtosis([d / f - 1 for d, f in zip(drawn, mu, strict=True)])
    spread, varying = np.empty(len(groups)), np.empty(len(groups))
    for i, (d, f) in enumerate(zip(groups, mu, strict=True)):
        if isinstance(d, Controlled):
            sizes, parts = np.array([d.size, d.values.size]), np.array(d.variances())
            spread[i] = parts.sum() * (d.size / f) ** 2
            share = parts / max(parts.sum(), 1e-300)
        else:
            sizes, share = np.array([d.size]), np.ones(1)
            spread[i] = np.sum((d / f - 1) ** 2) * d.size / (d.size - 1)
        varying[i] = share**2 @ (2 / (sizes - 1) + kurtosis / sizes)
    return spread, varying


def excess_kurtosis(residuals: Sequence[Array]) -> float:
    """Excess kurtosis of residuals D/mu - 1: the sample's or a gamma law's, the larger.

    Example:
        >>> excess_kurtosis([np.array([1.0, -1.0])])  # variance 2: the gamma law's 6 times 2
        12.0
    """
    pooled = np.concatenate(residuals)
    second = float(np.mean(pooled**2))
    if second == 0:
        return 0.0
    variance = sum(np.sum(r**2) * r.size / (r.size - 1) for r in residuals) / pooled.size
    return max(6 * float(variance), float(np.mean(pooled**4)) / second**2 - 3)
