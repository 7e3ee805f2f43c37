r"""An activation smoothed by a normal law, by quadrature: the values in ``heat_tables``.

W(y, tau) = E w(y + tau b),  W' = E w'(y + tau b),  V = Var w(y + tau b)/tau^2, and what they
are at tau = 0: w, w' and w'^2.
"""

from __future__ import annotations

import math

import numpy as np

from analytic.activation import Activation
from analytic.expectations.quadrature import hermite_basis, uniform_rule
from analytic.machine import UNIT, Array

__all__ = ["REACH", "smoothed", "starts"]

REACH = 9.0
"""Where the normal law is cut: its tail beyond is 2.3e-19."""


def starts(w: Activation, y: Array, top: float, plain: float) -> Array:
    """w and w' at the nodes that no tau below ``top`` lets see the bend, else 0; (2, q)."""
    alone = (np.abs(y) >= REACH * top) | (top <= plain)
    return np.where(alone, np.stack(w.derivatives(y, 1)), 0.0)


def smoothed(
    w: Activation, y: Array, taus: Array, order: int, bend: float, plain: float, start: Array
) -> Array:
    """(W, W', V) less (w, w', w'^2) where these are known, at some tau, (3, taus, q).

    Far from the bend little is left, and nothing of what w itself is rounded by.

    Args:
        w: the activation, with its bend or kink at 0.
        y: the nodes, (q,).
        taus: deviations of the normal law.
        order: nodes of the inner rules, of a panel or of half the line.
        bend: the length over which w bends at 0; 1 for a kink.
        plain: up to this tau a bend needs no panels.
        start: what ``starts`` has found, (2, q).
    """
    result = np.empty((3, taus.size, y.size))
    for row, tau in enumerate(taus):
        near = (np.abs(y) < REACH * tau) & (tau > plain)
        result[:, row, ~near] = _far(w, y[~near], tau, order, *start[:, ~near])
        if near.any():
            assert not start[:, near].any()
            result[:, row, near] = _across(w, y[near], tau, order, bend)
    return result


HERMITE = 40
"""Hermite coefficients of w' that make V."""


def _far(
    activation: Activation, y: Array, tau: float, order: int, start: Array, slope: Array
) -> Array:
    """Where no bend is within reach, or tau is below its scale: equidistant nodes in b.

    V = sum_k c_k^2/(k + 1) with c_k = E w'(y + tau b) h_k(b), where that is complete; what is known
    of c_0 is taken away before anything is squared.
    """
    rule = uniform_rule(2 * order)
    w, w1 = activation.derivatives(y[:, None] + tau * rule.nodes, 1)
    w -= start[:, None]
    c = (w1 - slope[:, None]) @ hermite_basis(rule, HERMITE).T  # (q, HERMITE)
    mean, square = w @ rule.weights, w1**2 @ rule.weights
    spread = 2 * slope * c[:, 0] + c**2 @ (1 / np.arange(1.0, HERMITE + 1))
    known = np.sum(c**2, axis=1) + slope * (2 * c[:, 0] + slope)
    lacking = square - known > 2**5 * UNIT * square
    direct = (w[lacking] - mean[lacking, None]) ** 2 @ rule.weights
    spread[lacking] = direct / tau**2 - slope[lacking] ** 2
    return np.stack([mean, c[:, 0], spread])


def _across(activation: Activation, y: Array, tau: float, order: int, bend: float) -> Array:
    """Where the law reaches the bend: Gauss-Legendre panels, geometric on both sides of 0."""
    x, dx = _panels(min(bend, tau), 2 * REACH * tau, order)
    z = (x - y[:, None]) / tau
    p = dx / tau * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    w, w1 = activation.derivatives(x, 1)
    rise = _rise(activation, x, bend)
    mean = p @ rise
    spread = np.sum(p * (rise - mean[:, None]) ** 2, axis=1)
    return np.stack([p @ w, p @ w1, spread / tau**2])


def _rise(activation: Activation, x: Array, bend: float) -> Array:
    """w(x) - w(0), from w' where the difference would cancel."""
    rise = activation(x) - activation(np.zeros(1))
    near = np.abs(x) <= bend / 4
    nodes, weights = np.polynomial.legendre.leggauss(12)
    slopes = activation.derivatives(x[near, None] * ((nodes + 1) / 2), 1)[1]
    rise[near] = x[near] * (slopes @ weights) / 2
    return rise


def _panels(first: float, last: float, order: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    ends = first * 2.0 ** np.arange(max(math.ceil(math.log2(last / first)), 0) + 1)
    ends = np.concatenate([[0.0], ends])
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    x = (middle[:, None] + half[:, None] * nodes).ravel()
    dx = (half[:, None] * weights).ravel()
    return np.concatenate([-x[::-1], x]), np.concatenate([dx[::-1], dx])
