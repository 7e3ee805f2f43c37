r"""The nonlinearity of a layer, compiled: fields of pairs of images, lane by lane.

The recursion is that of ``analytic.pairs``, whose functions are called here. There a tile has one
coefficient for a row; here both images of a pair have their own at every lane, so that the lanes
are positions and the number of images does not matter. E and D come from Mehler's series, or from
a closed form, whose cost does not depend on s.

Legend: as in ``analytic.images.fields`` and ``analytic.pairs.pair_recursion``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled
from analytic.images.fields import Pairing, Shifts, move_lines, move_table, pieces
from analytic.images.inverse_sine import arcsine
from analytic.machine import LANES, REASSOCIATED, Array
from analytic.recursion import Bounds, layer_error, plain, preactivation, residual, skip_error

__all__ = [
    "ARCCOSINE",
    "ARCSINE",
    "SERIES",
    "FieldLayer",
    "Sheets",
    "carry_errors",
    "enter",
    "leave",
]

_preactivation: Any = compiled(preactivation)
_plain: Any = compiled(plain)
_residual: Any = compiled(residual)
_layer_error: Any = compiled(layer_error)
_skip_error: Any = compiled(skip_error)

SERIES, ARCCOSINE, ARCSINE = range(3)
"""Where E and D come from."""


class FieldLayer(NamedTuple):
    """What the compiled code knows of a layer."""

    number: int
    weight: float
    bias: float
    form: int  # one of SERIES, ARCCOSINE, ARCSINE
    even: bool  # whether the coefficients of even order matter
    odd: bool
    groups: int  # of terms that matter
    line: float  # a^2 of a x + b |x|
    bend: float  # b^2


class Sheets(NamedTuple):
    """What a layer sees of some images, (images, Q) each.

    ``scale`` is s for a x + b |x| and 1/sqrt(1 + 2 s^2) for erf; the table has in group g the 8
    coefficients from 8 g on, those of even order first, without the orders that do not matter.
    """

    inverse: Array  # 1/s, 0 where s = 0
    mean: Array  # E[w]
    skipped: Array  # mu where the branch began that ends here
    scale: Array
    table: Array  # (images, Q / LANES, coefficients, LANES)


@compiled
def enter(
    layer: FieldLayer, radius: Any, rows: Any, columns: Any, pairing: Pairing, shifts: Shifts,
    shape: Any, room: Any, sigma: Any, theta: Any, group: Any,
) -> int:  # fmt: skip
    """sigma and theta (F, Q) become Lambda and Gamma; group (F, Q / LANES) that of max |rho|.

    Args:
        layer: the layer.
        radius: the largest |rho| of each group of terms.
        rows: 1/s of the first images, (R, Q).
        columns: 1/s of the second ones, (C, Q).
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies).
        room: (runs, moved lines) to write to.
        sigma: sums over the windows.
        theta: the same.
        group: see above.

    Returns:
        the largest group.
    """
    height, width, copies = shape
    runs, moved = room
    size, most = shifts.down.size, 0
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c : c + 1], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                f, scale = pair * size + s, rows[pairing.row[pair]]
                for start in range(0, scale.size, LANES):
                    stop = start + LANES
                    largest = _enter(
                        layer.weight, layer.bias, scale[start:stop], moved[0, start:stop],
                        sigma[f, start:stop], theta[f, start:stop],
                    )  # fmt: skip
                    g = 0
                    while radius[g] < largest:
                        g += 1
                    group[f, start // LANES] = g
                    most = max(most, g)
    return most


@compiled
def _enter(weight: float, bias: float, scale: Any, inverse: Any, sigma: Any, theta: Any) -> float:
    for j in range(LANES):
        sigma[j], theta[j] = _preactivation(sigma[j], theta[j], weight, bias)
    return min(_largest(scale, inverse, sigma), 1.0)


def _largest_of(scale: Any, inverse: Any, sigma: Any) -> float:
    """The largest |rho|, by four chains of comparisons."""
    a = b = c = d = 0.0
    for j in range(0, LANES, 4):
        p = abs(sigma[j] * (scale[j] * inverse[j]))
        q = abs(sigma[j + 1] * (scale[j + 1] * inverse[j + 1]))
        r = abs(sigma[j + 2] * (scale[j + 2] * inverse[j + 2]))
        s = abs(sigma[j + 3] * (scale[j + 3] * inverse[j + 3]))
        a = p if p > a else a
        b = q if q > b else b
        c = r if r > c else c
        d = s if s > d else d
    return max(max(a, b), max(c, d))


_largest: Any = compiled(_largest_of, REASSOCIATED)


@compiled
def leave(
    layer: FieldLayer, rows: Sheets, columns: Sheets, pairing: Pairing, shifts: Shifts, shape: Any,
    room: Any, group: Any, sigma: Any, theta: Any, sigma0: Any, theta0: Any,
) -> None:  # fmt: skip
    """From Lambda and Gamma to Sigma and Theta after the layer.

    Args:
        layer: the layer.
        rows: what it sees of the first images.
        columns: the same of the second ones.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies).
        room: (runs of every shift, their numbers, where to go on, moved table, moved lines, lane
            buffers) to write to.
        group: of terms, (F, Q / LANES).
        sigma: Lambda, (F, Q), becomes Sigma.
        theta: Gamma, the same.
        sigma0: Sigma where the branch began that ends here, (F, Q), or (0, 0).
        theta0: Theta there.
    """
    height, width, copies = shape
    runs, number, begin, other, lines, lanes = room
    size, chunks = shifts.down.size, sigma.shape[1] // LANES
    step = 4 * (layer.even + layer.odd)
    for s in range(size):
        number[s] = pieces(height, width, copies, shifts.down[s], shifts.right[s], runs[s])
        begin[s] = 0
    for chunk in range(chunks):
        start, stop = chunk * LANES, (chunk + 1) * LANES
        for s in range(size):
            first = begin[s]
            last = first
            while last < number[s] and runs[s, last, 0] < stop:
                last += 1
            begin[s] = last
            some = runs[s, first:last]
            still = shifts.down[s] == 0 and shifts.right[s] == 0
            for c in range(pairing.first.size - 1):
                one, end = pairing.first[c] * size + s, pairing.first[c + 1] * size
                if one >= end:
                    continue
                _move_line(columns.inverse[c], some, lines[0])
                _move_line(columns.mean[c], some, lines[1])
                _move_line(columns.skipped[c], some, lines[2])
                _move_line(columns.scale[c], some, lines[3])
                if layer.form == SERIES and not still:
                    terms = step * min(group[one:end:size, chunk].max() + 1, layer.groups)
                    move_table(columns.table[c], some, terms, other)
                table = columns.table[c, chunk] if still or layer.form != SERIES else other
                etas, mus = lines[1], lines[2]
                for f in range(one, end, size):
                    i = pairing.row[f // size]
                    a, b = sigma[f, start:stop], theta[f, start:stop]
                    eta = rows.mean[i, start:stop]
                    if layer.form == SERIES:
                        _correlate(rows.inverse[i, start:stop], lines[0], a, lanes)
                        own, groups = rows.table[i, chunk], min(group[f, chunk] + 1, layer.groups)
                        _mehler(layer, own, table, groups, step, eta, etas, lanes, a, b)
                    else:
                        _closed(
                            layer, rows.inverse[i, start:stop], lines[0],
                            rows.scale[i, start:stop], lines[3], a, b,
                        )  # fmt: skip
                    if sigma0.size > 0:
                        mu = rows.skipped[i, start:stop]
                        a0, b0 = sigma0[f, start:stop], theta0[f, start:stop]
                        for j in range(LANES):
                            a[j], b[j] = _residual(
                                a0[j], b0[j], mu[j], mus[j], a[j], b[j], eta[j], etas[j]
                            )


@compiled
def _move_line(line: Any, runs: Any, out: Any) -> None:
    """out becomes a vector of lanes of a line, moved by some runs."""
    for run in range(runs.shape[0]):
        lane, origin, count = runs[run, 0] % LANES, runs[run, 1], runs[run, 2]
        target, source = out[lane : lane + count], line[origin : origin + count]
        for j in range(count):
            target[j] = source[j]


@compiled
def _correlate(scale: Any, inverse: Any, sigma: Any, lanes: Any) -> None:
    """The correlation and its square."""
    rho, x = lanes[0], lanes[1]
    for j in range(LANES):
        r = sigma[j] * (scale[j] * inverse[j])
        r = r if r < 1.0 else 1.0
        r = r if r > -1.0 else -1.0
        rho[j] = r
        x[j] = r * r


@compiled
def _mehler(
    layer: FieldLayer, own: Any, other: Any, groups: int, step: int, eta: Any, etas: Any,
    lanes: Any, sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """E and D Gamma by the series: D = d/d rho (rho P), P = P_even(x) + rho P_odd(x)."""
    rho, x = lanes[0], lanes[1]
    value0, slope0, value1, slope1 = lanes[2], lanes[3], lanes[4], lanes[5]
    value0[:] = 0.0
    slope0[:] = 0.0
    for k in range((groups - 1) * step, -1, -step):
        if layer.even:
            _four(own, other, k, x, value0, slope0)
    if layer.odd:
        value1[:] = 0.0
        slope1[:] = 0.0
        for k in range(groups * step - 4, -1, -step):
            _four(own, other, k, x, value1, slope1)
        for j in range(LANES):
            p1 = value1[j] + x[j] * slope1[j]
            e = eta[j] * etas[j] + sigma[j] * (value0[j] + rho[j] * value1[j])
            d = value0[j] + 2.0 * (x[j] * slope0[j] + rho[j] * p1)
            sigma[j], theta[j] = _plain(e, d, theta[j])
    else:
        for j in range(LANES):
            e = eta[j] * etas[j] + sigma[j] * value0[j]
            d = value0[j] + 2.0 * (x[j] * slope0[j])
            sigma[j], theta[j] = _plain(e, d, theta[j])


@compiled
def _four(own: Any, other: Any, k: int, x: Any, value: Any, slope: Any) -> None:
    """Four steps of Horner's scheme and of its derivative."""
    a0, a1, a2, a3 = own[k], own[k + 1], own[k + 2], own[k + 3]
    b0, b1, b2, b3 = other[k], other[k + 1], other[k + 2], other[k + 3]
    for j in range(LANES):
        y, v, d = x[j], value[j], slope[j]
        d = d * y + v
        v = v * y + a3[j] * b3[j]
        d = d * y + v
        v = v * y + a2[j] * b2[j]
        d = d * y + v
        v = v * y + a1[j] * b1[j]
        d = d * y + v
        value[j] = v * y + a0[j] * b0[j]
        slope[j] = d


@compiled
def _closed(
    layer: FieldLayer, scale: Any, inverse: Any, size: Any, sizes: Any, sigma: Any, theta: Any
) -> None:
    """E and D Gamma of erf, Williams (1997), and of a x + b |x|, Cho and Saul (2009)."""
    if layer.form == ARCSINE:
        for j in range(LANES):
            root = size[j] * sizes[j]
            z = 2.0 * (sigma[j] * root)
            z = z if z < 1.0 else 1.0
            z = z if z > -1.0 else -1.0
            left = (1.0 - z) * (1.0 + z)
            left = left if left > 1e-300 else 1e-300
            e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left)
            sigma[j], theta[j] = _plain(e, d, theta[j])
        return
    line, part = layer.line, layer.bend * (2.0 / np.pi)
    for j in range(LANES):
        rho = sigma[j] * (scale[j] * inverse[j])
        rho = rho if rho < 1.0 else 1.0
        rho = rho if rho > -1.0 else -1.0
        angle = arcsine(rho)
        product = size[j] * sizes[j]
        alive = 1.0 if product > 0.0 else 0.0
        root = np.sqrt((1.0 - rho) * (1.0 + rho))
        e = product * (line * rho + part * (root + rho * angle))
        sigma[j], theta[j] = _plain(e, alive * (line + part * angle), theta[j])


@compiled
def carry_errors(
    b: Bounds, at: int, shifts: int, group: Any, error: Any, error0: Any, most: Any
) -> None:
    """The errors of Sigma and Theta (2, pairs) after a layer; most (pairs,) is the last group.

    All bounds grow with the group, so that the largest one of a pair counts.

    Args:
        b: the bounds.
        at: number of the layer.
        shifts: S.
        group: of terms, (F, Q / LANES).
        error: before the layer, becomes that after it.
        error0: where the branch began that ends here, or (2, 0).
        most: becomes the largest group of each pair.
    """
    for pair in range(error.shape[1]):
        g = most[pair] = group[pair * shifts : (pair + 1) * shifts].max()
        error[0, pair], error[1, pair] = _layer_error(
            error[0, pair], error[1, pair], b.share[at],
            b.k_e[at, g], b.k_d[at, g], b.r_d[at, g], b.add_e[at, g], b.add_d[at, g],
        )  # fmt: skip
        if error0.size > 0:
            error[0, pair], error[1, pair] = _skip_error(
                error0[0, pair], error0[1, pair], error[0, pair], error[1, pair],
                b.skip_ratio[at], b.skip_add[at],
            )  # fmt: skip
