r"""Expectations of pairs as sums of low rank, from their values at Chebyshev points.

    E = r r' sum_abk C_abk phi_a(s) phi_b(s') T_k(x),    the same for D with the roots of E w'^2,

with the first singular vectors phi of all coefficients; x stands for the angle of the pair. Where
cosines near 1 matter to more digits than E has, 1 - |c| takes its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.activation_moments import moments
from analytic.expectations.close_pairs import distances
from analytic.expectations.product_rules import Angle
from analytic.expectations.unit_tables import units
from analytic.machine import Array

__all__ = ["LowRank", "SumTable", "low_rank", "near_ones", "pair_values", "summed_slowly"]

Index = NDArray[np.intp]
TOGETHER = 4
"""Singular vectors are summed in fours."""


class LowRank(NamedTuple):
    """phi_a by Chebyshev polynomials in the coordinate of s, (points, rank), and C.

    C is that of rho > 0 and rho < 0 (v is then -v), for E and D, (2, 2, terms, rank, rank); of its
    k-th matrices all but ``ranks[k]`` rows and columns are 0.
    """

    basis: Array
    core: Array
    ranks: Array


@dataclass(frozen=True, slots=True, eq=False)
class SumTable:
    """A table of an activation that is summed so.

    Attributes:
        sums: what is summed.
        error: of E (or what is in its place) and of D, relative to norms.
    """

    sums: LowRank
    error: float

    @property
    def rank(self) -> int:
        """How many phi there are."""
        return self.sums.core.shape[-1]

    @property
    def terms(self) -> int:
        """How many polynomials in x."""
        return self.sums.core.shape[2]

    @property
    def numbers(self) -> Array:
        """Ranks, and C as the compiled sums read it: (terms, rank, 2 signs, 2, rank)."""
        core = np.moveaxis(self.sums.core, (2, 3), (0, 1))
        return np.concatenate([self.sums.ranks, core.ravel()])

    def phi(self, x: Array) -> list[Array]:
        """Those of inputs with the coordinate x of s, (rank,) of (n,)."""
        powers = np.polynomial.chebyshev.chebvander(np.clip(x, -1, 1), len(self.sums.basis) - 1)
        return list((powers @ self.sums.basis).T)


def pair_values(
    activation: Activation, s: Array, i: Index, j: Index, small: Array, scale: Array | None = None
) -> tuple[Array, float]:
    """E and D of pairs relative to norms, (2 signs, 2, pairs), and the largest error.

    Args:
        activation: w.
        s: deviations, positive.
        i: places of the first units of the pairs, (pairs,).
        j: those of the second ones.
        small: 1 - |rho|, (pairs,).
        scale: by what 1 - |c|, which then takes the place of the cosine c, is divided where
            ``near_ones`` says so.
    """
    of = units(activation, s, moments(activation, s))
    none, slope = np.zeros(i.size), np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    result, error = np.empty((2, 2, i.size)), 0.0
    for side, angle in enumerate((Angle(small, 2 - small, none), Angle(2 - small, small, none))):
        found = distances(of, angle, i, j)
        value, unit = (found.plus - found.minus) / 2, np.ones(i.size)
        if scale is not None:
            sign, scaled = near_ones(activation)[side]
            value, unit = found.minus if sign > 0 else found.plus, scale if scaled else unit
        result[side] = value / unit, found.d / slope
        error = max(error, float((found.error / unit).max()), float(found.error_d.max()))
    return result, error


def near_ones(activation: Activation) -> tuple[tuple[float, bool], tuple[float, bool]]:
    """Of rho > 0 and of rho < 0: the sign of c near |rho| = 1, and whether |c| tends to 1 there."""
    parity = activation.parity
    return (1.0, True), (-1.0 if parity == "odd" else 1.0, parity in ("odd", "even"))


def low_rank(values: Array, by_s: Array, by_x: Array, kept: float) -> LowRank:
    """The sum of low rank of symmetric values.

    Args:
        values: those at the points i <= j of s and at all of x, (2, 2, pairs, points of x).
        by_s: what makes coefficients of values at the points of s.
        by_x: the same of x.
        kept: coefficients that are kept, relative to the largest.
    """
    points, (i, j) = len(by_s), np.triu_indices(len(by_s))
    whole = np.empty((2, 2, len(by_x), points, points))
    whole[..., i, j] = whole[..., j, i] = np.moveaxis(values, 3, 2)
    c = np.einsum("kl,ap,bq,solpq->sokab", by_x, by_s, by_s, whole, optimize=True)
    basis, size, _ = np.linalg.svd(np.moveaxis(c, 3, 0).reshape(points, -1), full_matrices=False)
    rank = np.count_nonzero(size > kept * size[0])
    basis = basis[:, : TOGETHER * math.ceil(rank / TOGETHER)]
    basis = np.pad(basis, ((0, 0), (0, -basis.shape[1] % TOGETHER)))  # points may be no fours
    core = np.einsum("ap,bq,sokab->sokpq", basis, basis, c, optimize=True)
    most = np.abs(c).max(axis=(0, 1, 3, 4))
    terms = np.flatnonzero(most > kept * most.max())[-1] + 1
    core, ranks = _cut(core[:, :, :terms].copy(), kept / 2)
    return LowRank(basis, core, ranks)


def _cut(core: Array, kept: float) -> tuple[Array, Array]:
    """C without the last rows and columns of each matrix that are small, and what is left."""
    size = np.abs(core).max(axis=(0, 1))
    large = np.maximum(size.max(axis=1), size.max(axis=2)) > kept * size.max()
    ranks = np.array([np.flatnonzero(row)[-1] + 1 if row.any() else 1 for row in large])
    ranks = TOGETHER * -(-ranks // TOGETHER)
    for k, rank in enumerate(ranks):
        core[:, :, k, rank:], core[:, :, k, :, rank:] = 0, 0
    return core, ranks.astype(np.float64)


def summed_slowly(core: Array, phi: Array, phi_: Array, x: Array) -> Array:
    """The sums of pairs of one sign of rho, (2, pairs); phi is (rank, pairs), x in [-1, 1]."""
    t = np.polynomial.chebyshev.chebvander(x, core.shape[1] - 1)
    of_rows = np.sum((core @ phi_) * phi, axis=2)  # (2, terms, pairs)
    return np.einsum("okp,pk->op", of_rows, t)
