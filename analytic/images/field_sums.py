r"""Branches that are added, compiled: fields of pairs of images, and their errors.

Legend: as in ``analytic.images.fields``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.images.field_expectations import Place
from analytic.images.fields import Pairing, Shifts, move_lines, pieces, vectors
from analytic.machine import LANES
from analytic.recursion import Bounds, junction_of, residual, side_by_side, skip_error

__all__ = ["add_branch", "end_branch", "join_errors"]

_residual: Any = elementwise(residual)
_side_by_side: Any = elementwise(side_by_side)
_skip_error: Any = compiled(skip_error)


@elementwise
def end_branch(
    at: Place, mu: Any, eta: Any, moved: Any, shares: Any, sigma0: Any, theta0: Any, sigma: Any,
    theta: Any,
) -> None:  # fmt: skip
    """Add the branches before to a vector of lanes, or put them beside.

    Args:
        at: the lanes.
        mu: the mean of the branches before, of the first images, (images, Q / LANES, LANES).
        eta: that of the last one; of the second image they are ``moved[2]`` and ``moved[4]``.
        moved: see above, (5, LANES).
        shares: of units that are concatenated, those before and the last ones; 1 for sums.
        sigma0: Sigma of the branches before, (F, Q / LANES, LANES).
        theta0: Theta of these.
        sigma: that of the last branch, becomes that of the sum.
        theta: the same.
    """
    (p, w), (f, i, q) = shares, at
    if p < 1.0:
        for j in range(LANES):
            sigma[f, q, j], theta[f, q, j] = _side_by_side(
                sigma0[f, q, j], theta0[f, q, j], sigma[f, q, j], theta[f, q, j], p, w
            )
        return
    for j in range(LANES):
        sigma[f, q, j], theta[f, q, j] = _residual(
            sigma0[f, q, j], theta0[f, q, j], mu[i, q, j], moved[2, j],
            sigma[f, q, j], theta[f, q, j], eta[i, q, j], moved[4, j],
        )  # fmt: skip


@compiled
def add_branch(
    rows: Any, columns: Any, shares: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    sigma0: Any, theta0: Any, sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """Add a branch that ends in a sum of its own to those before.

    Args:
        rows: mu of the branches before and of the last one, of the first images, (2, R, Q).
        columns: the same of the second ones, (2, C, Q).
        shares: see ``end_branch``.
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
    size, lines = shifts.down.size, np.empty((5, LANES))
    mu, eta, before = vectors(rows[0]), vectors(rows[1]), (vectors(sigma0), vectors(theta0))
    covariance, tangent = vectors(sigma), vectors(theta)
    for c in range(columns.shape[1]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            for part in range(2):
                move_lines(columns[part, c : c + 1], runs, number, moved[part : part + 1])
            for start in range(0, sigma.shape[1], LANES):
                lines[2], lines[4] = (
                    moved[0, start : start + LANES],
                    moved[1, start : start + LANES],
                )
                for pair in range(pairing.first[c], pairing.first[c + 1]):
                    at = Place(pair * size + s, pairing.row[pair], start // LANES)
                    end_branch(at, mu, eta, lines, shares, *before, covariance, tangent)


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
