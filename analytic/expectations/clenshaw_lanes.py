r"""Sums of low rank (``low_rank``) for many pairs of one row, compiled.

The coefficients are summed with phi_a(s) of the row once; what is left of them, in phi_b(s') and
the coordinate of 1 - |rho|, is a scalar product and Clenshaw's scheme for every lane. That
coordinate is y = sqrt((1 - |rho|)/2) (``kink_tables``) or a logarithm (``logarithmic_tables``).

Legend: work has rows of lanes; w the coefficients that are left, (2, terms, rank) for E and D.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.logarithm_lanes import logarithms

__all__ = ["CLOSE_ROWS", "LOGARITHMIC", "TABLE", "contract", "low_rank_sums"]

TABLE, LOGARITHMIC = 1, 3
"""The kinds of these sums, by their coordinate."""

WORK = 7
"""Rows of lanes that the sums need beside what is asked of each input."""
CLOSE_ROWS = WORK + 3 + 46
"""With that, 1 - |rho|, E and D."""


@compiled
def contract(core: Any, rank: int, terms: int, row: Any, w: Any) -> None:
    """Sum the coefficients, of both signs of rho, for E and D, with phi_a(s) of a row.

    Args:
        core: the coefficients, rank^2 for each polynomial.
        rank: how many phi there are.
        terms: how many polynomials.
        row: phi of the row.
        w: room for those that are left, 4 terms rank numbers.
    """
    for block in range(4 * terms):
        start, target = block * rank * rank, w[block * rank : (block + 1) * rank]
        for b in range(rank):
            target[b] = 0.0
        for a in range(rank):
            part, factor = core[start + a * rank : start + (a + 1) * rank], row[a]
            for b in range(rank):
                target[b] += factor * part[b]


@compiled
def _add_four(
    we: Any, wd: Any, p0: Any, p1: Any, p2: Any, p3: Any, count: int, e: Any, d: Any
) -> None:
    """Add four products to the sums of E and of D, which share phi."""
    e0, e1, e2, e3 = we[0], we[1], we[2], we[3]
    d0, d1, d2, d3 = wd[0], wd[1], wd[2], wd[3]
    for i in range(count):
        e[i] += (e0 * p0[i] + e1 * p1[i]) + (e2 * p2[i] + e3 * p3[i])
        d[i] += (d0 * p0[i] + d1 * p1[i]) + (d2 * p2[i] + d3 * p3[i])


@compiled
def _step_back(twice: Any, part: float, new: Any, old: Any, older: Any, count: int) -> None:
    """A step of Clenshaw's scheme without the coefficient."""
    for i in range(count):
        new[i] = part * twice[i] * old[i] - older[i]


@compiled
def _clenshaw(w: Any, rank: int, terms: int, phi: Any, count: int, work: Any) -> Any:
    """sum_kb w_kb T_k(x) phi_b for E and for D of each lane; work[0] holds 2 x."""
    twice, e, e1, e2, d, d1, d2 = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    for i in range(count):
        e1[i] = e2[i] = d1[i] = d2[i] = 0.0
    for k in range(terms - 1, -1, -1):
        part = 1.0 if k > 0 else 0.5
        _step_back(twice, part, e, e1, e2, count)
        _step_back(twice, part, d, d1, d2, count)
        for b in range(0, rank, 4):
            we, wd = w[k * rank + b :], w[(terms + k) * rank + b :]
            _add_four(we, wd, phi[b], phi[b + 1], phi[b + 2], phi[b + 3], count, e, d)
        e, e1, e2, d, d1, d2 = e2, e, e1, d2, d, d1
    return e1, d1


@compiled
def _coordinates(
    kind: int, scale: float, steep: float, steeps: Any, small: Any, count: int, work: Any
) -> None:
    """Twice the argument of the polynomials, in work[0]."""
    if kind == TABLE:
        for i in range(count):
            work[0, i] = scale * np.sqrt(0.5 * small[i]) - 2.0
        return
    for i in range(count):
        whole = steep * steeps[i]
        work[0, i], work[1, i] = 1.0 + whole * small[i], 1.0 + whole * scale
    logarithms(work[0], work[2], work[3], count)
    logarithms(work[1], work[2], work[3], count)
    for i in range(count):
        work[0, i] = 4.0 * (work[0, i] / work[1, i]) - 2.0


@compiled
def low_rank_sums(
    w: Any, kind: int, rank: int, terms: int, scale: float, row: Any, phi: Any, small: Any,
    count: int, work: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of pairs of one row and one sign of rho.

    Args:
        w: the coefficients that ``contract`` left for this sign.
        kind: that of the coordinate.
        rank: how many phi there are.
        terms: how many polynomials in the coordinate.
        scale: 4 over the largest y, or the largest 1 - |rho|.
        row: what is asked of the row, (rank + 2 or 3,).
        phi: the same of the lanes, (rank + 2 or 3, lanes).
        small: 1 - |rho|, (lanes,).
        count: lanes that are wanted.
        work: room, (WORK, lanes).
        e: where E goes, (lanes,).
        d: where D goes.
    """
    _coordinates(kind, scale, row[-1], phi[-1], small, count, work)
    found, slope = _clenshaw(w, rank, terms, phi, count, work)
    for i in range(count):
        e[i] = found[i] * (row[rank] * phi[rank, i])
        d[i] = slope[i] * (row[rank + 1] * phi[rank + 1, i])
