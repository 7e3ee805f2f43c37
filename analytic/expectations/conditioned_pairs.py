r"""Pairs of units by conditioning: which tables resolve them, and the errors of what these give.

Where the norms of a close pair differ, the means part, E (w(u)/r - W(v)/r')^2 given the outer unit
g = y, is a square of differences. With v = g + tau b, u = g/kappa and l = log kappa it is summed
from the small numbers themselves,

    w(y exp(-l))/r - W(y, tau)/r' = w(y) (1/r - 1/r') + sum_k (-l)^k theta^k w(y)/(k! r)
                                    - sum_k tau^(2k) w^(2k)(y)/(2^k k! r'),    theta = y d/dy,

four terms and two: so it errs in proportion to itself (docs/theory/near.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.conditioning import SUM_ROUNDING, Split, conditional
from analytic.expectations.halved_steps import NARROWEST
from analytic.expectations.heat_choice import HIGHEST, heat, heats
from analytic.expectations.heat_tables import WIDEST, Heat
from analytic.expectations.norm_gaps import NormGap
from analytic.expectations.outer_sum import OUTER
from analytic.expectations.pair_formulas import pair_formula
from analytic.expectations.product_rules import Angle
from analytic.expectations.splines import by_pieces
from analytic.expectations.unit_tables import Units
from analytic.machine import UNIT, Array

__all__ = [
    "SOUND",
    "Gaps",
    "by_conditioning",
    "resolving_heats",
    "sharpened",
    "unit_spread",
    "varies_fast",
]

Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

SOUND = 2**10 * UNIT
"""Largest error of the tables for which they are used."""


def varies_fast(activation: Activation) -> bool:
    """Whether close pairs of large deviations are left to rules of two dimensions."""
    solved = activation.bent_line is not None or activation.jump is not None
    if solved or pair_formula(activation) is not None or by_pieces(activation) is not None:
        return False
    table = heat(activation)
    return table is None or not table.resolved


def resolving_heats(of: Units, angle: Angle, i: Index, j: Index) -> list[tuple[Heat, Mask]]:
    """The tables of conditioning, each with the pairs that are the first it resolves."""
    found: list[tuple[Heat, Mask]] = []
    left = np.ones(i.size, dtype=np.bool_)
    for highest in HIGHEST:
        for table in heats(of.activation, highest) if left.any() else ():
            found.append((table, left & _resolved(table, of, angle, i, j)))
            left &= ~found[-1][1]
        left &= np.maximum(of.s[i], of.s[j]) >= 2.0**highest
    return found


def _resolved(table: Heat, of: Units, angle: Angle, i: Index, j: Index) -> Mask:
    """Where the nodes resolve the outer law and reach its end."""
    low, high = np.minimum(of.s[i], of.s[j]), np.maximum(of.s[i], of.s[j])
    split = Split.of(low, high, angle.small)
    octave = _octave(table, split.sigma)
    inside = (octave >= 0) & (high < 2.0**table.highest) & (high < low * 2.0**WIDEST)
    if table.rule.halves:
        least = np.where(split.tau_1 > 0, split.tau_1, split.tau_2)
        inside &= (least >= 2.0**table.lowest) | (split.tau_2 == 0)  # or they are parallel
    return inside & (table.outer[np.where(inside, octave, 0)] <= SOUND)


def _octave(table: Heat, sigma: Array) -> Index:
    """The row of ``Heat.outer`` for each sigma."""
    first = round(np.log2(table.rule.scale)) + NARROWEST
    return np.frexp(sigma)[1] - 1 - first


def by_conditioning(table: Heat, of: Units, angle: Angle, i: Index, j: Index) -> Array:
    """The numbers of ``analytic.expectations.close_pairs.Distances``, (5, pairs)."""
    s, s_, r, r_ = of.s[i], of.s[j], of.r[i], of.r[j]
    found = conditional(table, s, s_, angle.minus, angle.plus, 1 / r, 1 / r_)
    minus, plus, d, apart, noise_w, noise_d, noise_v = found
    sigma = Split.of(np.minimum(s, s_), np.maximum(s, s_), angle.small).sigma
    outer = table.outer[_octave(table, sigma)]
    lost = 4 * outer + SUM_ROUNDING
    e = 2 * (noise_w + of.moments.noise.of_values + 2 * UNIT)
    error = e * np.sqrt(2 * apart) + e**2 + (noise_v + lost) * np.minimum(minus, plus)
    slope = np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    smeared = table.unresolved / (sigma * np.where(slope > 0, slope, np.inf))
    return np.stack([minus, plus, d, error, 2 * noise_d + lost + smeared])


class Gaps(NamedTuple):
    """The differences s - s' and r - r' of pairs, sharp."""

    s: NormGap
    r: NormGap

    def take(self, chosen: Index) -> Gaps:
        return Gaps(*(NormGap(*(part[chosen] for part in gap)) for gap in self))


def sharpened(
    table: Heat, of: Units, angle: Angle, i: Index, j: Index, gaps: Gaps, variation: float
) -> Array:
    """The same of pairs whose gaps are known, with what an error of both variances does.

    It moves both units alike: 1 - c changes in proportion to itself, by s^2 (log D/r^2)' and what
    is of the size of that. Where -v would be near u, w has to be even or odd.
    """
    s, s_, r, r_ = of.s[i], of.s[j], of.r[i], of.r[j]
    found = conditional(table, s, s_, angle.minus, angle.plus, 1 / r, 1 / r_)
    minus, plus, d, apart, noise_w, noise_d, noise_v = found
    split = Split.of(np.minimum(s, s_), np.maximum(s, s_), angle.small)
    lost = 4 * table.outer[_octave(table, split.sigma)] + SUM_ROUNDING
    means, of_means = _means(table, angle.small, s, s_, r, r_, gaps, lost)
    e = 2 * (noise_w + of.moments.noise.of_values + 2 * UNIT)
    grown, turned, spread = _responses(of, i, j)
    away, aside = np.abs(gaps.s.value) / s, (np.abs(gaps.s.value - (s - s_)) + gaps.s.error) / s
    stretched = spread * (away + aside) * aside
    near: Array = np.minimum(minus, plus)
    one = np.isfinite(of_means) & (split.kappa > 1)
    near = np.where(one, np.maximum(near - apart, 0) + means, near)
    error = np.where(one, of_means, e * np.sqrt(2 * apart) + e**2 + stretched)
    error += (noise_v + lost + 12 * UNIT + variation * grown) * near
    flip = angle.plus < angle.minus
    error = np.where(flip & (table.parity == 0), np.inf, error)
    slope = np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    smeared = table.unresolved / (split.sigma * np.where(slope > 0, slope, np.inf))
    of_d = 2 * noise_d + lost + smeared
    of_d += variation * np.minimum(turned + 4 * angle.small * grown, 4)
    first = minus < plus
    minus, plus = np.where(first, near, 2 - near), np.where(first, 2 - near, near)
    return np.stack([minus, plus, d, error, of_d])


def _responses(of: Units, i: Index, j: Index) -> tuple[Array, Array, Array]:
    """Of 1 - c and of D to a relative change of both variances, and of w/r to one of s.

    The squared norm of the last is s^2 E (z w')^2/r^2 - (s r_s/r)^2, at most its first part.
    """
    m, v = of.moments, of.s**2
    slope = np.where(m.slope > 0, m.slope, np.inf)
    second = np.where(m.second > 0, m.second, np.inf)
    of_d, of_e = np.abs(v * m.response_d / slope), np.abs(v * m.response_e / second)
    spread = v * np.maximum(m.slope + 2 * v * m.response_d, 0) / second
    grown, turned = 4 + 2 * (of_d + of_e), 1 + of_d
    grown, turned, spread = (np.maximum(part[i], part[j]) for part in (grown, turned, spread))
    return grown, turned, spread


def unit_spread(of: Units) -> Array:
    """The squared norm of s d(w(sz)/r)/ds of each unit: s^2 E (z w')^2/r^2 - (s r_s/r)^2, (n,)."""
    m, v = of.moments, of.s**2
    second = np.where(m.second > 0, m.second, np.inf)
    whole = v * np.maximum(m.slope + 2 * v * m.response_d, 0) / second
    return np.maximum(whole - (v * m.response_e / second) ** 2, 0)


BLOCK = 256
"""Pairs whose means part is summed together."""
NEAREST = 2.0**-8
"""The largest log kappa for which it is a short series."""


def _means(
    table: Heat, small: Array, s: Array, s_: Array, r: Array, r_: Array, gaps: Gaps, lost: Array
) -> tuple[Array, Array]:
    """E (W_1/r - W_2/r')^2/2 and its error, infinite unless u = g/kappa with kappa near 1."""
    low, high = np.minimum(s, s_), np.maximum(s, s_)
    gap, turn = np.abs(gaps.s.value), np.where(gaps.s.value < 0, -1.0, 1.0)  # high is u if turn > 0
    one, other = np.where(turn > 0, r_, r), np.where(turn > 0, r, r_)  # norms of low and of high
    bend = np.log1p(gap / low) + np.log1p(-np.minimum(small, 0.5))  # larger ones are not chosen
    tau = high**2 * small * (2 - small)
    rise = turn * gaps.r.value / (one * other)  # 1/r - 1/r' for r of the one of s = low
    parts = np.stack([
        rise, -bend / one, bend**2 / (2 * one), -(bend**3) / (6 * one), bend**4 / (24 * one),
        -tau / (2 * other), -(tau**2) / (8 * other),
    ])  # fmt: skip
    known = 8 * UNIT * np.abs(parts)
    known[0] += gaps.r.error / (one * other)
    known[1:5] *= 4
    known[1] += gaps.s.error / low / one
    mean, error = np.zeros(s.size), np.full(s.size, np.inf)
    chosen = np.flatnonzero((bend > 0) & (bend < NEAREST) & (small < NEAREST))
    for start in range(0, chosen.size, BLOCK):
        k = chosen[start : start + BLOCK]
        sigma = high[k] * (1 - small[k])
        with np.errstate(over="ignore", invalid="ignore"):  # what cannot be held is not known
            mean[k], sizes = _mean_squares(table, sigma, parts[:, k])
            wrong = np.sum(known[:, k] * sizes, axis=0)
            term = np.abs(parts[:, k]) * sizes
            wrong += _remainder(term[1:5], 5) + _remainder(term[5:], 3)
            error[k] = np.sqrt(2 * mean[k]) * wrong + wrong**2 + (lost[k] + 16 * UNIT) * mean[k]
    return mean, error


def _remainder(terms: Array, order: int) -> Array:
    """What a series leaves out behind its last term, from the largest quotient of its terms."""
    before = np.where(terms[:-1] > 0, terms[:-1], np.inf)
    quotient: Array = 4 * np.max(terms[1:] / before, axis=0)
    most: Array = terms.max(axis=0) * order
    return np.asarray(np.where(quotient < 0.5, 2 * quotient * terms[-1], most), np.float64)


def _mean_squares(table: Heat, sigma: Array, parts: Array) -> tuple[Array, Array]:
    """Half of E (sum of the parts of the basis)^2, and the norms of the basis, (7, pairs)."""
    basis = _basis(table)
    inside = np.abs(table.nodes) <= OUTER * sigma.max()
    y, lengths, basis = table.nodes[inside], table.lengths[inside], basis[:, inside]
    p = np.exp(-((y / sigma[:, None]) ** 2) / 2) * lengths
    p /= np.sqrt(2 * np.pi) * sigma[:, None]  # (pairs, q)
    return np.sum(p * (parts.T @ basis) ** 2, axis=1) / 2, np.sqrt(p @ (basis**2).T).T


@lru_cache(maxsize=32)
def _basis(table: Heat) -> Array:
    """w, theta w, ..., theta^4 w, w'', w'''' at the nodes, (7, q)."""
    y, (w, w1, w2, w3, w4) = table.nodes, table.activation.derivatives(table.nodes, 4)
    a, b, c, d = y * w1, y**2 * w2, y**3 * w3, y**4 * w4
    return np.stack([w, a, a + b, a + 3 * b + c, a + 7 * b + 6 * c + d, w2, w4])
