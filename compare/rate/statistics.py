"""Intervals: Student's for a mean or a fitted number, Clopper and Pearson's for a share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["Interval", "clopper_pearson", "slopes", "student", "student_of_mean"]

Interval = tuple[float, float]


def slopes(points: ArrayLike, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """d log q / d log m of every column by least squares: values (points, seeds), (seeds,).

    Example:
        >>> slopes([1, 10, 100], np.array([[1.0], [0.1], [0.01]])).round(12).tolist()
        [-1.0]
    """
    x = np.log(np.asarray(points, dtype=float))
    x -= x.mean()
    return np.asarray(x @ np.log(values) / (x @ x), dtype=np.float64)


def student(value: float, stderr: float, confidence: float, freedom: float) -> Interval:
    """Student's interval of an estimate with a standard error.

    Example:
        >>> low, high = student(1.0, 0.1, 0.95, 10**9)  # the normal quantile 1.96
        >>> round(low, 3), round(high, 3)
        (0.804, 1.196)
    """
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * stderr
    return value - half, value + half


def student_of_mean(values: NDArray[np.float64], confidence: float) -> Interval:
    """Student's interval of the mean; NaN for a single value.

    Example:
        >>> low, high = student_of_mean(np.array([1.0, 3.0]), 0.5)  # t(0.75, 1) = 1
        >>> round(low, 12), round(high, 12)
        (1.0, 3.0)
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return mean - half, mean + half


def clopper_pearson(successes: int, trials: int, confidence: float) -> Interval:
    """The interval of a share that covers at least with the confidence.

    References:
        Clopper and Pearson (1934).

    Example:
        >>> low, high = clopper_pearson(0, 10, 0.95)
        >>> low, round(high, 6), round(1 - 0.025 ** (1 / 10), 6)
        (0.0, 0.308497, 0.308497)
    """
    tail, k, n = (1 - confidence) / 2, successes, trials
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return low, high
