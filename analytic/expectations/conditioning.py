r"""Close pairs by conditioning: one outer sum over functions of one unit.

Let u, v have standard deviations s <= s' and correlation rho >= 0, and split them as

    u = g + tau_1 b_1,  v = g + tau_2 b_2,   Var g = s s' rho      if s >= s' rho, else
    u = (s/(s' rho)) g,  v = g + tau b,      Var g = (s' rho)^2,   tau^2 = s'^2 (1 - rho^2)

with independent normal b. Given g the two are independent, so that with the W, V of
``heat_tables`` and r^2 = E w(u)^2

    E (w(u)/r - w(v)/r')^2 = E (W_1/r - W_2/r')^2 + tau_1^2 E V_1/r^2 + tau_2^2 E V_2/r'^2
    E w'(u) w'(v)          = E W'_1 W'_2

at y = g: non-negative terms only, nothing cancels however close the pair is. For rho < 0
the second unit is w(-v). The outer law is summed by the trapezoidal rule at fixed nodes, so
that W and V are needed as functions of tau alone.

Legend: as in the formulas; minus = 1 - rho, plus = 1 + rho, small the smaller of them.
"""

from __future__ import annotations

import math
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations.heat_tables import Heat
from analytic.expectations.outer_sum import CHAIN, OUTER, OuterRoom, pair_sums
from analytic.expectations.series_lanes import TOGETHER
from analytic.machine import UNIT, Array

__all__ = ["SUM_ROUNDING", "Split", "conditional"]


class Split(NamedTuple):
    """How pairs are split, for s <= s', (pairs,) each.

    Attributes:
        sigma: the deviation of g.
        tau_1: that of u given g, or 0 where u = g/kappa.
        tau_2: that of v given g.
        kappa: s' rho/s where it exceeds 1, else 1.
    """

    sigma: Array
    tau_1: Array
    tau_2: Array
    kappa: Array

    @classmethod
    def of(cls, low: Array, high: Array, small: Array) -> Split:
        """From s, s' and 1 - |rho|, without cancellation."""
        gap = high - low
        apart = gap - high * small  # s' rho - s
        one = apart > 0
        rho = 1 - small
        return cls(
            np.where(one, high * rho, np.sqrt(low * high * rho)),
            np.sqrt(low * np.maximum(-apart, 0)),
            np.sqrt(np.where(one, high**2 * small * (2 - small), high * (gap + low * small))),
            np.where(one, high * rho / np.where(one, low, 1.0), 1.0),
        )


SUM_ROUNDING = (12 + CHAIN + 2) * UNIT
"""A bound of the rounding of the outer sum, relative to that of the sizes of its terms.

A term has 12 roundings, those of its weight included (of y^2/(2 sigma^2), which is 1/2 in
the mean, five); chains of CHAIN terms have one for each addition, and their compensated sum two.
"""


def _segments(h: Heat, tau: Array) -> NDArray[np.intp]:
    """The segments that hold these tau."""
    found = np.clip(_half_octave(tau, h.lowest) + 1, 0 if h.smooth else 1, len(h.table) - 1)
    return np.where((tau == 0) & h.rule.halves, 0, found)


def _starts(*keys: Array | NDArray[Any]) -> NDArray[np.int64]:
    """Where groups of at most TOGETHER pairs with equal keys begin, and the end."""
    size = keys[0].size
    changes = np.zeros(size, dtype=np.bool_)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    ends = [*np.flatnonzero(changes).tolist(), size]
    groups = [range(a, b, TOGETHER) for a, b in pairwise(ends)]
    return np.array([*chain.from_iterable(groups), size], dtype=np.int64)


def _key(
    h: Heat, first: NDArray[np.intp], second: NDArray[np.intp], flip: Any, sigma: Array
) -> NDArray[np.int64]:
    """One number to sort by: pairs that share tables come together, by the width of their law."""
    width = np.frexp(sigma)[1] + 1100  # at most 2^12, as the half octaves of kappa and tau
    tables = (first + 2**11).astype(np.int64) << 14 | second << 2 | flip
    return tables << 12 | width


def _half_octave(x: Array, lowest: int = 0) -> NDArray[np.intp]:
    """The k with 2^(lowest + k/2) <= x < 2^(lowest + (k + 1)/2); very negative for x = 0."""
    mantissa, exponent = np.frexp(np.where(x > 0, x, 2.0**-1000))
    return 2 * (exponent - 1 - lowest) + (mantissa >= math.sqrt(0.5))


def conditional(
    h: Heat, s: Array, s_: Array, minus: Array, plus: Array, unit: Array, unit_: Array
) -> Array:
    """The squared distance of two units by conditioning.

    Args:
        h: the tables of w.
        s: standard deviation of u, shape (pairs,).
        s_: that of v.
        minus: 1 - rho.
        plus: 1 + rho.
        unit: 1/sqrt(E w(u)^2).
        unit_: 1/sqrt(E w(v)^2).

    Returns:
        (minus, plus, d, the part of the means in the smaller of the first two, errors of
        the tables of W, W' and V), shape (7, pairs).
    """
    swap = s > s_
    low, high = np.where(swap, s_, s), np.where(swap, s, s_)
    unit, unit_ = np.where(swap, unit_, unit), np.where(swap, unit, unit_)
    split = Split.of(low, high, np.minimum(minus, plus))
    first, second = _segments(h, split.tau_1), _segments(h, split.tau_2)
    both = split.tau_1 > 0
    octave = np.where(both, 0, _half_octave(split.kappa))
    h.fill(np.concatenate([first[both], second]))
    h.fill_narrowed(octave[~both])
    first, flip = np.where(both, first, -1 - octave), plus < minus
    order = np.argsort(_key(h, first, second, flip, split.sigma))
    reach = np.searchsorted(h.nodes[h.middle + 1 : -1], OUTER * split.sigma) + 1
    pairs = np.stack([*split, unit, unit_, reach])[:, order]
    found = np.empty((4, s.size))
    pair_sums(
        h.nodes, h.lengths, h.parity, h.lowest, h.table, h.degrees, h.narrowed,
        h.degrees_narrowed, pairs, first[order], second[order], flip[order],
        _starts(first[order], second[order], flip[order]), *OuterRoom.new(), found,
    )  # fmt: skip
    out = np.empty((7, s.size))
    out[:4, order] = found
    noise = h.noise[second].T
    out[4:] = np.maximum(noise, np.where(both, h.noise[np.maximum(first, 0)].T, 0.0))
    out[4:6] = np.maximum(out[4:6], np.where(both, 0.0, h.noise_narrowed[octave].T))
    return out
