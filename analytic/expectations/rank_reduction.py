r"""Expectations of pairs as sums of low rank, from their values at Chebyshev points.

    E = r r' sum_abk C_abk phi_a(s) phi_b(s') T_k(x),    the same for D with the roots of E w'^2,

with the first singular vectors phi of all coefficients; x stands for the angle of the pair. Where
cosines near 1 matter to more digits than E has, 1 - |c| takes its place.

A pair sums over k and b, so that x has PARTS with coefficients of their own, a third as many: the
polynomials of the whole range, written in those of a part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.activation_moments import moments
from analytic.expectations.angle_parts import EDGES, PARTS
from analytic.expectations.close_pairs import distances
from analytic.expectations.combined_lines import combine
from analytic.expectations.heat_tables import chebyshev_points
from analytic.expectations.product_rules import Angle
from analytic.expectations.unit_tables import units
from analytic.machine import Array

__all__ = ["FOURS", "LowRank", "SumTable", "low_rank", "near_ones", "pair_values", "summed_slowly"]

Index = NDArray[np.intp]
FOURS = 4
"""Singular vectors are summed in fours."""
EIGHT = 8
"""Sizes of matrices that are multiplied together are multiples of it."""
KEPT = 2.0**-53
"""Coefficients that matter, relative to norms."""


class LowRank(NamedTuple):
    """phi_a by Chebyshev polynomials in the coordinate of s, (points, rank), and C.

    C is that of rho > 0 and rho < 0 (v is then -v), for E and D, on each part of the range of x,
    (PARTS, 2, 2, terms, rank, rank). A change d of phi(s) changes the sums by |``weight`` d|, the
    root of the mean of their squares over s', x and the four. The whole range takes ``degree``
    polynomials. ``by_size`` has C once more, as ``banded_sums`` multiply it.
    """

    basis: Array
    core: Array
    weight: Array
    degree: int
    by_size: tuple[tuple[Index, Array], ...]


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
        """How many polynomials in x a part has."""
        return self.sums.core.shape[3]

    def phi(self, x: Array) -> list[Array]:
        """Those of inputs with the coordinate x of s, (rank,) of (n,)."""
        basis = self.sums.basis
        powers = np.polynomial.chebyshev.chebvander(np.clip(x, -1, 1), len(basis) - 1)
        found = np.empty((basis.shape[1], x.size))
        combine(basis, np.ascontiguousarray(powers.T), found)
        return list(found)


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
    basis = basis[:, : FOURS * math.ceil(rank / FOURS)]
    core = np.einsum("ap,bq,sokab->sokpq", basis, basis, c, optimize=True)
    most = np.abs(c).max(axis=(0, 1, 3, 4))
    terms = np.flatnonzero(most > kept * most.max())[-1] + 1
    core = core[:, :, :terms].copy()
    phi, t = np.linalg.inv(by_s) @ basis, np.linalg.inv(by_x)[:, :terms]  # at the points
    sums = np.einsum("xk,ca,sokab->soxcb", t, phi, core, optimize=True).reshape(-1, len(basis.T))
    weight = np.asarray(np.linalg.qr(sums, "r")) / math.sqrt(len(sums))
    parts = _in_parts(core, kept)
    return LowRank(basis, parts, weight, int(terms), tuple(_by_size(parts)))


def _in_parts(core: Array, kept: float) -> Array:
    """The coefficients of the same polynomials on each part of [-1, 1]."""
    terms = core.shape[2]
    z, by_z = chebyshev_points(terms)
    low, size = np.array(EDGES[:-1])[:, None], np.diff(EDGES)[:, None]
    x = 2 * low + (z + 1) * size - 1
    changed = by_z @ np.polynomial.chebyshev.chebvander(x, terms - 1)  # (PARTS, new, old)
    found = np.einsum("pnk,sokab->psonab", changed, core, optimize=True)
    most = np.abs(found).max(axis=(0, 1, 2, 4, 5))
    return found[:, :, :, : np.flatnonzero(most > kept * most.max())[-1] + 1].copy()


def _by_size(core: Array) -> list[tuple[Index, Array]]:
    """The k-th matrices of all parts by how many phi matter, with those phi alone.

    Their numbers, part by part, and C as (phi of columns, phi of rows, matrices x 4), from
    ``LowRank.core``.
    """
    rank = core.shape[-1]
    flat = np.swapaxes(core.reshape(PARTS, 4, -1, rank, rank), 1, 2).reshape(-1, 4, rank, rank)
    matters = np.abs(flat).max(axis=1) > KEPT
    matter: NDArray[np.bool_] = np.any(matters, axis=1) | np.any(matters, axis=2)
    last = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in matter]
    sizes = [EIGHT * -(-count // EIGHT) for count in last]
    found: list[tuple[Index, Array]] = []
    for size in sorted({*sizes} - {0}):
        chosen, n = np.flatnonzero(np.equal(sizes, size)), min(size, rank)
        inside = np.moveaxis(flat[chosen, :, :n, :n], (3, 2), (0, 1))
        found.append((chosen, inside.reshape(n, n, -1).copy()))
    return found


def summed_slowly(core: Array, phi: Array, phi_: Array, x: Array) -> Array:
    """The sums of pairs of one sign of rho, (2, pairs).

    Args:
        core: that of the sign, (PARTS, 2, terms, rank, rank).
        phi: of the first units, (rank, pairs).
        phi_: of the others.
        x: in [0, 1].
    """
    part = np.digitize(x, EDGES[1:-1])
    found = np.empty((2, x.size))
    for number, c in enumerate(core):
        chosen = part == number
        low, high = EDGES[number : number + 2]
        inside = 2 * (x[chosen] - low) / (high - low) - 1
        t = np.polynomial.chebyshev.chebvander(inside, c.shape[1] - 1)
        of_rows = np.sum((c @ phi_[:, chosen]) * phi[:, chosen], axis=2)  # (2, terms, pairs)
        found[:, chosen] = np.einsum("okp,pk->op", of_rows, t)
    return found
