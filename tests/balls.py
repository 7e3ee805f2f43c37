"""Closed-form duals in ball arithmetic: each number encloses its true value.

For ``oracles.pair_kernel``; nothing here is shared with the package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
from flint import arb, ctx

from analytic import Network


def exact_kernel(network: Network, x: np.ndarray, y: np.ndarray, digits: int = 400) -> arb:
    """K(x, y) of a network whose layers all have the same activation out of ``DUALS``."""
    name = _leaf(network).activation.name
    before, ctx.dps = ctx.dps, digits
    try:
        a, b = ([arb(float(v)) for v in row] for row in (x, y))
        return oracles.pair_kernel(network, a, b, DUALS[name])[1]
    finally:
        ctx.dps = before


def distance(value: float, exact: arb) -> float:
    """An upper bound of |value - exact|, tiny digits included."""
    before, ctx.dps = ctx.dps, 60
    try:
        return float(abs(arb(float(value)) - exact).upper())
    finally:
        ctx.dps = before


def _leaf(layer: Any) -> Any:
    return _leaf(layer.layers[0]) if hasattr(layer, "layers") else layer


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


def _relu(_: object, v: arb, c: arb, v_: arb) -> tuple[arb, arb, arb, arb]:
    """Cho and Saul (2009), with the angle from its sine and cosine."""
    height = arb(0) if v is c else _root(v * v_ - c**2)
    t = arb.atan2(height, c)
    e = (height + (arb.pi() - t) * c) / (2 * arb.pi())
    mean, mean_ = (_root(a / (2 * arb.pi())) for a in (v, v_))
    return e, (arb.pi() - t) / (2 * arb.pi()), mean, mean_


DUALS: dict[str, oracles.Dual] = {
    "erf": _erf, "sin": _sin, "cos": _cos, "gaussian": _gaussian, "relu": _relu,
}  # fmt: skip
