r"""Pairs of units whose distance has a formula: waves and bumps, with all their errors.

Of a wave (``analytic.expectations.waves`` has the formula and its legend) an error of the
deviations that both units share moves exp(-X) alone, with X = kappa E (u - v)^2, and that in
proportion to X; the error of the gap s - s' is one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.gaussian_bumps import gaussian_bump
from analytic.expectations.product_rules import Angle
from analytic.expectations.waves import Wave, wave
from analytic.machine import UNIT, Array

__all__ = ["PairFormula", "pair_formula", "wave_distances"]

PairFormula = Callable[[Array, Array, Angle, Array, Array, float], tuple[Array, ...]]
"""The numbers of ``Distances`` from s, s', the angle, s - s', its error, that of both variances."""


def pair_formula(activation: Activation) -> PairFormula | None:
    """That of an activation, if it has one."""
    if (solved := wave(activation)) is not None:
        return partial(wave_distances, solved)
    bump = gaussian_bump(activation)
    return None if bump is None else bump.distances


class _Wrong(NamedTuple):
    """Bounds of what is wrong, (pairs,) each.

    Attributes:
        up: of exp(-X/2), and of exp(-X).
        down: of exp(X/2 - V).
        turned: of exp(-2 V) (exp(X) - 1), at the same V.
        across: of 4 exp(-V) sinh(G/2)^2.
        level: of V, where it is a factor beside its exponential.
    """

    up: Array
    down: Array
    turned: Array
    across: Array
    level: Array

    @classmethod
    def of(
        cls, x: Array, total: Array, between: Array, gaps: tuple[Array, Array], variation: float
    ) -> _Wrong:
        """From X, V, G, the roots kappa^(1/2) of s - s' and kappa of (s + s') times its error."""
        gap, of_gap = gaps
        of_x = (2 * np.abs(gap) + of_gap) * of_gap + (variation + 4 * UNIT) * x
        level = np.minimum((variation + 4 * UNIT) * total, 1)
        of_between = np.sqrt(2 * total) * of_gap + (variation + 4 * UNIT) * np.abs(between)
        up = np.exp(-np.maximum(x - of_x, 0) / 2) * np.minimum(of_x, 1)
        turned = np.exp(x - 2 * total) * np.minimum(of_x, 1)
        down = np.exp(x / 2 - total) * np.minimum(of_x + level, 1)
        # 4 sinh(G/2)^2 exp(-V) has the slope 2 sinh(G) exp(-V)
        size = np.exp(np.minimum(np.abs(between) + of_between - total, 0))
        bend = np.minimum(2 * (np.abs(between) + of_between), 2)
        return cls(up, down, turned, size * bend * np.minimum(of_between, 1), level)


def wave_distances(
    of: Wave, s: Array, s_: Array, angle: Angle, gap: Array, of_gap: Array, variation: float
) -> tuple[Array, ...]:
    """The numbers of ``analytic.expectations.close_pairs.Distances``, with all their errors.

    Args:
        of: the wave.
        s: standard deviations of the first units, (pairs,).
        s_: those of the second ones.
        angle: complements of their correlation.
        gap: s - s'.
        of_gap: its error.
        variation: relative error of s^2 and s'^2, beside that of their difference.
    """
    (p, m), kappa, root = of.amplitudes, of.kappa, np.sqrt(of.kappa)
    flip, v, v_ = angle.plus < angle.minus, s**2, s_**2
    x = kappa * (gap**2 + 2 * s * s_ * angle.small)
    total, between = kappa * (v + v_), kappa * gap * (s + s_)
    f, f_ = (p + m * np.exp(-2 * kappa * a) for a in (v, v_))
    parts = np.stack([
        -(p**2) * np.expm1(-x),
        m**2 * np.exp(x - 2 * total) * np.expm1(-x),
        p * m * (np.exp(-(total - np.abs(between)) / 2) * -np.expm1(-np.abs(between))) ** 2,
    ])  # fmt: skip
    square = parts.sum(axis=0) / (f * f_)  # 1 - cosine^2
    # F(c), or F(-c) for opposite pairs, over exp(kappa (s^2 + s'^2)/2)
    up, down = np.exp(-x / 2), np.exp(x / 2 - total)
    front, back = np.where(flip, m, p), np.where(flip, p, m)
    cosine = (front * up + back * down) / np.sqrt(f * f_)
    known = ~flip | (abs(p) == abs(m))
    near = np.where(known, square / (1 + np.abs(cosine)), 1 - np.abs(cosine))
    near, close = np.maximum(near, 0), cosine > 0
    wrong = _Wrong.of(x, total, between, (root * gap, root * of_gap), variation)
    of_f = variation * kappa * abs(m)
    of_f = of_f * (np.exp(-2 * kappa * v) * v / f + np.exp(-2 * kappa * v_) * v_ / f_)
    of_cosine = (abs(p) * wrong.up + abs(m) * wrong.down) / np.sqrt(f * f_) + of_f
    moved = p**2 * wrong.up + m**2 * wrong.turned + abs(p * m) * wrong.across
    moved += 2 * wrong.level * np.abs(parts[1:]).sum(axis=0) + 8 * UNIT * np.abs(parts).sum(axis=0)
    error = np.where(known, moved / (f * f_) + near * (2 * of_f + of_cosine), 8 * UNIT + of_cosine)
    error += 4 * UNIT * near
    minus, plus = np.where(close, near, 2 - near), np.where(close, 2 - near, near)
    grown = (of.q + kappa) * (v + v_) / 2
    d = kappa * np.where(flip, -1.0, 1.0) * (front * up - back * down) * np.exp(grown)
    slope, slope_ = (of.squares(a)[1] for a in (v, v_))
    error_d = (8 * UNIT * (1 + x / 2) + grown * (8 * UNIT + variation)) * (
        abs(p) * up + abs(m) * down
    )
    error_d += abs(p) * wrong.up + abs(m) * wrong.down
    error_d *= kappa * np.exp(grown) / np.sqrt(slope * slope_)
    return minus, plus, d, error, error_d + UNIT**2  # where the exponentials underflow
