r"""Observation 3.8: the rate at which each projection of the residual decays.

    a_k(t) = <r_t, Pi_k r_0>/||Pi_k r_0||^2,    ideally exp(-sigma_k t)

A rate is fitted to a_k by least squares on t <= 1/sigma_k, the beginning of training as seen
by that eigenspace, for every network and sample on its own. The interval is Student's over
these runs. It covers the fluctuation over weights and samples; the rate of a finite network
on finitely many samples need not be sigma_k, and the difference is what the theorem bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from compare.rate import student_of_mean
from compare.table import Table

__all__ = ["Rates", "decay_rates"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Fitted decay rates of the leading eigenspaces that the target sees.

    Attributes:
        labels: what the eigenspaces are.
        eigenvalues: sigma_k, shape (k,).
        rates: the mean over the runs, shape (k,).
        intervals: of the mean, shape (k, 2).
        confidence: of the intervals.
    """

    labels: tuple[str, ...]
    eigenvalues: Array
    rates: Array
    intervals: Array
    confidence: float

    def table(self) -> Table:
        """One row for every eigenspace."""
        head = ("eigenspace", "eigenvalue", "fitted rate", "interval", "rate/eigenvalue")
        rows = tuple(
            (
                label,
                f"{sigma:.4g}",
                f"{rate:.4g}",
                f"[{low:.4g}, {high:.4g}]",
                f"{rate / sigma:.3f} in [{low / sigma:.3f}, {high / sigma:.3f}]",
            )
            for label, sigma, rate, (low, high) in zip(
                self.labels, self.eigenvalues, self.rates, self.intervals, strict=True
            )
        )
        return Table(head, rows)


def decay_rates(
    times: Array,
    amplitudes: Array,
    eigenvalues: Array,
    labels: tuple[str, ...],
    *,
    count: int = 10,
    confidence: float = 0.95,
) -> Rates:
    """Fit a rate to every eigenspace that the target sees, ``count`` of them at most.

    Args:
        times: from 0 on, shape (T,).
        amplitudes: a_k(t) for every run, shape (S, T, k); NaN where the target has no part.
        eigenvalues: sigma_k, shape (k,).
        labels: of the eigenspaces.
        count: how many.
        confidence: of the intervals.

    Example:
        >>> t, sigma = np.linspace(0, 2, 21), np.array([2.0, 1.0])
        >>> a = np.exp(-1.1 * np.multiply.outer(t, sigma))[None].repeat(2, axis=0)
        >>> decay_rates(t, a, sigma, ("1", "2")).rates.round(6).tolist()
        [2.2, 1.1]
    """
    seen = np.flatnonzero(np.isfinite(amplitudes[:, 0]).all(axis=0))[:count]
    fitted = np.array(
        [[_rate(times, a, float(eigenvalues[k])) for a in amplitudes[:, :, k]] for k in seen]
    )
    fitted = fitted.reshape(len(seen), len(amplitudes))
    intervals = np.array([student_of_mean(row, confidence) for row in fitted]).reshape(len(seen), 2)
    return Rates(
        tuple(labels[k] for k in seen),
        eigenvalues[seen],
        fitted.mean(axis=1),
        intervals,
        confidence,
    )


def _rate(times: Array, amplitudes: Array, sigma: float) -> float:
    """Least squares of exp(-rate t) on t <= 1/sigma."""
    early = (times > 0) & (times <= max(1 / sigma, times[min(3, len(times) - 1)]))
    t, a = times[early] * sigma, amplitudes[early]
    found = optimize.least_squares(lambda u: np.exp(-u[0] * t) - a, [1.0], xtol=1e-12, ftol=1e-12)
    return float(found.x[0] * sigma)
