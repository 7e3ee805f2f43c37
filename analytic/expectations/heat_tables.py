r"""An activation smoothed by a normal law, on fixed nodes: what conditioning asks of it.

    W(y, tau)  = E w(y + tau b)
    W'(y, tau) = E w'(y + tau b)
    V(y, tau)  = Var w(y + tau b) / tau^2          tends to w'(y)^2 as tau -> 0

with b standard normal, as Chebyshev series in tau on every octave for each node y of
``outer_nodes``: fine where w bends, at 0. A kink there costs a tiny beta: geometric nodes resolve W
at all tau; where tau exceeds some beta, fewer nodes on each half of the line do.

Legend: beta the ``scale`` of the nodes; segment k > 0 holds the tau of half an octave from
2^(lowest + (k - 1)/2), segment 0 all tau below 2^lowest, in tau^2, or 0 alone beside a kink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.halved_steps import outer_errors
from analytic.expectations.outer_nodes import OuterNodes
from analytic.expectations.smoothing import REACH, smoothed, starts
from analytic.machine import UNIT, Array

__all__ = ["Heat", "chebyshev_points", "empty_heat"]

DEGREES = 20
"""Chebyshev coefficients in tau, a multiple of 4."""


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """The tables of an activation; the segments are filled when they are first wanted.

    Attributes:
        activation: w.
        rule: the nodes.
        lowest: tau below 2^lowest are taken together.
        highest: standard deviations stay below 2^highest.
        smooth: whether w has no kink at 0.
        parity: -1 if w is odd, 1 if it is even, and 0 otherwise.
        nodes: y, shape (q,), symmetric about 0; only those from 0 on if w has a parity.
        lengths: dy/dt times the step, the trapezoidal rule in t, shape (q,).
        table: coefficients of W, W', V, shape (segments, q, 3, DEGREES).
        narrowed: coefficients of w(y/kappa), w'(y/kappa) in log kappa on half octaves of kappa,
            shape (half octaves, q, 2, DEGREES).
        degrees: coefficients of W, W', V that matter, in fours, (segments, q, 3).
        degrees_narrowed: the same of ``narrowed``, (half octaves, q, 2).
        noise: errors of W, W', V relative to their norms, of each filled segment, (segments, 3).
        noise_narrowed: the same, (octaves, 2).
        outer: relative error of the sum over the nodes for every octave of sigma.
    """

    activation: Activation
    rule: OuterNodes
    lowest: int
    highest: int
    smooth: bool
    parity: int
    nodes: Array
    lengths: Array
    table: Array
    narrowed: Array
    degrees: NDArray[np.int64]
    degrees_narrowed: NDArray[np.int64]
    noise: Array
    noise_narrowed: Array
    outer: Array
    lock: Lock = field(default_factory=Lock)

    @property
    def middle(self) -> int:
        """Where y = 0."""
        return 0 if self.parity else self.nodes.size // 2

    @property
    def resolved(self) -> bool:
        """Whether the sum over the nodes is exact to some roundings, where w is not too large."""
        outer = self.outer[-14:]
        return bool(outer[np.isfinite(outer)].max(initial=0.0) <= 2**7 * UNIT)

    @property
    def unresolved(self) -> float:
        """What E W'_1 W'_2 may err by, times sigma, as a jump of w' is at least 2^lowest wide.

        Tables with a rule for each half of the line are used for larger tau only.
        """
        left, right = self.activation.derivatives(np.array([-1e-300, 1e-300]), 1)[1]
        size = (
            0.0
            if self.smooth or self.rule.halves
            else abs(right - left) * max(abs(left), abs(right))
        )
        return float(2.0 ** (self.lowest + 1) * size)

    def fill(self, segments: NDArray[np.intp]) -> None:
        """Make the tables of these segments, if they are missing.

        Of nodes where float64 cannot hold w nothing is known, and so of the segment.
        """
        with self.lock, np.errstate(over="ignore", invalid="ignore"):
            for k in np.unique(segments).tolist():
                if np.isnan(self.noise[k, 0]):
                    self.table[k], self.degrees[k], self.noise[k] = _segment(self, k)

    def fill_narrowed(self, octaves: NDArray[np.intp]) -> None:
        """The same for octaves of kappa."""
        with self.lock, np.errstate(over="ignore", invalid="ignore"):
            for k in np.unique(octaves).tolist():
                if np.isnan(self.noise_narrowed[k, 0]):
                    found = _octave(self, k)
                    self.narrowed[k], self.degrees_narrowed[k], self.noise_narrowed[k] = found


def empty_heat(
    activation: Activation, scale: float, step: float, highest: int, smooth: bool, halves: bool
) -> Heat:
    """Tables without entries, and what the sum over their nodes errs by.

    Args:
        activation: w.
        scale: beta.
        step: of the nodes.
        highest: octave of the largest standard deviation.
        smooth: whether w has no kink at 0.
        halves: whether each half of the line has its own rule.
    """
    rule = OuterNodes.reaching(1.5 * REACH * 2.0 ** (highest + 1), scale, step, halves)
    nodes, lengths, _ = rule.rule()
    parity = {"odd": -1, "even": 1, None: 0}[activation.parity]
    if parity:
        nodes, lengths = nodes[rule.half :], lengths[rule.half :]
        lengths[1:] *= 2
    lowest = round(math.log2(scale)) + (2 if halves else -3 if smooth else 4)
    segments = 2 * (highest + 1 - lowest) + 1
    return Heat(
        activation, rule, lowest, highest, smooth, parity,
        nodes=nodes,
        lengths=lengths.astype(np.float64),
        table=np.zeros((segments, nodes.size, 3, DEGREES)),
        narrowed=np.zeros((2 * WIDEST, nodes.size, 2, DEGREES)),
        degrees=np.zeros((segments, nodes.size, 3), dtype=np.int64),
        degrees_narrowed=np.zeros((2 * WIDEST, nodes.size, 2), dtype=np.int64),
        noise=np.full((segments, 3), np.nan),
        noise_narrowed=np.full((2 * WIDEST, 2), np.nan),
        outer=outer_errors(activation, rule, highest, smooth, 2.0**lowest),
    )  # fmt: skip


WIDEST = 32
"""Octaves of the quotient kappa of two standard deviations."""


def chebyshev_points(count: int) -> tuple[Array, Array]:
    """The points, and the matrix from values there to Chebyshev coefficients."""
    phase = np.outer(np.arange(count), 2 * np.arange(count) + 1) % (4 * count)
    matrix = np.cos(np.pi / (2 * count) * phase) * (2 / count)
    points = matrix[1] * (count / 2)
    matrix[0] /= 2
    return points, matrix


def _segment(h: Heat, k: int) -> tuple[Array, NDArray[np.int64], Array]:
    """Coefficients, their numbers and the noise of W, W', V on a segment."""
    if k == 0 and not h.smooth:
        return _as_it_is(h)
    points, matrix = chebyshev_points(DEGREES)
    top = 2.0 ** (h.lowest + k / 2)
    taus = top * np.sqrt((points + 1) / 2) if k == 0 else top * 2.0 ** ((points - 1) / 4)
    bend, plain = (h.rule.scale, 8 * 2.0**h.lowest) if h.smooth else (1.0, 0.0)
    start = starts(h.activation, h.nodes, top, plain)
    rises, fewer = (
        smoothed(h.activation, h.nodes, part, order, bend, plain, start)  # (3, taus, q)
        for part, order in ((taus, 32), (taus[FEW], 28))
    )
    other = np.abs(fewer - rises[:, FEW]).max(axis=1)
    whole = np.stack([*start, start[1] ** 2])[:, None]
    return _finished(matrix @ rises, whole, _norms(h, rises + whole, taus), other)


def _as_it_is(h: Heat) -> tuple[Array, NDArray[np.int64], Array]:
    """The same at tau = 0, where w has a kink: w, w' and w'^2, a jump half of either side."""
    w, w1 = h.activation.derivatives(h.nodes, 1)
    middle = h.middle
    left = w1[middle - 1] if middle else w1[middle + 1]
    w1 = np.array(w1)
    w1[middle] = (left + w1[middle + 1]) / 2
    series = np.zeros((h.nodes.size, 3, DEGREES))
    series[..., 0] = np.stack([w, w1, w1**2], axis=1)
    return series, np.full(series.shape[:2], 4), np.full(3, 4 * UNIT)


FEW = slice(0, None, 9)
"""The tau at which a second inner rule is tried."""


def _octave(h: Heat, k: int) -> tuple[Array, NDArray[np.int64], Array]:
    """The same of w(y/kappa) and w'(y/kappa) for half an octave of kappa from 2^(k/2)."""
    points, matrix = chebyshev_points(DEGREES)
    kappa = 2.0 ** (k / 2 + (points + 1) / 4)
    values = np.stack(h.activation.derivatives(h.nodes / kappa[:, None], 1))
    if not h.smooth:  # a jump at a node counts half of either side
        middle = h.middle
        left = values[:, :, middle - 1] if middle else values[:, :, middle + 1]
        values[1, :, middle] = ((left + values[:, :, middle + 1]) / 2)[1]
    mean = _inner_means(h, np.abs(values).max(axis=1))
    start = values[:, [DEGREES // 2]]
    return _finished(matrix @ (values - start), start, mean, np.zeros_like(mean))


def _finished(
    series: Array, start: Array, norm: Array, other: Array
) -> tuple[Array, NDArray[np.int64], Array]:
    """Leave out coefficients below rounding; the noise is what is left out, and ``other``.

    Args:
        series: coefficients of the functions less ``start``, (c, DEGREES, q).
        start: what is the same for all tau or kappa, (c, 1, q).
        norm: what errors are relative to, (c, q).
        other: how far a second rule is away, (c, q).
    """
    series[:, :1] += start
    norm = np.where(norm > 0, norm, np.inf)
    rests = np.cumsum(np.abs(series[:, ::-1]), axis=1)[:, ::-1] / norm[:, None]  # (c, degrees, q)
    last = rests[:, -2].max(axis=1)
    least = np.maximum(2 * last, UNIT)
    degrees = 4 * -(-np.sum(rests > least[:, None, None], axis=1) // 4)  # (c, q)
    lost = np.take_along_axis(np.pad(rests, ((0, 0), (0, 1), (0, 0))), degrees[:, None], axis=1)
    noise = 2 * (lost.max(axis=(1, 2)) + last + (other / norm).max(axis=1)) + 4 * UNIT
    return series.transpose(2, 0, 1), degrees.T, np.where(np.isfinite(noise), noise, 1 / UNIT)


def _norms(h: Heat, values: Array, taus: Array) -> Array:
    """Means over |y'| <= |y| of the conditional roots of E w^2 and V; squared for V, (3, q).

    By Hardy's inequality an error below eps times such a mean at every node is below 2 eps
    in the norm of any law that decreases in |y|.
    """
    w, _, v = values
    root = np.sqrt(np.maximum(v, 0)).max(axis=0)
    size = np.sqrt(w**2 + taus[:, None] ** 2 * np.maximum(v, 0)).max(axis=0)
    w_mean, v_mean = _inner_means(h, np.stack([size, root]))
    return np.stack([w_mean, v_mean, v_mean**2])


def _inner_means(h: Heat, f: Array) -> Array:
    """Means of each row over |y'| <= |y|."""
    middle, lengths = h.middle, h.lengths[h.middle :]
    both = f if middle == 0 else (f + f[:, ::-1])[:, middle:] / 2
    mean = np.cumsum(both * lengths, axis=1) / np.maximum(np.cumsum(lengths), 1e-300)
    return mean if middle == 0 else np.concatenate([mean[:, :0:-1], mean], axis=1)
