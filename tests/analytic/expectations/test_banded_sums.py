"""Sums of low rank by bands of inputs, against the table as it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel
from analytic.activation import Activation
from analytic.expectations import (
    LogTable,
    band_width,
    banded,
    near_table,
    room_of_sums,
    sum_listed_pairs,
)
from analytic.machine import LANES, UNIT
from analytic.pairs.layers_behind import _groups

NAMES = ("tanh", "softplus", "erf")
INPUTS = 300
ALLOWED = 2**7 * UNIT
"""What bands leave out, and roundings of either sum: half of what tables count for both."""


def _table(name: str, s: np.ndarray) -> LogTable:
    found = near_table(Activation(name), s)
    assert found is not None
    return found


def _largest_difference(
    table: LogTable, s: np.ndarray, width: int, rng: np.random.Generator
) -> float:
    """Of sums by bands and slow ones, over all pairs of some rows."""
    rows = np.sort(rng.choice(s.size - 1, 25, replace=False))
    i = np.concatenate([np.full(s.size - 1 - row, row) for row in rows])
    j = np.concatenate([np.arange(row + 1, s.size) for row in rows])
    small, sign = 10 ** -rng.uniform(0, 12, i.size), rng.choice([-1.0, 1.0], i.size)
    asked = table.of_inputs(s, np.ones(s.size), np.ones(s.size))
    laid, found = banded(table.sums, asked, asked, width), np.empty((2, i.size))
    sum_listed_pairs(
        table.kind, laid.numbers, laid.bands, width, table.terms, table.farthest, laid.rows,
        laid.columns, i, j, small, sign, room_of_sums(), *found,
    )  # fmt: skip
    steep = table.beta**2 * s[i] * s[j]
    x = np.log1p(steep * small) / np.log1p(steep * table.farthest)
    exact = np.where(sign > 0, *(table.at(s[i], s[j], x, side) for side in (0, 1)))
    return float(np.abs(found - exact).max())


@pytest.mark.slow
@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_bands_leave_nothing_out(name: str, sort: bool, rng: np.random.Generator) -> None:
    """Narrow bands, wide ones, one of all inputs, and a last one of few."""
    s = np.exp(rng.uniform(np.log(6), np.log(90), INPUTS))
    s = np.sort(s) if sort else s
    table = _table(name, s)
    for width in (32, 99, INPUTS):
        assert _largest_difference(table, s, width, rng) <= ALLOWED, width


@pytest.mark.slow
def test_bands_of_one_norm(rng: np.random.Generator) -> None:
    """All inputs of a band are alike: rests of the others' psi may be 0, to the last bit."""
    s = np.repeat([3.75, 10.5, 22.5, 56.0, 70.5, 93.0, 96.5, 97.75, 103.75], 32)
    assert _largest_difference(_table("softplus", np.array([0.5, 140.0])), s, 32, rng) <= ALLOWED


@pytest.mark.slow
def test_neighbours_take_fewer(rng: np.random.Generator) -> None:
    s = np.exp(np.linspace(np.log(0.8), np.log(150), 1000))
    table = _table("tanh", s)
    asked = table.of_inputs(s, s, s)
    ranks = banded(table.sums, asked, asked, 64).bands[0, :, 0]
    assert ranks.max() <= 16
    assert table.rank >= 28


def test_bands_are_whole_tiles() -> None:
    for inputs in (1, LANES, 1500, 16 * LANES + 1, 10**5):
        assert band_width(inputs) % LANES == 0
        assert band_width(inputs) * 16 >= inputs


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "softplus"])
def test_kernels_know_no_order_of_inputs(name: str, rng: np.random.Generator) -> None:
    """Sorted inputs have narrow bands, the same in another order wide ones; rows and columns."""
    x = np.linspace(-60, 60, 700)[:, None]
    network, order = Network(*[FullyConnected(name, bias_std=0.4)] * 2), rng.permutation(len(x))
    whole = kernel(network, x)
    root = np.sqrt(np.diagonal(whole))
    apart = np.abs(whole[np.ix_(order, order)] - kernel(network, x[order]))
    assert (apart / np.outer(root[order], root[order])).max() <= 2e-11
    part = kernel(network, x[:300], x[200:])
    assert (np.abs(whole[:300, 200:] - part) / np.outer(root[:300], root[200:])).max() <= 2e-11


def test_groups_of_pairs_are_of_one_row_and_band(rng: np.random.Generator) -> None:
    """What is read once for all pairs of a group: coefficients of a row and a band."""
    i = np.sort(rng.integers(0, 5, 2000))
    band = np.sort(rng.integers(0, 3, (2000,)) + 3 * i) % 3  # within a row one after the other
    starts = [*_groups(i, band).tolist(), i.size]
    for a, b in pairwise(starts):
        assert 0 < b - a <= LANES
        assert len({*zip(i[a:b].tolist(), band[a:b].tolist(), strict=True)}) == 1
    assert starts[0] == 0
