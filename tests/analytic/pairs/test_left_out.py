"""Pairs that the first layer leaves out, behind it in tiles or one by one: two ways, one kernel."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Dropout, FullyConnected, LayerNorm, Network, Residual
from analytic.pairs.close_inputs import Close
from analytic.pairs.entries import cheap_entries
from analytic.pairs.layers_behind import behind_first_layer
from analytic.pairs.left_out import left_out_pairs
from analytic.pairs.nearly_parallel import behind, first_state, nearly_parallel_pairs
from analytic.pairs.row_blocks import Series
from analytic.request import asked

F, R = FullyConnected, Residual
NETWORKS = {
    "plain": Network(F("tanh"), F("tanh"), F("sigmoid", bias_std=0.2)),
    "first bias": Network(F("tanh", bias_std=0.3), F("softplus", weight_std=0.9)),
    "residual": Network(F("sigmoid"), R(F("tanh")), R(F("tanh"), F("sigmoid")), F("tanh")),
    "dropout": Network(F("tanh"), Dropout(0.2), F("tanh")),
    "normalised": Network(F("tanh"), LayerNorm(), F("tanh")),
    "rates": Network(F("tanh", weight_rate=0.5), F("tanh", weight_rate=0.1, bias_rate=2.0)),
}


def _table(seed: int, n: int) -> np.ndarray:
    """Positive features of different scale; a duplicate, opposite ones, a pair at 1e-7."""
    x = 100 * np.abs(np.random.default_rng(seed).standard_normal((n, 4))) * [1.0, 0.1, 0.01, 5.0]
    x[1], x[2], x[3] = x[0], -x[0], x[0] * (1 + 1e-7)
    return x


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("own", [True, False])
def test_both_ways_agree(name: str, own: bool) -> None:
    x, y = _table(5, 40), _table(6, 60)
    y[5] = x[4]
    problem = asked(NETWORKS[name], x, None if own else y, "both", 1e-9, "cpu")
    close = Close.of(problem.network, problem.diagonal)
    i, j = np.triu_indices(40, 1) if own else np.divmod(np.arange(40 * 60), 60)
    column = j if own else j + 40
    found = left_out_pairs(problem, close, cheap_entries(problem, close, 10**5, i, j), i, j)
    other = nearly_parallel_pairs(close, x[i], problem.y[j], i, column)
    assert np.isfinite(found.sigma).all()
    assert (found.sigma != other.sigma).any()  # they are two ways
    ends = problem.diagonal
    for part, one in (("sigma", ends.sigma), ("theta", ends.sigma + ends.theta)):
        a, b = (
            value.sigma if part == "sigma" else value.sigma + value.theta
            for value in (found, other)
        )
        wrong = np.abs(a - b) / np.sqrt(one[i] * one[column])
        assert (wrong <= found.error + other.error).all()
        assert found.error.max() < 1e-9
        assert wrong.max() > 0


def test_errors_of_the_first_layer_reach_the_kernel() -> None:
    x = _table(5, 40)
    problem = asked(NETWORKS["plain"], x, None, "both", 1e-9, "cpu")
    method, i, j = problem.method, *np.triu_indices(40, 1)
    assert isinstance(method, Series)
    assert method.behind is not None
    close = Close.of(problem.network, problem.diagonal)
    first = behind(close, first_state(close, x[i], x[j], i, j), i, j)
    quiet = behind_first_layer(method, method.behind, first, i, j).error
    for part in range(2):
        loud = first.error.copy()
        loud[part] += 1e-3
        error = behind_first_layer(method, method.behind, first._replace(error=loud), i, j).error
        assert (error - quiet > 1e-6).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_tiles_and_groups_of_a_row_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pairs missing at random: a few thousand roundings apart, which amplify."""
    rng = np.random.default_rng(3)
    n = 150
    problem = asked(NETWORKS[name], _table(5, n), None, "both", 1e-9, "cpu")
    method, (i, j) = problem.method, np.triu_indices(n, 1)
    assert isinstance(method, Series)
    assert method.behind is not None
    kept = (rng.random(i.size) < 0.8) & (i != 40) & ((j < 128) | (i > 70))
    i, j = i[kept], j[kept]
    close = Close.of(problem.network, problem.diagonal)
    first = behind(close, first_state(close, problem.x[i], problem.x[j], i, j), i, j)
    found = []
    for dense in (True, False):
        monkeypatch.setattr("analytic.pairs.layers_behind.are_dense", lambda *_, dense=dense: dense)
        found.append(behind_first_layer(method, method.behind, first, i, j))
    tiles, groups = found
    both = np.isfinite(tiles.error) & np.isfinite(groups.error)
    assert both.mean() > 0.5
    ends = problem.diagonal
    for a, b, one in (
        (tiles.sigma, groups.sigma, ends.sigma),
        (tiles.sigma + tiles.theta, groups.sigma + groups.theta, ends.sigma + ends.theta),
    ):
        wrong = np.abs(a - b) / np.sqrt(one[i] * one[j])
        assert (wrong <= tiles.error + groups.error)[both].all()
