r"""The law of ||K_0 - K_inf||^2 at large width: a generalised chi-square.

The entries of sqrt(m) (K_0 - K_inf) are asymptotically normal with the covariance of
``joint_variance``. With weights p_ab of the pairs, m D = m sum_ab p_ab (K_0 - K_inf)_ab^2 tends in
law to Q = sum_i lambda_i chi^2_1, lambda the eigenvalues of sqrt(p) Cov sqrt(p). Its distribution
function comes from its characteristic function by the trapezoidal rule of Davies (1973),

    P(Q < q) = 1/2 - sum_k sin(theta(u_k)) / (pi (k + 1/2) r(u_k)),     u_k = (k + 1/2) step,
    theta(u) = sum_i arctan(2 lambda_i u)/2 - q u,   r(u) = prod_i (1 + 4 lambda_i^2 u^2)^(1/4),

whose two errors, of the step and of the end, are bounded beforehand.
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnnecessaryIsInstance=false

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from analytic.corrections.joint_variance import fluctuation_covariance
from analytic.network import Network
from analytic.results import AccuracyError

__all__ = ["DistanceLaw", "distance_law"]

Array = NDArray[np.float64]

SMALLEST = 1e-10
"""Eigenvalues below this share of their sum are left out."""
ALIASED, CUT = 1e-9, 1e-7
"""Errors of the distribution function: of the step, and of the last node if it can be met."""
MOST_UNITS = 1e18
"""The largest width that is spoken of."""
MOST_NODES = 2**18
ROUNDING = 1e-15
"""Error of the closed form of one eigenvalue."""


@dataclass(frozen=True, slots=True, eq=False)
class DistanceLaw:
    """The limiting law of m ||K_0 - K_inf||^2 over networks of width m.

    Attributes:
        eigenvalues: lambda_i, positive and decreasing.

    Raises:
        ValueError: the eigenvalues are none, or not positive, finite and decreasing.
        TypeError: they are not an array of float64.
    """

    eigenvalues: Array

    def __post_init__(self) -> None:
        found = self.eigenvalues
        if not isinstance(found, np.ndarray) or found.dtype != np.float64:
            raise TypeError(
                "expected an array of float64 as eigenvalues, got"
                f" {getattr(found, 'dtype', type(found).__name__)}; convert them"
            )
        decreasing = found.ndim == 1 and found.size and bool((np.diff(found) <= 0).all())
        if not decreasing or not 0 < found[-1] <= found[0] < math.inf:
            raise ValueError(
                f"expected positive, finite, decreasing eigenvalues, got {found};"
                " sort them and leave zeros out"
            )

    @property
    def mean(self) -> float:
        """C in E ||K_0 - K_inf||^2 = C/m + O(m^-2)."""
        return float(self.eigenvalues.sum())

    @property
    def variation(self) -> float:
        """The standard deviation over the mean."""
        return math.sqrt(2 * float((self.eigenvalues**2).sum())) / self.mean

    def probability(self, q: float) -> float:
        """P(m D < q), with an absolute error of at most ``error``.

        Raises:
            ValueError: q is NaN.
            TypeError: q is not a number.
        """
        if _number("q", q) <= 0:
            return 0.0
        if self.eigenvalues.size == 1:  # a chi-square of one degree
            return math.erf(math.sqrt(q / (2 * self.eigenvalues[0])))
        if q >= self._reach():
            return 1.0
        step, count = self._rule(q)
        total = 0.0
        for first in range(0, count, 4096):
            k = np.arange(first, min(first + 4096, count)) + 0.5
            angles = 2 * self.eigenvalues[:, None] * (k * step)
            theta = np.arctan(angles).sum(axis=0) / 2 - q * k * step
            log_r = np.log1p(angles**2).sum(axis=0) / 4
            total += float((np.sin(theta) * np.exp(-log_r) / k).sum())
        return min(max(0.5 - total / math.pi, 0.0), 1.0)

    def error(self, q: float) -> float:
        """Bound of the absolute error of ``probability``, given the eigenvalues."""
        if _number("q", q) <= 0 or self.eigenvalues.size == 1:
            return ROUNDING
        if q >= self._reach():
            return ALIASED
        step, count = self._rule(q)
        return ALIASED + self._cut(step * count)

    def quantile(self, probability: float) -> float:
        """The q with P(m D < q) = probability.

        Raises:
            ValueError: the probability is not between 0 and 1.
            TypeError: it is not a number.
            AccuracyError: it is no further from 0 or 1 than the error of ``probability``.
        """
        if not 0 < _number("probability", probability) < 1:
            raise ValueError(f"expected 0 < probability < 1, got {probability}; change it")
        high = self.mean * (1 + self.variation)
        while self.probability(high) < probability:
            high *= 2

        def excess(q: float) -> float:
            return self.probability(q) - probability

        found: Any = brentq(excess, 0.0, high, xtol=1e-15 * high)
        error = self.error(found if found > 0 else self.mean)
        if error >= min(probability, 1 - probability):
            raise AccuracyError(
                f"expected a probability further from 0 and 1 than its error {error:.1g}, got"
                f" {probability}; take a milder one"
            )
        return float(found)

    def required_width(self, epsilon: float, delta: float) -> int:
        """The width from which D <= epsilon with probability 1 - delta, at leading order.

        Markov's inequality would ask for C/(epsilon delta).

        Raises:
            ValueError: epsilon is not positive and finite or asks for more than 1e18 units, or
                delta is not between 0 and 1.
            TypeError: they are not numbers.
            AccuracyError: as ``quantile``.
        """
        if not 0 < _number("epsilon", epsilon) < math.inf or not 0 < _number("delta", delta) < 1:
            raise ValueError(
                f"expected epsilon > 0 and 0 < delta < 1, got {epsilon} and {delta}; change them"
            )
        width = self.quantile(1 - delta) / epsilon
        if width > MOST_UNITS:
            raise ValueError(
                f"expected an epsilon that some network reaches, got {epsilon}, which asks for"
                f" {width:.0e} units; raise it"
            )
        return math.ceil(width)

    def _reach(self) -> float:
        """Q exceeds this with probability ``ALIASED`` at most, by Chernoff's bound."""
        top = self.eigenvalues[0]
        bound = -math.log(ALIASED) - 0.5 * np.log1p(-self.eigenvalues / (2 * top)).sum()
        return float(4 * top * bound)

    def _rule(self, q: float) -> tuple[float, int]:
        """A step whose aliases lie where Q hardly ever is, and the end."""
        step = 2 * math.pi / max(self._reach(), q)
        count = 64
        while self._cut(step * count) > CUT and count < MOST_NODES:
            count *= 2
        return step, count

    def _cut(self, end: float) -> float:
        """What lies beyond the end, by the largest r eigenvalues, with the best r."""
        r = np.arange(1, self.eigenvalues.size + 1)
        logs = np.cumsum(0.5 * np.log(np.maximum(2 * self.eigenvalues * end, 1e-300)))
        return float(np.exp(np.min(np.log(2 / (math.pi * r)) - logs)))


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"expected a number as {name}, got {type(value).__name__}; pass a float")
    if math.isnan(value):
        raise ValueError(f"expected a number as {name}, got nan; repair it")
    return float(value)


def distance_law(network: Network, x: ArrayLike, *, diagonal: bool = True) -> DistanceLaw:
    r"""The limiting law of m ||K_0 - K_inf||^2, the mean square over pairs of inputs.

    Args:
        network: as ``fluctuation_covariance`` takes it.
        x: inputs, shape (n, d).
        diagonal: whether the pairs of an input with itself count: they do if x is the whole
            population, and do not if it is a sample of a distribution.

    Returns:
        the record ``DistanceLaw``; the O(1/m) corrections at finite width are not in it.

    Raises:
        ValueError: there are no pairs, K_0 does not vary, or as ``fluctuation_covariance``.

    References:
        Davies (1973); Imhof (1961); Bowman and Montufar (2022), Assumption 3.6.

    Example:
        >>> import numpy as np
        >>> from analytic import FullyConnected, Network, distance_law
        >>> law = distance_law(Network(FullyConnected("identity")), np.ones((1, 3)))
        >>> round(law.mean, 6), round(law.probability(law.mean), 5)  # 4 times a chi-square of 1
        (4.0, 0.68269)
    """
    covariance = fluctuation_covariance(network, x)
    n = len(covariance)
    if n == 1 and not diagonal:
        raise ValueError("expected at least two inputs without the diagonal, got one; add some")
    a, b = np.triu_indices(n, 0 if diagonal else 1)
    weights = np.where(a == b, 1.0, 2.0) / (n * n if diagonal else n * (n - 1))
    roots = np.sqrt(weights)
    found = np.linalg.eigvalsh(covariance[a, b][:, a, b] * np.outer(roots, roots))[::-1]
    if not found[0] > 0:
        raise ValueError(
            "expected a K_0 that depends on the network, got one that is always the same; take"
            " inputs that are not zero, or a bias"
        )
    kept = found > SMALLEST * found.sum()
    return DistanceLaw(np.asarray(found[kept], dtype=np.float64))
