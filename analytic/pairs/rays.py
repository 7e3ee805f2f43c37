r"""Inputs of one feature and no bias: the pre-activations of all of them are multiples of one z.

    E w(s z) w(+-s' z) = sum_q p_q w(s y_q) w(+-s' y_q),    y_q = scale sinh(step q)/max(s)

by the nodes of conditioning, which resolve the bend of w at every s at once: a pair costs a scalar
product. Two rules, this one and the moments of each input, estimate its error.

Legend: parity -1 of odd w, 1 of even ones, 0 of others, which need the nodes on both sides of 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.expectations import conditioning_tables
from analytic.machine import UNIT, Array
from analytic.pairs.close_inputs import Close
from analytic.recursion import Stage

__all__ = ["Rays", "are_on_a_line"]

Index = NDArray[np.intp]
ENDS = 9.0
"""Where the normal law is cut."""
CHAINS = 8
"""Chains of a scalar product; their length is a multiple of it."""
MOST_APART = 2.0**9 * UNIT
"""A difference of the two rules from which on neither is used."""


def are_on_a_line(stage: Stage, features: int, bound: float) -> bool:
    """Whether all pairs of the first layer are parallel, and their rule serves for a bound."""
    step = stage.step
    if (
        bound < 2 * MOST_APART
        or features != 1
        or step.normalizes
        or step.noise != 1
        or step.bias != 0
    ):
        return False
    if step.layer.activation.bent_line or step.layer.activation.jump:
        return False
    table = conditioning_tables(step.layer.activation)
    top = float(np.sqrt(stage.variance.max(initial=0.0)))
    return table is not None and table.smooth and 0 < top < 2.0**table.highest


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """The units of the first layer at the nodes.

    Attributes:
        close: the network and its inputs.
        parity: that of w.
        side: 1, -1 or 0, the signs of the inputs.
        values: w(s y_q) sqrt(p_q) and w'(s y_q) sqrt(p_q), shape (2, n, nodes).
        turned: the same at -y_q, where w has no parity.
        error: of Sigma and Theta relative to norms, (2,).
    """

    close: Close
    parity: int
    side: Array
    values: Array
    turned: Array
    error: Array

    @classmethod
    def of(cls, close: Close, x: Array) -> Rays | None:
        """For inputs of one feature, (n, 1); None where the rule does not fit."""
        stage = close.ends.stages[0]
        activation = stage.step.layer.activation
        table = conditioning_tables(activation)
        assert table is not None
        s = np.sqrt(stage.variance)
        z = table.nodes / s.max()
        near = np.abs(z) <= ENDS
        weight = table.lengths[near] / (s.max() * math.sqrt(2 * math.pi))
        root = np.sqrt(weight * np.exp(-(z[near] ** 2) / 2))
        values = np.stack(activation.derivatives(s[:, None] * z[near], 1)) * root
        moments = np.stack([stage.moments.second, stage.moments.slope])
        found = np.sum(values**2, axis=2)
        apart = np.abs(found - moments) / np.where(moments > 0, moments, np.inf)
        if not apart.max() <= MOST_APART:
            return None
        chain = root.size // CHAINS + 16
        error = 4 * apart.max(axis=1) + 2 * stage.moments.noise.largest + 2 * chain * UNIT
        turned = _filled_up(values[:, :, ::-1] if table.parity == 0 else values[:, :, :0])
        return cls(close, table.parity, np.sign(x[:, 0]), _filled_up(values), turned, error)

    @property
    def depth(self) -> int:
        """How many layers are taken so."""
        return 1

    def first_layer(self, i: Index, j: Index) -> Array:
        """Sigma, Theta and their relative errors behind the first layer, shape (4, pairs).

        Args:
            i: places of the first inputs of pairs, sorted.
            j: those of the second ones.
        """
        stage, variation = self.close.ends.stages[0], self.close.variations[0]
        weight, _, rate, bias_rate = stage.step.coefficients
        r = np.sqrt(stage.sigma) * self.side
        found = np.empty((4, i.size))
        _products(self.values, self.turned, self.side, self.parity, i, j, found)
        found[1] *= rate * weight * (r[i] * r[j]) + bias_rate
        moved = variation * (1 + np.sqrt(stage.variance * _share(stage)).max())
        found[2] = self.error[0] + 3 * moved + self.close.sigmas[1] + 8 * UNIT
        found[3] = self.error[1] + 8 * variation + 16 * UNIT
        return found


def _share(stage: Stage) -> Array:
    """E w'^2/E w^2, and 0 where there is nothing."""
    second = stage.moments.second
    return np.asarray(stage.moments.slope / np.where(second > 0, second, np.inf))


def _filled_up(values: Array) -> Array:
    """With 0 at some more nodes, so that chains are of one length."""
    return np.ascontiguousarray(np.pad(values, ((0, 0), (0, 0), (0, -values.shape[2] % CHAINS))))


@compiled
def _products(values: Any, turned: Any, side: Any, parity: int, i: Any, j: Any, found: Any) -> None:
    """E w w and E w' w' of pairs."""
    total = np.zeros(CHAINS)
    for p in range(i.size):
        row, column = i[p], j[p]
        opposite = side[row] * side[column] < 0
        for part in range(2):
            a = values[part, row]
            b = turned[part, column] if opposite and parity == 0 else values[part, column]
            for k in range(CHAINS):
                total[k] = 0.0
            for q in range(0, a.size, CHAINS):
                for k in range(CHAINS):
                    total[k] += a[q + k] * b[q + k]
            low = (total[0] + total[1]) + (total[2] + total[3])
            value = low + ((total[4] + total[5]) + (total[6] + total[7]))
            sign = parity if part == 0 else -parity
            found[part, p] = -value if opposite and sign < 0 else value
