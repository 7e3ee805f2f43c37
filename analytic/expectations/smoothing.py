r"""An activation smoothed by a normal law, by quadrature: the values in ``heat_tables``.

W(y, tau) = E w(y + tau b),  W' = E w'(y + tau b),  V = Var w(y + tau b)/tau^2
"""

from __future__ import annotations

import math

import numpy as np

from analytic.activation import Activation
from analytic.expectations.quadrature import hermite_basis, uniform_rule
from analytic.machine import UNIT, Array

__all__ = ["REACH", "smoothed"]

REACH = 9.0
"""Where the normal law is cut: its tail beyond is 2.3e-19."""


def smoothed(w: Activation, y: Array, taus: Array, order: int, bend: float, plain: float) -> Array:
    """(W, W', V) at some tau and all nodes, shape (3, taus, q).

    Args:
        w: the activation, with its bend or kink at 0.
        y: the nodes, (q,).
        taus: deviations of the normal law.
        order: nodes of the inner rules, of a panel or of half the line.
        bend: the length over which w bends at 0; 1 for a kink.
        plain: up to this tau a bend needs no panels.
    """
    result = np.empty((3, taus.size, y.size))
    for row, tau in enumerate(taus):
        near = (np.abs(y) < REACH * tau) & (tau > plain)
        result[:, row, ~near] = _far(w, y[~near], tau, order)
        if near.any():
            result[:, row, near] = _across(w, y[near], tau, order, bend)
    return result


HERMITE = 40
"""Hermite coefficients of w' that make V."""


def _far(activation: Activation, y: Array, tau: float, order: int) -> Array:
    """Where no bend is within reach, or tau is below its scale: equidistant nodes in b.

    V = sum_k c_k^2/(k + 1) with c_k = E w'(y + tau b) h_k(b), where that is complete.
    """
    rule = uniform_rule(2 * order)
    w, w1 = activation.derivatives(y[:, None] + tau * rule.nodes, 1)
    c = w1 @ hermite_basis(rule, HERMITE).T  # (q, HERMITE)
    mean, square = w @ rule.weights, w1**2 @ rule.weights
    spread = c**2 @ (1 / np.arange(1.0, HERMITE + 1))
    lacking = square - np.sum(c**2, axis=1) > 2**10 * UNIT * square
    direct = (w[lacking] - mean[lacking, None]) ** 2 @ rule.weights
    spread[lacking] = direct / tau**2
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
