"""Which problems have tiles of large inputs (``near_tiles``), and these laid out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import PARTS, band_width
from analytic.machine import Array, aligned, padded_length
from analytic.pairs.close_inputs import Close
from analytic.pairs.correlation_samples import rough_correlations
from analytic.pairs.entries import cheap_entries, enough, first_layers
from analytic.pairs.near_layers import NearLayer, NearLayers
from analytic.pairs.near_states import NearTiles
from analytic.pairs.pair_sums import some_places
from analytic.pairs.rays import Rays
from analytic.pairs.row_blocks import Series
from analytic.recursion import Problem

__all__ = ["lay_out_near", "with_near_tiles"]

OFTEN = 0.25
"""The share of a sample of pairs that the first layer leaves out, from which on there are."""


def with_near_tiles(problem: Problem) -> Problem:
    """The problem with tiles of large inputs where many pairs are beyond the first series."""
    method = problem.method
    (n, k), own = problem.shape, problem.own
    pairs = n * (n - 1) / 2 if own else n * k
    least = enough(problem.diagonal.stages)
    if not isinstance(method, Series) or pairs < least:
        return problem
    inputs = problem.x if own else np.concatenate([problem.x, problem.y])
    rho = next(rough_correlations(problem.diagonal, inputs, n, own))
    beyond = rho > method.plan.bounds.radius[0, -1]
    left = float(beyond.mean()) * pairs
    i, j = np.nonzero(np.triu(beyond) if own else beyond)
    if left < least or left < OFTEN * pairs:
        return problem
    i, j = some_places(n)[i], some_places(k)[j]
    close = Close.of(problem.network, problem.diagonal)
    entries = cheap_entries(problem, close, round(left), i, j)
    last = entries[-1] if entries else None
    near = first_layers(problem, close, 1) if isinstance(last, Rays) else last
    if not isinstance(near, NearLayers):
        return problem
    tiles = lay_out_near(near, n, own)
    return replace(problem, method=replace(method, near=entries, tiles=tiles))


def lay_out_near(near: NearLayers, n: int, own: bool) -> NearTiles:
    """The first n inputs are the rows; layers without tables ask for nothing."""
    layers, columns = near.layers, slice(0 if own else n, None)
    k = len(near.inverse[columns])
    laid = [layer.laid for layer in layers if layer.laid is not None]
    row_asked = np.concatenate([np.empty((0, n)), *(a.rows for a in laid)])
    column_asked = np.concatenate([np.empty((0, k)), *(a.columns for a in laid)])
    norms = np.array([layer.norms for layer in layers])
    steep = np.cumsum([len(a.rows) for a in laid], dtype=np.intp) - 1
    return NearTiles(
        numbers=_numbers(near),
        sides=np.array([layer.sides for layer in layers]),
        lines=np.array([layer.line for layer in layers]),
        tables=_tables(layers),
        bands=_bands(layers),
        core=np.concatenate([np.empty(0), *(a.numbers for a in laid)]),
        width=band_width(max(n, k)),
        rows=np.ascontiguousarray(norms[:, :, :n]),
        columns=_padded(norms[:, :, columns]),
        row_asked=np.ascontiguousarray(row_asked),
        column_asked=_padded(column_asked),
        row_inverse=near.inverse[:n].copy(),
        column_inverse=_padded(near.inverse[columns]),
        row_served=np.asarray(row_asked[steep].min(axis=0, initial=1.0) > 0),
        column_served=_padded(column_asked[steep].min(axis=0, initial=1.0)) > 0,
        sigma=float(near.close.sigmas[near.depth]),
    )


def _numbers(near: NearLayers) -> Array:
    """Coefficients, errors of inputs, and those of the table of each layer, (layers, 9)."""
    found = [
        (*layer.stage.step.coefficients, *own, *layer.of_table, layer.farthest)
        for layer, own in zip(near.layers, near.own_errors, strict=True)
    ]
    return np.array(found, dtype=float)


def _tables(layers: Sequence[NearLayer]) -> NDArray[np.int64]:
    """First row, psi, terms, first pair of bands, bands of the columns and kind, (layers, 6)."""
    found: list[tuple[int, ...]] = []
    first = start = 0
    for layer in layers:
        if layer.laid is None or layer.table is None:
            found.append((first, 0, 0, start, 0, 0))
            continue
        wide = layer.laid.bands.shape[1]
        table = layer.table
        found.append((first, layer.laid.rank, table.terms, start, wide, table.kind))
        first, start = first + len(layer.laid.rows), start + layer.laid.bands[..., 0].size
    return np.array(found, dtype=np.int64)


def _bands(layers: Sequence[NearLayer]) -> NDArray[np.int64]:
    """Rank of each pair of bands, and where those of its parts begin among those of all layers."""
    found = [np.zeros((0, 1 + PARTS), dtype=np.int64)]
    place = 0
    for layer in layers:
        if layer.laid is None:
            continue
        found.append(layer.laid.bands.reshape(-1, 1 + PARTS) + np.array([0, *[place] * PARTS]))
        place += layer.laid.numbers.size
    return np.concatenate(found)


def _padded(part: Array) -> Array:
    """The columns, the last of them as often as there is room."""
    found = aligned(*part.shape[:-1], padded_length(part.shape[-1]))
    found[..., : part.shape[-1]] = part
    found[..., part.shape[-1] :] = part[..., -1:]
    return found
