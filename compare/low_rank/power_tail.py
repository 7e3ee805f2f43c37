r"""A power law lambda_k/lambda_1 = C k^(-a) fitted to spectra over a range of k.

One exponent for every network by least squares in log k, and Student's interval over the
networks, whose initialisations and batches are independent. Only eigenvalues that are well
above what rounding makes of zero take part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compare.rate import Interval, slopes, student_of_mean

__all__ = ["PowerTail", "fit_tail"]

Array = NDArray[np.float64]
CLEAR = 10.0
"""How many times the rounding an eigenvalue has to be."""


@dataclass(frozen=True, slots=True)
class PowerTail:
    """lambda_k/lambda_1 = C k^(-a) from k = first to last.

    Attributes:
        exponent: a.
        interval: of a, at the confidence that was asked for; NaN for a single network.
        constant: C.
        first, last: the range of k.
    """

    exponent: float
    interval: Interval
    constant: float
    first: int
    last: int

    def __str__(self) -> str:
        low, high = self.interval
        of = f"a in [{low:.2f}, {high:.2f}]" if low == low else f"a = {self.exponent:.2f}"
        return f"lambda_k falls like k^-a with {of} from {self.first} to {self.last}"


def fit_tail(
    eigenvalues: Array, floors: Array, first: int, last: int, confidence: float = 0.95
) -> PowerTail:
    """Fit the tail of spectra.

    Args:
        eigenvalues: descending, shape (seeds, k).
        floors: rounding of the eigenvalues, shape (seeds,).
        first: of the range, counted from 1.
        last: of the range; it ends earlier where an eigenvalue is not above the rounding.
        confidence: of the interval.

    Raises:
        ValueError: fewer than three eigenvalues are left.

    Example:
        >>> spectrum = np.arange(1.0, 101.0)[None] ** -1.5
        >>> tail = fit_tail(spectrum, np.zeros(1), 5, 100)
        >>> round(tail.exponent, 12), tail.last
        (1.5, 100)
    """
    clear = np.all(eigenvalues > CLEAR * floors[:, None], axis=0, keepdims=True)[0]
    end = min(last, len(clear) if clear.all() else int(np.argmin(clear)))
    if end - first < 2:
        raise ValueError(
            f"expected at least 3 eigenvalues above the rounding from index {first} on, got"
            f" {max(0, end - first + 1)}; begin earlier or use float64"
        )
    k = np.arange(first, end + 1)
    scaled = eigenvalues[:, first - 1 : end] / eigenvalues[:, :1]  # (seeds, range)
    exponents = -slopes(k, scaled.T)
    exponent = float(exponents.mean())
    constant = float(np.exp(np.log(scaled).mean() + exponent * np.log(k).mean()))
    return PowerTail(exponent, student_of_mean(exponents, confidence), constant, first, end)
