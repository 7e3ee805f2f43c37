r"""Sums of low rank (``low_rank``) for many pairs of one row, compiled.

The coefficients are summed with phi_a(s) of the row once; what is left of them, in phi_b(s') and
the coordinate of 1 - |rho|, is a scalar product and Clenshaw's scheme for every lane. That
coordinate is y = sqrt((1 - |rho|)/2) (``kink_tables``) or a logarithm (``logarithmic_tables``).

Legend: work has rows of lanes; w the coefficients that are left, of shape (2, terms, rank).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.logarithm_lanes import logarithms

__all__ = ["CLOSE_ROWS", "CLOSE_WEIGHTS", "LOGARITHMIC", "TABLE", "low_rank_sums"]

TABLE, LOGARITHMIC = 1, 3
"""The kinds of these sums, by their coordinate."""

WORK = 4
"""Rows of lanes that the sums need beside what is asked of each input."""
CLOSE_ROWS = WORK + 3 + 38
"""With that, 1 - |rho|, E and D."""
CLOSE_WEIGHTS = 2 * 48 * 32
"""The most coefficients that are left."""


@compiled
def _contract(core: Any, side: int, rank: int, terms: int, row: Any, w: Any) -> None:
    """Sum the coefficients with those of the row."""
    for block in range(2 * terms):
        start = (2 * terms * side + block) * rank * rank
        target = w[block * rank : (block + 1) * rank]
        for b in range(rank):
            target[b] = 0.0
        for a in range(rank):
            part, factor = core[start + a * rank : start + (a + 1) * rank], row[a]
            for b in range(rank):
                target[b] += factor * part[b]


@compiled
def _clenshaw(w: Any, rank: int, terms: int, phi: Any, count: int, work: Any) -> Any:
    """sum_kb w_kb T_k(x) phi_b for each lane; work[0] holds 2 x."""
    twice, new, old, older = work[0], work[1], work[2], work[3]
    for i in range(count):
        old[i] = 0.0
        older[i] = 0.0
    for k in range(terms - 1, -1, -1):
        for i in range(count):
            x = twice[i] if k > 0 else 0.5 * twice[i]
            new[i] = x * old[i] - older[i]
        for b in range(0, rank, 4):
            w0, w1, w2, w3 = w[k * rank + b : k * rank + b + 4]
            p0, p1, p2, p3 = phi[b], phi[b + 1], phi[b + 2], phi[b + 3]
            for i in range(count):
                new[i] += (w0 * p0[i] + w1 * p1[i]) + (w2 * p2[i] + w3 * p3[i])
        new, old, older = older, new, old
    return old


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
    core: Any, kind: int, side: int, rank: int, terms: int, scale: float, row: Any, phi: Any,
    small: Any, count: int, w: Any, work: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of pairs of one row.

    Args:
        core: the coefficients, of both sides.
        kind: that of the coordinate.
        side: 0 for rho > 0, 1 for rho < 0.
        rank: how many phi there are.
        terms: how many polynomials in the coordinate.
        scale: 4 over the largest y, or the largest 1 - |rho|.
        row: what is asked of the row, (rank + 2 or 3,).
        phi: the same of the lanes, (rank + 2 or 3, lanes).
        small: 1 - |rho|, (lanes,).
        count: lanes that are wanted.
        w: room for CLOSE_WEIGHTS numbers.
        work: room, (WORK, lanes).
        e: where E goes, (lanes,).
        d: where D goes.
    """
    _contract(core, side, rank, terms, row, w)
    _coordinates(kind, scale, row[-1], phi[-1], small, count, work)
    found = _clenshaw(w, rank, terms, phi, count, work)
    for i in range(count):
        e[i] = found[i] * (row[rank] * phi[rank, i])
    found = _clenshaw(w[rank * terms :], rank, terms, phi, count, work)
    for i in range(count):
        d[i] = found[i] * (row[rank + 1] * phi[rank + 1, i])
