r"""The behaviour of an expression at infinity, proved rather than sampled.

For x >= START every part e(x) of an expression is described by

    an interval that contains e(x),    |e(x)| <= above(x),    |e(x)| >= below(x),

with ``Order`` functions above and below, and by its limit where there is one. The
description of a sum, a product or a function follows from those of its parts, so that a
bound of the whole needs nothing but these rules (docs/theory/activations.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from analytic.expressions import (
    START,
    DividedFunction,
    Order,
    Tail,
    X,
    normal_cdf,
    plain,
    sigmoid,
    softplus,
    stable,
    total,
    transform,
)
from analytic.proofs.exponent import exponential
from analytic.proofs.interval import constant, function
from analytic.proofs.interval_arithmetic import Interval

__all__ = ["Tail", "tail"]


@lru_cache(maxsize=2048)
def tail(expression: Any, side: int = 1) -> Tail:
    """Describe an expression for x >= START (side 1) or x <= -START (side -1).

    Example:
        >>> tail(stable(X * sigmoid(X)), -1).limit  # silu tends to 0 on the left
        0
        >>> tail(stable(sympy.tanh(X) + sympy.sin(X)), 1).size < 2.001
        True
    """
    if side < 0:
        return tail(stable(expression.subs(X, -X)), 1)
    with np.errstate(all="ignore"):
        found = _visit(_settled(stable(expression)))
    if found.limit is None and expression.is_algebraic_expr(X) and _is_short(expression):
        return replace(found, limit=sympy.limit(expression, X, sympy.oo))
    return found


MOST_EXPANDED = 300
"""Most operations of an expression whose products are multiplied out."""


def _settled(expression: Any) -> Any:
    """Functions that tend to a constant as that constant and a rest, so that sums cancel."""
    settled = transform(expression, _settle)
    if not _is_short(settled):
        return settled
    terms = [_multiplied_out(term) for term in sympy.Add.make_args(settled)]
    return sympy.Add(*terms)


def _is_short(expression: Any) -> bool:
    return bool(sympy.count_ops(expression) <= MOST_EXPANDED)


def _multiplied_out(term: Any) -> Any:
    """Products and small powers of sums as sums; the other factors stay as they are."""
    factors = sympy.Mul.make_args(term)
    sums = [f for f in factors if f.is_Add or (f.is_Pow and f.base.is_Add and _is_small(f.exp))]
    if not sums:
        return term
    others = sympy.Mul(*(factor for factor in factors if factor not in sums))
    expanded = sympy.expand_mul(sympy.Mul(*map(sympy.expand_multinomial, sums)))
    return sympy.Add(*(others * part for part in sympy.Add.make_args(expanded)))


def _is_small(exponent: Any) -> bool:
    return bool(exponent.is_Integer and 0 < exponent <= 4)


def _settle(node: Any) -> Any:
    if isinstance(node, sympy.cosh | sympy.sinh):
        (u,), sign = node.args, 1 if isinstance(node, sympy.cosh) else -1
        return (sympy.exp(u) + sign * sympy.exp(-u)) / 2
    if isinstance(node, sympy.Heaviside | sympy.sign) and node.free_symbols:
        return _settled_switch(node)
    if isinstance(node, DividedFunction):
        inner = _visit(sympy.expand(node.args[0]))
        away = inner.low > 0 or inner.high < 0
        return transform(stable(plain(node)), _settle) if away else node
    if node.func not in _SETTLING or not node.free_symbols:
        return node
    (u,) = node.args
    inner = _visit(sympy.expand(u))
    grows = inner.limit in (sympy.oo, -sympy.oo) or (inner.below is not None and inner.below.grows)
    if not grows or inner.low * inner.high < 0:
        return node
    return _SETTLING[node.func](u, inner.low >= 0)


def _settled_switch(node: Any) -> Any:
    inner = _visit(sympy.expand(node.args[0]))
    if inner.below is None or inner.low * inner.high < 0:
        return node
    return node.func(1 if inner.low >= 0 else -1)


_SETTLING: dict[Any, Callable[[Any, bool], Any]] = {
    sigmoid: lambda u, positive: 1 - sigmoid(-u) if positive else sigmoid(u),
    softplus: lambda u, positive: u + softplus(-u) if positive else softplus(u),
    normal_cdf: lambda u, positive: 1 - normal_cdf(-u) if positive else normal_cdf(u),
    sympy.tanh: lambda u, positive: 1 - 2 * sigmoid(-2 * u) if positive else 2 * sigmoid(2 * u) - 1,
    sympy.erf: lambda u, positive: (
        1 - 2 * normal_cdf(-sympy.sqrt(2) * u)
        if positive
        else 2 * normal_cdf(sympy.sqrt(2) * u) - 1
    ),
}


@lru_cache(maxsize=8192)
def _visit(node: Any) -> Tail:
    if node == X:
        line = Order(power=Fraction(1))
        return Tail(START, math.inf, line, line, sympy.oo)
    if not node.free_symbols:
        low, high = (float(end) for end in constant(node))
        return _finished(low, high, None, None, node)
    if isinstance(node, sympy.Max | sympy.Min):
        return _extreme(node)
    parts = [_visit(argument) for argument in node.args]
    box = function(node, [Interval(np.asarray(t.low), np.asarray(t.high)) for t in parts])
    low, high = float(box.low), float(box.high)
    if node.is_Add:
        return _sum(low, high, parts)
    if node.is_Mul:
        return _product(low, high, parts)
    above, below = _power(node, parts[0]) if node.is_Pow else _orders(node, parts[0])
    return _finished(low, high, above, below, _limit(node, parts[0].limit))


def _finished(low: float, high: float, above: Order | None, below: Order | None, lim: Any) -> Tail:
    """Let the interval and the orders improve each other."""
    size, least = max(abs(low), abs(high)), 0.0 if low * high <= 0 else min(abs(low), abs(high))
    if math.isfinite(size) and (above is None or not above.decays):
        above = None if size == 0 else Order(math.log(size) + 1e-15)
    if least > 0 and (below is None or not below.grows):
        below = Order(math.log(least) - 1e-15)
    if above is not None and above.is_falling:
        largest = _rounded_exp(above.at_start(), up=True)
        low, high = max(low, -largest), min(high, largest)
    if below is not None and (below ** Fraction(-1)).is_falling and low * high >= 0:
        smallest = _rounded_exp(-(below ** Fraction(-1)).at_start(), up=False)
        low, high = (max(low, smallest), high) if low >= 0 else (low, min(high, -smallest))
    if above is not None and above.decays:
        lim = sympy.S.Zero
    if low == high == 0:
        above = Order(-math.inf)
    return Tail(low, high, above, below, lim)


def _rounded_exp(exponent: float, up: bool) -> float:
    value = math.exp(exponent) if exponent < 709 else (math.inf if up else 1e307)
    return value * (1 + 1e-14) + 5e-324 if up else value * (1 - 1e-14)


def _sum(low: float, high: float, parts: Sequence[Tail]) -> Tail:
    aboves = [part.above for part in parts]
    above = total([a for a in aboves if a is not None]) if None not in aboves else None
    leader, below = _leader(parts)
    limit = _limit_of_sum(parts)
    if leader is not None and below is not None:
        low = max(low, 0.0) if leader.low >= 0 else low
        high = min(high, 0.0) if leader.high <= 0 else high
        limit = leader.limit if limit is None and leader.limit in (sympy.oo, -sympy.oo) else limit
    return _finished(low, high, above, below, limit)


def _leader(parts: Sequence[Tail]) -> tuple[Tail | None, Order | None]:
    """The term that outgrows the others together or has their sign, and what the sum keeps."""
    bounded = [(part.below, part) for part in parts if part.below is not None]
    if not bounded:
        return None, None
    below, leader = max(bounded, key=lambda pair: (pair[0].rank, pair[0].scale))
    if all(part.low >= 0 for part in parts) or all(part.high <= 0 for part in parts):
        return leader, below  # nothing is taken away
    rest = [part.above for part in parts if part is not leader]
    shares = [None if a is None else a.ratio(below) for a in rest]
    if any(share is None for share in shares):
        return None, None
    lost = sum(math.exp(min(share, 1.0)) for share in shares if share is not None)
    return (leader, below.times((1 - lost) * (1 - 1e-12))) if lost < 1 else (None, None)


def _limit_of_sum(parts: Sequence[Tail]) -> Any:
    if any(part.limit is None for part in parts):
        return None
    value = sympy.Add(*(part.limit for part in parts))
    return None if value is sympy.nan else value


def _product(low: float, high: float, parts: Sequence[Tail]) -> Tail:
    above: Order | None = Order()
    below: Order | None = Order()
    for part in parts:
        above = None if above is None or part.above is None else above * part.above
        below = None if below is None or part.below is None else below * part.below
    limit = None
    if all(part.limit is not None for part in parts):
        limit = sympy.Mul(*(part.limit for part in parts))
    return _finished(low, high, above, below, None if limit is sympy.nan else limit)


def _power(node: Any, base: Tail) -> tuple[Order | None, Order | None]:
    if not node.exp.is_Rational:
        return None, None
    r = Fraction(int(node.exp.p), int(node.exp.q))
    above, below = (base.above, base.below) if r > 0 else (base.below, base.above)
    return None if above is None else above**r, None if below is None else below**r


def _limit(node: Any, limit: Any) -> Any:
    if limit is None:
        return None
    value = node.func(limit, *node.args[1:])
    return value if value.is_extended_real and not value.has(sympy.AccumBounds) else None


def _extreme(node: Any) -> Tail:
    """Max or Min: the argument that stays ahead of the others, if one does."""
    best, *others = node.args
    sign = 1 if isinstance(node, sympy.Max) else -1
    for other in others:
        ahead = _visit(sympy.expand(sign * (best - other)))
        if ahead.high <= 0:
            best = other
        elif ahead.low < 0:
            parts = [_visit(argument) for argument in node.args]
            box = function(node, [Interval(np.asarray(t.low), np.asarray(t.high)) for t in parts])
            return _finished(float(box.low), float(box.high), None, None, None)
    return _visit(best)


def _orders(node: Any, u: Tail) -> tuple[Order | None, Order | None]:
    """Bounds of f(u) from those of u, where the interval of f(u) does not give them."""
    (argument,) = node.args[:1]
    if isinstance(node, sympy.exp):
        return exponential(argument, _visit)
    if isinstance(node, sympy.Abs):
        return u.above, u.below
    if isinstance(node, sigmoid | softplus) and u.high <= 0:  # e^u/2 <= f(u) <= e^u
        above, below = exponential(argument, _visit)
        return above, None if below is None else below.times(0.5)
    if isinstance(node, softplus) and u.above is not None:  # f(u) <= |u| + log(2)
        return total([u.above, Order(math.log(math.log(2)) + 1e-15)]), None
    if isinstance(node, sympy.sech) and u.low * u.high >= 0:  # e^-|u| <= sech <= 2 e^-|u|
        above, below = exponential(-argument if u.low >= 0 else argument, _visit)
        return None if above is None else above.times(2), below
    if isinstance(node, normal_cdf) and u.high <= -1:
        # exp(-u^2/2)/(2 sqrt(2 pi) |u|) <= f(u) <= exp(-u^2/2)
        above, below = exponential(sympy.expand(-(argument**2) / 2), _visit)
        if below is None or u.above is None:
            return above, None
        return above, (below * u.above ** Fraction(-1)).times(0.19)
    if isinstance(node, sympy.log | sympy.asinh):
        return _logarithmic(u), None
    if isinstance(node, sympy.tanh | sympy.sin | sympy.atan | sympy.erf):  # |f(u)| <= 1.13 |u|
        return (u.above.times(1.13) if u.above is not None and u.above.decays else None), None
    return None, None


def _logarithmic(u: Tail) -> Order | None:
    """log u and asinh u are at most |log C| + 2 + |p| log x + |b| x + |a| x^2, log x <= x^(1/8)."""
    if u.above is None or u.below is None:
        return None
    ends = (u.above, u.below)
    sizes = 2 + sum(abs(end.scale) for end in ends) + float(max(abs(end.power) for end in ends))
    rate = float(max(abs(end.rate) for end in ends))
    curvature = float(max(abs(end.curvature) for end in ends))
    degree = Fraction(2) if curvature > 0 else Fraction(1) if rate > 0 else Fraction(1, 8)
    return Order(math.log(sizes + rate + curvature), degree)
