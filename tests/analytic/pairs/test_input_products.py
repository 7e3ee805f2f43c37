"""Scalar products of inputs: every feature of every row and column counts once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analytic import FullyConnected, Network
from analytic.machine import LANES
from analytic.pairs import prepare, scalar_products
from analytic.recursion import ROWS, new_tile


@pytest.mark.parametrize("rows", [1, 2, ROWS - 1, ROWS])
@pytest.mark.parametrize("features", [1, 5, 8, 64, 137, 300])
def test_products_of_integers_are_exact(features: int, rows: int, rng: np.random.Generator) -> None:
    x, y = (rng.integers(-9, 10, (n, features)).astype(np.float64) for n in (2 * ROWS, 2 * LANES))
    y *= float(features)  # so that the quotient is exact too
    data, tile = prepare(Network(FullyConnected("erf")), x, y, 1e-10).data(), new_tile(0)
    first, lane = ROWS - 1, LANES
    scalar_products(tile, data, first, first + rows, lane)
    expected = x[first : first + rows] @ y[lane:].T / features
    assert_array_equal(tile.sigma[:rows], expected)
