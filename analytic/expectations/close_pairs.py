r"""The squared distance of two units, and E w'(u) w'(v), for any pair: the cheapest sound way.

    minus = E (w(u)/r - w(v)/r')^2/2,    plus = E (w(u)/r + w(v)/r')^2/2,    d = E w'(u) w'(v)

with r^2 = E w(u)^2. Few terms of Mehler's series where they are complete or |rho| is moderate; else
the outer sum of ``conditional``, or (a narrow outer law, no tables) ``product_rules``.

All errors are estimated by two rules, their propagation is by Cauchy-Schwarz (docs/theory/near.md).

Legend: s, s' the standard deviations, small = min(1 - rho, 1 + rho).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.close_series import series_responses, short_series
from analytic.expectations.conditioned_pairs import (
    SOUND,
    Gaps,
    by_conditioning,
    resolving_heats,
    sharpened,
    unit_spread,
)
from analytic.expectations.cut_tails import shares_beyond
from analytic.expectations.germs import SMALL, germ
from analytic.expectations.heat_choice import POLYNOMIAL
from analytic.expectations.heat_tables import Heat
from analytic.expectations.node_tables import kinked
from analytic.expectations.pair_formulas import PairFormula, pair_formula
from analytic.expectations.pairs_by_rules import HOPELESS, are_lost, by_product_rule
from analytic.expectations.polylines import polyline
from analytic.expectations.product_rules import Angle
from analytic.expectations.spline_lanes import REACH as PAIR_END
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import by_pieces, spline
from analytic.expectations.unit_tables import Units
from analytic.expectations.waves import wave
from analytic.machine import UNIT, Array

__all__ = ["Distances", "distances"]

Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

EXACT = 2**4 * UNIT
"""Truncation that is taken for rounding."""
LOST = 1e-3
"""Error of a cosine from which on a pair is refused at any tolerance that is asked for."""
BLIND = 1e-3
"""Share of a unit's square beyond the end of a rule from which on nothing is known of its pairs."""
ERRORS = (3, 3, 4, 3, 4)
"""Which of the numbers of ``Distances`` is the error of each."""
Method = Callable[[Units, Angle, Index, Index], Array]


class Distances(NamedTuple):
    """minus, plus and d; errors of the smaller of the first two, and of d over the norms of w'."""

    minus: Array
    plus: Array
    d: Array
    error: Array
    error_d: Array


def distances(
    of: Units, angle: Angle, i: Index, j: Index, variation: float = 0.0, gaps: Gaps | None = None
) -> Distances:
    """For pairs of units.

    Args:
        of: the units.
        angle: 1 - rho and 1 + rho of their pre-activations; taken as exact.
        i: the first units of the pairs.
        j: the second ones.
        variation: relative error of the variances.
        gaps: the differences of norms, where they are known better than these.
    """
    ways = _ways(of, angle, i, j)
    result = np.empty((5, i.size))
    for method, chosen in ways:
        part = np.flatnonzero(chosen)
        if part.size:
            result[:, part] = method(of, angle.take(part), i[part], j[part])
    found = Distances(*result)
    moved, turned = _moved(of, i, j), _turned(of, i, j)
    if gaps is not None:
        moved, turned = _moved_sharply(of, angle, i, j, moved, turned)
    moved *= variation
    near = np.minimum(found.minus, found.plus)
    error = found.error + moved * (2 * np.sqrt(2 * np.maximum(near, 0)) + moved)
    plain = found._replace(error=error, error_d=found.error_d + variation * turned)
    return plain if gaps is None else _with_gaps(plain, of, angle, i, j, gaps, variation)


def _moved(of: Units, i: Index, j: Index) -> Array:
    """How much w/r changes, in its norm, by a relative change of the variance: at most so."""
    slope = np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    steep = of.s[i] * of.s[j] * slope / np.where(of.r[i] * of.r[j] > 0, of.r[i] * of.r[j], np.inf)
    return np.sqrt(np.maximum(steep, 1))


def _moved_sharply(
    of: Units, angle: Angle, i: Index, j: Index, moved: Array, turned: Array
) -> tuple[Array, Array]:
    """The same without what w and r have in common, and what ``_turned`` is at this |rho|.

    Units that are nearly homogeneous, like a softplus of large s, hardly see their variance.
    """
    own = np.sqrt(unit_spread(of))
    cut = _truncated(of, angle, i, j)
    slope = np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    found = series_responses(of.b[i], of.b[j], angle.small) / np.where(slope > 0, slope, np.inf)
    turned = np.where(cut <= EXACT, np.minimum(turned, 1.1 * found + 2.0**-6), turned)
    return np.minimum(moved, np.maximum(own[i], own[j]) + 2.0**-6), turned


def _with_gaps(
    plain: Distances, of: Units, angle: Angle, i: Index, j: Index, gaps: Gaps, variation: float
) -> Distances:
    """The same where ways that know the gaps say more."""
    result = np.stack(plain)
    ways: list[tuple[Index, Array]] = []
    if (formula := pair_formula(of.activation)) is not None:
        found = formula(of.s[i], of.s[j], angle, *gaps.s, variation)
        ways = [(np.arange(i.size), np.stack(found))]
    elif by_pieces(of.activation) is None:
        parts = [(table, np.flatnonzero(mask)) for table, mask in resolving_heats(of, angle, i, j)]
        ways = [
            (k, sharpened(table, of, angle.take(k), i[k], j[k], gaps.take(k), variation))
            for table, k in parts
            if k.size
        ]
    for k, found in ways:
        here = result[:, k]
        for row, error in enumerate(ERRORS):
            result[row, k] = np.where(found[error] < here[error], found[row], here[row])
    return Distances(*result)


def _turned(of: Units, i: Index, j: Index) -> Array:
    """How much a relative change of the variances changes d, relative to the norms of w'.

    By the norms of u w''(u), which are of the size of these where w bends at a place; sin, cos and
    exp bend everywhere, and where u is of size 10^10 a rounding of it is a share of a period.
    """
    if wave(of.activation) is None:
        return np.full(i.size, 4.0)
    slope = np.where(of.moments.slope > 0, of.moments.slope, np.inf)
    norm = of.s * (2 + 2 * of.s * _rises(of.activation)) * np.sqrt(of.moments.curvature / slope)
    return 4 + np.maximum(norm[i], norm[j])


def _rises(activation: Activation) -> bool:
    """Whether the mass of exp(u)^2 z^2 lies at z = 2 s."""
    return any(order is None or order.rank > POLYNOMIAL for order in activation.growth)


def _ways(of: Units, angle: Angle, i: Index, j: Index) -> list[tuple[Method, Mask]]:
    """The cheapest sound way for each pair."""
    few = _complete(of, i, j) | (_truncated(of, angle, i, j) <= EXACT)
    still = (of.s[i] == 0) | (of.s[j] == 0)
    few = (few & (of.noise <= SOUND)) | still
    if (formula := pair_formula(of.activation)) is not None:
        few &= wave(of.activation) is not None  # parts of a small wave cancel
        return [(_by_series, few), (partial(_by_formula, formula), ~few)]
    if polyline(of.activation) is not None:
        return [(_by_series, few), (_by_polyline, ~few)]
    if by_pieces(of.activation) is not None:
        return [(_by_series, few), (_by_spline, ~few)]
    cubics = germ(of.activation)
    small = (np.maximum(of.s[i], of.s[j]) < 2.0**SMALL) & (cubics is not None)
    apart = [] if small.all() else _tabulated_ways(of, angle, i, j, few, still)
    alone = [] if cubics is None else [(partial(_by_spline, pieces=cubics.pieces), small & ~few)]
    return [(_by_series, small & few), *alone, *((way, part & ~small) for way, part in apart)]


def _tabulated_ways(
    of: Units, angle: Angle, i: Index, j: Index, few: Mask, still: Mask
) -> list[tuple[Method, Mask]]:
    """Those of activations that have tables for conditioning, or might have them."""
    tables = resolving_heats(of, angle, i, j)
    ready = np.zeros_like(few)
    for _, resolved in tables:
        ready |= resolved
    direct = few & (_complete(of, i, j) | (angle.small > 2.0**-4) | ~ready)
    by_pieces_too = kinked(of.activation) and spline(of.activation) is not None
    lost = kinked(of.activation) and not by_pieces_too  # no rule of two dimensions sees the kink
    noise = max(of.moments.noise.value, of.noise)
    if lost or noise > max(HOPELESS, of.wanted):  # refused anyhow: be quick
        direct |= ~ready
    direct |= (angle.error > LOST) | still
    rest = ~ready & ~direct
    if not by_pieces_too and np.count_nonzero(rest) > LONE and are_lost(of, angle, i, j, rest):
        direct |= rest
    return [
        (_by_series, direct),
        *((partial(_by_tables, table), part & ~direct) for table, part in tables),
        (_by_spline if by_pieces_too else by_product_rule, ~ready & ~direct),
    ]


def _by_tables(table: Heat, of: Units, angle: Angle, i: Index, j: Index) -> Array:
    """By conditioning; where its tables err too much by pieces or rules of two dimensions.

    Of w that oscillates and decays the tables are known less well far out, where it counts little.
    """
    found, kink = by_conditioning(table, of, angle, i, j), kinked(of.activation)
    wrong = ~(np.maximum(found[3], found[4]) <= max(HOPELESS, of.wanted))
    if not wrong.any() or (kink and spline(of.activation) is None):
        return found
    if not kink and are_lost(of, angle, i, j, wrong):
        return found
    again = np.flatnonzero(wrong)
    way = _by_spline if kink else by_product_rule
    other = way(of, angle.take(again), i[again], j[again])
    better = other[3] + other[4] < found[3, again] + found[4, again]
    found[:, again[better]] = other[:, better]
    return found


LONE = 4
"""Pairs that are taken by rules of two dimensions, 0.1 s or more each, whatever comes of it."""


def _complete(of: Units, i: Index, j: Index) -> Mask:
    """Where the coefficients leave out no more than rounding."""
    return np.maximum(of.rest[i], of.rest[j]) <= EXACT


def _truncated(of: Units, angle: Angle, i: Index, j: Index) -> Array:
    """What the series leaves out at the |rho| of each pair."""
    return np.sqrt(of.rest[i] * of.rest[j]) * (1 - angle.small) ** of.b.shape[1]


def _by_series(of: Units, angle: Angle, i: Index, j: Index) -> Array:
    whole = _complete(of, i, j)
    minus, plus, d, apart = short_series(
        of.a[i], of.a[j], of.b[i], of.b[j], angle.minus, angle.plus, whole
    )
    small, slope = angle.small, np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    rest = np.maximum(of.rest[i], of.rest[j])
    steep = of.s[i] * of.s[j] * slope / np.where(of.r[i] * of.r[j] > 0, of.r[i] * of.r[j], np.inf)
    e = of.noise_a + 4 * UNIT  # in the norm of a
    near = np.minimum(1.0, of.a.shape[1] * small)
    least = np.maximum(np.minimum(minus, plus), 0)
    close = 2 * e * (np.sqrt(2 * apart) + np.sqrt(2 * near * least) + e)
    close += 8 * UNIT * least + steep * rest * near
    cut = _truncated(of, angle, i, j)  # of products of two units: by Cauchy-Schwarz
    powers = 2 * UNIT / np.maximum(small, 1 / of.a.shape[1])  # the mean order has as many roundings
    share = np.abs(d) / np.where(slope > 0, slope, np.inf)
    far: Array = 2 * e + 8 * UNIT + steep * (cut + powers * share)
    error_d = 2 * of.noise + 16 * UNIT + np.where(whole, rest, cut) + powers
    return np.stack([minus, plus, d, np.asarray(np.where(whole, close, far)), error_d])


def _by_formula(formula: PairFormula, of: Units, angle: Angle, i: Index, j: Index) -> Array:
    s, s_ = of.s[i], of.s[j]
    rounded = 2 * UNIT * np.maximum(s, s_)
    return np.stack(formula(s, s_, angle, s - s_, rounded, 0.0))


def _by_polyline(of: Units, angle: Angle, i: Index, j: Index) -> Array:
    line = polyline(of.activation)
    assert line is not None
    found = line.distances(of.s[i], of.s[j], of.r[i], of.r[j], angle)
    slope = np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    found[4] = found[4] / np.where(slope > 0, slope, np.inf) + 8 * UNIT
    return found


def _by_spline(
    of: Units, angle: Angle, i: Index, j: Index, pieces: Activation | None = None
) -> Array:
    """By the pieces of w, or of what stands for it."""
    w = pieces or of.activation
    line = spline(w)
    assert line is not None
    found = spline_distances(line, of.s[i], of.s[j], of.r[i], of.r[j], angle)
    seen, place = np.unique(np.concatenate([i, j]), return_inverse=True)
    second, slope = of.moments.second[seen], of.moments.slope[seen]
    value, steep = (
        part[place].reshape(2, -1).sum(axis=0)
        for part in shares_beyond(w, of.s[seen], PAIR_END, second, slope, line.far)
    )
    blind = value + steep > BLIND
    near = np.minimum(found[0], found[1])
    found[3] += np.where(blind, 4.0, 2 * (value + steep) * near)
    found[4] += np.where(blind, 4.0, steep)
    return found
