r"""What rounding adds to Lambda, T and weight_std^2 Theta, counted for each layer.

Lambda = weight_std^2 Sigma + bias_std^2 has a rounding of each square, unless it is exact, one of
the product, unless the weight is a power of 2, one of the sum, unless the bias is 0, and those of
the sum over the positions that are read. Those of weight_std^2 Sigma are relative to its share in
Lambda, that of the bias to its own; the sums over positions may cancel, so that theirs are relative
to sqrt(Lambda_ii Lambda_jj) at every rho.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from analytic.machine import EXTENDED, UNIT, Array
from analytic.network import Pointwise, Step
from analytic.recursion.amplification_factors import OF_D, OF_E
from analytic.recursion.coefficient_bounds import ratio
from analytic.recursion.layer_equations import Stage

__all__ = ["ARC_COSINE", "ARC_SINE", "SERIES", "own_rounding", "roundings_of"]


class Rounding(NamedTuple):
    """What rounding adds: to rho, and to E and D relative to the sizes of their terms."""

    rho: float
    e: float
    d: float


SERIES = Rounding(5.5 * UNIT, OF_E * UNIT, OF_D * UNIT)
"""Of a power series in rho^2. rho has 4 roundings (1/s, 1/s', two products), its square one more:
4.5 for every power of rho. Horner's scheme has 2 for every power of rho^2."""
ARC_COSINE = Rounding(4 * UNIT, 16 * UNIT, 9 * UNIT)
"""Of a x + b |x|: s s' (4), the root (3) or rho arcsin rho (5), its share 2 b^2/pi (3) and four
more operations; in D that share, arcsin (4) and two operations."""
ARC_SINE = Rounding(8 * UNIT, 8 * UNIT, 12 * UNIT)
"""Of erf, with z = 2 Lambda a a', a = (1 + 2 s^2)^(-1/2) (2.5): z has 7; the arcsine 5, its product
with 2/pi two more; in D the product a a' (6), 4/pi (1) and theirs (1), the root of (1 - z)(1 + z)
(2.5) and the quotient."""


def roundings_of(stage: Stage) -> Array:
    """Those of Lambda, of T and of weight_std^2 Theta, relative to their diagonals, (3,)."""
    step, reads = stage.step, stage.reads - 1 if stage.additions is None else stage.additions
    weight, bias, rate, bias_rate = step.coefficients
    of_weight = int(not _is_square(step, weight, "weight_std")) + int(math.frexp(weight)[0] != 0.5)
    of_bias = int(not _is_square(step, bias, "bias_std"))
    shares = np.clip(1 - ratio(bias, stage.variance), 0, 1)
    parts = shares * of_weight + (1 - shares) * of_bias
    of_lambda = float(parts.max(initial=0.0)) + (bias > 0) + reads
    if step.normalizes:
        of_lambda = 3 + reads
    plainly = rate == 1.0 and bias_rate == bias
    of_trained = of_lambda if plainly else 4 + reads  # the product with the rate
    return np.array([of_lambda, of_trained, of_weight + reads]) * UNIT


def own_rounding(stage: Stage) -> float:
    """That of Lambda at x = x', relative to it; of its root, too, if float64 has to hold them."""
    if stage.wide is None or stage.step.normalizes:
        return float(roundings_of(stage)[0]) + 2 * UNIT
    return stage.summed + (stage.reads + 6) * EXTENDED


def _is_square(step: Step, number: float, name: str) -> bool:
    """Whether a coefficient is the exact square of what it is named after, or of no number."""
    if isinstance(step.layer, Pointwise):
        return True
    return Fraction(getattr(step.layer, name)) ** 2 == Fraction(number)
