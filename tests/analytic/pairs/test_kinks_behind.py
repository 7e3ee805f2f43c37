"""Large inputs before layers with kinks: pairs come back to the tiles up to a ceiling."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import FullyConnected, Network
from analytic.network import Layer
from analytic.pairs import Close, cheap_entries, left_out_pairs, prepare
from analytic.pairs.nearly_parallel import nearly_parallel_pairs
from analytic.pairs.row_blocks import Series


def _table(n: int) -> np.ndarray:
    """Positive features of different scale, a duplicate and a pair that is nearly parallel."""
    rng = np.random.default_rng(0)
    x = rng.lognormal(0.0, 0.3, (n, 5)) * np.array([3.0, 700.0, 40.0, 0.2, 90.0])
    x[1], x[2] = x[0], x[0] * (1 + 1e-9 * rng.standard_normal(5))
    return x


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hardtanh", "relu6", "tanh"])
def test_pairs_that_come_back_are_those_of_all_layers(name: str) -> None:
    layers: list[Layer] = [FullyConnected(name, bias_std=0.1)] * 3
    problem = prepare(Network(*layers), _table(110), None, 1e-10)
    method, close = problem.method, Close.of(problem.network, problem.diagonal)
    assert isinstance(method, Series)
    assert method.behind is not None
    assert (method.behind.bounds.ceiling < 1) == (name != "tanh")
    i, j = np.triu_indices(110, 1)
    entries = cheap_entries(problem, close, i.size, i, j)
    assert entries
    found = left_out_pairs(problem, close, entries, i, j)
    other, own = nearly_parallel_pairs(close, problem.x[i], problem.x[j], i, j), problem.diagonal
    for value, exact, norms in (
        (found.sigma, other.sigma, own.sigma),
        (found.theta, other.theta, own.theta),
    ):
        size = np.sqrt(norms[i] * norms[j])
        assert (np.abs(value - exact) <= (found.error + other.error) * size).all()
    assert (found.error <= method.error).mean() > 0.99
    assert (found.sigma != other.sigma).mean() > 0.5


def test_pairs_do_not_come_back_in_vain() -> None:
    """Behind two layers of exp(-|x|) all of them are beyond the ceiling."""
    layers: list[Layer] = [FullyConnected("exp(-Abs(x))")] * 3
    method = prepare(Network(*layers), _table(110), None, 1e-10).method
    assert isinstance(method, Series)
    assert method.behind is None
