"""Nearly parallel pairs of a x + b |x|: Cho and Saul (2009), rewritten without cancellation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import Angle
from analytic.machine import UNIT, Array
from analytic.pairs.input_angles import sine_less_cosine
from analytic.pairs.pair_sums import share_or_zero

__all__ = ["arccosine_moments"]


def arccosine_moments(
    angle: Angle, alive: NDArray[np.bool_], a: float, b: float
) -> tuple[Angle, Array, Array]:
    """The angle of w(u) and w(v), D, and the error of D relative to the root of its diagonal.

    Args:
        angle: that of u and v.
        alive: whether neither of them is 0.
        a: of w.
        b: the same.
    """
    small, slope = angle.small, a * a + b * b
    bend = b * b / slope
    turn = 2 * np.arcsin(np.sqrt(small / 2))  # the smaller angle between u and v or -v
    folded = small - 2 / np.pi * sine_less_cosine(turn)  # 1 - E |u| |v|/(s s')
    minus = (1 - bend) * angle.minus + bend * folded
    plus = (1 - bend) * angle.plus + bend * (2 - folded)
    sign = np.where(angle.minus < angle.plus, 1.0, -1.0)
    share = np.where(alive, 1 - bend + bend * sign * (1 - 2 / np.pi * turn), 0.0)  # D/slope
    error_d = 2 / np.pi * bend * _turned(small, angle.error) + 8 * UNIT
    error = (np.abs(share) + error_d) * angle.error + 8 * UNIT * np.minimum(minus, plus)
    return Angle.of(minus, plus, error), slope * share, error_d


def _turned(small: Array, e: Array) -> Array:
    """By how much the angle of 1 - cos is wrong if that is by e.

    Its derivative is at most small^(-1/2), whose integral over (small - e, small) is the first
    bound; and beyond 0 it is at most the second.
    """
    root, rest = np.sqrt(small), np.sqrt(np.maximum(small - e, 0))
    beyond = np.sqrt(8) * share_or_zero(e, np.sqrt(e + small))
    return np.where(e < small, share_or_zero(2 * e, root + rest), beyond)
