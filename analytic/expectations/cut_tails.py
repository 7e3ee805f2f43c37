r"""What rules of finite reach lose of activations by pieces whose mass lies far out.

A softshrink at s = 1/20 is 0 up to ten standard deviations: what E w(s z)^2 has beyond the end of a
rule is then no rounding of it, but may be all of it.
"""

from __future__ import annotations

import numpy as np

from analytic.activation import Activation
from analytic.expectations.polylines import Polyline
from analytic.expectations.splines import Spline
from analytic.expectations.staircases import Staircase
from analytic.machine import UNIT, Array

__all__ = ["error_of_cut", "shares_beyond"]

END = 12.0
"""Where the rules end, but for those of pairs of splines."""
ORDER = 16
"""Nodes beyond: exact for polynomials, and a tenth off where a kink is there."""


def error_of_cut(
    activation: Activation,
    line: Polyline | Spline | Staircase,
    s: Array,
    second: Array,
    slope: Array,
) -> float:
    """The largest relative error that comes from the ends of the rules.

    Args:
        activation: w.
        line: its pieces.
        s: standard deviations, (n,).
        second: E w(s z)^2 as the rules have it.
        slope: E w'(s z)^2.

    Raises:
        ValueError: the rules see nothing of w.
    """
    blind = (s > 0) & ~(second > 0)
    if blind.any():
        raise ValueError(
            f"expected pre-activations that reach where {activation.name} is not 0, got the"
            f" standard deviation {s[blind].max():.3g}, of which that is more than 12 away; raise"
            " weight_std or bias_std, or scale the inputs"
        )
    parts = shares_beyond(activation, s, END, second, slope)
    error = max(float(part.max(initial=0.0)) for part in parts)
    if isinstance(line, Spline):  # the coefficients of others have formulas
        error = max(error, float(parts[1].max(initial=0.0)) ** 0.5)
    return error if error > UNIT / 4 else 0.0


def shares_beyond(
    activation: Activation, s: Array, end: float, second: Array, slope: Array
) -> list[Array]:
    """E[f(s z)^2; |z| > end] for f = w and w', of the whole, (n,) each; 0 where that is 0."""
    parts = zip(_beyond(activation, s, end), (second, slope), strict=True)
    return [part / np.where(whole > 0, whole, np.inf) for part, whole in parts]


def _beyond(activation: Activation, s: Array, end: float) -> tuple[Array, Array]:
    """E[w(s z)^2; |z| > end] and the same of w', (n,) each."""
    t, p = np.polynomial.laguerre.laggauss(ORDER)
    p = p * np.exp(-(end**2) / 2 - (t / end) ** 2 / 2) / (end * np.sqrt(2 * np.pi))
    z = end + t / end  # phi(z) = phi(end) exp(-t - t^2/(2 end^2))
    both = np.concatenate([-z, z])
    w, w1 = activation.derivatives(s[:, None] * both, 1)
    weights = np.concatenate([p, p])
    return w**2 @ weights, w1**2 @ weights
