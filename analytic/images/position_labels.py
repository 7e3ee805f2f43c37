"""Which positions of some images are known to be one unit, whatever was rounded.

Equal pixels are one unit, and so is what reads the same units in the same places; of an average the
order does not matter. Numbers stand for units, and ``NOTHING`` for those that are 0, like what lies
outside: a blank border is as good as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analytic.images.position_readings import Reading, Window
from analytic.images.shifts import Index
from analytic.machine import Array
from analytic.network import Network, Step, fold

__all__ = ["NOTHING", "Labels", "labels_of"]

NOTHING = -1


class Labels(NamedTuple):
    """The numbers of units, (n, P) each.

    Attributes:
        start: of the pixels.
        averages: behind the averages before every layer, and before the readout.
        layers: behind every layer.
        sums: behind every sum that ends at a layer.
    """

    start: Index
    averages: list[list[Index]]
    layers: list[Index]
    sums: list[list[Index]]


def labels_of(
    network: Network, readings: Sequence[Reading], readout: Sequence[Window], x: Array
) -> Labels:
    """Those of images (n, P, channels)."""
    n, positions, channels = x.shape
    start = _numbered(x.reshape(-1, channels) + 0.0).reshape(n, positions)
    start[~x.any(axis=2)] = NOTHING
    found = Labels(start, [], [], [[] for _ in readings])

    def averaged(part: tuple[Step, Reading], given: Index) -> Index:
        return behind(part[1].averages, given)

    def behind(averages: Sequence[Window], given: Index) -> Index:
        found.averages.append([])
        for window in averages:
            read = given[:, window.source].transpose(0, 2, 1)
            given = _numbers(np.sort(read, axis=2) if window.mixes else read)
            found.averages[-1].append(given)
        return given

    def after(part: tuple[Step, Reading], given: Index) -> Index:
        step, reading = part
        if step.noise > 1:  # every unit has its own
            given = np.arange(given.size).reshape(given.shape)
        elif step.over_positions:  # the same units in other company
            company = _numbers(np.sort(given, axis=1)[:, None])
            given = _numbers(np.stack(np.broadcast_arrays(given, company), axis=2))
        else:
            around = np.concatenate([given, np.full((len(given), 1), NOTHING)], axis=1)
            given = _numbers(around[:, reading.source].transpose(0, 2, 1), _keeps_nothing(step))
        found.layers.append(given)
        return given

    def added(_: tuple[Step, Reading], __: int, total: Index, branch: Index) -> Index:
        given = _numbers(np.stack([total, branch], axis=2))
        found.sums[len(found.layers) - 1].append(given)
        return given

    parts = list(zip(network.steps, readings, strict=True))
    last = fold(parts, start, after, added, step=lambda part: part[0], averaged=averaged)
    behind(readout, last)
    return found


def _keeps_nothing(step: Step) -> bool:
    """Whether units are 0 behind those that are."""
    return step.normalizes or (step.bias == 0 and float(step.layer.activation(0.0)) == 0)


def _numbers(rows: Index, keeps: bool = True) -> Index:
    """A number for each different row of (n, P, length), (n, P); ``NOTHING`` for rows of it."""
    found = _numbered(rows.reshape(-1, rows.shape[2])).reshape(rows.shape[:2])
    return np.where(keeps & (rows == NOTHING).all(axis=2), NOTHING, found)


def _numbered(rows: np.ndarray) -> Index:
    """The same of (rows, length)."""
    if rows.shape[1] == 1:
        return np.unique(rows[:, 0], return_inverse=True)[1].astype(np.int64)
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
