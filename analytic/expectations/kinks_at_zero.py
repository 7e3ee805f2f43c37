"""An activation with a kink at 0: units that stay there, and moments that are infinite."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import sympy

from analytic.activation import Activation
from analytic.expectations.node_tables import CURVATURE, JERK, MEAN, SLOPE, kinked
from analytic.expectations.splines import by_pieces
from analytic.expectations.waves import wave
from analytic.machine import Array
from analytic.proofs import jump

__all__ = ["is_bent", "mend_coefficients", "mend_moments"]


def _slopes_at_zero(activation: Activation) -> Array:
    """Those of w on both sides of 0, (2,)."""
    return activation.derivatives(np.array([-1e-300, 1e-300]), 1)[1]


def mend_moments(
    activation: Activation, s: Array, table: Array, second: tuple[Array, Array]
) -> None:
    """Put in what is known exactly, in place.

    A jump of w^(k) makes E w^(k + 1)(sz)^2 infinite. Of units that are always w(0) a table near a
    kink has an absolute error only.

    Args:
        activation: w.
        s: standard deviations, (n,).
        table: the columns of the moments, (columns, n).
        second: E w(sz)^2 as the sum of two numbers, (n,) each.
    """
    jumps = _jumps_at_zero(activation)
    table[CURVATURE] = np.inf if jumps[0] else table[CURVATURE]
    table[JERK] = np.inf if any(jumps) else table[JERK]
    still = s == 0
    if still.any():
        start = float(activation(np.zeros(1))[0])
        table[MEAN, still], second[0][still], second[1][still] = start, start**2, 0.0
        table[SLOPE, still] = np.mean(_slopes_at_zero(activation) ** 2)


def mend_coefficients(activation: Activation, s: Array, first: int, b: Array, rest: Array) -> None:
    """The same for the coefficients b_k, (orders, n), from order ``first`` on."""
    still = s == 0
    if still.any():
        b[:, still] = 0.0
        if first == 0:
            b[0, still] = np.mean(_slopes_at_zero(activation))
        rest[still] = 0.0


@lru_cache(maxsize=64)
def _jumps_at_zero(activation: Activation) -> tuple[bool, ...]:
    """Whether w' and w'' jump at 0."""
    zero, w = sympy.S.Zero, activation.expression
    return tuple(jump(w, zero, order) is not None for order in (1, 2))


def is_bent(activation: Activation) -> bool:
    """Whether w' or w'' jumps somewhere and no closed form says what that does to pairs."""
    if activation.bent_line is not None or wave(activation) is not None:
        return False
    if by_pieces(activation) is not None:
        return True
    return kinked(activation) and any(_jumps_at_zero(activation))
