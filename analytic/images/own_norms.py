"""What averages make of the norms of the units of images, where pairs carry defects."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analytic.images.defect_averages import pooled
from analytic.images.fields import Pairing, Shifts
from analytic.images.lane_tables import Sight, after_average
from analytic.images.linear_maps import Leave
from analytic.images.next_defects import ways
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields, Room
from analytic.images.shifted_positions import STILL
from analytic.images.shifts import Index
from analytic.images.stretch_layouts import Frame, Layout, all_shifts, run_room
from analytic.images.unit_norms import NormTables
from analytic.machine import Array
from analytic.recursion import NOMINAL, TRIED, AveragedNorms

__all__ = ["enlargement", "norms_behind", "shares", "window_means"]


def norms_behind(
    layout: Layout, place: int, entry: Fields, before: Array
) -> tuple[Array, AveragedNorms | None]:
    """Sigma at equal positions behind a stretch, (n, P'), and what its average makes of norms.

    The means of Phi that enter the next stretch become Phi, in place.

    Args:
        layout: the stretch that ends.
        place: which of the branches that begin there.
        entry: the means (n, shifts, Q) of Phi; its shift 0 has those over a window and itself.
        before: Sigma at equal positions of the stretch, (n, P).
    """
    leave, after, r = layout.stretch.leaves[place], layout.ends[place], np.sqrt(before)
    if not leave.mixes:
        sigma = _sums(layout, after, leave, before)
        if leave.kind != "total":
            return sigma, None
        whole = np.sqrt(sigma)
        unit = r / np.where(whole > 0, whole * np.sqrt(r.shape[1]), np.inf)
        lines = {"norm": np.broadcast_to(whole, r.shape), "unit": unit}
        return sigma, AveragedNorms(lines, None)
    mean = window_means(layout, leave, r)
    lost = entry.sigma[:, 0, : mean.shape[1]]
    sigma = np.maximum(mean**2 - lost, 0)
    spread = np.clip(lost / np.where(mean > 0, mean, np.inf) ** 2, 0, 1)
    lines = {"norm": np.sqrt(sigma), "mean": mean, "spread": spread}
    chords = _apart(after, lines, entry)
    entry.sigma[:, 0] = 0.0
    return sigma, AveragedNorms(lines, chords, shares(layout, after, leave, r))


def shares(layout: Layout, after: Frame, leave: Leave, r: Array) -> Array:
    """That of every r in the sum over its window, and 1 over the sum, (n, 2 ways, P).

    Windows that overlap have a position in several of them, one for each of ``ways``; both
    are 0 where there is none.
    """
    whole = window_means(layout, leave, r) * math.prod(size for size, _ in leave.pools)
    inverse = 1 / np.where(whole > 0, whole, np.inf)
    outside = np.concatenate([inverse, np.zeros((len(r), 1))], axis=1)
    found: list[Array] = []
    for way in ways(leave):
        number = np.zeros(1, dtype=np.int64)
        for positions, ends, pool, back in zip(
            layout.stretch.grid.sides, after.grid.sides, leave.pools, way, strict=True
        ):
            before, more = number[:, None], _windows(positions, ends, *pool, back)
            both = (before >= 0) & (more >= 0)
            number = np.where(both, before * ends + more, -1).ravel()
        found += [r * outside[:, number], outside[:, number]]
    return np.stack(found, axis=1)


def _windows(positions: int, ends: int, size: int, stride: int, back: int) -> Index:
    """The window of each position of an axis, ``back`` before its last one; -1 for none."""
    place = np.arange(positions)
    number = place // stride - back
    inside = (number >= 0) & (number < ends) & (place - stride * number < size)
    return np.where(inside, number, -1)


def _sums(layout: Layout, after: Frame, leave: Leave, before: Array) -> Array:
    """Sums, or means, of Sigma at equal positions where no others are mixed in, (n, P')."""
    n, size = before.shape
    target = NextFields(layout, after, leave, n, Room())
    ends = np.pad(before, ((0, 0), (0, layout.lanes - size)))
    target.add(STILL, Fields(ends, np.zeros_like(ends), np.zeros((2, n))))
    return target.finish().sigma[:, 0, : after.grid.positions].copy()


def _apart(after: Frame, lines: dict[str, Array], entry: Fields) -> Array:
    """Means of Phi at other shifts become Phi; the errors of these for those of ``TRIED``."""
    n = len(lines["norm"])
    sight = {after_average(0): Sight(None, lines)}
    norms = NormTables(sight, (), np.arange(n)[:, None]).lines(after_average(0))
    others = Shifts(*(part[1:] for part in all_shifts(after.grid)))
    pairing, room = Pairing(STILL.row, np.array([0, 1])), run_room(after)
    moved, apart = np.zeros((3, after.lanes)), np.zeros((len(TRIED), 1))
    if entry.matched is None or others.row.size == 0:  # one position behind: no others
        return np.full(len(TRIED), NOMINAL)
    for own, fields, matched in zip(norms, entry.sigma, entry.matched, strict=True):
        means = fields[1:].copy()
        for worst, (chord, gap) in zip(apart, TRIED, strict=True):
            fields[1:] = means
            error = np.array([chord, gap, chord, gap, NOMINAL])[:, None]
            pooled(
                own[None], own[None], pairing, others, after.shape, (room, moved), error,
                matched[1:], fields[1:], worst,
            )  # fmt: skip
    return apart[:, 0]


def window_means(layout: Layout, leave: Leave, values: Array) -> Array:
    """The means over the windows of an average, (n, P')."""
    sizes, (deep, down, right) = zip(*leave.pools, strict=True)
    planes = values.reshape(len(values), *layout.stretch.grid.sides)
    windows = sliding_window_view(planes, sizes, axis=(1, 2, 3))[:, ::deep, ::down, ::right]
    means = windows.mean(axis=(4, 5, 6), dtype=np.longdouble)
    return means.reshape(len(values), -1).astype(np.float64)


def enlargement(roots: Array, after: Array) -> float:
    """The largest (mean_p sqrt(Sigma_pp))^2 / mean_pq Sigma_pq over images and windows.

    Infinite where means of large numbers cancel to 0.
    """
    upper = roots**2
    with np.errstate(over="ignore"):
        ratio = upper / np.where(after > 0, after, np.where(upper > 0, 1e-300, np.inf))
    return max(1.0, float(ratio.max()))
