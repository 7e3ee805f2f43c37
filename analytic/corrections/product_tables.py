r"""Expectations of products of derivatives at two units, for all pairs of inputs at once.

A product at one unit is a function F of its pre-activation s z. With its Hermite coefficients
a_k^F(s) = E[F(s z) h_k(z)] Mehler's formula is

    E[F(u) G(u')] = sum_k a_k^F(s) a_k^G(s') rho^k ,

so that a table for every input, and not for every pair, holds all that depends on the
activation. The series is cut where Parseval's identity says that for every F that occurs

    sum_{k >= terms} a_k^F(s)^2 <= TAIL E[F(s z)^2] ,

and what is left out is then at most TAIL sqrt(E F^2 E G^2), by Cauchy and Schwarz, at
|rho| = 1 and less elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.compilation import compiled
from analytic.corrections.products import Product, Sum
from analytic.expectations import Rule, hermite_basis, uniform_rule
from analytic.machine import LANES, UNIT
from analytic.results import AccuracyError

__all__ = ["MOST", "TAIL", "Table", "expectations", "tabulate", "value"]

Array = NDArray[np.float64]

TAIL = 1e-13
"""Share of E F^2 that may be left out."""
MOST = 4096
"""Most terms of a series; beyond them float64 pre-activations are too wide for it."""
ROUNDING = 16 * UNIT
"""Of a derivative, relative to the largest of the lower ones."""
MOST_NODES = 2**13
"""Half of the most nodes of a rule."""
LARGEST_BASIS = 2**22
"""Most nodes times terms, which bounds the time and the memory (64 MB) of a table."""
SETTLED = 1e-13
"""Change of the coefficients, relative to the root of E F^2, at which a rule is fine enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Hermite coefficients of some functions of one unit, for n inputs.

    Attributes:
        factors: the functions, as texts of digits.
        coefficients: a_k^F(s_i), shape (terms, factors, n).
    """

    factors: tuple[str, ...]
    coefficients: Array

    def mean(self, factor: str) -> Array:
        """E[F(s_i z)], shape (n,)."""
        return self.coefficients[0, self.factors.index(factor)]

    def columns(self, chosen: slice) -> Table:
        """The same for some of the inputs."""
        return Table(self.factors, np.ascontiguousarray(self.coefficients[:, :, chosen]))


def tabulate(activation: Activation, s: Array, factors: Iterable[str]) -> Table:
    """Tables of a_k^F(s), for standard deviations s of shape (n,).

    Raises:
        AccuracyError: s is so large that the series would need more than ``MOST`` terms.
    """
    names = tuple(sorted(set(factors)))
    different, place = np.unique(s, return_inverse=True)
    terms = 32
    while terms <= MOST:
        rule = _settled(activation, different[[0, -1]], names, terms)
        if _shortest(activation, different[-1:], names, rule, terms):  # the widest is the longest
            table = _coefficients(activation, different, names, rule, terms)
            if short := _shortest(activation, different, names, rule, terms, table):
                return Table(names, np.ascontiguousarray(table[:short][:, :, place]))
        terms *= 2
    raise AccuracyError(
        f"expected pre-activations narrow enough for {MOST} Hermite terms, got standard deviation"
        f" {different[-1]:.3g} of {activation!r}; scale the inputs or lower weight_std"
    )


def _shortest(
    activation: Activation,
    s: Array,
    names: tuple[str, ...],
    rule: Rule,
    terms: int,
    table: Array | None = None,
) -> int:
    """The fewest terms that leave at most ``TAIL`` for all functions at all s, 0 for none."""
    table = _coefficients(activation, s, names, rule, terms) if table is None else table
    size, noise = _sizes(activation, s, names, rule)
    rest = size**2 - np.cumsum(table**2, axis=0)  # (terms, factors, n)
    enough = (rest <= TAIL * size**2 + noise**2).all(axis=(1, 2))
    return int(np.argmax(enough)) + 1 if enough.any() else 0


def _settled(activation: Activation, s: Array, names: tuple[str, ...], terms: int) -> Rule:
    """The first trapezoidal rule whose coefficients a finer one confirms at the extremes of s."""
    half = 48
    coarse = np.full((terms, len(names), s.size), np.inf)
    while half < MOST_NODES and half * terms < LARGEST_BASIS:
        half = -(-3 * half // 2)  # no multiple: a frequency cannot hide from both
        rule = uniform_rule(half)
        fine = _coefficients(activation, s, names, rule, terms)
        size, noise = _sizes(activation, s, names, rule)
        if np.all(np.abs(fine - coarse) <= SETTLED * size + noise):
            return rule
        coarse = fine
    raise AccuracyError(
        f"expected an activation that {2 * half + 1} nodes resolve, got {activation!r} at"
        f" standard deviation {s[-1]:.3g}; scale the inputs or lower weight_std"
    )


def _coefficients(
    activation: Activation, s: Array, names: tuple[str, ...], rule: Rule, terms: int
) -> Array:
    """a_k^F(s), shape (terms, factors, n)."""
    functions = _functions(activation, s, names, rule)  # (factors, n, q)
    return np.moveaxis(functions @ hermite_basis(rule, terms).T, -1, 0)


def _sizes(
    activation: Activation, s: Array, names: tuple[str, ...], rule: Rule
) -> tuple[Array, Array]:
    """The root of E F^2, and the rounding of F, (factors, n) each.

    A derivative that is small where a lower one is not has been found by cancellation: the third
    of softplus near 0, say. Its rounding is that of the largest of the lower ones.
    """
    single = [str(k) for k in range(1 + max(int(digit) for name in names for digit in name))]
    functions = _functions(activation, s, (*names, *single), rule)
    size = np.sqrt(functions**2 @ rule.weights)
    size, alone = size[: len(names)], size[len(names) :]
    lower = np.maximum.accumulate(alone, axis=0)
    noise = np.zeros_like(size)
    for index, name in enumerate(names):
        for place, digit in enumerate(name):
            others = [alone[int(other)] for other in name[:place] + name[place + 1 :]]
            noise[index] += ROUNDING * lower[int(digit)] * np.prod(others, axis=0)
    return size, noise


def _functions(activation: Activation, s: Array, names: tuple[str, ...], rule: Rule) -> Array:
    """F(s z_q), shape (factors, n, q)."""
    order = max((int(digit) for name in names for digit in name), default=0)
    derivatives = activation.derivatives(s[:, None] * rule.nodes, order)
    found = np.ones((len(names), s.size, rule.nodes.size))
    for index, name in enumerate(names):
        for digit in name:
            found[index] *= derivatives[int(digit)]
    return found


def expectations(
    left: Table, right: Table, rho: Array, products: Iterable[Product]
) -> dict[Product, Array]:
    """E[F(u_i) G(u'_j)] for every pair, by Mehler's formula.

    Args:
        left: table of the rows.
        right: table of the columns, with the same functions and as many terms: what one lacks
            may meet a large coefficient of the other.
        rho: correlations, shape (n, k).
        products: those wanted.

    Returns:
        for every product an array of shape (n, k), or (n, 1) or (1, k) where it has one unit.
    """
    wanted = sorted(products)
    both = [product for product in wanted if all(product)]
    pairs = np.array(
        [[left.factors.index(f), right.factors.index(g)] for f, g in both], dtype=np.intp
    ).reshape(len(both), 2)
    sums = np.empty((len(both), *rho.shape))
    _mehler(left.coefficients, right.coefficients, rho, pairs, sums)
    found: dict[Product, Array] = {}
    for index, product in enumerate(both):
        found[product] = sums[index]
    for f, g in wanted:
        if not g:
            found[f, g] = left.mean(f)[:, None]
        elif not f:
            found[f, g] = right.mean(g)[None, :]
    return found


def value(terms: Sum, e: Mapping[Product, Array]) -> Any:
    """The expectation of a sum of products."""
    return sum(c * e[product] for product, c in terms.items())


@compiled
def _mehler(left: Any, right: Any, rho: Any, pairs: Any, sums: Any) -> None:
    """sums[p, i, j] <- sum_k left[k, f, i] right[k, g, j] rho[i, j]^k, by Horner's rule."""
    terms = left.shape[0]
    count = pairs.shape[0]
    part = np.empty((count, LANES))
    r = np.zeros(LANES)
    b = np.zeros((right.shape[1], LANES))
    for start in range(0, rho.shape[1], LANES):
        width = min(LANES, rho.shape[1] - start)
        for i in range(rho.shape[0]):
            r[:width] = rho[i, start : start + width]
            part[:] = 0.0
            for k in range(terms - 1, -1, -1):
                b[:, :width] = right[k, :, start : start + width]
                for p in range(count):
                    a, row, out = left[k, pairs[p, 0], i], b[pairs[p, 1]], part[p]
                    for j in range(LANES):
                        out[j] = out[j] * r[j] + a * row[j]
            sums[:, i, start : start + width] = part[:, :width]
