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
from analytic.machine import LANES, REASSOCIATED

__all__ = ["apart", "bent_layer", "covariances", "pixel_defects"]


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
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines) to write to.
        defect: becomes Phi, (F, Q).
        other: becomes Psi, the same.
    """
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
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
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines, a line) to write to.
        defect: weight sum_k Phi/weight, (F, Q).
        theta: the same of Theta.
        widest: is raised to the largest delta of each pair, (pairs,).
    """
    runs, moved, norms = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                f, own = pair * size + s, rows[pairing.row[pair]]
                apart(own[1:], moved[1:], norms)
                _bend(layer, pixels, own[0], moved[0], norms, defect[f], theta[f])
                widest[pair] = max(widest[pair], _most(norms))


@compiled
def _bend(
    layer: FieldLayer, pixels: bool, s: Any, t: Any, norms: Any, defect: Any, theta: Any
) -> None:
    """``bent_layer`` of one field, norms becomes delta; Cho and Saul (2009), without cancellation.

    The largest delta is looked for afterwards: here it would keep the lanes from going together.
    """
    slope, part = layer.line + layer.bend, 2.0 / np.pi
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
        alive = slope if both > 0.0 or bend == 0.0 else 0.0  # at a kink the slope is that of torch
        theta[j] = alive * share * gamma
        defect[j] = alive * both * ((1.0 - bend) * delta + bend * folded)
        norms[j] = delta if both > 0.0 else 0.0


def _largest(values: Any) -> float:
    """The largest of some numbers, at least 0."""
    most = 0.0
    for j in range(values.size):
        most = values[j] if values[j] > most else most
    return most


_most: Any = compiled(_largest, REASSOCIATED)


@compiled
def covariances(
    slope: float, rows: Any, columns: Any, pairing: Pairing, shifts: Shifts, shape: Any, room: Any,
    field: Any,
) -> None:  # fmt: skip
    """Phi behind a layer becomes Sigma; the lines of its images begin with s, r^2 = slope s^2."""
    runs, moved = room
    size = shifts.down.size
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                out, own = field[pair * size + s], rows[pairing.row[pair], 0]
                for j in range(out.size):
                    out[j] = slope * (own[j] * moved[0, j]) - out[j]
