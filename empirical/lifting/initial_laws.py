r"""From which law the numbers of a parameter were drawn.

The variance of an initialiser is known to all digits, that of a few numbers is not: so the numbers
decide between laws that people use. A law fits if the mean, the variance, the largest number and
the distribution function (Kolmogorov and Smirnov) of the numbers are compatible with it. Of those
that fit the most likely one is taken; if none does, the variance is that of the numbers.

What no law has is a matrix with a direction far longer than the others: that is what training
leaves. The largest singular value of a drawn n x m matrix is below sigma (sqrt(n) + sqrt(m)) but
for fluctuations of the order of Tracy and Widom's law (Johnstone 2001, theorem 1.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Family", "InitialLaw", "candidates", "fits", "is_orthogonal", "outlier", "read_law"]

Array = NDArray[np.float64]
Family = Literal["normal", "uniform", "truncated normal", "orthogonal", "constant", "unknown"]
RARE = 1e-6
"""Probability below which numbers are no draw from a law; a network has dozens of tensors."""
SORTED = 2**16
"""Most numbers that are compared with a distribution function."""
MATRIX_TAIL = 7.0
"""Of Tracy and Widom's law for real matrices: beyond lies a share of about 3e-6."""


@dataclass(frozen=True, slots=True)
class InitialLaw:
    """The law of independent numbers with mean 0.

    Attributes:
        name: of the initialiser.
        family: its shape; truncated normal numbers are those within two of their scales.
        std: standard deviation.
        error: relative standard error of ``std`` if it was measured, else 0.
    """

    name: str
    family: Family
    std: float
    error: float = 0.0

    @property
    def kurtosis(self) -> float:
        """E w^4 / (E w^2)^2."""
        return {"uniform": 1.8, "truncated normal": _TRUNCATED_KURTOSIS}.get(self.family, 3.0)

    @property
    def bound(self) -> float:
        """No number is larger."""
        widths = {"uniform": math.sqrt(3), "truncated normal": 2 / _TRUNCATED_STD}
        return self.std * widths.get(self.family, math.inf)

    def distribution(self, w: Array) -> Array:
        """P(number <= w)."""
        if self.family == "uniform":
            return np.clip((w / self.bound + 1) / 2, 0, 1)
        if self.family == "truncated normal":
            return np.asarray(stats.truncnorm.cdf(w / (self.std / _TRUNCATED_STD), -2, 2))
        return np.asarray(stats.norm.cdf(w / self.std))

    def log_likelihood(self, w: Array) -> float:
        """Of the numbers, all within ``bound``."""
        if self.family == "uniform":
            return -w.size * math.log(2 * self.bound)
        if self.family == "truncated normal":
            scale = self.std / _TRUNCATED_STD
            return float(stats.truncnorm.logpdf(w / scale, -2, 2).sum()) - w.size * math.log(scale)
        return float(stats.norm.logpdf(w / self.std).sum()) - w.size * math.log(self.std)

    def draw(self, uniform: Array) -> Array:
        """Numbers from this law, from uniform ones between 0 and 1 of the same order."""
        if self.family == "uniform":
            return self.bound * (2 * uniform - 1)
        if self.family == "truncated normal":
            return self.std / _TRUNCATED_STD * np.asarray(stats.truncnorm.ppf(uniform, -2, 2))
        return self.std * np.asarray(stats.norm.ppf(uniform))


_TRUNCATED_STD = float(stats.truncnorm(-2, 2).std())
_TRUNCATED_KURTOSIS = float(stats.truncnorm(-2, 2).stats("k")) + 3


def candidates(shape: tuple[int, ...], fan_in: int | None = None) -> list[InitialLaw]:
    """The laws that people use for a parameter of a shape, those of torch first.

    Args:
        shape: as torch has it, (out, in, *filter), or (out,) of a bias.
        fan_in: of the weights that a bias belongs to.

    Example:
        >>> law = candidates((64, 12))[0]
        >>> law.name, law.family, round(law.std, 12)
        ("torch's default", 'uniform', 0.166666666667)
    """
    if len(shape) < 2:
        default = InitialLaw("torch's default", "uniform", 1 / math.sqrt(3 * (fan_in or 1)))
        return [default, InitialLaw("standard normal", "normal", 1.0)]
    filters = math.prod(shape[2:])
    inward, outward = shape[1] * filters, shape[0] * filters
    found = [InitialLaw("torch's default", "uniform", 1 / math.sqrt(3 * inward))]
    found.append(
        InitialLaw("torch's default of the transpose", "uniform", 1 / math.sqrt(3 * outward))
    )
    found.append(InitialLaw("standard normal", "normal", 1.0))
    for fan, mode in ((inward, "fan_in"), (outward, "fan_out")):
        for gain, what in ((2.0, "relu"), (1.0, "linear"), (25 / 9, "tanh"), (0.5625, "selu")):
            found += _families(f"Kaiming ({mode}, gain of {what})", math.sqrt(gain / fan))
        found += [InitialLaw(f"LeCun ({mode}), truncated", "truncated normal", math.sqrt(1 / fan))]
        found += [InitialLaw(f"std 1/{mode}", "normal", 1 / fan)]
    for gain, what in ((1.0, "linear"), (25 / 9, "tanh"), (2.0, "relu")):
        std = math.sqrt(2 * gain / (inward + outward))
        found += _families(f"Xavier (gain of {what})", std)
    found += [
        InitialLaw("std 0.02", "normal", 0.02),
        InitialLaw("std 0.02, truncated", "truncated normal", 0.02 * _TRUNCATED_STD),
    ]
    return found


def _families(name: str, std: float) -> list[InitialLaw]:
    return [
        InitialLaw(f"{name}, normal", "normal", std),
        InitialLaw(f"{name}, uniform", "uniform", std),
    ]


def fits(law: InitialLaw, numbers: Array) -> bool:
    """Whether numbers are compatible with a law.

    Example:
        >>> w = np.random.default_rng(0).uniform(-1, 1, 5000)
        >>> fits(InitialLaw("", "uniform", 3**-0.5), w), fits(InitialLaw("", "normal", 3**-0.5), w)
        (True, False)
    """
    if float(np.abs(numbers).max()) > law.bound * (1 + 1e-6):
        return False
    if abs(float(numbers.mean())) > law.std / math.sqrt(numbers.size) * _NORMAL_TAIL:
        return False
    freedom = 2 * numbers.size / (law.kurtosis - 1)
    ratio = float((numbers**2).mean()) / law.std**2
    if not RARE / 2 <= float(stats.chi2.cdf(freedom * ratio, freedom)) <= 1 - RARE / 2:
        return False
    some = np.sort(numbers[:: max(1, numbers.size // SORTED)])
    return float(stats.kstest(some, law.distribution).pvalue) > RARE


_NORMAL_TAIL = float(stats.norm.isf(RARE / 2))


def read_law(numbers: Array, laws: list[InitialLaw]) -> InitialLaw | None:
    """The law of some numbers, or the measured one; None if their mean is not 0.

    Example:
        >>> w = np.random.default_rng(0).normal(size=400) / 20
        >>> read_law(w, candidates((20, 400))).name
        'Kaiming (fan_in, gain of linear), normal'
    """
    flat = numbers.ravel()
    if not flat.any():
        return InitialLaw("zeros", "constant", 0.0)
    fitting = [law for law in laws if fits(law, flat)]
    if fitting:
        return max(fitting, key=lambda law: law.log_likelihood(flat))
    size, std = flat.size, float(np.sqrt((flat**2).mean()))
    if size < 2 or abs(float(flat.mean())) > std / math.sqrt(size) * _NORMAL_TAIL:
        return None
    widest = float(np.abs(flat).max()) * (1 + 1 / size)
    uniform = InitialLaw("measured", "uniform", widest / math.sqrt(3), 1 / size)
    normal = InitialLaw("measured", "normal", std, math.sqrt(1 / (2 * size)))
    fitting = [law for law in (uniform, normal) if fits(law, flat)]
    if fitting:
        return max(fitting, key=lambda law: law.log_likelihood(flat))
    fourth = float((flat**4).mean()) / std**4
    return InitialLaw("measured", "unknown", std, math.sqrt(max(fourth - 1, 0) / size) / 2)


def is_orthogonal(matrix: Array) -> bool:
    """Whether the rows, or the columns if these are fewer, are orthogonal and equally long."""
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    if len(short) < 2:
        return False
    products = short @ short.T
    scale = float(np.trace(products)) / len(short)
    return bool(np.abs(products - scale * np.eye(len(short))).max() <= 1e-4 * scale)


def outlier(matrix: Array, std: float) -> float | None:
    """The largest singular value over that of a drawn matrix, if it is too large for one.

    Example:
        >>> w = np.random.default_rng(0).normal(size=(100, 50))
        >>> outlier(w, 1.0) is None, outlier(w + 0.5, 1.0) > 2
        (True, True)
    """
    n, m = matrix.shape
    if min(n, m) < 10:
        return None
    both = math.sqrt(n) + math.sqrt(m)
    most = both**2 + MATRIX_TAIL * both * (1 / math.sqrt(n) + 1 / math.sqrt(m)) ** (1 / 3)
    v = matrix.T @ (matrix @ np.ones(m))
    for _ in range(30):  # what is reached is at most the largest one
        v = matrix.T @ (matrix @ (v / np.linalg.norm(v)))
    found = float(np.linalg.norm(v)) / std**2
    return math.sqrt(found) / both if found > most else None
