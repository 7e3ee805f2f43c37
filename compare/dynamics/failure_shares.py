"""How often networks and samples fail together: probability over both, as the paper has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compare.rate import clopper_pearson

__all__ = ["Failures", "joint_failures"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Failures:
    """Shares of networks, each with its sample, above kappa (m^(-1/2) + n^(-1/2)).

    Attributes:
        kappa: fixed so that half of those with the smallest m and n are above.
        share: shape (widths, samples).
        interval: of the shares, Clopper and Pearson (1934), shape (widths, samples, 2).
    """

    kappa: float
    share: Array
    interval: Array


def joint_failures(
    widths: Sequence[int], samples: Sequence[float], epsilon: Array, confidence: float
) -> Failures:
    """The shares of eps, shape (widths, samples, seeds), above their threshold."""
    rates = np.add.outer(
        np.array(widths, dtype=float) ** -0.5, np.array(samples, dtype=float) ** -0.5
    )
    kappa = float(np.median(epsilon[0, 0]) / rates[0, 0])
    above = np.sum(epsilon > kappa * rates[..., None], axis=2)
    trials = epsilon.shape[2]
    intervals = [[clopper_pearson(int(k), trials, confidence) for k in row] for row in above]
    return Failures(kappa, above / trials, np.array(intervals))
