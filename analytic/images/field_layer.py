r"""The nonlinearity of a layer, compiled: fields of pairs of images, lane by lane.

The recursion is that of ``analytic.pairs``, whose functions are called here. There a tile has one
coefficient for a row; here both images of a pair have their own at every lane, so that the lanes
are positions and the number of images does not matter. E and D come from
``analytic.images.field_expectations``.

Legend: as in ``analytic.images.fields`` and ``analytic.pairs.pair_recursion``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from analytic.compilation import compiled, elementwise
from analytic.images.field_expectations import (
    DIVIDED,
    NORMALIZED,
    SERIES,
    FieldLayer,
    Place,
    closed_form,
    correlate,
    divide,
    mehler,
    normalize,
    terms,
)
from analytic.images.field_sums import end_branch
from analytic.images.fields import Pairing, Shifts, move_lines, move_table, pieces, vectors
from analytic.machine import LANES, REASSOCIATED, Array
from analytic.recursion import (
    Bounds,
    factors_of,
    layer_error,
    preactivation,
)

__all__ = ["LaneTables", "carry_errors", "enter", "leave"]

_preactivation: Any = elementwise(preactivation)
_layer_error: Any = compiled(layer_error)


class LaneTables(NamedTuple):
    """What a layer sees of some images, (images, Q) each but for the last two.

    ``scale`` is s for a x + b |x| and 1/sqrt(1 + 2 s^2) for erf; the table has in group g the 8
    coefficients from 8 g on, those of even order first, without the orders that do not matter.
    """

    inverse: Array  # 1/s, 0 where s = 0
    mean: Array  # E[w], or the mean that is taken away
    junctions: Array  # mu of the branches before and of the last one, (sums, 2, images, Q)
    scale: Array
    table: Array  # (images, Q / LANES, coefficients, LANES)


@compiled
def enter(
    layer: FieldLayer, radius: Any, rows: Any, columns: Any, pairing: Pairing, shifts: Shifts,
    shape: Any, room: Any, sigma: Any, theta: Any, group: Any, most_rho: Any,
) -> int:  # fmt: skip
    """sigma and theta (F, Q) become Lambda and Gamma; group (F, Q / LANES) that of max |rho|.

    Args:
        layer: the layer.
        radius: the largest |rho| of each group of terms.
        rows: 1/s of the first images, (R, Q).
        columns: 1/s of the second ones, (C, Q).
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs, moved lines) to write to.
        sigma: sums over the windows.
        theta: the same.
        group: see above.
        most_rho: becomes the largest |rho| of each pair, (pairs,).

    Returns:
        the largest group.
    """
    runs, moved = room
    size, most = shifts.down.size, 0
    most_rho[:] = 0.0
    covariance, tangent, scale, inverse = (
        vectors(sigma), vectors(theta), vectors(rows), vectors(moved),
    )  # fmt: skip
    for c in range(columns.shape[0]):
        for s in range(size):
            number = pieces(shape, shifts.down[s], shifts.right[s], runs)
            move_lines(columns[c : c + 1], runs, number, moved)
            for pair in range(pairing.first[c], pairing.first[c + 1]):
                f, i = pair * size + s, pairing.row[pair]
                for start in range(0, sigma.shape[1], LANES):
                    at = Place(f, i, start // LANES)
                    _enter(layer, at, covariance, tangent)
                    largest = min(_largest(at, scale, inverse, covariance), 1.0)
                    most_rho[pair] = max(most_rho[pair], largest)
                    g = 0
                    while radius[g] < largest:
                        g += 1
                    group[f, start // LANES] = g
                    most = max(most, g)
    return most


@elementwise
def _enter(layer: FieldLayer, at: Place, sigma: Any, theta: Any) -> None:
    weight, bias, rate, bias_rate = layer.weight, layer.bias, layer.rate, layer.bias_rate
    f, _, q = at
    for j in range(LANES):
        cov, _, gamma = _preactivation(
            sigma[f, q, j], theta[f, q, j], weight, bias, rate, bias_rate
        )
        sigma[f, q, j], theta[f, q, j] = cov, gamma


def _largest_of(at: Place, scale: Any, inverse: Any, sigma: Any) -> float:
    """The largest |rho|, by four chains of comparisons."""
    f, i, q = at
    a = b = c = d = 0.0
    for j in range(0, LANES, 4):
        p = abs(sigma[f, q, j] * (scale[i, q, j] * inverse[0, q, j]))
        e = abs(sigma[f, q, j + 1] * (scale[i, q, j + 1] * inverse[0, q, j + 1]))
        r = abs(sigma[f, q, j + 2] * (scale[i, q, j + 2] * inverse[0, q, j + 2]))
        s = abs(sigma[f, q, j + 3] * (scale[i, q, j + 3] * inverse[0, q, j + 3]))
        a = p if p > a else a
        b = e if e > b else b
        c = r if r > c else c
        d = s if s > d else d
    return max(max(a, b), max(c, d))


_largest: Any = elementwise(_largest_of, REASSOCIATED)


@compiled
def leave(
    layer: FieldLayer, rows: LaneTables, columns: LaneTables, pairing: Pairing, shifts: Shifts,
    shape: Any, room: Any, group: Any, sigma: Any, theta: Any, sigma0: Any, theta0: Any,
) -> None:  # fmt: skip
    """From Lambda and Gamma to Sigma and Theta after the layer.

    Args:
        layer: the layer.
        rows: what it sees of the first images.
        columns: the same of the second ones.
        pairing: the pairs.
        shifts: the shifts.
        shape: (H, W, copies, H of a plane).
        room: (runs of every shift, their numbers, where to go on, moved table, moved lines, lane
            buffers) to write to.
        group: of terms, (F, Q / LANES).
        sigma: Lambda, (F, Q), becomes Sigma.
        theta: Gamma, the same.
        sigma0: Sigma of the branches to which those of the layer are added, (F, Q), or (0, 0).
        theta0: Theta of these.
    """
    runs, number, begin, other, lines, lanes = room
    size, joins, series = shifts.down.size, sigma0.size > 0, layer.form == SERIES
    own, table, means = rows.table, columns.table, rows.junctions
    mean, inverse, scale = vectors(rows.mean), vectors(rows.inverse), vectors(rows.scale)
    a0, b0, a, b = vectors(sigma0), vectors(theta0), vectors(sigma), vectors(theta)
    mu, eta = (vectors(means[0, 0]), vectors(means[0, 1])) if joins else (mean, mean)
    for s in range(size):
        number[s] = pieces(shape, shifts.down[s], shifts.right[s], runs[s])
        begin[s] = 0
    for chunk in range(sigma.shape[1] // LANES):
        for s in range(size):
            first = begin[s]
            while begin[s] < number[s] and runs[s, begin[s], 0] < (chunk + 1) * LANES:
                begin[s] += 1
            some = runs[s, first : begin[s]]
            still = shifts.down[s] == 0 and shifts.right[s] == 0
            for c in range(pairing.first.size - 1):
                one, end = pairing.first[c] * size + s, pairing.first[c + 1] * size
                if one >= end:
                    continue
                groups = _most_groups(layer, group, one, end, size, chunk) * (not still)
                _move_sheets(layer, columns, c, some, groups, lines, other)
                for f in range(one, end, size):
                    at = Place(f, pairing.row[f // size], chunk)
                    groups = min(group[f, chunk] + 1, layer.groups)
                    if not series:
                        _other_forms(layer, at, inverse, mean, scale, lines, a, b)
                    elif still:
                        correlate(at, inverse, lines, a, lanes)
                        mehler(
                            layer, at, own, table, (c, chunk), groups, mean, lines, lanes, a, b
                        )  # fmt: skip
                    else:
                        correlate(at, inverse, lines, a, lanes)
                        mehler(layer, at, own, other, (0, 0), groups, mean, lines, lanes, a, b)
                    if joins:
                        end_branch(at, mu, eta, lines, layer.shares, a0, b0, a, b)


@elementwise
def _most_groups(layer: FieldLayer, group: Any, first: int, end: int, step: int, chunk: int) -> int:
    """The most groups of terms that some fields need."""
    most = 0
    for f in range(first, end, step):
        most = max(most, group[f, chunk])
    return min(most + 1, layer.groups)


@compiled
def _move_sheets(
    layer: FieldLayer, columns: LaneTables, c: int, runs: Any, groups: int, lines: Any, table: Any
) -> None:
    """lines and table become a vector of lanes of what the layer sees of image c, moved."""
    _move_line(columns.inverse[c], runs, lines[0])
    _move_line(columns.mean[c], runs, lines[1])
    if columns.junctions.shape[0] > 0:
        _move_line(columns.junctions[0, 0, c], runs, lines[2])
        _move_line(columns.junctions[0, 1, c], runs, lines[4])
    _move_line(columns.scale[c], runs, lines[3])
    if layer.form == SERIES and groups > 0:
        move_table(columns.table[c], runs, groups * terms(layer), table[0, 0])


@elementwise
def _other_forms(
    layer: FieldLayer, at: Place, inverse: Any, mean: Any, scale: Any, lines: Any, sigma: Any,
    theta: Any,
) -> None:  # fmt: skip
    """From Lambda and Gamma of a vector of lanes to E and D Gamma, without a series."""
    if layer.form == NORMALIZED:
        normalize(at, inverse, mean, lines, sigma, theta)
    elif layer.form == DIVIDED:
        divide(at, inverse, lines, sigma, theta)
    else:
        closed_form(layer, at, inverse, scale, lines, sigma, theta)


@compiled
def _move_line(line: Any, runs: Any, out: Any) -> None:
    """out becomes a vector of lanes of a line, moved by some runs."""
    for run in range(runs.shape[0]):
        lane, origin, count = runs[run, 0] % LANES, runs[run, 1], runs[run, 2]
        target, source = out[lane : lane + count], line[origin : origin + count]
        for j in range(count):
            target[j] = source[j]


@compiled
def carry_errors(
    b: Bounds, at: int, shifts: int, group: Any, most_rho: Any, error: Any, most: Any
) -> None:
    """The errors of Sigma and Theta (2, pairs) after a layer; most (pairs,) is the last group.

    All bounds grow with the group, so that the largest one of a pair counts.

    Args:
        b: the bounds.
        at: number of the layer.
        shifts: S.
        group: of terms, (F, Q / LANES).
        most_rho: the largest |rho| of each pair, (pairs,).
        error: before the layer, becomes that after it.
        most: becomes the largest group of each pair.
    """
    for pair in range(error.shape[1]):
        g = most[pair] = group[pair * shifts : (pair + 1) * shifts].max()
        state = error[0, pair], error[1, pair], 1.0
        radius = min(b.radius[at, g], most_rho[pair])
        error[0, pair], error[1, pair], _ = _layer_error(state, factors_of(b, 0, at, radius, g))
