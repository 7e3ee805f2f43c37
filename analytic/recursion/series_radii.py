"""How many terms of a series serve up to which |rho|, and what they leave out."""

from __future__ import annotations

import numpy as np

from analytic.machine import UNIT, Array
from analytic.recursion.error_amplification import Amplification

__all__ = ["GROUP", "lengths", "radii", "truncation_of"]

GROUP = 8
"""Terms of the series (even and odd together) by which its length grows."""


def lengths(layer: Amplification) -> list[int]:
    """How many coefficients of even and of odd order exceed rounding, in fours."""
    if layer.closed:
        return [0, 0]
    tails = [np.cumsum(layer.r_d[start::2][::-1])[::-1] for start in (0, 1)]
    return [-4 * (-int(np.count_nonzero(tail > UNIT / 16)) // 4) for tail in tails]


def radii(
    layer: Amplification, groups: int, taus: tuple[float, float], ceiling: float, whole: bool
) -> tuple[Array, Array]:
    """The largest R at which each group of terms is truncated below tau, and by how much.

    Groups beyond the last term have it too, and truncation errors from the first of ``taus`` to
    the second. If ``whole`` the last group serves all R, whatever it leaves out; so it does where
    another form takes the place of the series.
    """
    closed = layer.bent or layer.closed
    tau = np.zeros(groups)
    if closed:
        radius = np.minimum(1 - 2.0 ** -np.arange(1.0, groups + 1), ceiling)
    else:
        terms = np.minimum(GROUP * np.arange(1, groups + 1), layer.terms)
        tails = layer.tails(terms)
        tau[:] = taus[0]
        beyond = np.arange(groups) + 1 - -(-layer.terms // GROUP)
        more = beyond > 0
        tau[more] *= (taus[1] / taus[0]) ** (beyond[more] / max(beyond[-1], 1))
        radius = np.minimum((tau / np.maximum(tails, tau * 1e-300)) ** (1 / terms), ceiling)
        radius = np.maximum.accumulate(np.where(radius < 1, radius * (1 - 4 * UNIT), 1.0))
        if whole:
            tau[-1] = max(tau[-1], tails[-1])
    if layer.beyond is not None:
        tau[-1] = max(tau[-1], layer.beyond.error)
    if whole or layer.closed or layer.beyond is not None:
        radius[-1] = ceiling
    return radius, tau


def truncation_of(layer: Amplification, radius: Array, lost: Array) -> Array:
    """What the groups leave out at their radii for some of the inputs, (groups,).

    Args:
        layer: how it amplifies errors of these inputs.
        radius: of each group.
        lost: what they leave out for all inputs.
    """
    if layer.bent or layer.closed:
        return lost
    terms = np.minimum(GROUP * np.arange(1, lost.size + 1), layer.terms)
    return np.minimum(lost, layer.tails(terms) * np.power(radius, terms))
