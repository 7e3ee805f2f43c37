r"""Sums of low rank for the inputs of a problem: fewer phi for bands of neighbours.

Over eight octaves of s a table takes 28 phi and more; those of inputs of nearly one norm are
combinations of few. So inputs are taken in bands of neighbours. With the weight L of phi
(``LowRank``), L phi = Q R by columns of L phi as pivots: the first rows of R, divided by their
pivots, are psi, whose sizes are 1 at most, and phi = V psi, exactly for the pivots. Then

    phi(s)^T C_k phi(s') = psi_P^T (V_P^T C_k V_Q) psi_Q,

where V shrinks as fast as the pivots. What is left out is measured for every input. Inputs that
are sorted by their norms gain most.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg  # pyright: ignore[reportMissingTypeStubs]

from analytic.compilation import compiled
from analytic.expectations.rank_reduction import FOURS, LowRank
from analytic.machine import LANES, Array

__all__ = ["LEFT_OUT", "Banded", "band_width", "banded"]

_linalg: Any = linalg

MOST = 16
"""Bands of a problem, at most: each pair of them has coefficients of its own."""
FEW = 12
"""phi up to which all inputs are one band: more bands are not worth their coefficients."""
LEFT_OUT = 2.0**-51
"""What psi leave out of the sums at any input, the root of their mean square."""
KEPT = 2.0**-53
"""Coefficients that are kept."""


class Banded(NamedTuple):
    """A table for given inputs.

    Attributes:
        numbers: ranks and C of all pairs of bands, as ``contract`` reads them.
        bands: of each, how many psi its columns have, and where its numbers begin: (P, Q, 2).
        rows: psi of each row, as many as the widest band has, and what else is asked of it.
        columns: the same of the columns.
        rank: the most psi of a band.
    """

    numbers: Array
    bands: NDArray[np.int64]
    rows: Array
    columns: Array
    rank: int


def band_width(inputs: int) -> int:
    """How many of them make a band: a multiple of LANES."""
    return LANES * -(-inputs // (LANES * MOST))


def banded(sums: LowRank, rows: Array, columns: Array, width: int) -> Banded:
    """The table for rows and columns, of which it asks ``of_inputs``: (asked, n) each.

    Of the same inputs, ``rows is columns``, pairs have rows before columns.
    """
    rank, own = sums.core.shape[-1], columns is rows
    count = [-(-a.shape[1] // width) for a in (rows, columns)]
    if rank <= FEW and max(count) > 1:
        one = banded(sums, rows, columns, max(rows.shape[1], columns.shape[1]))
        return one._replace(bands=np.tile(one.bands, (*count, 1)))
    parts = [_bases(sums.weight, a[:rank], width) for a in ((rows,) if own else (rows, columns))]
    sizes = [np.array([v.shape[1] for v, _ in part]) for part in parts]
    bands = np.zeros((len(sizes[0]), len(sizes[-1]), 2), dtype=np.int64)
    bands[..., 0] = -(-sizes[-1] // FOURS) * FOURS
    core = np.moveaxis(sums.core, 3, 0).reshape(-1, rank)  # (phi, 2 signs, 2, terms; phi)
    numbers: list[Array] = []
    for q, (right, _) in enumerate(parts[-1]):
        half = (core @ right).reshape(rank, -1)
        for p, (left, _) in enumerate(parts[0][: q + 1] if own else parts[0]):
            bands[p, q, 1] = sum(known.size for known in numbers)
            numbers.append(_written((left.T @ half).reshape(len(left.T), 4, -1, len(right.T))))
    most = FOURS * -(-max(map(max, sizes)) // FOURS)
    laid = [_asked(part, a[rank:], most) for part, a in zip(parts, (rows, columns), strict=False)]
    return Banded(np.concatenate(numbers), bands, laid[0], laid[-1], most)


Basis = tuple[Array, Array]
"""V, (phi, psi), and psi of the inputs of a band, (psi, inputs)."""


def _bases(weight: Array, phi: Array, width: int) -> list[Basis]:
    return [_basis(weight, phi[:, at : at + width]) for at in range(0, phi.shape[1], width)]


def _basis(weight: Array, phi: Array) -> Basis:
    """As many psi as leave out nothing that matters of any input."""
    r, pivots = _linalg.qr(weight @ phi, mode="r", pivoting=True, check_finite=False)
    rest = np.sqrt(np.cumsum(r[::-1] ** 2, axis=0).max(axis=1))[::-1]
    count = min(FOURS * max(-(-np.count_nonzero(rest > LEFT_OUT) // FOURS), 1), *r.shape)
    largest = np.diagonal(r)[:count]
    psi = r[:count] / np.where(largest != 0, largest, 1.0)[:, None]
    v = _linalg.solve_triangular(
        psi[:, :count].T,
        phi[:, pivots[:count]].T,
        lower=True,
        unit_diagonal=True,
        check_finite=False,
    )
    found = np.empty_like(psi)
    found[:, pivots] = psi
    return v.T, found


def _asked(bases: list[Basis], others: Array, most: int) -> Array:
    """psi of all bands side by side, and below them what else is asked."""
    psi = [np.pad(part, ((0, most - len(part)), (0, 0))) for _, part in bases]
    return np.concatenate([np.concatenate(psi, axis=1), others])


@compiled
def _written(part: Any) -> Any:
    """Ranks and coefficients of two bands, from (psi of rows, 2 signs x 2, terms, psi)."""
    terms = part.shape[2]
    used = np.zeros((2, terms), dtype=np.int64)
    for k in range(terms):
        _count(part, k, used)
    numbers, place = np.zeros(2 * terms + 4 * int((used[0] * used[1]).sum())), 2 * terms
    numbers[:terms], numbers[terms:place] = used[0], used[1]
    for k in range(terms):
        columns, rows = used[0, k], used[1, k]
        for side in range(4):
            for b in range(min(columns, part.shape[3])):
                at = place + (side * columns + b) * rows
                for a in range(min(rows, part.shape[0])):
                    numbers[at + a] = part[a, side, k, b]
        place += 4 * columns * rows
    return numbers


@compiled
def _count(part: Any, k: int, used: Any) -> None:
    """Columns and rows of the k-th matrices that matter, multiples of FOURS."""
    columns = rows = 1
    for a in range(part.shape[0]):
        for side in range(part.shape[1]):
            for b in range(part.shape[3]):
                if abs(part[a, side, k, b]) > KEPT:
                    columns, rows = max(columns, b + 1), max(rows, a + 1)
    used[0, k], used[1, k] = FOURS * -(-columns // FOURS), FOURS * -(-rows // FOURS)
