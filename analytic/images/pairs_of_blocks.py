"""The pairs of images of a block, and where their kernels are stored."""

from __future__ import annotations

import numpy as np

from analytic.images.fields import Pairing
from analytic.images.propagation import Fields, Unwanted
from analytic.images.shifts import Index
from analytic.machine import LANES, UNIT, Array
from analytic.network import Coefficients
from analytic.recursion import RowBlock, kernels_at

__all__ = ["block_pairs", "pairing_of", "store_pairs", "unwanted_lanes"]


def block_pairs(
    row: int, end: int, column: int, copies: int, panels: int, k: int, own: bool
) -> Index:
    """(first image, panel) of the pairs of a block, by panels; of the same images i < j."""
    first = column + copies * np.arange(panels)[:, None]
    wanted = np.arange(row, end) < np.minimum(first + copies, k) - 1 if own else True
    panel, i = np.nonzero(wanted & (first < k) & np.ones(end - row, dtype=bool))
    return np.stack([i, panel], axis=1)


def pairing_of(pairs: Index, panels: int, first: int) -> Pairing:
    """Those pairs as the compiled code reads them; the first image of the block is ``first``."""
    return Pairing(first + pairs[:, 0], np.searchsorted(pairs[:, 1], np.arange(panels + 1)))


def unwanted_lanes(
    pairs: Index, place: tuple[int, int, int, int, bool], positions: int, size: int
) -> Unwanted | None:
    """Those of pairs of a block that ``store_pairs`` leaves out: an image with itself or before.

    Their rho of 1 would ask for all terms of the series; a lane of 0 asks for none. None where all
    lanes are wanted; see ``store_pairs`` for ``place``, and ``size`` is Q.
    """
    row, column, copies, _, own = place
    if not own or copies == 1:
        return None
    wanted = column + copies * pairs[:, 1:] + np.arange(copies) > row + pairs[:, :1]
    some = np.flatnonzero(~wanted.all(axis=1))
    kept = np.zeros((some.size, 1, size))
    kept[:, 0, : copies * positions] = np.repeat(wanted[some], positions, axis=1)
    return Unwanted(some, kept)


def store_pairs(
    state: Fields, output: tuple[Coefficients, float], pairs: Index,
    place: tuple[int, int, int, int, bool], block: RowBlock, bound: Array,
) -> None:  # fmt: skip
    """Write the pairs of a block, and raise the bounds; of the same images only i < j count.

    ``output`` are the coefficients of the readout, and what it rounds; ``place`` is the first row
    and column, the images of a panel, the columns in all, and whether the images are the same.
    """
    row, column, copies, k, own = place
    i = np.repeat(row + pairs[:, 0], copies)
    j = (column + copies * pairs[:, 1:] + np.arange(copies)).ravel()
    chosen = np.flatnonzero((j < k) & (i < j) if own else j < k)
    i, j = i[chosen], j[chosen]
    (coefficients, rounding), outs = output, (block.nngp, block.ntk)
    for values, out in zip(kernels_at(coefficients, *state[:2]), outs, strict=True):
        if out.size:
            found = out[i - block.shift, j] = values.ravel()[chosen]
            if block.mirror:
                out[j, i] = found
    error = np.repeat(state.error.max(axis=0) + UNIT + rounding, copies)[chosen]
    np.maximum.at(bound, (i, j if bound.shape[1] == k else j // LANES), error)
