r"""Branches that are added, compiled: fields of pairs of images, and their errors.

Legend: as in ``analytic.images.fields``.
"""

from __future__ import annotations

from typing import Any

from analytic.compilation import compiled
from analytic.images.fields import Pairing, Shifts, move_lines, pieces
from analytic.machine import LANES
from analytic.recursion import Bounds, junction_of, residual, side_by_side, skip_error

__all__ = ["add_branch", "end_branch", "join_errors"]

_residual: Any = compiled(residual)
_side_by_side: Any = compiled(side_by_side)
_skip_error: Any = compiled(skip_error)


@compiled
def end_branch(
    sigma0: Any, theta0: Any, mu: Any, mus: Any, eta: Any, etas: Any, shares: Any,
    sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """Add the branches before to a vector of lanes, or put them beside."""
    p, q = shares
    if p < 1.0:
        for j in range(LANES):
            sigma[j], theta[j] = _side_by_side(sigma0[j], theta0[j], sigma[j], theta[j], p, q)
        return
    for j in range(LANES):
        sigma[j], theta[j] = _residual(
            sigma0[j], theta0[j], mu[j], mus[j], sigma[j], theta[j], eta[j], etas[j]
        )


@compiled
def add_branch(
    rows: Any, columns: Any, shares: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    sigma0: Any, theta0: Any, sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """Add a branch that ends in a sum of its own to those before.

    Args:
        rows: mu of the branches before and of the last one, of the first images, (2, R, Q).
        columns: the same of the second ones, (2, C, Q).
        shares: of units that are concatenated, those before and the last ones; 1 for sums.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines (2, Q)) to write to.
        sigma0: Sigma of the branches before, (F, Q).
        theta0: Theta of these.
        sigma: that of the last branch, becomes that of the sum.
        theta: the same.
    """
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[1]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            for part in range(2):
                move_lines(columns[part, c : c + 1], runs, number, moved[part : part + 1])
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                f, i = pair * size + s, pairing.row[pair]
                for start in range(0, sigma.shape[1], LANES):
                    stop = start + LANES
                    end_branch(
                        sigma0[f, start:stop], theta0[f, start:stop],
                        rows[0, i, start:stop], moved[0, start:stop],
                        rows[1, i, start:stop], moved[1, start:stop], shares,
                        sigma[f, start:stop], theta[f, start:stop],
                    )  # fmt: skip


@compiled
def join_errors(b: Bounds, at: int, number: int, error0: Any, error: Any) -> None:
    """The errors (2, pairs) of a branch become those of the sum of it and the branches before."""
    for pair in range(error.shape[1]):
        before, branch = (
            (error0[0, pair], error0[1, pair], 1.0),
            (error[0, pair], error[1, pair], 1.0),
        )
        error[0, pair], error[1, pair], _ = _skip_error(
            before, branch, junction_of(b, 0, at, number)
        )
