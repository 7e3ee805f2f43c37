"""Fixed nodes of an outer law that may have any width: equidistant in t.

    y = beta sinh(t)              for what bends at 0: fine there, geometric far away
    y = beta exp(t - exp(-t))     on either half of the line, for what has a kink at 0 and is smooth
                                  on the length beta beside it (Takahasi & Mori 1974)

The trapezoidal rule in t errs by the square of beta where a kink stands at a node, so that the
first needs a tiny beta there, and nodes for every factor of e down to it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations.quadrature import Extended
from analytic.machine import Array

__all__ = ["OuterNodes"]

FIRST = -3.7
"""Where t begins on half of the line: y = 2^-63 beta there."""


class OuterNodes(NamedTuple):
    """Nodes on both sides of 0, and 0 itself.

    Attributes:
        scale: beta.
        step: of t.
        half: how many nodes are above 0.
        halves: whether each half of the line has a rule of its own; 0 counts nothing then.
    """

    scale: float
    step: float
    half: int
    halves: bool

    @classmethod
    def reaching(cls, last: float, scale: float, step: float, halves: bool) -> OuterNodes:
        """Those that go at least as far as ``last``."""
        most = math.log(last / scale) + 1 - FIRST if halves else math.asinh(last / scale)
        return cls(scale, step, math.ceil(most / step) + int(halves), halves)

    def rule(self, finer: int = 1) -> tuple[Array, Extended, NDArray[np.bool_]]:
        """The nodes, dy of each, and which of them are those of the whole step, (2 half + 1,).

        Args:
            finer: how many steps are made of one.
        """
        k = np.arange(finer * self.half, dtype=np.longdouble)
        whole = k % finer == 0
        if self.halves:
            t = FIRST + self.step / finer * k
            y = self.scale * np.exp(t - np.exp(-t))
            dy, middle = y * (1 + np.exp(-t)), 0.0
        else:
            y = self.scale * np.sinh(self.step / finer * (k + 1))
            dy, middle, whole = np.hypot(y, self.scale), self.scale, (k + 1) % finer == 0
        dy *= self.step / finer
        return (
            np.concatenate([-y[::-1], [0.0], y]).astype(np.float64),
            np.concatenate([dy[::-1], [middle * self.step / finer], dy]),
            np.concatenate([whole[::-1], [True], whole]),
        )
