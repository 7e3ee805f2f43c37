r"""Averages of the defects of pairs of images, compiled (docs/theory/convolution.md).

Legend: as in ``analytic.images.fields`` and ``analytic.images.defects``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.images.fields import Pairing, Shifts, move_lines, pieces

__all__ = ["flattened", "matches", "pooled"]


@compiled
def flattened(rows: Any, columns: Any, pairing: Pairing, positions: int, *fields: Any) -> None:
    """Add what the norms of flattened images add to Phi (and to Psi), (pairs, 1, copies) each.

    Args:
        rows: R, then the unit vectors r_p/(P^(1/2) R), (R, 2, Q).
        columns: those of the second images.
        pairing: the pairs.
        positions: P.
        fields: Phi, or Phi and Psi.
    """
    for c in range(columns.shape[0]):
        for pair in range(pairing.first[c], pairing.first[c + 1]):
            a, b = rows[pairing.row[pair]], columns[c]
            for copy in range(a.shape[1] // positions):
                total, first = 0.0, copy * positions
                for p in range(first, first + positions):
                    total += (a[1, p] - b[1, p]) ** 2
                for field in fields:
                    field[pair, 0, copy] += 0.5 * total * (a[0, first] * b[0, first])


@compiled
def matches(
    rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any, defect: Any
) -> None:  # fmt: skip
    """Phi becomes |a u - a' u'| of unit vectors u, u' with 1 - cos = Phi/(r r').

    Args:
        rows: the shares a = r/sum r in windows, and 1/sum r, of the first images, (R, 2, Q).
        columns: those of the second images.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines) to write to.
        defect: (F, Q).
    """
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                own, out = rows[pairing.row[pair]], defect[pair * size + s]
                for j in range(out.size):
                    apart, part = own[0, j] - moved[0, j], own[1, j] * moved[1, j]
                    out[j] = np.sqrt(apart * apart + 2.0 * part * out[j])


@compiled
def pooled(
    rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any, error: Any,
    matched: Any, defect: Any, worst: Any,
) -> None:  # fmt: skip
    """The means M of Phi over windows become Phi of the means: M - T, T = m m' - R R'.

    Args:
        rows: R, the mean m of r over a window and t = 1 - R^2/m^2, (R, 3, Q).
        columns: those of the second images.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines) to write to.
        error: of chords and of 1 - cos of pairs, of both of one image, and a relative one of r^2
            and of sums, (5, pairs).
        matched: sums over windows of the distances of their units one by one, (F, Q).
        defect: (F, Q).
        worst: is raised to the largest error of a chord, (pairs,).
    """
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                own, f = rows[pairing.row[pair]], pair * size + s
                found = _pool(own, moved, error[:, pair], matched[f], defect[f])
                worst[pair] = max(worst[pair], found)


@compiled
def _pool(a: Any, b: Any, error: Any, matched: Any, defect: Any) -> float:
    """``pooled`` of one field; the derivation of the error stands in docs/theory/convolution.md."""
    worst = 0.0
    chord, gap, own_chord, own_gap, relative = error[0], error[1], error[2], error[3], error[4]
    for j in range(defect.size):
        whole, upper = a[0, j] * b[0, j], a[1, j] * b[1, j]
        if whole <= 0.0:
            defect[j] = 0.0
            continue
        t, u, mean = a[2, j], b[2, j], defect[j]
        lost = upper * upper * (t + u - t * u) / (whole + upper)
        found = max(mean - lost, 0.0)
        wrong = upper * _wrong(mean / upper, chord, gap) + relative * (mean + lost)
        wrong = wrong / whole + _of_spread(a[1, j] / a[0, j], t, own_chord, own_gap, relative)
        wrong += _of_spread(b[1, j] / b[0, j], u, own_chord, own_gap, relative)
        root = np.sqrt(wrong)
        most = np.sqrt(0.5 * upper / whole) * (matched[j] + 1.5 * chord + 4.0 * relative)
        near = min(np.sqrt(found / whole), most)  # units that agree one by one have one mean
        worst = max(worst, min(wrong / near if near > root else root, most))
        defect[j] = whole * near * near
    return worst


@compiled
def _wrong(part: float, chord: float, gap: float) -> float:
    """The error of a mean of 1 - cos from those of chords, or of 1 - cos itself."""
    return min(chord * (2.0 * np.sqrt(part) + 2.0**-20), gap)


@compiled
def _of_spread(ratio: float, t: float, chord: float, gap: float, relative: float) -> float:
    """What an error of t adds to R R' relative to itself, ratio = m/R."""
    return 0.5 * ratio * ratio * (_wrong(t, chord, gap) + relative * t)
