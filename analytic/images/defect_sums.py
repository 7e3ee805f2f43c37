r"""Branches that are added, and noise, where pairs carry defects; compiled.

The units f = v + b of a sum have Sigma = S + E + mu eta' + eta mu', with (S, mu) those of the
branches before and (E, eta) those of the last one. With r^2 = Sigma at x = x' and the shares
a = sqrt(S)/r, c = sqrt(E)/r, m = mu/r, e = eta/r, 1 = a^2 + c^2 + 2 m e, so that

    Phi = Phi_v + Phi_b + r r' ((a - a')^2/2 + (c - c')^2/2 + (m - m') (e - e')).

The last product may be negative, but takes only a part of the others (docs/theory/convolution.md,
*Nearly parallel patches*). Units side by side have p S and q E, and no product.

Legend: as in ``analytic.images.defects``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expressions import X
from analytic.images.fields import Pairing, Shifts, move_lines, pieces
from analytic.machine import Array
from analytic.network import Step
from analytic.recursion import Junction

__all__ = ["add_defects", "add_noise", "line_of", "sum_lines"]


def line_of(step: Step) -> tuple[float, float] | None:
    """(a, b) if the units of a layer are a x + b |x|, b = 0 included; None for any others."""
    activation = step.layer.activation
    if step.normalizes:
        return None
    if activation.bent_line is not None:
        return activation.bent_line
    slope = activation.expression / X
    return None if slope.free_symbols else (float(slope), 0.0)


def sum_lines(junctions: Sequence[Junction], n: int) -> Array:
    """r, a, c, m and e of the sums that end at a layer, (images, sums, 5, P)."""
    found: list[Array] = []
    for junction in junctions:
        (before, _, mu), (last, _, eta), _ = junction
        r = np.sqrt(junction.state[0])
        inverse = 1 / np.where(r > 0, r, np.inf)
        parts = [r, np.sqrt(before) * inverse, np.sqrt(last) * inverse, mu * inverse, eta * inverse]
        found.append(np.stack([part.reshape(n, -1) for part in parts], axis=1))
    return np.stack(found, axis=1) if found else np.empty((n, 0, 5, 0))


@compiled
def add_defects(
    rows: Any, columns: Any, shares: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    defect0: Any, theta0: Any, defect: Any, theta: Any,
) -> None:  # fmt: skip
    """From Phi and Theta of the last branch to those of the sum.

    Args:
        rows: r, a, c, m and e of the first images, (R, 5, Q).
        columns: those of the second ones.
        shares: (p, q) of units that stand side by side, 1 for sums.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines) to write to.
        defect0: Phi of the branches before, (F, Q).
        theta0: Theta of these.
        defect: Phi of the last branch, becomes that of the sum.
        theta: the same of Theta.
    """
    runs, moved = room
    size, (p, q) = shifts.down.size, shares
    for column in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[column], runs, number, moved)
            for pair in range(pairing.first[column], pairing.first[column + 1]):
                own, f = rows[pairing.row[pair]], pair * size + s
                _join(own, moved, p, q, defect0[f], theta0[f], defect[f], theta[f])


@compiled
def _join(
    own: Any, other: Any, p: float, q: float, defect0: Any, theta0: Any, defect: Any, theta: Any
) -> None:
    """``add_defects`` of one field."""
    for j in range(defect.size):
        a, c = own[1, j] - other[1, j], own[2, j] - other[2, j]
        means = (own[3, j] - other[3, j]) * (own[4, j] - other[4, j])
        apart = (own[0, j] * other[0, j]) * (0.5 * (a * a + c * c) + means)
        value = p * defect0[j] + q * defect[j] + apart
        defect[j] = value if value > 0.0 else 0.0
        theta[j] = p * theta0[j] + q * theta[j]


@compiled
def add_noise(
    slope: float, rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    defect: Any,
) -> None:  # fmt: skip
    """Phi of units with noise of their own, r^2 = (1 + slope) s^2: it grows by slope s s'."""
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c, :1], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                out, own = defect[pair * size + s], rows[pairing.row[pair], 0]
                for j in range(out.size):
                    out[j] += slope * (own[j] * moved[0, j])
