r"""Tables for pairs of wide deviations (``wide_pairs``), made cell by cell when they are wanted.

The values at the Chebyshev points of a cell come from conditioning (``wide_values``), less what has
a closed form; so do those at some of its corners, which tell how far the finished sum is away
there: where polynomials are interpolated, the corners are worst. That is an estimate, not a proof.
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
from analytic.expectations.heat_choice import HIGHEST
from analytic.expectations.heat_tables import chebyshev_points
from analytic.expectations.series_lanes import TOGETHER
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
from analytic.expectations.wide_values import PairValues, pair_values_of
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
        values: E and D of pairs, slowly.
        parts: line and rest of w and of w'.
        arrays: what is summed.
        state: 0 for cells that are not made, MADE or REFUSED, (cells + 1,); the last is none.
        error: what M may err by, for w and w', (2, cells).
        noise: errors of what the tables are made of, relative to norms, the same.
    """

    values: PairValues
    parts: tuple[LineAndRest, LineAndRest]
    arrays: WideArrays
    state: NDArray[np.int8]
    error: Array
    noise: Array
    lock: Lock = field(default_factory=Lock)

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
    """Those of an activation, or None where it has no lines, no rest, or no way to its values."""
    parts = line_and_rest(activation) if activation.bent_line is None else None
    values = pair_values_of(activation, parts[0].degree) if parts is not None else None
    if parts is None or values is None:
        return None
    w, slope = parts
    turn, both = 2 / math.pi, math.sqrt(2 / math.pi)
    squares = [
        f * a**2
        for part in (w.steps, w.slopes, slope.steps)
        for f, a in zip((1, turn), part, strict=True)
    ]
    (p, q), (p_, q_) = w.steps, w.slopes
    ends = np.array(PLACES)
    arrays = WideArrays(
        aligned(CELLS, FLAT, SLOPES * 2 * TERMS),
        np.stack([_seen(w, 0), _seen(w, 1), _seen(slope, 0)]),
        1 / _tau(np.arange(QUARTERS), np.array(-1.0)),
        np.column_stack([2 / np.diff(ends), (ends[1:] + ends[:-1]) / 2, LEAST]),
        np.array([*squares, both * q * p_, both * p * q_]),
    )
    state = np.zeros(CELLS + 1, dtype=np.int8)
    return WideTables(values, parts, arrays, state, np.zeros((2, CELLS)), np.zeros((2, CELLS)))


def _tau(quarter: NDArray[np.intp], x: Array) -> Array:
    """The tau at x in [-1, 1] of quarters of octaves; shapes are broadcast."""
    return 2.0 ** (quarter / 4 + OCTAVES[0]) * (1 + (EDGES[1] - 1) * (x + 1) / 2)


def _flat(x: Array, narrowest: Array | float) -> Array:
    """1/s^2 at x, where that is at most 1/narrowest^2."""
    return (x + 1) / (2 * narrowest**2)


def _seen(part: LineAndRest, degree: int) -> Array:
    """Coefficients of ``part.seen`` on all cells, shape (LINES, FLAT * TERMS)."""
    (x, matrix), (y, by_flat) = chebyshev_points(TERMS), chebyshev_points(FLAT)
    taus = _tau(np.arange(LINES)[:, None, None], x[:, None])
    taus, flat = np.broadcast_arrays(taus, _flat(y, NARROWEST))  # (LINES, TERMS, FLAT)
    values = part.seen(taus.ravel(), flat.ravel(), degree).reshape(taus.shape)
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


def _fill(of: WideTables, cells: NDArray[np.intp]) -> None:
    """Make the tables of some cells."""
    (x, matrix), (z, by_c), (y, by_flat) = map(chebyshev_points, (TERMS, SLOPES, FLAT))
    flat, c, tau = (part.ravel() for part in np.meshgrid(y, z, x, indexing="ij"))
    pairs = _unit(*_pairs(cells, tau, c, flat))
    values, _ = of.values(*pairs)
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
    turn, both = 2 / math.pi * np.arcsin(rho), math.sqrt(2 / math.pi) * (s + s_)
    (p, q), (p_, q_) = part.steps, part.slopes
    t, flat = (s_ * sine / rho).ravel(), (1 / s_**2).ravel()
    step, slope = (part.seen(t, flat, k).reshape(s.shape) / s_ for k in (0, 1))
    bent = p_**2 * rho + q_**2 * (2 / math.pi * sine + rho * turn)
    lines = s * s_ * bent + (q * p_ * rho + p * q_) * both + (p**2 + q**2 * turn)
    return lines + (s * sine * slope + step)


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
    exact, noise = of.values(*pairs)
    wrong = SAFETY * np.abs(_summed(of, cells, *pairs) - exact)
    own = [np.zeros_like(part) for part in pairs[:2]]
    norms = [of.values(s, s, none)[0] for s, none in zip(pairs[:2], own, strict=True)]
    share = (wrong / np.sqrt(norms[0] * norms[1])).max(axis=(0, 2))
    of.noise[:, cells] = noise.reshape(exact.shape).max(axis=2)
    of.error[:, cells] = (wrong * pairs[0]).max(axis=2) + 2**6 * UNIT * top
    good = inside[:, 0] & (share < SHARP) & (noise.reshape(exact.shape).max(axis=(0, 2)) < SHARP)
    of.state[cells] = np.where(good, MADE, REFUSED)


SHARP = 2.0**18 * UNIT
"""An error, relative to norms, from which on a cell is not used."""
