"""Kernels of small networks with any smooth activation, to eighteen digits.

The activation is evaluated in ball arithmetic; the trapezoidal sums, the Hermite functions and
the recursion run in extended precision. Nothing is shared with the package but the expression
of the activation. A sum is trusted if the sum over every other node agrees to half of the
digits: the trapezoidal rule doubles them with each halving of its step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sympy
from flint import arb, ctx
from oracles import dense

from analytic import FullyConnected, Network, Residual
from analytic.activation import X

REACH, TERMS = 30.0, 400
"""Largest node, and coefficients."""
DIGITS = (45, 150, 600)
"""Digits of the balls that are tried."""


class UnknownError(ArithmeticError):
    """The reference did not converge."""


class Tables(NamedTuple):
    """Moments and coefficients at n standard deviations."""

    second: Any  # E w^2, (n,)
    slope: Any  # E w'^2
    a: Any  # E[w h_k], (n, terms)
    c: Any  # E[w' h_k]


def tables(activation: Any, s: Any) -> Tables:
    """Those of the standard deviations s (longdouble), (n,).

    Raises:
        UnknownError: two steps do not agree.
    """
    for half in (480, 960, 1920):
        z, root, basis = _rule(half)
        w, slope = (_values(activation, order, s, z, root) for order in (0, 1))
        fine = _sums(w * root, slope * root, basis)
        every = slice(half % 2, None, 2)
        coarse = _sums(
            (w * root)[:, every] * np.sqrt(np.longdouble(2)),
            (slope * root)[:, every] * np.sqrt(np.longdouble(2)),
            basis[:, every],
            np.sqrt(np.longdouble(2)),
        )
        if _agree(fine, coarse):
            return fine
    raise UnknownError("no agreement")


def _sums(w: Any, slope: Any, basis: Any, scale: Any = 1) -> Tables:
    return Tables(
        (w**2).sum(axis=1), (slope**2).sum(axis=1), scale * (w @ basis.T), scale * (slope @ basis.T)
    )


def _agree(fine: Tables, coarse: Tables) -> bool:
    second, slope = np.sqrt(fine.second), np.sqrt(fine.slope)
    if not ((second > 0).all() and (slope > 0).all()):
        raise UnknownError("underflow")
    gaps = (
        np.abs(coarse.second / fine.second - 1),
        np.abs(coarse.slope / fine.slope - 1),
        np.linalg.norm((fine.a - coarse.a).astype(float), axis=1) / second,
        np.linalg.norm((fine.c - coarse.c).astype(float), axis=1) / slope,
    )
    return max(float(np.max(gap)) for gap in gaps) < 1e-10


@lru_cache(maxsize=4)
def _rule(half: int) -> tuple[Any, Any, Any]:
    step = np.longdouble(REACH) / half
    z = step * np.arange(-half, half + 1)
    root = np.sqrt(step * np.exp(-z * z / 2) / np.sqrt(2 * np.arccos(np.longdouble(-1))))
    basis = np.empty((TERMS, z.size), dtype=np.longdouble)
    basis[0], basis[1] = root, z * root
    for k in range(1, TERMS - 1):
        order = np.longdouble(k)
        basis[k + 1] = (z * basis[k] - np.sqrt(order) * basis[k - 1]) / np.sqrt(order + 1)
    return z, root, basis


@lru_cache(maxsize=64)
def _function(activation: Any, order: int, digits: int) -> Callable[[arb], arb]:
    """At the present number of digits, which numbers such as pi and 1/3 need."""
    assert digits == ctx.dps
    return _compiled(dense.elementary(activation.differentiate(order)))


def _compiled(node: Any) -> Callable[[arb], arb]:
    """The expression in balls; sympy's printers would round its numbers."""
    if node == X:
        return lambda x: x
    if not node.free_symbols:
        number = _number(node)
        return lambda x: number
    parts = [_compiled(argument) for argument in node.args]
    if node.is_Add:
        return lambda x: sum((part(x) for part in parts[1:]), parts[0](x))
    if node.is_Mul:
        return lambda x: math.prod((part(x) for part in parts[1:]), start=parts[0](x))
    if node.is_Pow:
        base, exponent = parts[0], node.exp
        if exponent.is_Integer:
            return lambda x: base(x) ** int(exponent)
        return lambda x: base(x) ** (arb(int(exponent.p)) / int(exponent.q))
    name, (inner,) = node.func.__name__, parts
    return lambda x: getattr(inner(x), name)()


def _number(node: Any) -> arb:
    if node.is_Float:
        return arb(float(node))
    if node.is_Rational:
        return arb(int(node.p)) / int(node.q)
    if node in (sympy.pi, sympy.E):
        return arb.pi() if node == sympy.pi else arb(1).exp()
    return _compiled_number(node)


def _compiled_number(node: Any) -> arb:
    parts = [_number(argument) for argument in node.args]
    if node.is_Add:
        return sum(parts[1:], parts[0])
    if node.is_Mul:
        return math.prod(parts[1:], start=parts[0])
    if node.is_Pow:
        return parts[0] ** parts[1]
    return getattr(parts[0], node.func.__name__)()


def _values(activation: Any, order: int, s: Any, z: Any, root: Any) -> Any:
    """Values at s z in extended precision.

    Raises:
        UnknownError: the radii of the balls are not far below the norm of the values.
    """
    before = ctx.dps
    try:
        for ctx.dps in DIGITS:
            function = _function(activation, order, ctx.dps)
            pairs = [_rounded(_value(function, _exact(p))) for p in (s[:, None] * z).ravel()]
            both = (np.array(part).reshape(s.size, z.size) for part in zip(*pairs, strict=True))
            value, radius = both
            norms = [np.sqrt(((part * root) ** 2).sum(axis=1)) for part in (value, radius)]
            if (norms[1] <= 1e-21 * norms[0]).all():
                return value
    finally:
        ctx.dps = before
    raise UnknownError("too few digits, underflow or overflow")


def _value(function: Callable[[arb], arb], p: arb) -> arb:
    """At 0, where a quotient may be 0/0, beside it: smooth values differ by less than 1e-29."""
    found = function(p)
    return found if p != 0 or found.is_finite() else function(arb(2) ** -100)


def _exact(p: Any) -> arb:
    high = float(p)
    return arb(high) + arb(float(p - np.longdouble(high)))


def _rounded(value: Any) -> tuple[Any, Any]:
    """The middle of a ball and its radius."""
    middle = arb(value).mid()
    high = float(middle)
    return np.longdouble(high) + np.longdouble(float(middle - arb(high))), float(arb(value).rad())


class State(NamedTuple):
    """Sigma, Theta, (n, n), and mu, (n,)."""

    sigma: Any
    theta: Any
    mu: Any


def kernels(network: Network, x: Any) -> tuple[Any, Any, Any]:
    """Sigma and Sigma + Theta in extended precision, and where they can be trusted, (n, n)."""
    x = x.astype(np.longdouble)
    start = State(
        x @ x.T / x.shape[1],
        np.zeros((len(x), len(x)), np.longdouble),
        np.zeros(len(x), np.longdouble),
    )
    sure = np.ones((len(x), len(x)), dtype=bool)
    end = _layers(network.layers, start, sure)
    return end.sigma, end.sigma + end.theta, sure


def _layers(layers: Any, state: State, sure: Any) -> State:
    for layer in layers:
        if isinstance(layer, Residual):
            new = _layers(layer.layers, state, sure)
            cross = np.outer(state.mu, new.mu)
            state = State(
                state.sigma + new.sigma + cross + cross.T,
                state.theta + new.theta,
                state.mu + new.mu,
            )
        else:
            state = _plain(layer, state, sure)
    return state


def _plain(layer: FullyConnected, state: State, sure: Any) -> State:
    weight, bias = (np.longdouble(float(v)) ** 2 for v in (layer.weight_std, layer.bias_std))
    covariance = weight * state.sigma + bias
    gamma = covariance + weight * state.theta
    s = np.sqrt(np.diag(covariance))
    known = tables(layer.activation, s)
    rho = covariance / np.outer(s, s)
    powers = rho[..., None] ** np.arange(TERMS)
    e = (known.a[:, None] * known.a[None] * powers).sum(axis=-1)
    d = (known.c[:, None] * known.c[None] * powers).sum(axis=-1)
    left = np.abs(known.slope - (known.c**2).sum(axis=1)) / known.slope + 1e-18
    sure &= np.abs(rho).astype(float) ** TERMS * np.sqrt(np.outer(left, left)).astype(float) < 1e-19
    np.fill_diagonal(e, known.second)
    np.fill_diagonal(d, known.slope)
    np.fill_diagonal(sure, True)
    return State(e, d * gamma, known.a[:, 0])


def relative_error(value: Any, exact: Any) -> Any:
    """|value - exact| relative to the root of the diagonal entries, (n, n)."""
    root = np.sqrt(np.diag(exact))
    return (np.abs(value - exact) / np.outer(root, root)).astype(float)


def value(activation: Any, order: int, point: Any) -> Any:
    """A derivative at one point, in extended precision."""
    before, ctx.dps = ctx.dps, DIGITS[2]
    try:
        return _rounded(_function(activation, order, ctx.dps)(_exact(point)))[0]
    finally:
        ctx.dps = before
