r"""Pairs the tiles leave out: nearly parallel or nearly opposite inputs.

Where a network is chaotic, a rounding of rho near 1 is amplified at every layer. Such
pairs carry instead the mean squares of the difference and of the sum of the units,

    gap = E (alpha - alpha')^2 / m,    total = E (alpha + alpha')^2 / m,

whose *relative* errors are not amplified (the map gap -> gap is concave), so that
Sigma_12 = (total - gap)/4 keeps its digits (docs/theory/near.md). A layer takes them from
the closed form of max(x, 0), from Mehler's series where |rho| has become moderate, or from
two-dimensional quadrature.

Legend: s, s' the standard deviations; minus = 1 - rho, plus = 1 + rho; z, xi independent
standard normal variables; u = s z, u - v = (s - s' rho) z - s' r xi, r = sqrt(1 - rho^2).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.certificate import ROUNDING, amplification
from analytic.duals import UNIT, Duals
from analytic.quadrature import Rule, graded_rule, uniform_rule
from analytic.recursion import Diagonal, Stage, plain, preactivation

__all__ = ["Near", "near_pairs"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Near(NamedTuple):
    """Sigma and Theta at the readout, and bounds of their relative errors, (pairs,) each."""

    sigma: Array
    theta: Array
    error: Array


class _State(NamedTuple):
    """What a pair carries, (pairs,) each.

    ``error`` is the absolute error of Sigma_12 = (total - gap)/4, ``error_theta`` that of
    theta relative to sqrt(Theta_ii Theta_jj).
    """

    gap: Array
    total: Array
    theta: Array
    error: Array
    error_theta: Array

    @property
    def sigma(self) -> Array:
        return (self.total - self.gap) / 4


class _Moments(NamedTuple):
    """E (w(u) - w(v))^2, E (w(u) + w(v))^2, E w'(u) w'(v), the absolute error of
    E w(u) w(v), and that of the third relative to sqrt(E w'(u)^2 E w'(v)^2)."""

    gap: Array
    total: Array
    d: Array
    error: Array
    error_d: Array


def _share(part: Array, whole: Array) -> Array:
    """part / whole, and 0 where whole is 0."""
    return part / np.where(whole > 0, whole, np.inf)


def near_pairs(diagonal: Diagonal, i: Index, j: Index, gap: Array, total: Array) -> Near:
    """Run the recursion for pairs of inputs.

    Args:
        diagonal: the recursion at x = x' for all inputs.
        i, j: the pairs, indices of inputs, shape (pairs,).
        gap: |x - x'|^2/d; total: |x + x'|^2/d, shape (pairs,).
    """
    none = np.zeros_like(gap)
    state = _State(gap, total, none, 4 * UNIT * np.minimum(gap, total), none)
    branches: list[_State] = []
    for stage in diagonal.stages:
        branches += [state] * stage.step.opens
        state = _layer(stage, i, j, state)
        if stage.skipped is not None:
            state = _skip(stage, i, j, branches.pop(), state)
    scale = np.sqrt(diagonal.sigma[i] * diagonal.sigma[j])
    error = np.maximum(_share(state.error, scale) + 2 * UNIT, state.error_theta)
    return Near(state.sigma, state.theta, error)


def _layer(stage: Stage, i: Index, j: Index, state: _State) -> _State:
    weight, bias = stage.step.layer.weight_std**2, stage.step.layer.bias_std**2
    s, s_ = np.sqrt(stage.variance[i]), np.sqrt(stage.variance[j])
    pair = _Pair.of(s, s_, weight * state.gap, weight * state.total + 4 * bias)
    error = _share(weight * state.error, s * s_) + 4 * UNIT * pair.small
    error += _share(4 * UNIT * np.abs(s - s_), np.minimum(s, s_))  # absolute, of 1 - |rho|
    if stage.step.layer.activation.is_relu:
        moments = _arccosine(pair, error)
    else:
        moments = _moments(stage, pair, i, j, error)
    _, gamma = preactivation(state.sigma, state.theta, weight, bias)
    _, theta = plain(None, moments.d, gamma)
    kept = _share(np.abs(moments.d), np.sqrt(stage.duals.slope[i] * stage.duals.slope[j]))
    error_gamma = np.maximum(error, state.error_theta) + 2 * UNIT
    error_theta = moments.error_d + kept * error_gamma + 2 * UNIT
    return _State(moments.gap, moments.total, theta, moments.error, error_theta)


def _skip(stage: Stage, i: Index, j: Index, alpha: _State, branch: _State) -> _State:
    """alpha plus a fresh branch."""
    assert stage.skipped is not None
    sigma0, _, mu = stage.skipped
    eta, second = stage.duals.mean, stage.duals.second
    apart, aside = mu[i] - mu[j], eta[i] - eta[j]
    means = np.sqrt(sigma0[i] * second[j]) + np.sqrt(second[i] * sigma0[j])
    return _State(
        alpha.gap + branch.gap + 2 * apart * aside,
        alpha.total + branch.total + 2 * (mu[i] + mu[j]) * (eta[i] + eta[j]),
        alpha.theta + branch.theta,
        alpha.error + branch.error + 4 * (stage.duals.noise + UNIT) * means,
        np.maximum(alpha.error_theta, branch.error_theta) + UNIT,
    )


class _Pair(NamedTuple):
    """Standard deviations and the two complements of the correlation, (pairs,) each."""

    s: Array
    s_: Array
    minus: Array
    plus: Array

    @classmethod
    def of(cls, s: Array, s_: Array, gap: Array, total: Array) -> _Pair:
        """From E (u - v)^2 and E (u + v)^2 of the pre-activations."""
        both = 2 * s * s_
        safe = np.where(both > 0, both, 1.0)
        apart = (s - s_) ** 2
        minus = np.where(both > 0, np.clip((gap - apart) / safe, 0, 2), 1.0)
        plus = np.where(both > 0, np.clip((total - apart) / safe, 0, 2), 1.0)
        close = minus < plus  # the smaller one is the accurate one
        return cls(s, s_, np.where(close, minus, 2 - plus), np.where(close, 2 - minus, plus))

    @property
    def small(self) -> Array:
        return np.minimum(self.minus, self.plus)

    def take(self, chosen: Any) -> _Pair:
        return _Pair(*(field[chosen] for field in self))


def _arccosine(pair: _Pair, error: Array) -> _Moments:
    """Closed forms for max(x, 0): Cho and Saul (2009), rewritten without cancellation."""
    s, s_, minus, plus = pair
    half = np.arcsin(np.sqrt(pair.small / 2))
    angle = np.where(minus < plus, 2 * half, np.pi - 2 * half)
    bend = np.sin(angle) - angle * (1 - minus)
    lost = minus - bend / np.pi  # 1 - (sin t + (pi - t) cos t)/pi
    gap = (s - s_) ** 2 / 2 + s * s_ * lost
    total = (s + s_) ** 2 / 2 - s * s_ * lost
    alive = (s > 0) & (s_ > 0)
    d = np.where(alive, (np.pi - angle) / (2 * np.pi), 0.0)
    most = np.minimum(error + pair.small, 1.0)  # of 1 - |rho|
    error_d = _share(error, np.sqrt(most)) + 8 * UNIT  # |d angle| = d minus / sin(angle)
    slope = d + error_d / 2
    return _Moments(gap, total, d, s * s_ * slope * error + 8 * UNIT * gap, error_d)


MODERATE = 0.05
"""Complement of |rho| from which on the series replaces the quadrature."""


def _moments(stage: Stage, pair: _Pair, i: Index, j: Index, error: Array) -> _Moments:
    """By the series for moderate pairs, by quadrature for the others."""
    result = np.empty((5, pair.s.size))
    easy = pair.small > MODERATE
    chosen = np.flatnonzero(easy)
    if chosen.size:
        part = _series(stage, pair.take(chosen), i[chosen], j[chosen], error[chosen])
        result[:, chosen] = part
    order = np.argsort(pair.s_ * np.sqrt(pair.small))
    order = order[~easy[order]]
    for start in range(0, order.size, BLOCK):
        chosen = order[start : start + BLOCK]
        part = pair.take(chosen)
        moments = _quadrature(stage.step.layer.activation, part)
        slope = np.sqrt(stage.duals.slope[i[chosen]] * stage.duals.slope[j[chosen]])
        # D is convex in 1 - |rho|: the chord to |rho| = 1 bounds its change, as does dD/d rho
        chord = np.maximum(slope - np.abs(moments.d), 0)
        chord *= np.minimum(_share(error[chosen], part.small), 1.0)
        curvature = np.sqrt(stage.duals.curvature[i[chosen]] * stage.duals.curvature[j[chosen]])
        bent = np.minimum(chord, part.s * part.s_ * curvature * error[chosen])
        steep = part.s * part.s_ * (np.abs(moments.d) + bent) * error[chosen]
        result[:, chosen] = moments
        result[3, chosen] += steep
        result[4, chosen] = _share(moments.error_d + bent, slope) + 8 * UNIT
    return _Moments(*result)


def _series(stage: Stage, pair: _Pair, i: Index, j: Index, error: Array) -> _Moments:
    """Mehler's series, with the amplification of the certificate at the |rho| of each pair."""
    table: Duals = stage.duals
    rho = np.where(pair.minus < pair.plus, 1 - pair.minus, pair.plus - 1)
    products = table.coefficients[:, i] * table.coefficients[:, j]  # (terms, pairs)
    order = np.arange(products.shape[0])
    products *= rho ** order[:, None]
    e = table.mean[i] * table.mean[j] + pair.s * pair.s_ * rho * products.sum(axis=0)
    d = (order + 1) @ products
    squares = table.second[i] + table.second[j]
    factors = amplification(stage)
    k_e, k_d, _ = factors.at(np.abs(rho))
    tail = factors.tails(order[-1:] + 1) * np.abs(rho) ** order.size
    noise = 2 * table.noise + ROUNDING + tail
    error_e = k_e * (error + ROUNDING) + noise + 4 * UNIT * factors.variance_e
    error_d = k_d * (error + ROUNDING) + noise + 4 * UNIT * factors.variance_d
    scale = np.sqrt(table.second[i] * table.second[j])
    return _Moments(squares - 2 * e, squares + 2 * e, d, error_e * scale, error_d)


BLOCK = 32
"""Pairs that share one pair of rules."""
LARGEST_RULE = 2**20
"""Most nodes of a product rule."""


def _quadrature(activation: Activation, pair: _Pair) -> _Moments:
    """The moments with two sizes of the rules; their difference is the error."""
    width = max(0.25, float(np.max(pair.s_ * np.sqrt(pair.minus * pair.plus))))
    outer = float(pair.s.max())
    coarse = _product_rule(activation, pair, *_rules(48.0, outer, width))
    size = 48.0 * math.sqrt(2)
    while True:
        rules = _rules(size, outer, width)
        fine = _product_rule(activation, pair, *rules)
        small = np.minimum(fine[0], fine[1])
        noise = 8 * UNIT * np.sqrt(small * np.maximum(fine[0], fine[1]))
        error = np.max(np.abs(fine[:2] - coarse[:2]), axis=0) / 2 + noise
        error_d = np.abs(fine[2] - coarse[2])
        nodes = rules[0].nodes.size * rules[1].nodes.size
        good = (error <= 4 * noise) & (error_d <= 2**6 * UNIT * fine[2].max())
        if good.all() or 2 * nodes > LARGEST_RULE:
            return _Moments(*fine, error, error_d)
        coarse, size = fine, size * math.sqrt(2)


def _rules(size: float, outer: float, width: float) -> tuple[Rule, Rule]:
    half = round(size)
    first = graded_rule(half, outer / 2) if outer > 0.5 else uniform_rule(half)
    return first, uniform_rule(round(size * (0.5 + width)))


def _product_rule(activation: Activation, pair: _Pair, first: Rule, second: Rule) -> Array:
    """The three moments, shape (3, pairs)."""
    s, s_, minus, plus = (field[:, None, None] for field in pair)
    z, xi = first.nodes[:, None], second.nodes
    u = s * z
    away = ((s - s_) + s_ * minus) * z - s_ * np.sqrt(minus * plus) * xi  # (pairs, q, q')
    w, w1 = activation.derivatives(u, 1)
    v, v1 = activation.derivatives(u - away, 1)
    weights = first.weights[:, None] * second.weights
    return np.stack(
        [np.tensordot(f, weights, axes=2) for f in ((w - v) ** 2, (w + v) ** 2, w1 * v1)]
    )
