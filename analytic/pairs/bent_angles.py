"""Angles of pairs behind a x + b |x| by 1 - |c|, compiled; legend as in ``carried_angles``."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations import arcsine
from analytic.machine import UNIT
from analytic.pairs.carried_angles import Carried

__all__ = ["angle_of", "behind_line", "bend", "folded"]


@elementwise
def angle_of(small: float) -> float:
    """The t in [0, pi/2] with 1 - cos(t) = small."""
    return 2.0 * arcsine(np.sqrt(0.5 * small))


@elementwise
def folded(small: float, angle: float) -> float:
    """1 - |c| behind |x|, whose units have no negative cosine."""
    return small - 2.0 / np.pi * _sine_less_cosine(angle, small)


@elementwise
def behind_line(pair: Any, angle: float, even: float, line: float, bend: float) -> Any:
    """A pair behind a x + b |x|: near, sign, wrong, D and its error.

    Args:
        pair: small, off and turn.
        angle: see ``angle_of``.
        even: 1 - |c| of the even part, see ``folded``.
        line: the share of a^2 (``arccosines``).
        bend: that of b^2.
    """
    (small, off, turn), part = pair, 2.0 / np.pi
    minus, plus = (small, 2.0 - small) if turn > 0 else (2.0 - small, small)
    minus, plus = line * minus + bend * even, line * plus + bend * (2.0 - even)
    d = line + turn * bend * (1.0 - part * angle)
    least = np.sqrt(small - off if small > off else 0.0)
    moved = 2.0 * off / (np.sqrt(small) + least) if off < small else np.sqrt(8.0 * off)
    bent = part * bend * moved + 8 * UNIT
    near, sign = (minus, 1.0) if minus <= plus else (plus, -1.0)
    return near, sign, (abs(d) + bent) * off + 8 * UNIT * near, d, bent


@elementwise
def bend(line: float, bend: float, o: Carried) -> None:
    """The same of listed pairs."""
    for p in range(o.small.size):
        angle = angle_of(o.small[p])
        even = folded(o.small[p], angle)
        pair = o.small[p], o.off[p], o.turn[p]
        o.near[p], o.sign[p], o.wrong[p], o.d[p], o.bent[p] = behind_line(
            pair, angle, even, line, bend
        )


@elementwise
def _sine_less_cosine(t: float, small: float) -> float:
    """sin(t) - t cos(t) with small = 1 - cos(t): up to t = 1 by its series."""
    far = np.sqrt(small * (2.0 - small)) - t * (1.0 - small)
    q = t * t
    a = 1.0 / 3 - q * (1.0 / 30 - q * (1.0 / 840 - q * (1.0 / 45360 - q * (1.0 / 3991680 - q * (
        1.0 / 518918400 - q * (1.0 / 93405312000 - q * (
            1.0 / 22230464256000 - q / 6758061133824000)))))))  # fmt: skip
    return t * q * a if t < 1.0 else far
