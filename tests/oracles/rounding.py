"""Tolerances that follow from rounding alone, on any processor.

Libraries add in the order, and fuse products with sums, as suits the processor: numbers
that differ by less than these bounds are equal as far as float64 knows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

UNIT = 2.0**-53
"""Unit roundoff of float64."""


def of_sum(terms: int, size: ArrayLike) -> float:
    """Bound of the rounding error of a sum of products, in any order, fused or not.

    Args:
        terms: how many products are summed.
        size: the sum of their absolute values, or a bound of it; the largest counts.

    References:
        Higham (2002), Accuracy and Stability of Numerical Algorithms, equation (3.5).
    """
    return float((terms + 1) * UNIT / (1 - (terms + 1) * UNIT) * np.max(np.abs(size)))


def of_difference(*values: ArrayLike) -> float:
    """Bound of the rounding error of a - b when a and b themselves are rounded once.

    Args:
        values: a and b; the largest entries count.
    """
    return 2 * UNIT * sum(float(np.max(np.abs(value))) for value in values)
