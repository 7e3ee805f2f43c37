"""Rules and interpolation whose errors are estimated, where no bound is known.

Two rules that agree prove nothing, since they may share their faults: what comes from here
is marked as estimated. It serves activations with kinks, and those that are not known to be
analytic beside the real line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from analytic.activation import Activation
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    REST,
    SLOPE,
    SPREAD,
    NodeTable,
    check_underflow,
    kinked,
    tabulated,
)
from analytic.expectations.quadrature import REACH, Extended, Rule, graded_rule, uniform_rule
from analytic.expectations.segments import (
    Noise,
    Segment,
    assembled,
    chebyshev_nodes,
    chebyshev_series,
)
from analytic.expressions import SWITCHES
from analytic.machine import UNIT, Array
from analytic.proofs import kinks

__all__ = [
    "LARGEST_BASIS",
    "estimated_segment",
    "families",
    "is_rough",
    "largest_ratio",
    "more_terms",
    "steepness",
]


def estimated_segment(
    activation: Activation, low: float, high: float, terms: int, most: int
) -> Segment:
    """The segment with an estimate of its errors."""
    rough = is_rough(activation)
    asked = terms = min(ROUGH_TERMS, most) if rough else terms
    begin = COARSEST
    if not (rough or kinked(activation)):
        roughly = tabulated(activation, np.array([high]), graded_rule(WITNESS, max(high, 1.0)), 1)
        terms = more_terms(roughly.columns[0], high / 4, asked // 2, most)
    while True:
        rule, noise, begin = _converged_rule(activation, np.array([low, high]), terms, begin)
        terms = asked if noise > LOST else terms
        last = tabulated(activation, np.array([high]), rule, terms).columns
        if (
            last[0, REST] <= 16 * UNIT * last[0, SLOPE]
            or terms >= most
            or rough
            or noise > HOPELESS
        ):
            break
        terms = more_terms(last[0], high, terms, most)
        begin = begin if 2 * begin * terms <= LARGEST_BASIS else COARSEST
    nodes, table, (series, powers), error = _interpolated(
        activation, (low, high), rule, terms, noise
    )
    estimate = noise + (error if math.isfinite(error) else 1 / UNIT) + 8 * UNIT
    found = Noise.of_coefficients(estimate, estimate, certified=False)
    return assembled(low, high, series, powers, nodes, table.columns, last, found)


def _interpolated(
    activation: Activation, ends: tuple[float, float], rule: Rule, terms: int, noise: float
) -> tuple[Array, NodeTable, tuple[Extended, Any], float]:
    """The nodes in s, the table there, its Chebyshev series with powers of s, and their error."""
    enough = max(8 * UNIT, noise / 8)
    for points in POINTS:
        nodes, last = chebyshev_nodes(*ends, points), points == POINTS[-1] or noise > LOST
        for some in (FEW, terms):
            table = tabulated(activation, nodes, rule, some)
            series = chebyshev_series(table.extended, nodes, (0, 0))
            error = _size_of_last(series[0], nodes, table.columns)
            if some == terms and (last or error <= enough):
                return nodes, table, series, error
            if error > enough and not last:
                break
    raise AssertionError("the last number of points was taken")


POINTS, FEW = (28, 40, 56, 80, 112, 128), 8
"""Points of interpolation, and coefficients that have to be known by them before all are asked."""
HOPELESS = 1e-8
"""A difference of rules that more terms do not make smaller: a kink that nothing is known of."""
LOST = 1e-3
"""A difference of rules beyond all tolerances that are asked for."""
MEANINGLESS = 0.05
"""A difference of rules from which on any will do: nothing is known of the integrals."""
COARSEST = 32.0
"""Nodes on either side of 0 of the coarsest rule."""
MANY = 2**12
"""Nodes at which a smooth function is seen to converge, for a standard deviation of 1."""
ROUGH_NODES, ROUGH_TERMS = 2**8, 128
"""Nodes and terms where places at which it is not smooth are not known: the error falls like a
power of either, no accuracy that is asked for is reached, and a refusal should be quick."""
LARGEST_BASIS = 2**22
"""Most entries of a Hermite basis, which bounds the memory of the tables (32 MB)."""


def more_terms(row: Array, s: float, terms: int, most: int) -> int:
    """How many coefficients to try after so many: more than their mean order, or twice as many.

    The mean order is sum k c_k^2/sum c_k^2 = s^2 E w''^2/E w'^2: fewer leave out what counts.
    """
    slope = row[SLOPE] if row[SLOPE] > 0 else np.inf
    mean_order, terms = s**2 * row[CURVATURE] / slope, 2 * terms
    while terms < min(mean_order, most):
        terms *= 2
    return terms


def is_rough(activation: Activation) -> bool:
    """Whether w has kinks that are not all known."""
    if kinked(activation) or not activation.expression.has(*SWITCHES):
        return False
    found = kinks(activation.expression)
    return bool(found.places) or not found.complete


def _converged_rule(
    activation: Activation, s: Array, terms: int, begin: float
) -> tuple[Rule, float, float]:
    """The cheapest rule that agrees with a finer one at s, and the difference.

    The last number is where to ``begin`` with more terms, whose rules differ by no less.

    The numbers of nodes are not multiples of each other, so that a frequency above that
    of the nodes cannot be aliased in the same way by both; two rules that both miss a
    narrow slope are told by a third one, graded towards 0.
    """
    found: list[tuple[float, int, Rule]] = []
    coarse: dict[str, Array] = {}
    if kinked(activation):
        witness = np.zeros(s.size)
    else:
        graded = graded_rule(WITNESS, max(float(s[-1]), 1.0))
        coarsest = tabulated(activation, s, graded, 1).columns
        witness = coarsest[:, SLOPE]
        second = coarsest[:, MEAN] ** 2 + s**2 * coarsest[:, SPREAD]
        check_underflow(activation, s, second)  # no finer rule would help
        if _seems_unresolved(activation, float(s[-1]), graded, LARGEST_BASIS // terms):
            return MEANINGLESS_RULE
    rough = is_rough(activation)
    half, before = ROUGH_NODES * max(float(s[-1]), 1.0) if rough else begin, 0.0
    while half * terms <= LARGEST_BASIS:
        for family, rule in families(round(half), float(s[-1]), kinked(activation)):
            fine = tabulated(activation, s, rule, terms).columns
            if family in coarse and np.all(fine[:, SLOPE] >= witness / 2):
                found.append((_difference(coarse[family], fine), len(found), rule))
            coarse[family] = fine
        best = min(found, default=(1.0,))[0]
        many = found and half > MANY * max(float(s[-1]), 1.0)
        if best <= 8 * UNIT or (many and best > HOPELESS):
            break
        if found and rough:
            break
        if before < SEEN <= half and _is_unresolved(
            activation, float(s[-1]), LARGEST_BASIS // terms
        ):
            return MEANINGLESS_RULE
        before, half = half, half * 2**0.5
    none = 1.0, 0, uniform_rule(ROUGH_NODES)  # two that serve would be too large to compare
    noise, _, rule = min(found, default=none)
    if noise > MEANINGLESS:  # the first that is as bad
        noise, _, rule = next(some for some in [*found, none] if some[0] <= 2 * noise)
    more = half / 2**0.5 if noise <= 8 * UNIT and 2 * half * terms <= LARGEST_BASIS else COARSEST
    return rule, max(noise, UNIT), more


WITNESS, SEEN = 2**8, 2**10
"""Nodes on either side of 0 that look for narrow slopes, and that are tried before it is asked
whether any number will do."""
STEEP = math.pi
"""The root mean square of the change of log w' between neighbouring nodes from which on nothing is
known: an oscillation is in step with the nodes somewhere in the octave."""
MEANINGLESS_RULE = uniform_rule(round(COARSEST)), 1.0, COARSEST
"""Any rule."""


def _seems_unresolved(activation: Activation, s: float, rule: Rule, half: int) -> bool:
    """Whether w' is far too steep for the finest rules, as some nodes see it."""
    steps = WITNESS / half * np.gradient(rule.nodes)
    families = [np.full_like(steps, REACH / half), *([steps] if s > 0.5 else [])]
    return all(not steepness(activation, s, rule, part) <= 4 * STEEP for part in families)


def _is_unresolved(activation: Activation, s: float, half: int) -> bool:
    """Whether w' varies between the nodes of the finest rules, so that their sums are chance."""
    return all(
        steepness(activation, s, rule, np.gradient(rule.nodes)) > STEEP
        for _, rule in families(half, s, kinked(activation))
    )


def steepness(activation: Activation, s: float, rule: Rule, steps: Array) -> float:
    """The root mean square of the change of log w' over some steps."""
    slope, bend = activation.derivatives(s * rule.nodes, 2)[1:] * np.sqrt(rule.weights)
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.abs(slope).max(initial=1e-300)
        whole = float(np.linalg.norm(slope / size))
        turned = float(np.linalg.norm(s * steps * bend / size))
    return turned / whole if whole != 0 else 0.0


def families(half: int, s: float, kink: bool) -> Iterator[tuple[str, Rule]]:
    """The rules that are tried with 2 half + 1 nodes, and their names."""
    if kink:
        yield "geometric", graded_rule(half, FINEST)
        return
    if s > 0.5:
        yield "graded", graded_rule(half, s / 2)
    yield "uniform", uniform_rule(half)


FINEST = 2.0**60
"""How much finer than z itself the nodes are at a kink at z = 0."""


def _difference(a: Array, b: Array) -> float:
    """Largest distance of two raw tables, relative to the root mean squares."""
    slope = np.linalg.norm(a[:, FIRST:] - b[:, FIRST:], axis=1)
    spread = np.abs(a[:, SPREAD] - b[:, SPREAD])
    return max(largest_ratio(slope, np.sqrt(b[:, SLOPE])), largest_ratio(spread, b[:, SPREAD]))


def _size_of_last(series: Extended, nodes: Array, table: Array) -> float:
    """Size of the last two Chebyshev coefficients of the columns, relative to the least values."""
    slope, spread = table[:, SLOPE].min(), table[:, SPREAD].min()
    scale = np.full(table.shape[1], np.sqrt(max(slope, 0.0)))
    scale[SLOPE], scale[SPREAD] = slope, spread
    size = np.maximum(nodes, nodes.max() / 2) * np.sqrt(np.abs(table[:, SPREAD]))  # of an octave
    scale[MEAN] = np.hypot(table[:, MEAN], size).min()
    scale[[CURVATURE, JERK, RESPONSE_E, RESPONSE_D, REST]] = np.inf  # only enter bounds
    return largest_ratio(np.abs(series[-2:]).max(axis=0).astype(np.float64), scale)


def largest_ratio(part: Array, whole: Array) -> float:
    """The largest part / whole, where 0/0 is 0."""
    return float(np.max(part / np.where(whole > 0, whole, 1.0), initial=0.0))
