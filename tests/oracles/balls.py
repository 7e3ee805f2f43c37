"""Duals in ball arithmetic: each number encloses its true value.

For ``dense.pair_kernel``; nothing here is shared with the package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from flint import arb, ctx
from oracles import dense

from analytic import Network
from analytic.activation import X


def exact_kernel(network: Network, x: np.ndarray, y: np.ndarray, digits: int = 400) -> arb:
    """K(x, y) of a network of vectors."""
    before, ctx.dps = ctx.dps, digits
    try:
        a, b = ([arb(float(v)) for v in row] for row in (x, y))
        return dense.pair_kernel(network, a, b, enclosed_dual)[1]
    finally:
        ctx.dps = before


def exact_diagonal(network: Network, x: np.ndarray, digits: int = 400) -> arb:
    """K(x, x), where a sample meets itself."""
    before, ctx.dps = ctx.dps, digits
    try:
        a = [arb(float(v)) for v in x]
        return dense.pair_kernel(network, a, a, enclosed_dual)[2]
    finally:
        ctx.dps = before


def distance(value: float, exact: arb) -> float:
    """An upper bound of |value - exact|, tiny digits included."""
    before, ctx.dps = ctx.dps, 60
    try:
        return float(abs(arb(float(value)) - exact).upper())
    finally:
        ctx.dps = before


def enclosed_dual(activation: Any, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    return DUALS.get(activation.name, trapezoid)(activation, v, c, v_)


def _identity(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    return c, arb(1), arb(0), arb(0)


def _root(a: arb) -> arb:
    """The root of a number that is known to be non-negative, though its ball may not be."""
    return a.sqrt() if a > 0 else arb(0).union(a.abs_upper().sqrt())


def _erf(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    """Williams (1997)."""
    bottom = (1 + 2 * v) * (1 + 2 * v_)
    d = 4 / arb.pi() / (bottom - 4 * c**2).sqrt()
    return 2 / arb.pi() * (2 * c / bottom.sqrt()).asin(), d, arb(0), arb(0)


def _sin(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    up, down = (c - (v + v_) / 2).exp(), (-c - (v + v_) / 2).exp()
    return (up - down) / 2, (up + down) / 2, arb(0), arb(0)


def _cos(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    e, d, *_rest = _sin(None, v, c, v_)
    return d, e, (-v / 2).exp(), (-v_ / 2).exp()


def _gaussian(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    """exp(-x^2): E = 1/sqrt(g), g = (1 + 2v)(1 + 2v') - 4c^2, and D = dE/dc."""
    g = (1 + 2 * v) * (1 + 2 * v_) - 4 * c**2
    root = g.sqrt()
    return 1 / root, 4 * c / (g * root), 1 / (1 + 2 * v).sqrt(), 1 / (1 + 2 * v_).sqrt()


def _bent(a: arb, b: arb) -> dense.Dual:
    """a x + b |x|, Cho and Saul (2009), with the angle from its sine and cosine."""

    def dual(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
        mean, mean_ = (_root(2 * w / arb.pi()) * b for w in (v, v_))
        if v == 0 or v_ == 0:
            return arb(0), arb(0), mean, mean_
        height = arb(0) if v is c else _root(v * v_ - c**2)
        turn = arb.pi() / 2 - arb.atan2(height, abs(c))  # away from the cut of the angle
        turn = -turn if c < 0 else turn
        e = a**2 * c + b**2 * 2 / arb.pi() * (height + turn * c)
        return e, a**2 + b**2 * 2 / arb.pi() * turn, mean, mean_

    return dual


def _x_sine(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    """-x sin x: E from the derivatives of E[cos(a u) cos(b u')] by a and b; D is not needed."""
    e, d, *_rest = _sin(None, v, c, v_)  # exp(-(v + v')/2) times sinh c and cosh c
    none = arb("nan")
    return (v * v_ + c**2) * d + c * (1 - v - v_) * e, none, none, none


def _x_cosine(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    """x cos x, in the same way."""
    e, d, *_rest = _sin(None, v, c, v_)
    none = arb("nan")
    return (v * v_ + c**2) * e + c * (1 - v - v_) * d, none, none, none


DUALS: dict[str, dense.Dual] = {
    "erf": _erf, "sin": _sin, "cos": _cos, "gaussian": _gaussian,
    "-x*sin(x)": _x_sine, "x*cos(x)": _x_cosine, "identity": _identity,
    "relu": _bent(arb(1) / 2, arb(1) / 2), "Abs(x)": _bent(arb(0), arb(1)),
    "Max(x/4, x)": _bent(arb(5) / 8, arb(3) / 8),
}  # fmt: skip


def trapezoid(activation: Any, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    """Any smooth activation, as ``dense.high_precision`` but in balls: thirty times faster.

    The sum is enclosed, not its distance from the integral: exp(-2 pi (strip)/(s h)).
    """
    value, slope = (
        sympy.lambdify(X, dense.elementary(activation.differentiate(order)), modules=[FUNCTIONS])
        for order in (0, 1)
    )
    s, s_ = v.sqrt(), v_.sqrt()
    rho = c / (s * s_)
    r = arb(0) if v is c else _root(1 - rho**2)
    n = int(60 + 25 * float(max(s, s_)))
    h = arb(19) / (2 * n)
    nodes = [h * k for k in range(-n, n + 1)]
    p = [h * (-(z**2) / 2).exp() / (2 * arb.pi()).sqrt() for z in nodes]
    e = d = arb(0)
    for z, weight in zip(nodes, p, strict=True):
        points = [s_ * (rho * z + r * y) for y in nodes]
        e += weight * value(s * z) * sum(q * value(x) for q, x in zip(p, points, strict=True))
        d += weight * slope(s * z) * sum(q * slope(x) for q, x in zip(p, points, strict=True))
    mean, mean_ = (
        sum((q * value(t * z) for q, z in zip(p, nodes, strict=True)), arb(0)) for t in (s, s_)
    )
    return e, d, mean, mean_


FUNCTIONS = {
    name: (lambda a, name=name: getattr(arb(a), name)())
    for name in ("exp", "log", "tanh", "erf", "sqrt")
} | {"pi": arb.pi()}
