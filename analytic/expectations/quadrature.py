r"""Gaussian expectations in one dimension.

The trapezoidal rule is used because it converges exponentially for functions analytic in
a strip, whatever the number of Hermite polynomials it has to integrate; Gauss-Hermite
nodes stall there (docs/theory/quadrature.md).

Legend: z ~ N(0, 1); h_k the orthonormal Hermite polynomials, E[h_j h_k] = delta_jk;
nodes z_q and weights p_q with sum_q p_q g(z_q) = E[g(z)].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled, fused
from analytic.machine import Array

__all__ = [
    "REACH",
    "Basis",
    "Extended",
    "Rule",
    "extended_basis",
    "graded_rule",
    "hermite_basis",
    "twofold_product",
    "twofold_sum",
    "uniform_rule",
]

Extended = NDArray[np.longdouble]


REACH = 13.0
"""Usual half-length of the interval: beyond it exp(-z^2/4) is 4.5e-19."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Nodes and weights of a rule for the standard normal distribution.

    Attributes:
        nodes: z_q, shape (q,), increasing.
        weights: p_q, shape (q,), positive, sum 1.
        extended: the nodes in extended precision.
        root: the roots of the weights in extended precision.
    """

    nodes: Array
    weights: Array
    extended: Extended
    root: Extended


@lru_cache(maxsize=64)
def uniform_rule(half: int, reach: float = REACH) -> Rule:
    """The trapezoidal rule with 2 half + 1 equidistant nodes on [-reach, reach].

    Example:
        >>> rule = uniform_rule(40)
        >>> bool(abs(rule.weights @ rule.nodes**6 - 15) < 1e-13)  # E z^6 = 15
        True
    """
    step = _short(reach / half)
    nodes: Extended = step * np.arange(-half, half + 1)
    steps: Extended = np.full(nodes.shape, step)
    return _rule(nodes, steps)


@lru_cache(maxsize=64)
def graded_rule(half: int, scale: float, reach: float = REACH) -> Rule:
    """The trapezoidal rule in t with z = sinh(t)/scale: fine at 0, coarse far away.

    It resolves functions w(s z) of a wide pre-activation, whose only feature sits at
    |z| ~ 1/s, with a number of nodes that grows like log(s).
    """
    step = _short(math.asinh(reach * scale) / half)
    t: Any = step * np.arange(-half, half + 1).astype(np.longdouble)
    return _rule(np.sinh(t) / scale, step * np.cosh(t) / scale)


def _short(step: float) -> Any:
    """The step or a little more, with so few bits that its multiples up to 2^16 are exact."""
    mantissa, exponent = math.frexp(step)
    return np.longdouble(math.ldexp(math.ceil(math.ldexp(mantissa, 36)), exponent - 36))


def _rule(nodes: Extended, steps: Extended) -> Rule:
    weights = steps * np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.arccos(np.longdouble(-1)))
    arrays = nodes.astype(np.float64), weights.astype(np.float64), nodes, np.sqrt(weights)
    for array in arrays:
        array.setflags(write=False)
    return Rule(*arrays)


TOGETHER = 128
"""Nodes whose small parts are added up in float64."""
SMALL = 2**16
"""Entries of a basis of which many are kept; of larger ones only the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The matrix sqrt(p_q) h_k(z_q) to more digits than float64 has, (terms, q) each.

    Attributes:
        whole: rounded to float64.
        high: its leading bits, so few that products with as few bits are summed exactly.
        low: what these leave of it.
    """

    whole: Array
    high: Array
    low: Array

    def coefficients(self, values: Extended) -> Extended:
        """E[g h_k] from sqrt(p_q) g(z_q), (n, q) -> (n, terms), almost without rounding.

        The leading parts are summed without any rounding in whatever order; the rest is
        2^-20 of them (Ozaki, Ogita, Oishi and Rump 2012).
        """
        high = _leading(values.astype(np.float64))
        found, rest = (high @ self.high.T).astype(np.longdouble), (values - high).astype(np.float64)
        for start in range(0, high.shape[1], TOGETHER):
            part = slice(start, start + TOGETHER)
            found += high[:, part] @ self.low[:, part].T + rest[:, part] @ self.whole[:, part].T
        return found


def _leading(a: Array) -> Array:
    """The rows of a matrix to (53 - log2(columns))/2 bits below their largest entry."""
    bits = (53 - (a.shape[1] - 1).bit_length()) // 2
    _, exponent = np.frexp(np.abs(a).max(axis=1, keepdims=True))
    magnet = 0.75 * np.exp2(53.0 - bits + exponent)
    with np.errstate(invalid="ignore"):
        return (a + magnet) - magnet


def extended_basis(rule: Rule, terms: int) -> Basis:
    """The matrix that maps values at the nodes to Hermite coefficients.

    The recurrence runs on sqrt(p_q) h_k(z_q), which neither overflows nor underflows, in
    twice the digits of float64.
    """
    return (_small_basis if terms * rule.nodes.size <= SMALL else _large_basis)(rule, terms)


def _basis(rule: Rule, terms: int) -> Basis:
    middle = rule.nodes.size // 2  # the rules are symmetric, h_k(-z) = (-1)^k h_k(z)
    whole, low = np.empty((2, terms, rule.nodes.size))
    halves = [part for a in (rule.extended[middle:], rule.root[middle:]) for part in _halves(a)]
    _recurrence(*halves, *_roots(terms), whole[:, middle:], low[:, middle:])
    for part in (whole, low):
        part[:, :middle] = part[:, ::-1][:, :middle]
        part[1::2, :middle] *= -1
    high = _leading(whole)
    low += whole - high
    for part in (whole, high, low):
        part.setflags(write=False)
    return Basis(whole, high, low)


def _roots(terms: int) -> tuple[Array, Array, Array, Array]:
    """sqrt(k) and 1/sqrt(k) for k = 1, ..., terms, each as the sum of two numbers."""
    one = 1 << 128
    roots = [math.isqrt(k * one * one) for k in range(1, terms + 1)]
    pairs: list[Array] = []
    for whole in (roots, [one * one // root for root in roots]):
        high = [root / one for root in whole]  # a quotient of integers is rounded once
        low = [(root - int(a * one)) / one for root, a in zip(whole, high, strict=True)]
        pairs += [np.array(high), np.array(low)]
    return pairs[0], pairs[1], pairs[2], pairs[3]


def _halves(a: Extended) -> tuple[Array, Array]:
    """A number of more digits as the sum of two."""
    high = a.astype(np.float64)
    return high, (a - high).astype(np.float64)


@compiled
def _recurrence(
    z: Any, z_low: Any, root: Any, root_low: Any, order: Any, order_low: Any, inverse: Any,
    inverse_low: Any, whole: Any, low: Any,
) -> None:  # fmt: skip
    """h_{k+1} = (z h_k - sqrt(k) h_{k-1}) / sqrt(k+1), (terms, q)."""
    whole[0], low[0] = root, root_low
    for k in range(whole.shape[0] - 1):
        for q in range(z.size):
            a, b = twofold_product(z[q], z_low[q], whole[k, q], low[k, q])
            if k > 0:
                c, d = twofold_product(
                    order[k - 1], order_low[k - 1], whole[k - 1, q], low[k - 1, q]
                )
                a, b = twofold_sum(a, b, -c, -d)
            whole[k + 1, q], low[k + 1, q] = twofold_product(a, b, inverse[k], inverse_low[k])


@compiled
def twofold_sum(a: Any, a_low: Any, b: Any, b_low: Any) -> Any:
    """(a + a_low) + (b + b_low) as the sum of two numbers (Knuth 1969; Dekker 1971)."""
    s = a + b
    t = s - a
    e = ((a - (s - t)) + (b - t)) + (a_low + b_low)
    high = s + e
    return high, e - (high - s)


@compiled
def twofold_product(a: Any, a_low: Any, b: Any, b_low: Any) -> Any:
    """The product of two such sums; a fused product has what rounding takes from a b."""
    p = a * b
    e = fused(a, b, -p)
    e += a * b_low + a_low * b
    high = p + e
    return high, e - (high - p)


def hermite_basis(rule: Rule, terms: int) -> Array:
    """The matrix p_q h_k(z_q), (terms, q), so that ``values @ basis.T`` is E[g h_k]."""
    return extended_basis(rule, terms).whole * rule.root.astype(np.float64)


_small_basis = lru_cache(maxsize=64)(_basis)
_large_basis = lru_cache(maxsize=1)(_basis)
