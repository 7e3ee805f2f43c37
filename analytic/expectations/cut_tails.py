r"""What rules of finite reach lose of activations by pieces whose mass lies far out.

A softshrink at s = 1/20 is 0 up to ten standard deviations: what E w(s z)^2 has beyond the end of a
rule is then no rounding of it, but may be all of it. And where w is sin(x), its pieces end
somewhere.
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
SHORT, MANY = 5.0, 256
"""Ends below are within the law, which is looked at so often there."""


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
    far = line.far if isinstance(line, Spline) else None
    parts = shares_beyond(activation, s, END, second, slope, far)
    error = max(float(part.max(initial=0.0)) for part in parts)
    if isinstance(line, Spline):  # the coefficients of others have formulas
        error = max(error, float(parts[1].max(initial=0.0)) ** 0.5)
    return error if error > UNIT / 4 else 0.0


def shares_beyond(
    activation: Activation,
    s: Array,
    end: float,
    second: Array,
    slope: Array,
    far: tuple[float, float] | None = None,
) -> list[Array]:
    """E[f(s z)^2; z outside] of f = w and w', of the whole, (n,) each; 0 where that is 0.

    Args:
        activation: w.
        s: standard deviations, (n,).
        end: z beyond are outside.
        second: E w(s z)^2.
        slope: E w'(s z)^2.
        far: so are x = s z beyond these, to the left and to the right.
    """
    s_ = np.where(s > 0, s, 1.0)
    parts = np.zeros((2, s.size))
    for side, most in zip((-1.0, 1.0), far or (np.inf, np.inf), strict=True):
        ends = np.minimum(end, most / s_)
        near = ends < SHORT
        parts[:, ~near] += _beyond(activation, side * s[~near], ends[~near])
        parts[:, near] += _inside(activation, side * s[near], ends[near])
    shares = (
        part / np.where(whole > 0, whole, np.inf)
        for part, whole in zip(parts, (second, slope), strict=True)
    )
    return [np.where(np.isnan(share), np.inf, share) for share in shares]


def _beyond(activation: Activation, s: Array, ends: Array) -> Array:
    """E[w(s z)^2; z > end] and the same of w', (2, n), where the normal law falls quickly."""
    t, p = np.polynomial.laguerre.laggauss(ORDER)
    ends = ends[:, None]
    # phi(z) = phi(end) exp(-t - t^2/(2 end^2)) at z = end + t/end
    p = p * np.exp(-(ends**2) / 2 - (t / ends) ** 2 / 2) / (ends * np.sqrt(2 * np.pi))
    return _squares(activation, s[:, None] * (ends + t / ends), p)


def _inside(activation: Activation, s: Array, ends: Array) -> Array:
    """The same where it does not, roughly: at equidistant z."""
    z = ends[:, None] + (np.arange(MANY) + 0.5) * (END / MANY)
    p = np.exp(-(z**2) / 2) * (END / MANY / np.sqrt(2 * np.pi))
    return _squares(activation, s[:, None] * z, p)


def _squares(activation: Activation, x: Array, p: Array) -> Array:
    """Sums of p w(x)^2 and p w'(x)^2, (2, n); what float64 cannot hold is no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([np.sum(w**2 * p, axis=1) for w in activation.derivatives(x, 1)])
