r"""Layers of a x + b |x| for pairs of positions that may be parallel, compiled.

Where u and v are nearly parallel a rounding of rho turns the angle between them by its square
root. A field carries instead of Sigma the *defect*

    Phi(p, q) = r_p r'_q - Sigma(p, q) >= 0,    r^2 = Sigma(p, p),

of which every step is a sum of parts that are not negative (docs/theory/convolution.md, *Nearly
parallel patches*): delta = 1 - rho of the pre-activations is

    delta(p, q) = weight sum_k Phi(n_k p, n_k q)/(s_p s'_q) + 1/2 sum_k (a_k(p) - a'_k(q))^2

with the unit vectors a(p) = (weight^(1/2) r(n_k p), bias^(1/2))/s_p, 0 outside the image.

Legend: as in ``analytic.images.fields``; Psi = r_p r'_q + Sigma(p, q), which pixels have and which
takes the place of Theta before the first layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations import arcsine
from analytic.images.field_expectations import FieldLayer
from analytic.images.fields import Pairing, Shifts, move_lines, pieces
from analytic.machine import LANES

__all__ = ["apart", "bent_layer", "covariances", "flattened", "matches", "pixel_defects", "pooled"]


@compiled
def apart(rows: Any, columns: Any, out: Any) -> None:
    """out (Q,) becomes |a - b|^2/2 of vectors (parts, Q)."""
    out[:] = 0.0
    for start in range(0, out.size, LANES):
        for k in range(rows.shape[0]):
            a, b = rows[k, start : start + LANES], columns[k, start : start + LANES]
            to = out[start : start + LANES]
            for j in range(LANES):
                to[j] += (a[j] - b[j]) * (a[j] - b[j])
    for j in range(out.size):
        out[j] *= 0.5


@compiled
def _around(rows: Any, columns: Any, out: Any) -> None:
    """out (Q,) becomes |a + b|^2/2."""
    out[:] = 0.0
    for k in range(rows.shape[0]):
        a, b = rows[k], columns[k]
        for j in range(out.size):
            out[j] += 0.5 * (a[j] + b[j]) * (a[j] + b[j])


@compiled
def pixel_defects(
    rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    defect: Any, other: Any,
) -> None:  # fmt: skip
    """Phi and Psi of the pixels.

    Args:
        rows: r and the unit vectors of the first images, (R, 1 + channels, Q).
        columns: those of the second ones.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies).
        room: (runs, moved lines) to write to.
        defect: becomes Phi, (F, Q).
        other: becomes Psi, the same.
    """
    height, width, copies = shape
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                f, own = pair * size + s, rows[pairing.row[pair]]
                apart(own[1:], moved[1:], defect[f])
                _around(own[1:], moved[1:], other[f])
                for j in range(defect.shape[1]):
                    both = own[0, j] * moved[0, j]
                    defect[f, j] *= both
                    other[f, j] *= both


@compiled
def bent_layer(
    layer: FieldLayer, pixels: bool, rows: Any, columns: Any, pairing: Pairing, shifts: Shifts,
    shape: Any, room: Any, defect: Any, theta: Any, widest: Any,
) -> None:  # fmt: skip
    """From the window sums of Phi and Theta to Phi and Theta after a layer.

    Args:
        layer: the layer.
        pixels: whether theta holds the window sums of Psi, and Theta is 0.
        rows: s and the unit vectors a of the first images, (R, 1 + parts, Q).
        columns: those of the second ones.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies).
        room: (runs, moved lines, a line) to write to.
        defect: weight sum_k Phi/weight, (F, Q).
        theta: the same of Theta.
        widest: is raised to the largest delta of each pair, (pairs,).
    """
    height, width, copies = shape
    runs, moved, norms = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                f, own = pair * size + s, rows[pairing.row[pair]]
                apart(own[1:], moved[1:], norms)
                most = _bend(layer, pixels, own[0], moved[0], norms, defect[f], theta[f])
                widest[pair] = max(widest[pair], most)


@compiled
def _bend(
    layer: FieldLayer, pixels: bool, s: Any, t: Any, norms: Any, defect: Any, theta: Any
) -> float:
    """``bent_layer`` of one field; Cho and Saul (2009), rewritten without cancellation."""
    slope, part, widest = layer.line + layer.bend, 2.0 / np.pi, 0.0
    shift = layer.bias_rate - layer.rate * layer.bias  # Gamma = rate Lambda + shift + weight Theta
    if shift != 0.0 and not pixels:
        for j in range(theta.size):
            theta[j] += shift / layer.weight
    bend = layer.bend / slope
    for j in range(defect.size):
        both = s[j] * t[j]
        inverse = 1.0 / both if both > 0.0 else 0.0
        delta = layer.weight * defect[j] * inverse + norms[j]  # 1 - rho
        other = 2.0 - delta
        if pixels:
            other = (layer.weight * theta[j] + 2.0 * layer.bias) * inverse + norms[j]
        small = delta if delta < other else other
        small = small if small > 0.0 else 0.0
        turn = 2.0 * arcsine(np.sqrt(0.5 * small))  # the smaller angle between u and v or -v
        sine = np.sqrt(small * (2.0 - small))
        folded = small - part * (sine - turn * (1.0 - small))  # 1 - E |u| |v|/(s s')
        folded = folded if folded > 0.0 else 0.0
        sign = 1.0 if delta < other else -1.0
        share = 1.0 - bend + bend * sign * (1.0 - part * turn)
        cosine = 1.0 - delta if delta < other else other - 1.0
        gamma = layer.rate * (both * cosine) + (shift if pixels else layer.weight * theta[j])
        alive = slope if both > 0.0 else 0.0
        theta[j] = alive * share * gamma
        defect[j] = alive * both * ((1.0 - bend) * delta + bend * folded)
        wide = delta if both > 0.0 else 0.0
        widest = wide if wide > widest else widest
    return widest


@compiled
def covariances(
    slope: float, rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    field: Any,
) -> None:  # fmt: skip
    """Phi behind a layer becomes Sigma; the lines of its images begin with s, r^2 = slope s^2."""
    height, width, copies = shape
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                out, own = field[pair * size + s], rows[pairing.row[pair], 0]
                for j in range(out.size):
                    out[j] = slope * (own[j] * moved[0, j]) - out[j]


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
        shape: (H, W, copies).
        room: (runs, moved lines) to write to.
        defect: (F, Q).
    """
    height, width, copies = shape
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs)
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
        shape: (H, W, copies).
        room: (runs, moved lines) to write to.
        error: of chords and of 1 - cos of pairs, of both of one image, and a relative one of r^2
            and of sums, (5, pairs).
        matched: sums over windows of the distances of their units one by one, (F, Q).
        defect: (F, Q).
        worst: is raised to the largest errors of a chord and of 1 - cos, (2, pairs).
    """
    height, width, copies = shape
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                own, f = rows[pairing.row[pair]], pair * size + s
                _pool(own, moved, error[:, pair], matched[f], defect[f], worst[:, pair])


@compiled
def _pool(a: Any, b: Any, error: Any, matched: Any, defect: Any, worst: Any) -> None:
    """``pooled`` of one field; the derivation of the error stands in docs/theory/convolution.md."""
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
        worst[0] = max(worst[0], min(wrong / near if near > root else root, most))
        worst[1] = max(worst[1], min(wrong, 2.0 * most * most))
        defect[j] = whole * near * near


@compiled
def _wrong(part: float, chord: float, gap: float) -> float:
    """The error of a mean of 1 - cos from those of chords, or of 1 - cos itself."""
    return min(chord * (2.0 * np.sqrt(part) + 2.0**-20), gap)


@compiled
def _of_spread(ratio: float, t: float, chord: float, gap: float, relative: float) -> float:
    """What an error of t adds to R R' relative to itself, ratio = m/R."""
    return 0.5 * ratio * ratio * (_wrong(t, chord, gap) + relative * t)
