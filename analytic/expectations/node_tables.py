r"""Moments and coefficients at given standard deviations, by one rule.

Legend: as in ``analytic.expectations``; c_k(s) = E[w'(s z) h_k(z)].
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.quadrature import Extended, Rule, extended_basis
from analytic.machine import EXTENDED, UNIT, Array
from analytic.proofs import kinks, sharp_extended_values

__all__ = [
    "CURVATURE", "FIRST", "INCOMPLETE", "JERK", "MEAN", "RESPONSE_D", "RESPONSE_E", "REST",
    "SLOPE", "SPREAD", "NodeErrors", "NodeTable", "check_overflow",
    "check_underflow", "kinked", "tabulated",
]  # fmt: skip


MEAN, SPREAD, SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D, REST, FIRST = range(9)
"""Columns of a table; the coefficients c_k begin at FIRST."""


@lru_cache(maxsize=256)
def kinked(activation: Activation) -> bool:
    """Whether the only place where w may fail to be smooth is 0, and is there."""
    found = kinks(activation.expression)
    return found.complete and found.places == (0,)


class NodeErrors(NamedTuple):
    """Absolute errors at every s, (n,) each, of what is computed of the sums of a rule.

    ``slope`` is that of (c_k)_k in the norm over k and ``value`` that of (b_k)_k, b_k =
    c_k/sqrt(k + 1); ``square`` is that of E[w'^2], ``spread`` that of Var/s^2 and ``mean`` that
    of E[w].
    """

    slope: Array
    value: Array
    square: Array
    spread: Array
    mean: Array


class NodeTable(NamedTuple):
    """Moments and coefficients c_k at n standard deviations, and their rounding errors.

    ``extended`` and ``columns`` are the same numbers in extended precision and in float64,
    (n, FIRST + terms); SPREAD is Var[w(s z)] / s^2.
    """

    extended: Extended
    columns: Array
    errors: NodeErrors


def tabulated(activation: Activation, s: Array, rule: Rule, terms: int) -> NodeTable:
    r"""The table at the standard deviations s, in extended precision where the machine has it.

    With d_q the error of w'(s z_q), which running error analysis bounds, the coefficients are
    wrong by at most \|(sqrt(p_q) d_q)_q\| in the norm over k (Bessel's inequality; the basis is
    orthonormal to a hundredth), by that of the basis and of its sums, see ``SUMS``, and by those
    of the nodes and weights, see ``_of_rule``.
    """
    y = s[:, None] * rule.extended  # (n, q)
    w2, w3 = activation.derivatives(y.astype(np.float64), 3)[2:]
    (w, d), (w1, d1) = (
        sharp_extended_values(activation.expression, y, order, 1 + NODES) for order in (0, 1)
    )
    if kinked(activation):  # a jump at a node counts half of either side
        middle = rule.nodes.size // 2
        w1, w2, w3 = np.array(w1), np.array(w2), np.array(w3)
        for values in (w1, w2, w3):
            values[:, middle] = (values[:, middle - 1] + values[:, middle + 1]) / 2
    w, w1 = w * rule.root, w1 * rule.root
    weights, root = rule.root.astype(np.float64), rule.root
    w2, w3, d, d1 = (np.asarray(f * weights) for f in (w2, w3, d, d1))
    table = np.empty((s.size, FIRST + terms), dtype=np.longdouble)
    table[:, SLOPE] = slope = np.sum(w1 * w1, axis=1)
    table[:, CURVATURE], table[:, JERK] = (np.sum(f * f, axis=1) for f in (w2, w3))
    table[:, RESPONSE_E] = slope + np.sum(w * w2, axis=1)
    table[:, RESPONSE_D] = table[:, CURVATURE] + np.sum(w1 * w3, axis=1)
    if kinked(activation):  # the same by parts, where w'' has a mass at 0
        by_parts = (rule.extended**2 - 1) / np.where(s > 0, 2 * s**2, np.inf)[:, None]
        table[:, RESPONSE_E] = np.sum(w * w * by_parts, axis=1)
        table[:, RESPONSE_D] = np.sum(w1 * w1 * by_parts, axis=1)
    c = table[:, FIRST:] = extended_basis(rule, terms).coefficients(w1)  # (n, terms)
    rest = slope - np.sum(c * c, axis=1)
    sums = 2 * SUMS * math.sqrt(terms * rule.nodes.size)  # of c_k^2, by the error of (c_k)_k
    table[:, REST] = np.maximum(rest, 0) + (sums + UNIT / 64) * slope
    table[:, MEAN] = mean = np.sum(w * root, axis=1)
    series = np.sum(c * c / np.arange(1, terms + 1), axis=1)
    incomplete = rest > INCOMPLETE * series
    centred = w - mean[:, None] * root
    direct = np.sum(centred * centred, axis=1) / np.where(incomplete, s, 1.0) ** 2
    table[:, SPREAD] = np.where(incomplete, direct, series)
    columns = table.astype(np.float64)
    errors = _errors(s, columns, incomplete, np.abs(w).astype(np.float64), d, d1)
    errors = _of_rule(errors, columns, rule, w.astype(np.float64), w1.astype(np.float64))
    lost = np.where(incomplete, 0.0, columns[:, REST] / (terms + 1))  # what the series leaves out
    errors = errors._replace(spread=errors.spread + lost)
    if activation.parity == "odd":  # its mean is 0
        table[:, MEAN], columns[:, MEAN], errors.mean[:] = 0, 0, 0
    return NodeTable(table, columns, errors)


INCOMPLETE = 2**10 * UNIT
"""Share of the rest from which on a variance is not summed by its series."""
SUMS = 2.0**-10 * UNIT
"""Error of each entry of a basis and of each of its sums, relative to the largest: the recurrence
adds up at most 2^-72, the sums the rest (docs/theory/quadrature.md)."""
NODES = 6
"""Roundings of a node, sinh(t)/beta at a t that is exact."""


def _of_rule(errors: NodeErrors, table: Array, rule: Rule, w: Array, w1: Array) -> NodeErrors:
    r"""The errors with those of the nodes and weights, from sqrt(p) w and sqrt(p) w'.

    Nodes are wrong by NODES roundings, and so is phi, by z^2 as much, and by the z^2 + 6 of its
    exponent and its root. h_k sqrt(phi) has the slope (sqrt(k) h_{k-1} - sqrt(k+1) h_{k+1})
    sqrt(phi)/2, whose norm over k is at most sqrt(N) times that of the basis; b_k has 1/sqrt(k+1)
    of it.
    """
    z = np.abs(rule.nodes)
    weights = (NODES / 2 + 1) * z**2 + 6
    terms = table.shape[1] - FIRST
    by_weights, by_nodes = (np.linalg.norm(w1 * f, axis=1) for f in (weights, NODES * z))
    slope, value = (1.01 * EXTENDED * (by_weights + n * by_nodes) for n in (math.sqrt(terms), 2))
    mean = 2 * EXTENDED * np.linalg.norm(w * weights, axis=1)
    root = np.sqrt(np.maximum(table[:, SPREAD], 0))
    norm = np.sqrt(table[:, SLOPE])
    return NodeErrors(
        errors.slope + slope, errors.value + value, errors.square + 2 * norm * slope,
        errors.spread + 2 * root * value, errors.mean + mean,
    )  # fmt: skip


def _errors(
    s: Array, table: Array, incomplete: NDArray[np.bool_], w: Array, d: Array, d1: Array
) -> NodeErrors:
    """The errors of a table, from sqrt(p) |w| and the errors of sqrt(p) w and sqrt(p) w'."""
    norm, root = np.sqrt(table[:, SLOPE]), np.sqrt(np.maximum(table[:, SPREAD], 0))
    terms, nodes = table.shape[1] - FIRST, w.shape[1]
    by_values = 1.01 * np.linalg.norm(d1, axis=1)
    slope = by_values + SUMS * np.sqrt(terms * nodes) * norm
    value = by_values + SUMS * np.sqrt((1 + math.log(terms)) * nodes) * norm
    sums = SUMS * np.linalg.norm(w, axis=1)
    mean = np.linalg.norm(d, axis=1) + sums
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = 4 * root * mean / s
    truncated: Array = np.asarray(np.where(incomplete, direct, table[:, REST] / terms), float)
    spread = 2 * root * value + truncated + SUMS * root**2
    return NodeErrors(slope, value, 2 * norm * slope, spread, mean)


TINIEST = 2.0**-960
"""Second moments below lose digits, and the squares of the values at the nodes before them."""


def check_underflow(activation: Activation, s: Array, second: Array) -> None:
    """Raise ``ValueError`` where E w(s z)^2 is too small for float64."""
    lost = second <= TINIEST
    check_overflow(activation, 0.0 if np.isfinite(second).all() else float(s.max()))
    if lost.any() and activation.expression != 0:
        raise ValueError(
            "expected a second moment that float64 can hold, got E w(s z)^2 below"
            f" {TINIEST:.0e} at s = {s[lost].min():.3g} for {activation.name}, whose mass lies too"
            " far from there; shift or scale the activation"
        )


def check_overflow(activation: Activation, s: float) -> None:
    """Raise ``ValueError`` where float64 cannot hold w(s)^2 or w(-s)^2, nor E w(s z)^2 then."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = activation(np.array([-s, s])) ** 2
    if not np.isfinite(squares).all():
        raise ValueError(
            "expected a second moment that float64 can hold, got E w(s z)^2 above 1e308 at s ="
            f" {s:.3g} for {activation.name}, which grows from layer to layer; lower weight_std,"
            " scale the inputs or take fewer layers"
        )
