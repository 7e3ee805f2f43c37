r"""Tables for pairs of wide deviations (``wide_pairs``), made cell by cell when they are wanted.

The values at the Chebyshev points of a cell come from conditioning, less what has a closed form;
so do those at some of its corners, which tell how far the finished sum is away there: where
polynomials are interpolated, the corners are worst. That is an estimate, not a proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.broken_lines import LineAndRest, line_and_rest
from analytic.expectations.conditioning import SUM_ROUNDING, conditional
from analytic.expectations.heat_tables import HIGHEST, Heat, chebyshev_points, heat
from analytic.expectations.outer_sum import TOGETHER
from analytic.expectations.wide_pairs import (
    EDGES,
    FLAT,
    LEAST,
    LINES,
    NARROWEST,
    OCTAVES,
    PLACES,
    QUARTERS,
    SLOPES,
    TERMS,
    WideArrays,
    WideRoom,
    wide_moments,
)
from analytic.machine import UNIT, Array, aligned

__all__ = ["WideTables", "wide_tables"]

CELLS = (len(PLACES) - 1) * QUARTERS
SAFETY = 4.0
"""How much larger the error may be between the corners."""
MADE, REFUSED = 1, -1


@dataclass(frozen=True, slots=True, eq=False)
class WideTables:
    """The tables of an activation.

    Attributes:
        heat: the tables of conditioning.
        parts: line and rest of w and of w'.
        arrays: what is summed.
        state: 0 for cells that are not made, MADE or REFUSED, (cells + 1,); the last is none.
        error: what M may err by, for w and w', (2, cells).
        noise: errors of what the tables are made of, relative to norms, the same.
    """

    heat: Heat
    parts: tuple[LineAndRest, LineAndRest]
    arrays: WideArrays
    state: NDArray[np.int8]
    error: Array
    noise: Array
    lock: Lock = field(default_factory=Lock)

    @property
    def degree(self) -> int:
        return self.parts[0].degree

    def served(self, cells: NDArray[np.int64]) -> NDArray[np.intp]:
        """The pairs whose cells have tables, which are made when they are first met.

        So that no number depends on what was asked before.

        Args:
            cells: those of pairs, or -1.
        """
        with self.lock:
            wanted = np.zeros(CELLS + 1, dtype=np.bool_)
            wanted[cells] = True
            missing = np.flatnonzero(wanted[:CELLS] & (self.state[:CELLS] == 0))
            if missing.size:
                _fill(self, missing)
        return np.flatnonzero(self.state[cells] == MADE)


@lru_cache(maxsize=64)
def wide_tables(activation: Activation) -> WideTables | None:
    """Those of an activation, or None where it has no lines or no tables of conditioning."""
    parts = line_and_rest(activation)
    table = heat(activation, HIGHEST[0]) if parts is not None else None
    if parts is None or table is None:
        return None
    w, slope = parts
    turn = 2 / math.pi
    line = [w.p**2, turn * w.q**2, slope.p**2, turn * slope.q**2, float(w.degree)]
    ends = np.array(PLACES)
    arrays = WideArrays(
        aligned(CELLS, FLAT, SLOPES * 2 * TERMS),
        np.stack([_seen(part) for part in parts]),
        1 / _tau(np.arange(QUARTERS), np.array(-1.0)),
        np.column_stack([2 / np.diff(ends), (ends[1:] + ends[:-1]) / 2, LEAST]),
        np.array(line),
    )
    state = np.zeros(CELLS + 1, dtype=np.int8)
    return WideTables(table, parts, arrays, state, np.zeros((2, CELLS)), np.zeros((2, CELLS)))


def _tau(quarter: NDArray[np.intp], x: Array) -> Array:
    """The tau at x in [-1, 1] of quarters of octaves; shapes are broadcast."""
    return 2.0 ** (quarter / 4 + OCTAVES[0]) * (1 + (EDGES[1] - 1) * (x + 1) / 2)


def _flat(x: Array, narrowest: Array | float) -> Array:
    """1/s^2 at x, where that is at most 1/narrowest^2."""
    return (x + 1) / (2 * narrowest**2)


def _seen(part: LineAndRest) -> Array:
    """Coefficients of ``part.seen`` on all cells, shape (LINES, FLAT * TERMS)."""
    (x, matrix), (y, by_flat) = chebyshev_points(TERMS), chebyshev_points(FLAT)
    taus = _tau(np.arange(LINES)[:, None, None], x[:, None])
    taus, flat = np.broadcast_arrays(taus, _flat(y, NARROWEST))  # (LINES, TERMS, FLAT)
    values = part.seen(taus.ravel(), flat.ravel()).reshape(taus.shape)
    return np.einsum("tx,fy,lxy->lft", matrix, by_flat, values).reshape(LINES, -1)


def _pairs(cells: NDArray[np.intp], x: Array, c: Array, flat: Array) -> tuple[Array, ...]:
    """s, c and tau at coordinates in cells, each of shape (cells, points)."""
    place, ends = cells[:, None] % 4, np.array(PLACES)
    s = 1 / np.sqrt(_flat(flat, np.array(LEAST)[place]))
    return s, ends[place] + np.diff(ends)[place] * (c + 1) / 2, _tau(cells[:, None] // 4, x)


def _unit(s: Array, c: Array, tau: Array) -> tuple[Array, ...]:
    """s, s' and 1 - rho, which has no cancellation."""
    s_ = np.hypot(c * s, tau)
    return s, s_, (tau / s_) ** 2 / (1 + c * s / s_)


def _conditioned(of: WideTables, s: Array, s_: Array, small: Array) -> tuple[Array, Array]:
    """E and D by conditioning, shape (2,) + that of s, and the error of E over its scale."""
    unit, unit_ = (1 / a.ravel() ** of.degree for a in (s, s_))
    minus, plus, d, apart, *noise = conditional(
        of.heat, s.ravel(), s_.ravel(), small.ravel(), 2 - small.ravel(), unit, unit_
    )
    e = (plus - minus) / 2 / (unit * unit_)
    lost = 4 * of.heat.outer[-WIDE:].max() + SUM_ROUNDING
    wrong = 2 * noise[0] * np.sqrt(2 * apart) + (noise[2] + lost) * np.minimum(minus, plus)
    return np.stack([e, d]).reshape(2, *s.shape), np.stack([wrong, 2 * noise[1] + lost])


WIDE = 10
"""Octaves of the outer law that are met."""


def _fill(of: WideTables, cells: NDArray[np.intp]) -> None:
    """Make the tables of some cells."""
    (x, matrix), (z, by_c), (y, by_flat) = map(chebyshev_points, (TERMS, SLOPES, FLAT))
    flat, c, tau = (part.ravel() for part in np.meshgrid(y, z, x, indexing="ij"))
    pairs = _unit(*_pairs(cells, tau, c, flat))
    values, _ = _conditioned(of, *pairs)
    lines = np.stack([_line(part, *pairs) for part in of.parts])
    rest = (values - lines) * pairs[0]
    shape = (2, FLAT, SLOPES, TERMS)
    for n, cell in enumerate(cells.tolist()):  # one by one: no number depends on the others
        values = rest[:, n].reshape(shape)
        found = np.einsum("fy,cz,tx,kyzx->fckt", by_flat, by_c, matrix, values, optimize=True)
        of.arrays.coefficients[cell] = found.reshape(FLAT, -1)
    _judge(of, cells, np.abs(rest).max(axis=2))


def _line(part: LineAndRest, s: Array, s_: Array, small: Array) -> Array:
    """E h(u) f(v) of a part, what M/s is added to."""
    rho, sine = 1 - small, np.sqrt(small * (2 - small))
    turn = 2 / math.pi * np.arcsin(rho)
    seen = part.seen((s_ * sine / rho).ravel(), (1 / s_**2).ravel()).reshape(s.shape) / s_
    if part.degree == 0:
        return part.p**2 + part.q**2 * turn + seen
    bent = part.p**2 * rho + part.q**2 * (2 / math.pi * sine + rho * turn)
    return s * s_ * bent + s * sine * seen


def _summed(of: WideTables, cells: NDArray[np.intp], s: Array, s_: Array, small: Array) -> Array:
    """E w(u) w(v) and E w'(u) w'(v) from the tables for s >= s', shape (2, cells, pairs)."""
    o, found = WideRoom.new(), np.empty((2, *s.shape))
    for n, cell in enumerate(cells.tolist()):
        o.pair[:] = np.stack([np.resize(a[n], TOGETHER) for a in (s, s_, small)]).ravel()
        wide_moments(of.arrays, o, cell)
        found[:, n] = o.e[: s.shape[1]], o.d[: s.shape[1]]
    return found


INSIDE = 0.999
"""How far out the corners are."""
CORNERS = np.array([*product((-INSIDE, INSIDE), repeat=2), (0.0, 0.0)])
"""Where the sum is compared, in c and tau; for the smallest s, and others."""
FARTHER = (1.0, 2.0, 8.0)


def _judge(of: WideTables, cells: NDArray[np.intp], top: Array) -> None:
    """Estimate the error of M, and refuse cells where it is too large."""
    _, c, tau = _pairs(cells, CORNERS[:, 1], CORNERS[:, 0], np.zeros(len(CORNERS)))
    first = np.maximum(np.maximum(np.array(LEAST)[cells % 4][:, None], NARROWEST / c), 2 * tau / c)
    s = np.concatenate([first * more for more in FARTHER], axis=1)
    c, tau = (np.tile(part, len(FARTHER)) for part in (c, tau))
    pairs = _unit(s, np.minimum(c, np.sqrt(1 - (tau / s) ** 2)), tau)  # s' <= s
    inside = s < 2.0 ** HIGHEST[0]
    pairs = tuple(np.where(inside, part, part[:, :1]) for part in pairs)
    exact, noise = _conditioned(of, *pairs)
    wrong = SAFETY * np.abs(_summed(of, cells, *pairs) - exact)
    own = [np.zeros_like(part) for part in pairs[:2]]
    norms = [_conditioned(of, s, s, none)[0] for s, none in zip(pairs[:2], own, strict=True)]
    share = (wrong / np.sqrt(norms[0] * norms[1])).max(axis=(0, 2))
    of.noise[:, cells] = noise.reshape(exact.shape).max(axis=2)
    of.error[:, cells] = (wrong * pairs[0]).max(axis=2) + 2**6 * UNIT * top
    good = inside[:, 0] & (share < SHARP) & (noise.reshape(exact.shape).max(axis=(0, 2)) < SHARP)
    of.state[cells] = np.where(good, MADE, REFUSED)


SHARP = 2.0**18 * UNIT
"""An error, relative to norms, from which on a cell is not used."""
