"""Pairs beyond the series of cubic pieces: lanes of a tile by closed forms, compiled.

Where most of TOGETHER neighbours are close they are summed as they stand, and the others kept;
others are gathered, whatever rows they stand in. Functions that take no more than elements of
arrays count no references (``analytic.compilation.elementwise``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from analytic.compilation import elementwise
from analytic.expectations import LINES, TOGETHER, line_sums, quadrant_sums
from analytic.late_binding import late
from analytic.machine import LANES
from analytic.recursion import Program, Tile, plain

__all__ = ["fill_kink_lanes"]

_plain: Any = elementwise(plain)
_line_sums: Any = late(line_sums)
_quadrant_sums: Any = late(quadrant_sums)

BLOCK, WIDTH = 32, 8
"""Lanes that are looked at together, and those of a vector."""
MOST_LINES = 32
"""Close ones of TOGETHER lanes and one sign from which on all are summed as they stand."""


class _Form(NamedTuple):
    """A closed form: its kind, first row of what is asked, places, numbers, and the sign of rho."""

    kind: int
    first: int
    places: int
    asked: int
    side: int


@elementwise
def _append_lanes(
    rho: Any, lanes: Any, m: int, sign: float, top: float, count: int, first: int, end: int
) -> int:
    """Write down the close ones of some lanes of a row behind ``count`` others."""
    for start in range(first, end, BLOCK):
        some = 0
        for j in range(start, start + BLOCK):
            some += sign * rho[m, j] > top
        if some == 0:
            continue
        for j in range(start, start + BLOCK):
            lanes[count] = m * LANES + j
            count += sign * rho[m, j] > top
    return count


@elementwise
def fill_kink_lanes(
    t: Tile, p: Program, at: int, rows: int, side: int, lane: int, top: float, asked: Any,
    close: Any,
) -> None:  # fmt: skip
    """Those of one sign of rho, by a closed form, whatever rows they stand in."""
    form = _Form(p.close[at, 0], p.close[at, 1], p.close[at, 2], p.close[at, 5] - 1, side)
    core, rho, pairs, lanes = p.core[p.close[at, 4] :], t.rho, t.room, t.lanes
    room, line, bits, count = t.lines, t.lines.reshape(t.lines.size), t.bits, 0
    x, sigma, theta, kept = t.x, t.sigma, t.theta, t.kept
    sign = 1.0 - 2.0 * side
    for m in range(rows):
        for start in range(0, LANES if t.largest[m] > top else 0, TOGETHER):
            some = _count_beyond(rho, m, start, sign, top)
            if some >= MOST_LINES:
                _copy_stretch(form, rho, m, start, lane, top, asked, close, pairs)
                _closed_sums(form, core, pairs, TOGETHER, room, line, bits)
                _leave_stretch(sign, m, start, top, pairs, rho, kept, x, sigma, theta)
                continue
            if some > 0:
                count = _append_lanes(rho, lanes, m, sign, top, count, start, start + TOGETHER)
            while count >= TOGETHER:
                count -= TOGETHER
                n = _gather(form, rho, lanes, lane, count, TOGETHER, asked, close, pairs)
                _closed_sums(form, core, pairs, n, room, line, bits)
                _scatter(lanes, count, TOGETHER, pairs, rho, kept, x, sigma, theta)
    if count > 0:
        n = _gather(form, rho, lanes, lane, 0, count, asked, close, pairs)
        _closed_sums(form, core, pairs, n, room, line, bits)
        _scatter(lanes, 0, count, pairs, rho, kept, x, sigma, theta)


@elementwise
def _closed_sums(
    form: _Form, core: Any, pairs: Any, n: int, room: Any, line: Any, bits: Any
) -> None:
    """E and D of n pairs, whose numbers stand in rows."""
    if form.kind == LINES:
        _line_sums(core, form.side, form.places, pairs, n, room, line, bits)
    else:
        _quadrant_sums(core, form.side, form.places, pairs, n, room, line, bits)


@elementwise
def _count_beyond(rho: Any, m: int, start: int, sign: float, top: float) -> int:
    """How many of TOGETHER lanes are close."""
    some = 0
    for j in range(TOGETHER):
        some += sign * rho[m, start + j] > top
    return some


@elementwise
def _copy_stretch(
    form: _Form, rho: Any, m: int, start: int, lane: int, top: float, asked: Any, close: Any,
    pairs: Any,
) -> None:  # fmt: skip
    """What is asked of TOGETHER lanes of a row, most of which are close."""
    sign, first, numbers, here = 1.0 - 2.0 * form.side, form.first, form.asked, lane + start
    for i in range(TOGETHER):
        near = 1.0 - sign * rho[m, start + i]
        pairs[0, i] = near if near < 1.0 - top else 0.0
    for b in range(numbers):
        own = asked[first + b, m]
        for i in range(TOGETHER):
            pairs[3 + b, i] = own
        for i in range(TOGETHER):
            pairs[3 + numbers + b, i] = close[first + b, here + i]


@elementwise
def _leave_stretch(
    sign: float, m: int, start: int, top: float, pairs: Any, rho: Any, kept: Any, x: Any,
    sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """Write those that are close; the others are kept."""
    for i in range(TOGETHER):
        pairs[1, i], pairs[2, i] = _plain(pairs[1, i], pairs[2, i], kept[m, start + i])
    for i in range(TOGETHER):
        r = rho[m, start + i]
        x[m, start + i] = r * r if sign * r > top else x[m, start + i]
    for i in range(TOGETHER):
        beyond = sign * rho[m, start + i] > top
        sigma[m, start + i] = pairs[1, i] if beyond else sigma[m, start + i]
    for i in range(TOGETHER):
        beyond = sign * rho[m, start + i] > top
        theta[m, start + i] = pairs[2, i] if beyond else theta[m, start + i]


@elementwise
def _gather(
    form: _Form, rho: Any, lanes: Any, lane: int, start: int, count: int, asked: Any, close: Any,
    pairs: Any,
) -> int:  # fmt: skip
    """What is asked of ``count`` lanes, written down from ``start`` on; the last one is repeated.

    Returns how many that are, a multiple of the vectors.
    """
    n, first, numbers = count + -count % WIDTH, form.first, form.asked
    for i in range(count, n):
        lanes[start + i] = lanes[start + count - 1]
    for i in range(n):
        m, j = lanes[start + i] // LANES, lanes[start + i] % LANES
        pairs[0, i] = 1.0 - abs(rho[m, j])
        for b in range(numbers):
            pairs[3 + b, i] = asked[first + b, m]
            pairs[3 + numbers + b, i] = close[first + b, lane + j]
    return n


@elementwise
def _scatter(
    lanes: Any, start: int, count: int, pairs: Any, rho: Any, kept: Any, x: Any, sigma: Any,
    theta: Any,
) -> None:  # fmt: skip
    """Write what was found."""
    for i in range(count):
        m, j = lanes[start + i] // LANES, lanes[start + i] % LANES
        x[m, j] = rho[m, j] * rho[m, j]
        sigma[m, j], theta[m, j] = _plain(pairs[1, i], pairs[2, i], kept[m, j])
