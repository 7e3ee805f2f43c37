r"""Pairs the tiles leave out: nearly parallel or nearly opposite inputs.

Where a network is chaotic, a rounding of rho near 1 is amplified at every layer. Such
pairs carry instead the complements of the cosine c = Sigma_12/sqrt(Sigma_11 Sigma_22),

    minus = 1 - c,    plus = 1 + c,

the smaller of them to full *relative* accuracy, which the layers do not amplify: the map
minus -> minus is concave (docs/theory/near.md). A layer takes them from the closed form of
max(x, 0), from Mehler's series where |rho| has become moderate, or from two-dimensional
quadrature of the squared difference of the two units.

Legend: r, r' the norms sqrt(Sigma) of the units, s, s' those of the pre-activations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import Angle, coefficients, squared_differences
from analytic.machine import UNIT, Array
from analytic.network import Network
from analytic.recursion import (
    ROUNDING,
    Stage,
    amplification,
    diagonal,
    mean_squares,
    plain,
    preactivation,
)

__all__ = ["Near", "near_pairs"]

Index = NDArray[np.intp]


class Near(NamedTuple):
    """Sigma and Theta at the readout, and bounds of their relative errors, (pairs,) each."""

    sigma: Array
    theta: Array
    error: Array


class _State(NamedTuple):
    """Angle of the units, theta, and its error relative to sqrt(Theta_ii Theta_jj)."""

    angle: Angle
    theta: Array
    error: Array


class _Moments(NamedTuple):
    """The angle of w(u) and w(v), d = E w'(u) w'(v), and the error of d.

    The latter is relative to the root of E w'(u)^2 E w'(v)^2.
    """

    angle: Angle
    d: Array
    error: Array


def _share(part: Any, whole: Array) -> Array:
    """The quotient, and 0 where whole is 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.inf))


def near_pairs(network: Network, x: Array, y: Array) -> Near:
    """Run the recursion for pairs of inputs.

    Args:
        network: the description.
        x: the first inputs of the pairs, shape (pairs, d).
        y: the second ones, the same.
    """
    ends = diagonal(network, mean_squares(np.concatenate([x, y])))
    i = np.arange(len(x))
    j = i + len(x)
    unit, unit_ = (a / np.where(np.any(a, axis=1), _norm(a), 1.0)[:, None] for a in (x, y))
    alive = np.any(x, axis=1) & np.any(y, axis=1)
    minus, plus = (np.sum((unit + sign * unit_) ** 2, axis=1) / 2 for sign in (-1, 1))
    minus, plus = np.where(alive, minus, 1.0), np.where(alive, plus, 1.0)
    error = 4 * UNIT * (np.sqrt(np.minimum(minus, plus)) + UNIT)
    state = _State(Angle.of(minus, plus, error), np.zeros(i.size), np.zeros(i.size))
    branches: list[_State] = []
    for stage in ends.stages:
        branches += [state] * stage.step.opens
        state = _layer(stage, i, j, state)
        if stage.skipped is not None:
            state = _skip(stage, i, j, branches.pop(), state)
    sigma = np.sqrt(ends.sigma[i] * ends.sigma[j]) * state.angle.cosine
    return Near(sigma, state.theta, np.maximum(state.angle.error, state.error) + 4 * UNIT)


def _norm(a: Array) -> Array:
    return np.sqrt(np.sum(a**2, axis=1))


def _layer(stage: Stage, i: Index, j: Index, state: _State) -> _State:
    weight, bias = stage.step.layer.weight_std**2, stage.step.layer.bias_std**2
    r, r_ = np.sqrt(stage.sigma[i]), np.sqrt(stage.sigma[j])
    s, s_ = np.sqrt(stage.variance[i]), np.sqrt(stage.variance[j])
    angle = _affine(state.angle, r, r_, s, s_, weight, bias)
    moments = _moments(stage, angle, i, j)
    _, gamma = preactivation(r * r_ * state.angle.cosine, state.theta, weight, bias)
    _, theta = plain(None, moments.d, gamma)
    kept = _share(np.abs(moments.d), np.sqrt(stage.moments.slope[i] * stage.moments.slope[j]))
    error = moments.error + kept * (np.maximum(angle.error, state.error) + 2 * UNIT) + 2 * UNIT
    return _State(moments.angle, theta, error)


def _affine(
    angle: Angle, r: Array, r_: Array, s: Array, s_: Array, weight: float, bias: float
) -> Angle:
    """The angle of the pre-activations, from s s' (1 -+ rho) without cancellation."""
    both, inner = s * s_, weight * r * r_
    wide = np.where(both > 0, both, 1.0)
    apart = weight * bias * (r - r_) ** 2 / (wide + inner + bias)  # s s' - w r r' - b
    around = (weight * bias * (r**2 + r_**2) + bias**2) / (wide + inner) + bias
    minus = np.where(both > 0, (apart + inner * angle.minus) / wide, 1.0)
    plus = np.where(both > 0, (around + inner * angle.plus) / wide, 1.0)
    error = inner / wide * angle.error + 4 * UNIT * np.minimum(minus, plus)
    error += 4 * UNIT * weight * bias * np.abs(r - r_) * np.maximum(r, r_) / wide**2
    return Angle.of(minus, plus, error)


def _skip(stage: Stage, i: Index, j: Index, alpha: _State, branch: _State) -> _State:
    """The sum of alpha and a fresh branch, whose means make the two correlated."""
    assert stage.skipped is not None
    sigma0, _, mu = stage.skipped
    eta, second = stage.moments.mean, stage.moments.second
    m, m_, e, e_ = mu[i], mu[j], eta[i], eta[j]
    r0, r0_, r1, r1_ = (np.sqrt(v) for v in (sigma0[i], sigma0[j], second[i], second[j]))
    q0, q0_ = (np.sqrt(np.maximum(r**2 - a**2, 0)) for r, a in ((r0, m), (r0_, m_)))
    q1, q1_ = (np.sqrt(np.maximum(r**2 - a**2, 0)) for r, a in ((r1, e), (r1_, e_)))
    whole, whole_ = np.sqrt(r0**2 + r1**2 + 2 * m * e), np.sqrt(r0_**2 + r1_**2 + 2 * m_ * e_)
    both = np.where(whole * whole_ > 0, whole * whole_, 1.0)
    sides = [(q0, q1, m + e), (q0_, q1_, m_ + e_)]
    around = _defect(*sides) - _defect((q0, m), (q0_, m_)) - _defect((q1, e), (q1_, e_))
    minus = (around + r0 * r0_ * alpha.angle.minus + r1 * r1_ * branch.angle.minus) / both
    size, size_ = np.hypot(r0, r1), np.hypot(r0_, r1_)
    around = (both - size * size_) + _defect((r0, r1), (r0_, r1_)) + m * e_ + e * m_
    plus = (around + r0 * r0_ * alpha.angle.plus + r1 * r1_ * branch.angle.plus) / both
    noise = 4 * (stage.moments.noise.value + UNIT)
    means = np.abs(m - m_) * (r1 + r1_) + np.abs(e - e_) * (r0 + r0_)
    error = r0 * r0_ * alpha.angle.error + r1 * r1_ * branch.angle.error + noise * means
    angle = Angle.of(minus, plus, error / both + 4 * UNIT * np.minimum(minus, plus))
    return _State(angle, alpha.theta + branch.theta, np.maximum(alpha.error, branch.error) + UNIT)


def _defect(a: tuple[Array, ...], b: tuple[Array, ...]) -> Array:
    """|a| |b| - a.b = |a x b|^2/(|a| |b| + a.b), by Lagrange's identity."""
    crossed = sum((a[p] * b[q] - a[q] * b[p]) ** 2 for p in range(len(a)) for q in range(p))
    size = np.sqrt(sum(p**2 for p in a)) * np.sqrt(sum(p**2 for p in b))
    return _share(crossed, size + sum(p * q for p, q in zip(a, b, strict=True)))


BLOCK = 32
"""Pairs that share one pair of rules."""
MODERATE = 0.05
"""Complement of |rho| from which on the series replaces the quadrature."""


def _moments(stage: Stage, angle: Angle, i: Index, j: Index) -> _Moments:
    """By the closed form, by the series for moderate pairs, by quadrature for the others."""
    if stage.step.layer.activation.is_relu:
        return _arccosine(angle, stage.variance[i] * stage.variance[j] > 0)
    result = np.empty((5, i.size))
    easy = np.flatnonzero(angle.small > MODERATE)
    if easy.size:
        _store(result, easy, _series(stage, angle.take(easy), i[easy], j[easy]))
    order = np.argsort(stage.variance[j] * angle.small)
    order = order[angle.small[order] <= MODERATE]
    for start in range(0, order.size, BLOCK):
        chosen = order[start : start + BLOCK]
        _store(result, chosen, _integrals(stage, angle.take(chosen), i[chosen], j[chosen]))
    return _Moments(Angle(*result[:3]), *result[3:])


def _store(result: Array, chosen: Index, moments: _Moments) -> None:
    result[:3, chosen] = moments.angle
    result[3:, chosen] = moments[1:]


def _arccosine(angle: Angle, alive: NDArray[np.bool_]) -> _Moments:
    """Closed forms for max(x, 0): Cho and Saul (2009), rewritten without cancellation."""
    half = np.arcsin(np.sqrt(angle.small / 2))
    turn = np.where(angle.minus < angle.plus, 2 * half, np.pi - 2 * half)
    bend = np.sin(turn) - turn * (1 - angle.minus)
    minus = angle.minus - bend / np.pi  # 1 - (sin t + (pi - t) cos t)/pi
    d = np.where(alive, (np.pi - turn) / (2 * np.pi), 0.0)
    # |d turn| = d minus / sin(turn), and sqrt(2 d minus) where that is the larger part
    error_d = _share(2 * angle.error, np.sqrt(angle.error + angle.small)) + 8 * UNIT
    error = (2 * d + error_d) * angle.error + 8 * UNIT * minus
    return _Moments(Angle.of(minus, 2 - minus, error), d, error_d)


def _series(stage: Stage, angle: Angle, i: Index, j: Index) -> _Moments:
    """Mehler's series, with the amplification of the certificate at the |rho| of each pair."""
    table, rho = stage.moments, angle.cosine
    factors = amplification(stage, 16 * UNIT)
    activation, terms = stage.step.layer.activation, factors.r_d.size
    b, b_ = (coefficients(activation, np.sqrt(stage.variance[k]), terms).b for k in (i, j))
    products = b * b_  # (terms, pairs)
    order: Array = np.arange(float(products.shape[0]))
    products *= rho ** order[:, None]
    both = np.sqrt(stage.variance[i] * stage.variance[j])
    e = table.mean[i] * table.mean[j] + both * rho * products.sum(axis=0)
    cosine = _share(e, np.sqrt(table.second[i] * table.second[j]))
    k_e, k_d, _, v_e, v_d = factors.at(np.abs(rho))
    tail = factors.tails(np.array([order.size])) * np.abs(rho) ** order.size
    noise = 2 * max(factors.noise.value, factors.noise.slope) + ROUNDING + tail
    error_e = k_e * (angle.error + ROUNDING) + noise + 4 * UNIT * v_e
    error_d = k_d * (angle.error + ROUNDING) + noise + 4 * UNIT * v_d
    return _Moments(Angle(1 - cosine, 1 + cosine, error_e), (order + 1) @ products, error_d)


def _integrals(stage: Stage, angle: Angle, i: Index, j: Index) -> _Moments:
    """Quadrature, and how much the layer amplifies the error of rho."""
    table = stage.moments
    s, s_ = np.sqrt(stage.variance[i]), np.sqrt(stage.variance[j])
    r, r_ = np.sqrt(table.second[i]), np.sqrt(table.second[j])
    minus, plus, d, error, error_d = squared_differences(
        stage.step.layer.activation, s, s_, angle, 1 / r, 1 / r_
    )
    slope = np.sqrt(table.slope[i] * table.slope[j])
    # |D| is convex in 1 - |rho|: its chord to |rho| = 1 bounds the change, and so does D'
    chord = np.maximum(slope - np.abs(d), 0) * np.minimum(_share(angle.error, angle.small), 1)
    curvature = s * s_ * np.sqrt(table.curvature[i] * table.curvature[j])
    bent = np.minimum(chord, curvature * angle.error)
    error = error + s * s_ / (r * r_) * (np.abs(d) + bent) * angle.error
    return _Moments(Angle.of(minus, plus, error), d, _share(error_d + bent, slope) + 8 * UNIT)
