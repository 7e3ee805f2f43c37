r"""Moments and coefficients at given standard deviations, by one rule.

Legend: as in ``analytic.expectations``; c_k(s) = E[w'(s z) h_k(z)].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.quadrature import Rule, hermite_basis
from analytic.expressions import rounding_error
from analytic.machine import UNIT, Array

__all__ = [
    "CURVATURE", "FIRST", "INCOMPLETE", "JERK", "MEAN", "RESPONSE_D", "RESPONSE_E", "REST",
    "SLOPE", "SPREAD", "NodeErrors", "evaluation_errors", "tabulated",
]  # fmt: skip


MEAN, SPREAD, SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D, REST, FIRST = range(9)
"""Columns of a table; the coefficients c_k begin at FIRST."""


def tabulated(activation: Activation, s: Array, rule: Rule, terms: int) -> Array:
    """The table of c_k, shape (n, FIRST + terms); SPREAD is Var[w(s z)] / s^2.

    Sums of squares are taken in extended precision, so that the difference of Parseval's
    identity, which is REST, keeps what float64 has.
    """
    w, w1, w2, w3 = activation.derivatives(s[:, None] * rule.nodes, 3)  # (n, q) each
    table = np.empty((s.size, FIRST + terms))
    squares = {SLOPE: (w1, w1), CURVATURE: (w2, w2), JERK: (w3, w3)}
    for column, (f, g) in squares.items():
        table[:, column] = _mean(f, g, rule)
    table[:, RESPONSE_E] = table[:, SLOPE] + _mean(w, w2, rule)
    table[:, RESPONSE_D] = table[:, CURVATURE] + _mean(w1, w3, rule)
    root = rule.root.astype(np.float64)
    c = table[:, FIRST:] = hermite_basis(rule, terms).coefficients(root * w1)  # (n, terms)
    slope = ((root * w1).astype(np.longdouble) ** 2).sum(axis=1)
    rest = (slope - np.square(c, dtype=np.longdouble).sum(axis=1)).astype(np.float64)
    table[:, REST] = np.maximum(rest, 0) + 8 * UNIT * table[:, SLOPE]
    table[:, MEAN] = _mean(root * w, root, None)
    table[:, SPREAD] = _spread(s, w - table[:, MEAN, None], c, rest, rule)
    return table


def _mean(f: Array, g: Array, rule: Rule | None) -> Array:
    """sum_q p_q f g, of values that carry the weights if there is no rule."""
    products = f * g if rule is None else f * (g * rule.weights)
    return products.sum(axis=1, dtype=np.longdouble).astype(np.float64)


def _spread(s: Array, centred: Array, c: Array, rest: Array, rule: Rule) -> Array:
    """Var[w(s z)] / s^2, by Parseval's identity where the series is complete."""
    series = c**2 @ (1 / np.arange(1.0, c.shape[1] + 1))
    incomplete = rest > INCOMPLETE * series
    direct = _mean(centred, centred, rule) / np.where(incomplete, s, 1.0) ** 2
    return np.where(incomplete, direct, series)


INCOMPLETE = 2**10 * UNIT
"""Share of the rest from which on a variance is not summed by its series."""


class NodeErrors(NamedTuple):
    """Absolute errors at every s, (n,) each, of what float64 makes of the sums of a rule.

    ``slope`` is that of (c_k)_k in the norm over k, ``square`` that of E[w'^2], ``spread``
    that of Var/s^2 and ``mean`` that of E[w].
    """

    slope: Array
    square: Array
    spread: Array
    mean: Array


def evaluation_errors(activation: Activation, s: Array, rule: Rule, table: Array) -> NodeErrors:
    r"""Bounds of the rounding errors of a table.

    With d_q the error of w'(s z_q), which running error analysis bounds, the coefficients are
    wrong by at most \|(sqrt(p_q) d_q)_q\| in the norm over k (Bessel's inequality; the basis is
    orthonormal to a hundredth), and by one rounding of each: the basis is known to more
    digits and summed without rounding.
    """
    y = s[:, None] * rule.nodes
    w, w1 = activation.derivatives(y, 1)
    d, d1 = (
        rounding_error(activation.expression, y, order, value) for order, value in ((0, w), (1, w1))
    )
    norm, root = np.sqrt(table[:, SLOPE]), np.sqrt(np.maximum(table[:, SPREAD], 0))
    slope = 1.01 * _norm(d1 + 2 * UNIT * np.abs(w1), rule) + 4 * UNIT * norm
    mean = (d + 4 * UNIT * np.abs(w)) @ rule.weights
    deviation = _norm(d + 4 * UNIT * np.abs(w), rule) + mean
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = 2 * root * deviation / s
    rest = table[:, REST]
    incomplete = rest > INCOMPLETE * table[:, SPREAD] / 2
    spread = np.where(incomplete, direct, 0.0) + 2 * root * slope + rest / (table.shape[1] - FIRST)
    spread = np.where(incomplete, direct + 2 * root * slope, spread)
    return NodeErrors(slope, 2 * norm * slope, spread + 8 * UNIT * root**2, mean)


def _norm(f: Array, rule: Rule) -> Array:
    return np.asarray(np.sqrt(f**2 @ rule.weights))
