"""Slow, independent computations that tests compare with.

They share nothing with the package but the description of the network and the sympy
expression of the activation: the recursion is written out again, layer inside layer, and the
Gaussian expectations are two-dimensional trapezoidal sums instead of series.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np
import sympy
from oracles import channels

from analytic import (
    Activation,
    Concatenate,
    Dropout,
    FullyConnected,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    Sum,
)
from analytic.activation import X

Dual = Callable[[Activation, Any, Any, Any], tuple[Any, Any, Any, Any]]


class State(NamedTuple):
    """Sigma_11, Sigma_12, Sigma_22, Theta_11, Theta_12, Theta_22, mu_1, mu_2."""

    s11: Any
    s12: Any
    s22: Any
    t11: Any
    t12: Any
    t22: Any
    m1: Any
    m2: Any


def recursion(
    layers: Sequence[Any], state: State, dual: Dual, means: bool = True, count: Any = Fraction(1)
) -> State:
    """Design of the recursion for one pair; ``means=False`` drops the mean terms."""
    for last, layer in zip((None, *layers), layers, strict=False):
        before, count = count, channels.after([layer], count)
        if isinstance(layer, Residual):
            new = recursion(layer.layers, state, dual, means, before)
            a, b = (state.m1, state.m2) if means else (0, 0)
            state = State(
                state.s11 + new.s11 + 2 * a * new.m1,
                state.s12 + new.s12 + a * new.m2 + new.m1 * b,
                state.s22 + new.s22 + 2 * b * new.m2,
                state.t11 + new.t11,
                state.t12 + new.t12,
                state.t22 + new.t22,
                state.m1 + new.m1,
                state.m2 + new.m2,
            )
        elif isinstance(layer, Sum):
            ends = [recursion(branch, state, dual, means, before) for branch in layer.branches]
            state = _sum(ends, means)
        elif isinstance(layer, Concatenate):
            ends = [recursion(branch, state, dual, means, before) for branch in layer.branches]
            state = _side_by_side(ends, channels.shares(layer, before))
        elif isinstance(layer, LayerNorm):
            state = _normalized(layer, state)
        elif isinstance(layer, Dropout):
            k = 1 - (layer.rate + 0 * state.s11)
            noisy = {name: getattr(state, name) / k for name in ("s11", "s22", "t11", "t22")}
            state = state._replace(**noisy)
        elif isinstance(layer, Scale):
            c = layer.factor
            m1, m2 = c * state.m1, c * state.m2
            state = State(*(c * c * part for part in state))._replace(m1=m1, m2=m2)
        elif isinstance(last, LayerNorm) and isinstance(layer, Nonlinearity):
            state = _behind_gains(layer, last.gain_rate + 0 * state.s11, state, dual)
        else:
            state = _plain(layer, state, dual)
    return state


def _sum(ends: list[State], means: bool) -> State:
    """Everything is added, and the products of the means of different branches."""
    whole = [sum(numbers) for numbers in zip(*ends, strict=True)]
    for a, b in itertools.permutations(ends, 2) if means else ():
        for place, term in enumerate((a.m1 * b.m1, a.m1 * b.m2, a.m2 * b.m2)):
            whole[place] += term
    return State(*whole)


def _normalized(layer: LayerNorm, s: State) -> State:
    """Mean 0 and variance 1, or somewhat less; what gains and shifts add to what is trained."""
    v, v_, c = s.s11 - s.m1**2, s.s22 - s.m2**2, s.s12 - s.m1 * s.m2
    zero = 0 * s.s11  # of the numbers at hand
    eps, of_gains, of_shifts = (k + zero for k in (layer.eps, layer.gain_rate, layer.bias_rate))
    w, w_ = v + eps, v_ + eps
    root = (w * w_) ** (zero + 1 / 2)
    a, b, a_ = v / w, c / root, v_ / w_
    t, t12, t_ = (of_gains * part + of_shifts for part in (a, b, a_))
    return State(a, b, a_, t + s.t11 / w, t12 + s.t12 / root, t_ + s.t22 / w_, zero, zero)


def _side_by_side(ends: list[State], shares: list[Fraction]) -> State:
    """The average over all units."""
    parts = [
        State(*(number * p.numerator / p.denominator for number in end))
        for end, p in zip(ends, shares, strict=True)
    ]
    return State(*(sum(numbers) for numbers in zip(*parts, strict=True)))


def _plain(layer: FullyConnected | Nonlinearity, state: State, dual: Dual) -> State:
    bare = isinstance(layer, Nonlinearity)
    zero = 0 * state.s11  # of the numbers at hand, which may have more digits than floats
    w, b = (1, 0) if bare else (v * (v + zero) for v in (layer.weight_std, layer.bias_std))
    l11, l12, l22 = (w * s + b for s in state[:3])
    e11, d11, m1, _ = dual(layer.activation, l11, l11, l11)
    e22, d22, m2, _ = dual(layer.activation, l22, l22, l22)
    e12, d12, _, _ = dual(layer.activation, l11, l12, l22)
    if bare:  # no weights, nothing that is trained
        return State(e11, e12, e22, d11 * state.t11, d12 * state.t12, d22 * state.t22, m1, m2)
    g11, g12, g22 = (
        of_weights * w * s + of_biases + w * t
        for of_weights, of_biases in [rates(layer, zero)]
        for s, t in zip(state[:3], state[3:6], strict=True)
    )
    return State(e11, e12, e22, d11 * g11, d12 * g12, d22 * g22, m1, m2)


def _behind_gains(layer: Nonlinearity, rate: Any, state: State, dual: Dual) -> State:
    """w(g u): of the gradient u w'(u) of g, what T had of it before w is taken out again."""
    product = Activation(X * layer.activation.derivative)
    t11, t12, t22 = (t - rate * s for s, t in zip(state[:3], state[3:6], strict=True))
    end = _plain(layer, state._replace(t11=t11, t12=t12, t22=t22), dual)
    pairs = ((state.s11,) * 3, state[:3], (state.s22,) * 3)
    e11, e12, e22 = (rate * dual(product, *covariance)[0] for covariance in pairs)
    return end._replace(t11=end.t11 + e11, t12=end.t12 + e12, t22=end.t22 + e22)


def rates(layer: Any, zero: Any) -> tuple[Any, Any]:
    """What gradient flow multiplies the gradients by: those of W, and those of the biases b std."""
    biases = layer.bias_rate
    if biases is None:  # of a standard normal b, at rate 1
        biases = (layer.bias_std + zero) ** 2
    return layer.weight_rate + zero, biases + zero


def pair_kernel(
    network: Network, x: Any, y: Any, dual: Dual, means: bool = True
) -> tuple[Any, Any, Any, Any]:
    """(Sigma(x, y), K(x, y), K(x, x), K(y, y)) of two inputs."""
    d = len(x)
    dot = lambda a, b: sum(p * q for p, q in zip(a, b, strict=True)) / d  # noqa: E731
    start = State(dot(x, x), dot(x, y), dot(y, y), 0, 0, 0, 0, 0)
    end = recursion(network.layers, start, dual, means)
    return at_output(network, end)


def at_output(network: Network, end: State) -> tuple[Any, Any, Any, Any]:
    """What the readout makes of the last units."""
    zero = 0 * end.s11
    w, b = ((v + zero) ** 2 for v in (network.output.weight_std, network.output.bias_std))
    of_weights, of_biases = rates(network.output, zero)
    k12, k11, k22 = (
        of_weights * w * s + of_biases + w * t
        for s, t in ((end.s12, end.t12), (end.s11, end.t11), (end.s22, end.t22))
    )
    return w * end.s12 + b, k12, k11, k22


def trapezoid(
    activation: Activation, v: float, c: float, v_: float
) -> tuple[float, float, float, float]:
    """(E w w', E w'w', E w(u), E w(u')) in float64; the steps shrink with the variances."""
    s, s_ = math.sqrt(v), math.sqrt(v_)
    rho = min(1.0, max(-1.0, c / (s * s_))) if s * s_ > 0 else 0.0
    n = int(90 + 70 * max(s, s_))
    z = np.linspace(-9.5, 9.5, 2 * n + 1)
    p = np.exp(-(z**2) / 2)
    p /= p.sum()
    w, w1 = activation.derivatives(s * z, 1)
    v0, v1 = activation.derivatives(s_ * (rho * z[:, None] + math.sqrt(1 - rho**2) * z), 1)
    mean_ = activation.derivatives(s_ * z, 0)[0] @ p
    return float((p * w) @ v0 @ p), float((p * w1) @ v1 @ p), float(w @ p), float(mean_)


def trapezoid_kernel(network: Network, x: Any, y: Any, means: bool = True) -> Any:
    """K and Sigma for all pairs by the two-dimensional trapezoid, shape (2, n, k)."""
    pairs = [[pair_kernel(network, a, b, trapezoid, means)[:2] for b in y] for a in x]
    return np.array(pairs, dtype=float).transpose(2, 0, 1)[::-1]


def high_precision(activation: Activation, v: Any, c: Any, v_: Any) -> tuple[Any, Any, Any, Any]:
    """The same in mpmath, in the coordinates u = s z, u' = s'(rho z + r z')."""
    value = sympy.lambdify(X, elementary(activation.expression), "mpmath")
    slope = sympy.lambdify(X, elementary(activation.derivative), "mpmath")
    s, s_ = mpmath.sqrt(v), mpmath.sqrt(v_)
    rho = c / (s * s_)
    r = mpmath.sqrt(max(1 - rho**2, mpmath.mpf(0)))
    n = int(60 + 25 * float(max(s, s_)))  # tanh is analytic in |Im x| < pi/2: error 1e-11
    h = mpmath.mpf(19) / (2 * n)
    nodes = [h * k for k in range(-n, n + 1)]
    p = [h * mpmath.npdf(z) for z in nodes]
    e = d = mpmath.mpf(0)
    for z, weight in zip(nodes, p, strict=True):
        if r == 0:
            inner, inner1 = value(s_ * rho * z), slope(s_ * rho * z)
        else:
            points = [s_ * (rho * z + r * y) for y in nodes]
            inner = mpmath.fdot(p, map(value, points))
            inner1 = mpmath.fdot(p, map(slope, points))
        e += weight * value(s * z) * inner
        d += weight * slope(s * z) * inner1
    means = [mpmath.fdot(p, [value(t * z) for z in nodes]) for t in (s, s_)]
    return e, d, means[0], means[1]


def elementary(expression: Any) -> Any:
    """sigmoid, softplus and quotients whose zeros were divided out as they are written."""
    from analytic.activation import X, sigmoid, softplus
    from analytic.expressions import DividedFunction

    def written(node: Any) -> Any:
        quotient = sympy.diff(node.numerator / X**node.power, X, node.order)
        return elementary(quotient).subs(X, node.args[0])

    expression = expression.replace(lambda node: isinstance(node, DividedFunction), written)
    return expression.replace(sigmoid, lambda a: 1 / (1 + sympy.exp(-a))).replace(
        softplus, lambda a: sympy.log(1 + sympy.exp(a))
    )


def arccosine_dual(_: Activation, v: Any, c: Any, v_: Any) -> tuple[Any, Any, Any, Any]:
    """max(x, 0): Cho and Saul (2009)."""
    s, s_ = math.sqrt(v), math.sqrt(v_)
    rho = min(1.0, max(-1.0, c / (s * s_)))
    t = math.acos(rho)
    e = s * s_ * (math.sin(t) + (math.pi - t) * rho) / (2 * math.pi)
    return e, (math.pi - t) / (2 * math.pi), s / math.sqrt(2 * math.pi), s_ / math.sqrt(2 * math.pi)


def arcsine_dual(_: Activation, v: Any, c: Any, v_: Any) -> tuple[Any, Any, Any, Any]:
    """erf: Williams (1997)."""
    bottom = (1 + 2 * v) * (1 + 2 * v_)
    return (
        2 / math.pi * math.asin(2 * c / math.sqrt(bottom)),
        4 / math.pi / math.sqrt(bottom - 4 * c**2),
        0.0,
        0.0,
    )


def sine_dual(_: Activation, v: Any, c: Any, v_: Any) -> tuple[Any, Any, Any, Any]:
    """sin: E sin u sin u' = exp(-(v + v')/2) sinh c, and cosh for the slopes."""
    half = (v + v_) / 2
    up, down = math.exp(c - half), math.exp(-c - half)
    return (up - down) / 2, (up + down) / 2, 0.0, 0.0
