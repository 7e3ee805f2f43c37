r"""How fast the squared distance D = ||K_0 - K_inf||^2 falls with the width m.

Two models are fitted by the quasi-likelihood of the gamma family (variance proportional to
the squared mean), with the standard errors of ``uncertainty``, so that the spread of D may be
anything:

    E D = C m^(-p)                 the exponent
    E D = C/m + c/m^2 + B          the constant, the correction, and what never goes away

and, for what depends on the width m and the number of samples n,

    E D = a m^(-p) + b n^(-q)      two exponents
    E D = A/m + B/n + F            and what is left when both grow
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from compare.rate.controlled import Distances
from compare.rate.sandwich import Uncertainty, check_groups, uncertainty
from compare.rate.statistics import Interval, student

__all__ = [
    "Floor",
    "Joint",
    "Power",
    "WidthExpansion",
    "fit_expansion",
    "fit_floor",
    "fit_joint",
    "fit_linear",
    "fit_power",
    "leading",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Power:
    """E D = C m^(-p).

    Attributes:
        exponent: p.
        stderr: its standard error.
        constant: C.
        interval: of p, at the confidence that was asked for.
    """

    exponent: float
    stderr: float
    constant: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class WidthExpansion:
    """E D = C/m + c/m^2 + B.

    Attributes:
        constant: C; correction: c; floor: B.
        constant_interval, correction_interval, floor_interval: at the confidence that was
            asked for.
        covariance: of C, c and B, shape (3, 3).
    """

    constant: float
    correction: float
    floor: float
    constant_interval: Interval
    correction_interval: Interval
    floor_interval: Interval
    covariance: Array = field(compare=False)

    def mean(self, widths: ArrayLike) -> Array:
        """E D at some widths."""
        m = np.asarray(widths, dtype=np.float64)
        return np.asarray(self.constant / m + self.correction / m**2 + self.floor)


@dataclass(frozen=True, slots=True)
class Joint:
    """E D = a m^(-p) + b n^(-q).

    Attributes:
        width_exponent: p; sample_exponent: q.
        width_interval, sample_interval: at the confidence that was asked for.
        constants: a and b.
    """

    width_exponent: float
    sample_exponent: float
    width_interval: Interval
    sample_interval: Interval
    constants: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Floor:
    """E D = A/m + B/n + F.

    Attributes:
        width_constant: A; sample_constant: B; floor: F.
        interval: of F, at the confidence that was asked for.
    """

    width_constant: float
    sample_constant: float
    floor: float
    interval: Interval


def fit_power(
    widths: Sequence[int], distances: Sequence[Distances], confidence: float = 0.99
) -> Power:
    """Fit E D = C m^(-p).

    Args:
        widths: m, at least two different ones.
        distances: D for every width, shape (seeds,) each, with at least two seeds.
        confidence: of the interval.

    Raises:
        ValueError: a group has fewer than two values, only zeros, or values that are negative
            or not finite.

    Example:
        >>> fit = fit_power([1, 10, 100], [np.array([2.0, 2.0]) / m for m in (1, 10, 100)])
        >>> round(fit.exponent, 12), round(fit.constant, 12)
        (1.0, 2.0)
    """
    design = np.column_stack([np.ones(len(widths)), -np.log(widths)])
    means, counts = check_groups(distances)
    beta = np.linalg.lstsq(design, np.log(means), rcond=None)[0]
    for _ in range(100):  # Fisher scoring; the gradient of log mu is the design itself
        mu = np.exp(design @ beta)
        information = design.T @ (counts[:, None] * design)
        step = np.linalg.solve(information, design.T @ (counts * (means / mu - 1)))
        beta = beta + step
        if np.max(np.abs(step)) < 1e-12:
            break
    errors, p = uncertainty(design, np.exp(design @ beta), distances), float(beta[1])
    interval = errors.interval(p, 1, confidence)
    return Power(p, errors.stderr(1), float(np.exp(beta[0])), interval)


def leading(widths: Sequence[int], distances: Sequence[Distances]) -> tuple[Any, Any]:
    """Widths and distances without the smallest width if there are five or more.

    The correction c/m^2 is largest there, and bends the exponent most.
    """
    first = 1 if len(widths) >= 5 else 0
    return widths[first:], distances[first:]


def fit_expansion(
    widths: Sequence[int], distances: Sequence[Distances], confidence: float = 0.99
) -> WidthExpansion:
    """Fit E D = C/m + c/m^2 + B; takes what ``fit_power`` takes, from three widths on."""
    m = np.asarray(widths, dtype=np.float64)
    columns = np.column_stack([1 / m, 1 / m**2, np.ones_like(m)])
    beta, errors = fit_linear(columns, distances)
    c1, c2, floor = (float(b) for b in beta)
    return WidthExpansion(
        c1, c2, floor,
        errors.interval(c1, 0, confidence),
        errors.interval(c2, 1, confidence),
        errors.interval(floor, 2, confidence),
        errors.covariance,
    )  # fmt: skip


def fit_floor(
    widths: Sequence[int],
    samples: Sequence[float],
    distances: Sequence[Distances],
    confidence: float = 0.99,
) -> Floor:
    """Fit E D = A/m + B/n + F to groups of values, one for each pair (m, n)."""
    m, n = np.asarray(widths, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    beta, errors = fit_linear(np.column_stack([1 / m, 1 / n, np.ones_like(m)]), distances)
    a, b, f = (float(value) for value in beta)
    return Floor(a, b, f, interval=errors.interval(f, 2, confidence))


def fit_joint(
    widths: Sequence[int],
    samples: Sequence[float],
    distances: Sequence[Distances],
    confidence: float = 0.99,
) -> Joint:
    """Fit E D = a m^(-p) + b n^(-q), with a, b > 0.

    A term that is nowhere a hundredth of the sum says nothing: its exponent is NaN.

    Args:
        widths: m of every group.
        samples: n of every group; inf leaves the second term out.
        distances: values of every group, at least two each, with or without a control variate.
        confidence: of the intervals.

    Example:
        >>> pairs = [(m, n) for m in (8, 32, 128) for n in (8, 32, 128)]
        >>> groups = [np.full(3, 2 / m + 5 / n**0.5) for m, n in pairs]
        >>> fit = fit_joint(*zip(*pairs), groups)
        >>> round(fit.width_exponent, 4), round(fit.sample_exponent, 4)
        (1.0, 0.5)
    """
    means, counts = check_groups(distances)
    logs, there, centre = _centred(widths, samples)

    def shares(u: Array) -> Array:
        """a m^-p and b n^-q, shape (groups, 2); u = (log a, p, log b, q)."""
        return np.exp(u[::2] - u[1::2] * logs) * there

    def gradient(u: Array) -> Array:
        """Derivative of log mu by u, shape (groups, 4)."""
        parts = shares(u)
        weight = parts / parts.sum(axis=1, keepdims=True)
        return np.stack([weight, -weight * logs], axis=2).reshape(len(logs), 4)

    def deviance(u: Array) -> tuple[float, Array]:
        mu = shares(u).sum(axis=1)
        loss = counts @ (means / mu + np.log(mu))
        return float(loss), gradient(u).T @ (counts * (1 - means / mu))

    half = np.log(means.mean() / 2)
    start = np.array([half, 1.0, half, 1.0])
    found = optimize.minimize(deviance, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    u = np.asarray(found.x)
    visible = (shares(u) / shares(u).sum(axis=1, keepdims=True)).max(axis=0) > 0.01
    kept = np.repeat(visible, 2)
    seen = uncertainty(gradient(u)[:, kept], shares(u).sum(axis=1), distances)
    errors, freedom = np.full(4, np.nan), np.full(4, np.nan)
    errors[kept], freedom[kept] = np.sqrt(np.diag(seen.covariance)), seen.freedom
    p, q = map(float, np.where(visible, u[1::2], np.nan))
    a, b = map(float, np.where(visible, np.exp(u[::2] + u[1::2] * centre), 0.0))
    width_interval = student(p, float(errors[1]), confidence, float(freedom[1]))
    sample_interval = student(q, float(errors[3]), confidence, float(freedom[3]))
    return Joint(p, q, width_interval, sample_interval, (a, b))


def _centred(widths: Sequence[int], samples: Sequence[float]) -> tuple[Array, Array, Array]:
    """log m and log n about their means, (groups, 2), where they are finite, and the means."""
    logs = np.log(np.array([widths, samples], dtype=np.float64)).T
    there = np.isfinite(logs)
    centre = np.array([column[seen].mean() for column, seen in zip(logs.T, there.T, strict=True)])
    return np.where(there, logs - centre, 0.0), there, centre


def fit_linear(columns: Array, distances: Sequence[Distances]) -> tuple[Array, Uncertainty]:
    """Coefficients of E D = columns @ beta, shape (p,), and how well they are known."""
    means, counts = check_groups(distances)
    mu = means.copy()
    beta = np.zeros(columns.shape[1])
    for _ in range(100):  # weighted least squares with weights 1/mu^2
        root = np.sqrt(counts) / mu
        beta = np.linalg.lstsq(columns * root[:, None], means * root, rcond=None)[0]
        new = np.maximum(columns @ beta, means / 10)
        done = np.max(np.abs(new / mu - 1)) < 1e-12
        mu = new
        if done:
            break
    found = np.asarray(beta, dtype=np.float64)
    return found, uncertainty(columns / mu[:, None], mu, distances)
