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

import numpy as np

from analytic.machine import Array

__all__ = ["Rule", "graded_rule", "hermite_basis", "uniform_rule"]

REACH = 13.0
"""Half-length of the interval: beyond it exp(-z^2/4) is 4.5e-19."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Nodes and weights of a rule for the standard normal distribution.

    Attributes:
        nodes: z_q, shape (q,), increasing.
        weights: p_q, shape (q,), positive, sum 1.
    """

    nodes: Array
    weights: Array


@lru_cache(maxsize=64)
def uniform_rule(half: int) -> Rule:
    """The trapezoidal rule with 2 half + 1 equidistant nodes on [-REACH, REACH].

    Example:
        >>> rule = uniform_rule(40)
        >>> bool(abs(rule.weights @ rule.nodes**6 - 15) < 1e-13)  # E z^6 = 15
        True
    """
    step = REACH / half
    nodes = step * np.arange(-half, half + 1).astype(np.float64)
    return _rule(nodes, np.full(nodes.shape, step))


@lru_cache(maxsize=64)
def graded_rule(half: int, scale: float) -> Rule:
    """The trapezoidal rule in t with z = sinh(t)/scale: fine at 0, coarse far away.

    It resolves functions w(s z) of a wide pre-activation, whose only feature sits at
    |z| ~ 1/s, with a number of nodes that grows like log(s).
    """
    step = math.asinh(REACH * scale) / half
    t = step * np.arange(-half, half + 1).astype(np.float64)
    return _rule(np.sinh(t) / scale, step * np.cosh(t) / scale)


def _rule(nodes: Array, steps: Array) -> Rule:
    weights = steps * np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi)
    for array in (nodes, weights):
        array.setflags(write=False)
    return Rule(nodes, weights)


SMALL = 2**16
"""Entries of a basis of which many are kept; of larger ones only the last two."""


def hermite_basis(rule: Rule, terms: int) -> Array:
    """The matrix that maps values at the nodes to Hermite coefficients.

    Returns:
        p_q h_k(z_q), shape (terms, q), so that ``values @ basis.T`` is E[g h_k]. The
        recurrence runs on sqrt(p_q) h_k(z_q), which neither overflows nor underflows.
    """
    return (_small_basis if terms * rule.nodes.size <= SMALL else _large_basis)(rule, terms)


def _basis(rule: Rule, terms: int) -> Array:
    root = np.sqrt(rule.weights)
    basis = np.empty((terms, rule.nodes.size))
    basis[0] = root
    if terms > 1:
        basis[1] = rule.nodes * root
    for k in range(1, terms - 1):  # h_{k+1} = (z h_k - sqrt(k) h_{k-1}) / sqrt(k+1)
        np.multiply(rule.nodes, basis[k], out=basis[k + 1])
        basis[k + 1] -= math.sqrt(k) * basis[k - 1]
        basis[k + 1] /= math.sqrt(k + 1)
    basis *= root
    basis.setflags(write=False)
    return basis


_small_basis = lru_cache(maxsize=64)(_basis)
_large_basis = lru_cache(maxsize=2)(_basis)
