r"""How a positive quantity of finite networks depends on the width m.

    log q = log C - p log m                       the exponent p, from every network's own slope
    q = C m^(-1/2),    q = C sqrt(log m / m)      two laws with one constant each, by chi^2

The tilde of an O~ hides logarithms. Between two widths log m itself grows like a power of m,
log(log m_2 / log m_1)/log(m_2/m_1), and what grows no faster passes for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from compare.rate import Interval, slopes, student_of_mean
from compare.verdict import Outcome, Verdict

__all__ = [
    "LawFit",
    "exponent_of_logarithm",
    "fit_laws",
    "grows_at_most_like_a_logarithm",
]

Array = NDArray[np.float64]
CONFIDENCE_OF_SLOPE = 0.95
DECISIVE = 4.0  # difference of chi^2, a likelihood ratio of e^2


@dataclass(frozen=True, slots=True)
class LawFit:
    """Two laws of a quantity, with one constant each.

    Attributes:
        plain: chi^2 of C m^(-1/2).
        logarithmic: chi^2 of C sqrt(log m / m).
        freedom: degrees of freedom of each.
    """

    plain: float
    logarithmic: float
    freedom: int

    @property
    def preferred(self) -> str:
        """Which law the data prefer, in words."""
        if abs(self.plain - self.logarithmic) < DECISIVE:
            return "neither law"
        return "m^(-1/2)" if self.plain < self.logarithmic else "sqrt(log m / m)"


def exponent_of_logarithm(widths: Sequence[int]) -> float:
    """The power of m that log m is between the smallest and the largest width.

    Example:
        >>> round(exponent_of_logarithm([64, 8192]), 3)
        0.159
    """
    low, high = min(widths), max(widths)
    return log(log(high) / log(low)) / log(high / low)


def grows_at_most_like_a_logarithm(
    widths: Sequence[int], values: Array, claim: str
) -> tuple[Interval, Verdict]:
    """Whether the exponent of m is at most that of log m, and its interval.

    Args:
        widths: m, at least two different ones above 1.
        values: positive, shape (widths, seeds).
        claim: what the quantity is, in words.
    """
    interval = student_of_mean(slopes(widths, values), CONFIDENCE_OF_SLOPE)
    most, (low, high) = exponent_of_logarithm(widths), interval
    holds = True if high <= most else False if low > most else None
    reason = f"{claim} grows like m^p with p in [{low:.3f}, {high:.3f}]; log m is m^{most:.3f} here"
    return interval, Verdict(Outcome.of(holds), reason)


def fit_laws(widths: Sequence[int], values: Array) -> LawFit:
    """Both laws for the means over the networks of log q, weighted by their standard errors."""
    m = np.asarray(widths, dtype=float)
    logs = np.log(values)
    means, variances = logs.mean(axis=1), logs.var(axis=1, ddof=1) / logs.shape[1]

    def misfit(law: Array) -> float:
        rest = means - np.log(law)
        constant = np.average(rest, weights=1 / variances)
        return float(np.sum((rest - constant) ** 2 / variances))

    return LawFit(misfit(m**-0.5), misfit(np.sqrt(np.log(m) / m)), len(m) - 1)
