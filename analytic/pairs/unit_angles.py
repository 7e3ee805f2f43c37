"""The angle between two units where units are added or normalised, without cancellation.

Legend: as in ``analytic.pairs.nearly_parallel``; pairs are the units i and j of what a stage knows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import Angle
from analytic.machine import UNIT, Array
from analytic.pairs.pair_sums import lagrange_defect as _defect
from analytic.pairs.pair_sums import share_or_zero
from analytic.recursion import Junction, Stage

__all__ = ["angle_of_sum", "normalized_angle"]

Index = NDArray[np.intp]


def angle_of_sum(
    junction: Junction, noise: float, i: Index, j: Index, alpha: Angle, branch: Angle
) -> Angle:
    """That of the sums of units and of an independent branch, whose means make these correlated.

    Args:
        junction: the two states that are added.
        noise: relative error of their norms and means.
        i: the first of the pairs.
        j: the second ones.
        alpha: the angle of the branches before.
        branch: that of the last one.
    """
    (sigma0, _, mu), (second, _, eta), _ = junction
    m, m_, e, e_ = mu[i], mu[j], eta[i], eta[j]
    r0, r0_, r1, r1_ = (np.sqrt(v) for v in (sigma0[i], sigma0[j], second[i], second[j]))
    q0, q0_ = (np.sqrt(np.maximum(r**2 - a**2, 0)) for r, a in ((r0, m), (r0_, m_)))
    q1, q1_ = (np.sqrt(np.maximum(r**2 - a**2, 0)) for r, a in ((r1, e), (r1_, e_)))
    whole, whole_ = np.sqrt(r0**2 + r1**2 + 2 * m * e), np.sqrt(r0_**2 + r1_**2 + 2 * m_ * e_)
    both = np.where(whole * whole_ > 0, whole * whole_, 1.0)
    sides = [(q0, q1, m + e), (q0_, q1_, m_ + e_)]
    around = _defect(*sides) - _defect((q0, m), (q0_, m_)) - _defect((q1, e), (q1_, e_))
    minus = (around + r0 * r0_ * alpha.minus + r1 * r1_ * branch.minus) / both
    size, size_ = np.hypot(r0, r1), np.hypot(r0_, r1_)
    around = (both - size * size_) + _defect((r0, r1), (r0_, r1_)) + m * e_ + e * m_
    plus = (around + r0 * r0_ * alpha.plus + r1 * r1_ * branch.plus) / both
    shares = [share_or_zero(np.stack([r0, r1, m, e]), whole)]
    shares.append(share_or_zero(np.stack([r0_, r1_, m_, e_]), whole_))
    cosine = np.asarray(np.where(minus < plus, 1 - minus, plus - 1), dtype=np.float64)
    cosines = alpha.cosine, branch.cosine, cosine
    moved = sum(_moved_sum(a, b, *cosines) for a, b in (shares, shares[::-1]))
    error = (r0 * r0_ * alpha.error + r1 * r1_ * branch.error) / both + 2 * noise * moved
    rounded = 4 * UNIT * np.abs(np.minimum(minus, plus))  # of parallel units it may be below 0
    return Angle.of(minus, plus, error + rounded)


def _moved_sum(a: Array, b: Array, alpha: Array, branch: Array, whole: Array) -> Array:
    """By how much errors of the norms and the means of one unit change the cosine of a sum.

    Args:
        a: its norms and means, of the branches before and of the last one, over that of the sum.
        b: those of the other unit.
        alpha: the cosine of the branches before.
        branch: that of the last one.
        whole: that of the sum.
    """
    (p, q, m, e), (p_, q_, m_, e_) = a, b
    norms = p * np.abs(p_ * alpha - whole * p) + q * np.abs(q_ * branch - whole * q)
    means = p * np.abs(e_ - whole * e) + q * np.abs(m_ - whole * m)
    return np.asarray(norms + 2 * means)


def normalized_angle(stage: Stage, noise: float, i: Index, j: Index, angle: Angle) -> Angle:
    r"""That of units without their mean, which makes the angle between them larger.

    With m = mu/s and the cosine c' behind, relative errors e of r and e' r of mu change c' by

        m (m' - c' m) e - (r/s) (m' - c' m) e',

    and the same for the other unit, to first order: not by the difference of the means alone, which
    is 0 of units that turn by their errors alike.
    """
    mu, s = stage.mu, np.sqrt(stage.trained)  # without eps, which does not turn anything
    r = np.hypot(s, mu)
    alive, inner = s[i] * s[j] > 0, r[i] * r[j]
    both = np.where(alive, s[i] * s[j], 1.0)
    defect = _defect((s[i], mu[i]), (s[j], mu[j]))  # r r' - s s' - mu mu'
    minus = np.where(alive, (inner * angle.minus - defect) / both, 1.0)
    plus = np.where(alive, (inner * angle.plus - 2 * mu[i] * mu[j] - defect) / both, 1.0)
    wrong = inner * angle.error + 4 * UNIT * (inner * angle.small + defect)
    moved = sum(_moved(mu[k], s[k], mu[m], s[m], minus) for k, m in ((i, j), (j, i)))
    return Angle.of(minus, plus, wrong / both + np.where(alive, noise * moved, 0.0))


def _moved(mu: Array, s: Array, mu_: Array, s_: Array, minus: Array) -> Array:
    """By how much errors of r and of mu/r, of one unit, change the cosine behind."""
    m, m_ = share_or_zero(mu, s), share_or_zero(mu_, s_)
    return (np.abs(m) + np.hypot(1.0, m)) * np.abs(m_ - m + minus * m)
