"""The cells of a sweep: no network twice, and what their results give together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from analytic import FullyConnected, Network
from compare.rate.network_cells import _network, _numbers
from compare.rate.width_sweep import _cells, _group
from compare.rho import square_norms

NETWORK = Network(FullyConnected("tanh"))


def test_no_network_of_a_sweep_occurs_twice() -> None:
    """The first weights of all networks of all cells of all widths are different."""
    widths, seeds = [2048, 4096, 8192], [17, 9, 5]
    cells = list(_cells(NETWORK, widths, seeds, {}, None, "cpu", torch.float64))
    assert len(cells) == 3 + 3 + 3  # several for each width
    x, first = np.ones((1, 3)), []
    for cell in cells:
        assert cell.count <= 2**14 // cell.width
        for number in _numbers(cell):
            weights = next(_network(cell, cell.width, number, x).parameters())
            first.append(float(weights.detach().ravel()[0]))
    assert len(first) == sum(seeds)
    assert len(set(first)) == len(first)
    for width, count in zip(widths, seeds, strict=True):
        assert sum(cell.count for cell in cells if cell.width == width) == count


@pytest.mark.parametrize("population", [None, 9])
def test_the_bias_is_the_mean_over_pairs_of_different_networks(
    population: int | None, rng: np.random.Generator
) -> None:
    e = rng.standard_normal((5, 4, 4))
    cells = [
        {
            "distances": square_norms(part, population),
            "total": part.sum(axis=0),
            "rounding": np.array(rounding),
        }
        for part, rounding in ((e[:2], 0.5), (e[2:], np.nan))
    ]
    found = _group(cells, population)

    def product(a: np.ndarray, b: np.ndarray) -> float:
        plus, minus = square_norms(a + b, population), square_norms(a - b, population)
        return float(plus - minus) / 4

    pairs = [product(e[s], e[t]) for s in range(5) for t in range(5) if s != t]
    assert_allclose(found.bias, np.mean(pairs), rtol=1e-12)
    assert_allclose(found.distances, square_norms(e, population), rtol=1e-15)
    assert found.rounding == 0.5
