"""A network and its inputs laid out as arrays, for the compiled recursion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import (
    CLOSE_POWERS,
    KEYS,
    LOW_RANK_WIDTH,
    ROWS_TOGETHER,
    coefficients,
    orders,
    room_of_sums,
)
from analytic.machine import LANES, Array, aligned, padded_length
from analytic.network import Network
from analytic.recursion.certificate import Bounds
from analytic.recursion.close_layouts import Laid, laid_arrays
from analytic.recursion.coefficient_bounds import BATCH
from analytic.recursion.layer_equations import Diagonal, Stage

__all__ = [
    "ROWS",
    "InputTables",
    "Program",
    "Tile",
    "input_tables",
    "new_tile",
    "program",
]

Index = NDArray[np.int64]

ROWS = 32
"""Most rows of a tile."""
MOST_ASKED = 56
"""Numbers of pairs that closed forms have room for."""


class Program(NamedTuple):
    """The layers as arrays, shape (layers,) each, and their error bounds.

    ``even`` and ``odd`` count the coefficients of even and odd order that matter; those of
    a layer stand in the rows of a table from ``first`` on, the even ones first. The sums of
    branches have numbers; those that end at a layer begin with ``junction``. ``shares`` (sums, 2)
    are those of units that are concatenated, 1 for sums.
    """

    weight: Array
    bias: Array
    rate: Array
    bias_rate: Array
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    switches: NDArray[np.bool_]
    junction: NDArray[np.int64]
    shares: Array
    normalizes: NDArray[np.bool_]
    bent: NDArray[np.bool_]
    arcsine: NDArray[np.bool_]  # whether pairs have the closed form of erf
    line: Array
    first: NDArray[np.int64]
    even: NDArray[np.int64]
    odd: NDArray[np.int64]
    bounds: Bounds
    output: Array  # the coefficients of the readout, (4,)
    close: NDArray[
        np.int64
    ]  # ``CloseForm``s: kind, first row, rank, terms, place, asked, column bands, (layers, 7)
    scale: Array  # what scales the arguments of ``CloseForm``s, (layers,)
    bands: NDArray[np.int64]  # of tables, from ``place`` on: as ``Banded``, (bands, 1 + PARTS)
    core: Array  # the numbers of all ``CloseForm``s, one after the other

    @property
    def weights(self) -> int:
        """Coefficients that tables leave for a row of a layer, at most."""
        tables = self.close[self.close[:, 6] > 0]
        return int((4 * tables[:, 2] * tables[:, 3]).max(initial=0))


class InputTables(NamedTuple):
    """The tables of the rows or of the columns, n inputs padded to ``padded_length``."""

    inverse: Array  # 1/s, 0 where s = 0, (layers, n)
    narrow: Array  # 1/sqrt(1 + 2 s^2) where pairs have the closed form of erf, (layers, n)
    mean: Array  # E[w], or the mean that is taken away, (layers, n)
    junctions: Array  # mu of the branches before and of the last one of every sum, (sums, 2, n)
    table: Array  # coefficients b_k, (rows, n)
    close: Array  # what ``CloseForm``s ask of each input, (rows, n)
    band: NDArray[np.int64]  # the band of each input in their tables, (n,)


class Tile(NamedTuple):
    """The state of ROWS x LANES pairs, and room for the series.

    Within a layer sigma holds Lambda and theta holds Gamma.
    """

    sigma: Array  # (rows, lanes), the same for the next seven
    theta: Array
    rho: Array  # only where the odd coefficients or the arc-cosine need it
    x: Array
    value0: Array
    slope0: Array
    value1: Array
    slope1: Array
    left: NDArray[np.bool_]  # pairs that are left out, (rows, lanes)
    departed: NDArray[np.bool_]  # whether a row has such pairs, (rows,)
    group: NDArray[np.int64]  # group of terms of each row, (rows,)
    largest: Array  # its largest |rho|, (rows,)
    kind: NDArray[np.int64]  # of each row or pair (``Bounds``), (rows, 1 or lanes)
    error: Array  # ``ErrorState`` of each row or pair, (3, rows, 1 or lanes)
    stack: Array  # sigma and theta at the open branches, (depth, 2, rows, lanes)
    errors: Array  # their errors, (depth, 3, rows, 1 or lanes)
    kept: Array  # Gamma of pairs beyond the series, (rows, lanes)
    lanes: NDArray[np.int64]  # such lanes, (2 lanes,)
    order: NDArray[np.int64]  # those of some rows by their keys (``sort_by_keys``), (rows, lanes)
    starts: NDArray[np.int64]  # where those of each key begin, (rows, KEYS + 1)
    close: NDArray[np.int64]  # columns of some of these, (width,)
    sums: Array  # ``room_of_sums``
    weights: Array  # coefficients that are left of these for some rows, (numbers, rows)
    some: NDArray[np.int64]  # such rows, (rows,)
    room: Array  # for other sums, (rows, lanes)
    lines: Array  # for closed forms, (rows, lanes)
    bits: NDArray[np.int64]  # its memory


def new_tile(depth: int, by_pair: bool = False, rows: int = ROWS, weights: int = 0) -> Tile:
    """Room for a tile of a network with at most ``depth`` nested branches.

    Args:
        depth: see above.
        by_pair: whether every pair has an error bound of its own.
        rows: of the tile.
        weights: see ``Program``.
    """
    width, lines = LANES if by_pair else 1, aligned(*CLOSE_POWERS)
    return Tile(
        *(aligned(rows, LANES) for _ in range(8)),
        left=np.zeros((rows, LANES), dtype=np.bool_),
        departed=np.zeros(rows, dtype=np.bool_),
        group=np.zeros(rows, dtype=np.int64),
        largest=np.zeros(rows),
        kind=np.zeros((rows, width), dtype=np.int64),
        error=np.zeros((3, rows, width)),
        stack=aligned(max(depth, 1), 2, rows, LANES),
        errors=np.zeros((max(depth, 1), 3, rows, width)),
        kept=aligned(rows, LANES),
        lanes=np.zeros(2 * LANES, dtype=np.int64),
        order=np.zeros((rows, LANES), dtype=np.int64),
        starts=np.zeros((rows, KEYS + 1), dtype=np.int64),
        close=np.zeros(LOW_RANK_WIDTH, dtype=np.int64),
        sums=room_of_sums(),
        weights=aligned(weights, ROWS_TOGETHER),
        some=np.zeros(ROWS_TOGETHER, dtype=np.int64),
        room=aligned(MOST_ASKED, LANES),
        lines=lines,
        bits=lines.view(np.int64),
    )


def program(network: Network, bounds: Bounds, forms: Laid = ()) -> Program:
    """Lay out the network for the compiled recursion.

    Args:
        network: the description.
        bounds: radii and error bounds.
        forms: what takes the place of the series of each layer beyond its radius, if anything does.
    """
    steps = network.steps
    even, odd = bounds.lengths.T.copy()
    first = np.concatenate([[0], np.cumsum(even + odd)[:-1]])
    closes = np.array([step.closes for step in steps], dtype=np.int64)
    lines = [step.layer.activation.bent_line for step in steps]
    shares = [both or (1.0, 1.0) for step in steps for both in step.shares]
    forms = forms or [None] * len(steps)
    close, bands, core = laid_arrays(forms)
    scales = [0.0 if laid is None else laid.form.scale for laid in forms]
    return Program(
        weight=np.array([step.weight for step in steps]),
        bias=np.array([step.bias for step in steps]),
        rate=np.array([step.rate for step in steps]),
        bias_rate=np.array([step.bias_rate for step in steps]),
        opens=np.array([step.opens for step in steps]),
        closes=closes,
        switches=np.array([step.switches for step in steps]),
        junction=np.cumsum(closes) - closes,
        shares=np.array(shares).reshape(-1, 2),
        normalizes=np.array([step.normalizes for step in steps]),
        bent=np.array([line is not None for line in lines]),
        arcsine=bounds.closed,
        line=np.array([line or (0.0, 0.0) for line in lines]) ** 2,
        first=first,
        even=even,
        odd=odd,
        bounds=bounds,
        output=np.array(network.output.coefficients),
        close=close,
        scale=np.array(scales),
        bands=bands,
        core=core,
    )


def input_tables(
    diagonal: Diagonal,
    plan: Program,
    inputs: Sequence[slice | Index],
    room: int = 0,
    known: Sequence[Array] | None = None,
    asked: Sequence[Array | None] = (),
    width: int = LANES,
) -> InputTables:
    """The tables of some inputs of a diagonal, as the compiled recursion reads them.

    Args:
        diagonal: the recursion at x = x'.
        plan: the layers.
        inputs: the inputs wanted, in order, for every layer.
        room: columns that may be read beyond the last one.
        known: the coefficients of all inputs for every layer, if there are any.
        asked: what the forms of ``program`` ask of these inputs.
        width: inputs of a band.
    """
    stages = diagonal.stages
    most = max(s.variance[i].size for s, i in zip(stages, inputs, strict=True))
    padded = padded_length(most + room)
    layers = len(stages)
    result = InputTables(
        inverse=aligned(layers, padded),
        narrow=aligned(layers, padded),
        mean=aligned(layers, padded),
        junctions=aligned(int(plan.closes.sum()), 2, padded),
        table=aligned(int((plan.even + plan.odd).sum()), padded),
        close=aligned(sum(len(part) for part in asked if part is not None), padded),
        band=np.arange(padded) // width,
    )
    for (_, first, *_), part in zip(plan.close, asked, strict=False):
        if part is not None:
            result.close[first : first + len(part), : part.shape[1]] = part
    for row, (stage, chosen) in enumerate(zip(stages, inputs, strict=True)):
        s = stage.deviation[chosen]
        result.inverse[row, : s.size] = 1 / np.where(s > 0, s, np.inf)
        result.mean[row, : s.size] = stage.means[chosen]
        if plan.arcsine[row]:
            result.narrow[row, : s.size] = 1 / np.sqrt(1 + 2 * s**2)
        for number, junction in enumerate(stage.junctions, plan.junction[row]):
            for line, (_, _, mu) in zip(result.junctions[number], junction[:2], strict=True):
                line[: s.size] = mu[chosen]
        if known is None:
            _place(stage, chosen, plan, row, result.table)
        else:
            _copy(known[row], chosen, plan, row, result.table[:, : s.size])
    return result


def _place(stage: Stage, chosen: slice | Index, plan: Program, row: int, table: Array) -> None:
    """Write the coefficients of a layer to its rows of a table, the even ones first."""
    terms = 2 * int(max(plan.even[row], plan.odd[row]))
    activation, s = stage.step.layer.activation, stage.deviation[chosen]
    known, wanted = stage.moments.take(chosen), orders(activation)
    count, first = (plan.odd if wanted.start else plan.even)[row], plan.first[row]
    first += plan.even[row] if wanted.start else 0
    for start in range(0, s.size, BATCH):
        part = slice(start, min(start + BATCH, s.size))
        b = coefficients(activation, s[part], terms, wanted, known=known.take(part)).b
        if wanted.step == 1:
            _copy(b, slice(None), plan, row, table[:, part])
        else:
            table[first : first + count, part] = b[:count]


def _copy(b: Array, chosen: slice | Index, plan: Program, row: int, table: Array) -> None:
    """Write coefficients of some inputs to the rows of a layer; what is not known is 0."""
    first = plan.first[row]
    for parity, count in enumerate((plan.even[row], plan.odd[row])):
        values = b[parity::2][:count]
        target = table[first : first + len(values)]
        if isinstance(chosen, slice):
            target[:] = values[:, chosen]
        else:
            for line, known in zip(target, values, strict=True):
                np.take(known, chosen, out=line, mode="clip")
        first += count
