"""Units of a few inputs by one rule, where tables of their octaves would take long.

Moments and coefficients have the errors that tables would have at best: what speaks against a pair
of such units then speaks against it with tables as well.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from analytic.activation import Activation
from analytic.expectations.activation_moments import Moments, halves, moments
from analytic.expectations.conditioned_pairs import varies_fast
from analytic.expectations.estimated_tables import families, steepness
from analytic.expectations.node_tables import kinked
from analytic.expectations.quadrature import Rule, extended_basis
from analytic.expectations.segments import Noise
from analytic.expectations.unit_tables import TERMS, Units, units
from analytic.machine import Array

__all__ = ["moments_of_few", "orders_beyond", "units_of_few"]

HALVES = (2**10, 2**12, 2**14)
"""Nodes on either side of 0 that are tried."""
RESOLVED = 1.0
"""The change of log w' from node to node up to which sums have three digits or more."""
AT_BEST = Noise(certified=False)


def _rule(activation: Activation, s: float) -> Rule:
    """The first that resolves w' at s; ``ArithmeticError`` if none does."""
    for half in HALVES:
        for _, rule in families(half, s, kinked(activation)):
            if steepness(activation, s, rule, np.gradient(rule.nodes)) <= RESOLVED:
                return rule
    raise ArithmeticError(f"expected a function that {2 * HALVES[-1]} nodes resolve at s = {s:.2g}")


@lru_cache(maxsize=16)
def _few(activation: Activation, numbers: bytes) -> tuple[Moments, Array]:
    """The moments at these deviations, and the coefficients c_k, (n, TERMS - 1)."""
    s = np.frombuffer(numbers)
    rule = _rule(activation, float(s.max()))
    root = np.sqrt(rule.weights)
    w, w1, w2, w3 = (f * root for f in activation.derivatives(s[:, None] * rule.nodes, 3))
    second, slope, curvature, jerk = (np.sum(f * f, axis=1) for f in (w, w1, w2, w3))
    response_e, response_d = slope + np.sum(w * w2, axis=1), curvature + np.sum(w1 * w3, axis=1)
    found = w @ root, second, slope, curvature, jerk, response_e, response_d
    return Moments(*found, noise=AT_BEST), w1 @ extended_basis(rule, TERMS - 1).whole.T


def moments_of_few(activation: Activation, s: Any) -> Moments:
    """``moments`` of an activation that varies fast, at a few standard deviations s.

    Raises:
        ArithmeticError: it varies too fast.
    """
    if not varies_fast(activation):
        return moments(activation, s)
    return _few(activation, halves(s)[0].tobytes())[0]


def units_of_few(
    activation: Activation, s: Array, known: Moments, terms: int = TERMS, wanted: float = 0.0
) -> Units:
    """``units`` of the same."""
    if not varies_fast(activation):
        return units(activation, s, known, terms, wanted)
    c = _few(activation, s.tobytes())[1]
    b = np.ascontiguousarray(c / np.sqrt(np.arange(1.0, TERMS)))
    unit, slope = (1 / np.where(part > 0, part, np.inf) for part in (known.second, known.slope))
    a = np.column_stack([known.mean, s[:, None] * b]) * np.sqrt(unit)[:, None]
    rest = np.maximum(1 - np.sum(c**2, axis=1) * slope, 0)
    return Units(activation, s, known, a, b, rest, AT_BEST.slope, AT_BEST.of_values, wanted)


def orders_beyond(activation: Activation, known: Moments, s: Array, terms: int) -> Array:
    r"""A share of E w'^2 that so many coefficients leave out at least, (n,).

    By the shares of c_k^2 the orders k have the mean m = E (s w'')^2/E w'^2 and the mean square
    E (s^2 w^(3))^2/E w'^2 + m: at least (m - k)^2 of the latter lie beyond k (Paley and Zygmund
    1932). Where that says nothing the coefficients are summed.
    """
    slope = np.where(known.slope > 0, known.slope, np.inf)
    mean = s**2 * known.curvature / slope
    square = s**4 * known.jerk / slope + mean
    least = np.maximum(mean - terms, 0) ** 2 / np.where(square > 0, square, np.inf)
    if least.any() or not varies_fast(activation):
        return least
    return np.maximum(1 - _squares(activation, s, terms) / slope, 0)


def _squares(activation: Activation, s: Array, terms: int) -> Array:
    """The sums of c_k^2 over so many k, (n,), by h_(k+1) = (z h_k - sqrt(k) h_(k-1))/sqrt(k+1)."""
    rule = _rule(activation, float(s.max()))
    root = np.sqrt(rule.weights)
    w1 = activation.derivatives(s[:, None] * rule.nodes, 1)[1] * root
    before, now, found = np.zeros_like(root), root, np.zeros(s.size)
    for k in range(terms):
        found += (w1 @ now) ** 2
        before, now = now, (rule.nodes * now - math.sqrt(k) * before) / math.sqrt(k + 1)
    return found
