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
from analytic.expectations.angle_parts import PARTS
from analytic.expectations.combined_lines import combine
from analytic.expectations.rank_reduction import FOURS, LowRank
from analytic.machine import LANES, Array

__all__ = ["LEFT_OUT", "Banded", "band_width", "banded"]

_linalg: Any = linalg

MOST = 8
"""Bands of a problem, at most: each pair of them has coefficients of its own."""
FEW = 12
"""phi up to which all inputs are one band: more bands are not worth their coefficients."""
LEFT_OUT = 2.0**-51
"""What psi leave out of the sums at any input, the root of their mean square."""
KEPT = 2.0**-50
"""Coefficients that are kept: below them are roundings of the values that tables are made of, which
ask for three times as many polynomials next to x = 0."""


class Banded(NamedTuple):
    """A table for given inputs.

    Attributes:
        numbers: ranks and C of all pairs of bands and parts, as ``contract`` reads them.
        bands: of each pair, how many psi its columns have, and where the numbers of each part
            begin: (P, Q, 1 + PARTS).
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
    bands = np.zeros((len(sizes[0]), len(sizes[-1]), 1 + PARTS), dtype=np.int64)
    bands[..., 0] = -(-sizes[-1] // FOURS) * FOURS
    numbers: list[Array] = []
    place = 0
    for q, (right, _) in enumerate(parts[-1]):
        halves = [_from_the_right(core, right) for _, core in sums.by_size]
        for p, (left, _) in enumerate(parts[0][: q + 1] if own else parts[0]):
            whole = [_from_the_left(half, left) for half in halves]
            chosen = [numbers_of for numbers_of, _ in sums.by_size]
            written, begins = _written(whole, chosen, sums.core.shape[3])
            bands[p, q, 1:] = place + begins
            numbers.append(written)
            place += written.size
    most = FOURS * -(-max(map(max, sizes)) // FOURS)
    laid = [_asked(part, a[rank:], most) for part, a in zip(parts, (rows, columns), strict=False)]
    return Banded(np.concatenate(numbers), bands, laid[0], laid[-1], most)


Basis = tuple[Array, Array]
"""V, (phi, psi), and psi of the inputs of a band, (psi, inputs)."""


def _bases(weight: Array, phi: Array, width: int) -> list[Basis]:
    return [_basis(weight, phi[:, at : at + width]) for at in range(0, phi.shape[1], width)]


def _basis(weight: Array, phi: Array) -> Basis:
    """As many psi as leave out nothing that matters of any input."""
    weighted, phi = np.empty_like(phi), np.ascontiguousarray(phi)
    combine(weight.T, phi, weighted)
    r, pivots = _linalg.qr(weighted, mode="r", pivoting=True, check_finite=False)
    rest = np.sqrt(np.cumsum(r[::-1] ** 2, axis=0).max(axis=1))[::-1]
    count = min(FOURS * max(-(-np.count_nonzero(rest > LEFT_OUT) // FOURS), 1), *r.shape)
    largest = np.diagonal(r)[:count]
    psi = r[:count] / np.where(largest != 0, largest, 1.0)[:, None]
    v = np.ascontiguousarray(phi[:, pivots[:count]].T)
    _solve(psi, v)
    found = np.empty_like(psi)
    found[:, pivots] = psi
    return np.ascontiguousarray(v.T), found


@compiled
def _solve(psi: Any, v: Any) -> None:
    """Rows of phi at the pivots, (psi, phi), become V^T; psi is 1 at its own pivot, 0 before."""
    for i in range(v.shape[0]):
        for j in range(i):
            for k in range(v.shape[1]):
                v[i, k] -= psi[j, i] * v[j, k]


def _asked(bases: list[Basis], others: Array, most: int) -> Array:
    """psi of all bands side by side, and below them what else is asked."""
    psi = [np.pad(part, ((0, most - len(part)), (0, 0))) for _, part in bases]
    return np.concatenate([np.concatenate(psi, axis=1), others])


def _written(
    products: list[Array], chosen: list[NDArray[np.intp]], terms: int
) -> tuple[Array, NDArray[np.int64]]:
    """Ranks and coefficients of two bands, and where those of each part begin.

    From the k-th matrices ``chosen`` of all parts, (psi of columns, psi of rows, matrices, 4).
    """
    used = np.zeros((2, PARTS * terms), dtype=np.int64)
    for product, k in zip(products, chosen, strict=True):
        _count(product, k, used)
    used[:] = FOURS * -(-used // FOURS)
    for part in range(PARTS):
        inside = used[:, part * terms : (part + 1) * terms]
        last = int(np.flatnonzero(inside[0])[-1]) if inside.any() else -1
        np.maximum(inside[:, : last + 1], FOURS, out=inside[:, : last + 1])
    sizes = (4 * used[0] * used[1]).reshape(PARTS, terms)
    begins = np.cumsum(sizes.sum(axis=1) + 2 * terms) - sizes.sum(axis=1) - 2 * terms
    places = begins[:, None] + 2 * terms + np.cumsum(sizes, axis=1) - sizes
    numbers = np.zeros(int(begins[-1]) + 2 * terms + int(sizes[-1].sum()))
    for part, begin in enumerate(begins.tolist()):
        inside = used[:, part * terms : (part + 1) * terms]
        numbers[begin : begin + 2 * terms] = inside.ravel()
    for product, k in zip(products, chosen, strict=True):
        _write(product, k, used, places.ravel(), numbers)
    return numbers, begins


@compiled
def _write(product: Any, chosen: Any, used: Any, places: Any, numbers: Any) -> None:
    """The matrices, from their places on."""
    for n in range(chosen.size):
        k = chosen[n]
        columns, rows = used[0, k], used[1, k]
        for side in range(4):
            for b in range(min(columns, product.shape[0])):
                at = places[k] + (side * columns + b) * rows
                for a in range(min(rows, product.shape[1])):
                    numbers[at + a] = product[b, a, n, side]


@compiled
def _count(product: Any, chosen: Any, used: Any) -> None:
    """Columns and rows of the matrices that matter."""
    for b in range(product.shape[0]):
        for a in range(product.shape[1]):
            for n in range(chosen.size):
                largest, k = 0.0, chosen[n]
                for side in range(4):
                    size = abs(product[b, a, n, side])
                    largest = size if size > largest else largest
                if largest > KEPT:
                    used[0, k], used[1, k] = max(used[0, k], b + 1), max(used[1, k], a + 1)


@compiled
def _from_the_right(core: Any, right: Any) -> Any:
    """C V_Q, (psi, phi, matrices x 4), from (phi of columns, phi of rows, matrices x 4)."""
    size, psi = core.shape[0], right.shape[1]
    half = np.empty((psi, size * core.shape[2]))
    combine(right, core.reshape(size, size * core.shape[2]), half)
    return half.reshape(psi, size, core.shape[2])


@compiled
def _from_the_left(half: Any, left: Any) -> Any:
    """V_P^T of these, (psi of columns, psi of rows, matrices, 4)."""
    psi, _, count = half.shape
    whole = np.empty((psi, left.shape[1], count))
    for b in range(psi):
        combine(left, half[b], whole[b])
    return whole.reshape(psi, left.shape[1], count // 4, 4)
