"""Tables of activations with kinks at 0 against panels in two dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracles.lanes import sums_of_row
from oracles.pieces import dual

from analytic.activation import Activation
from analytic.expectations import KinkTable, kink_table
from analytic.expectations.activation_moments import moments
from analytic.expectations.heat_tables import chebyshev_points
from analytic.expectations.rank_reduction import low_rank

RANGES = {"exp(-abs(x))": (0.3, 0.9), "selu": (0.1, 5.0), "softsign": (0.1, 0.7)}


def _table(name: str, farthest: float = 0.2) -> KinkTable:
    found = kink_table(Activation(name), np.array(RANGES[name]), farthest)
    assert found is not None
    return found


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", RANGES)
def test_sums_agree_with_panels(name: str, side: int) -> None:
    activation, table, rng = Activation(name), _table(name), np.random.default_rng(side)
    low, high = np.log(RANGES[name])
    s = np.exp(rng.uniform(low, high, 17))
    small = table.farthest * 10 ** rng.uniform(-5, 0, 16)
    given = moments(activation, s)
    r, slope = np.sqrt(given.second), np.sqrt(given.slope)
    found = sums_of_row(table, side, s, r, given.slope, small)
    for k in range(16):
        rho = float((1 - 2 * side) * (1 - small[k]))
        for order, norm in enumerate((r, slope)):
            exact = dual(
                lambda x, n=order: activation.derivatives(x, n)[n],
                (0.0,), float(s[0]), float(s[k + 1]), rho,
            )  # fmt: skip
            bound = (table.error + 4e-14) * norm[0] * norm[k + 1]  # the oracle has some 1e-14
            assert abs(found[order, k] - exact) <= bound, (k, order)


def test_errors_are_small() -> None:
    for name in RANGES:
        assert _table(name).error < 1e-12


def test_a_table_serves_a_range_of_half_octaves() -> None:
    s = np.array([0.51, 0.69])
    assert _table("exp(-abs(x))") is not kink_table(Activation("exp(-abs(x))"), s, 0.2)
    assert kink_table(Activation("selu"), s, 0.2) is kink_table(Activation("selu"), s + 0.01, 0.15)


def test_there_is_none_where_it_would_not_serve() -> None:
    """Too wide a range of deviations, too large an angle, kinks elsewhere."""
    s = np.array([0.5, 0.6])
    assert kink_table(Activation("selu"), np.array([0.01, 5.0]), 0.2) is None
    assert kink_table(Activation("selu"), s, 0.75) is None
    assert kink_table(Activation("hardswish"), s, 0.2) is None


def test_a_rank_that_the_points_cut_short_is_filled_up(rng: np.random.Generator) -> None:
    """14 points for an octave, and noise that needs them all: sums go by fours, of 0 at the end."""
    (_, by_s), (_, by_x) = chebyshev_points(14), chebyshev_points(24)
    sums = low_rank(rng.standard_normal((2, 2, 105, 24)), by_s, by_x, 2.0**-46)
    table = KinkTable(sums, 0.0, math.log(0.5), 0.0, 0.2)
    s, small = np.exp(rng.uniform(math.log(0.5), 0.0, 9)), rng.uniform(0, 0.2, 8)
    found = sums_of_row(table, 0, s, np.ones(9), np.ones(9), small)
    exact = table.at(np.full(8, s[0]), s[1:], np.sqrt(small / 2), 0)
    assert np.allclose(found, exact, rtol=0, atol=1e-11)
