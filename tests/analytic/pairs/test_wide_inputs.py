"""Inputs that nobody scaled: the first layer by tables and by conditioning, one kernel."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Dropout, FullyConnected, Network, Residual, kernel, kernel_estimate
from analytic.pairs.close_inputs import Close
from analytic.pairs.entries import cheap_entries
from analytic.pairs.left_out import left_out_pairs
from analytic.pairs.nearly_parallel import behind, first_state, nearly_parallel_pairs
from analytic.pairs.wide_inputs import WideInputs
from analytic.request import asked

F = FullyConnected
NETWORKS = {
    "softplus": Network(F("softplus")),
    "tanh": Network(F("tanh")),
    "through": Network(F("softplus"), F("gelu", bias_std=3.0, weight_rate=0.3), F("softplus")),
    "bias": Network(F("sigmoid", bias_std=20.0)),
    "frozen": Network(F("tanh", weight_std=0.01, bias_std=1e4, bias_rate=0.0, weight_rate=1e9)),
    "three": Network(F("sigmoid", weight_std=2.0), F("tanh"), F("softplus")),
    "residual": Network(F("tanh", weight_std=2.0, bias_std=1.0), Residual(F("tanh"))),
    "rates": Network(F("sigmoid", weight_rate=0.25, bias_rate=3.0), Dropout(0.3), F("tanh")),
}


def _table(seed: int, n: int, features: int = 11) -> np.ndarray:
    """Positive features of different scale: nearly parallel rows of very different norms."""
    rng = np.random.default_rng(seed)
    scale = np.exp(-np.arange(features) / 2)
    rows = 1000 * np.abs(1 + 0.1 * rng.standard_normal((n, features))) * scale
    return rows * np.exp(rng.uniform(-0.7, 0.7, (n, 1)))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("own", [True, False])
def test_the_first_layer_agrees_with_conditioning(name: str, own: bool) -> None:
    x, y = _table(1, 60), _table(2, 70)
    problem = asked(NETWORKS[name], x, None if own else y, "both", 1e-10, "cpu")
    close = Close.of(problem.network, problem.diagonal)
    wide = WideInputs.of(close, x.shape[1], problem.method.error, 1)
    assert wide is not None
    i, j = np.triu_indices(60, 1) if own else np.divmod(np.arange(60 * 70), 70)
    shift = 0 if own else 60
    served, (sigma, theta, of_sigma, of_theta) = wide.behind(problem.x, problem.y, i, j, shift)
    assert served.size > 0.8 * i.size
    i, j = i[served], j[served]
    other = behind(close, first_state(close, x[i], problem.y[j], i, j + shift), i, j + shift)
    ends = problem.diagonal.stages[0].end
    for part, found, error in ((0, sigma, of_sigma), (1, theta, of_theta)):
        own_ = ends[part]
        norm = np.sqrt(own_[i] * own_[j + shift])
        exact = (other.sigma, other.theta)[part]
        assert (np.abs(found - exact) <= (error + other.error[part]) * norm).all()
        assert (found != exact).any()
        assert error.max() < 3e-11


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_both_ways_agree_behind_all_layers(name: str) -> None:
    x = _table(3, 60)
    x[1], x[2], x[3] = x[0], -x[0], x[0] * (1 + 1e-7)  # these have no tables
    problem = asked(NETWORKS[name], x, None, "both", 1e-10, "cpu")
    close = Close.of(problem.network, problem.diagonal)
    i, j = np.triu_indices(60, 1)
    found = left_out_pairs(problem, close, cheap_entries(problem, close, 10**5, i, j), i, j)
    other = nearly_parallel_pairs(close, x[i], x[j], i, j)
    ends = problem.diagonal
    both = (found.sigma + found.theta) - (other.sigma + other.theta)
    own = ends.sigma + ends.theta
    assert (np.abs(both) <= (found.error + other.error) * np.sqrt(own[i] * own[j])).all()
    assert found.error.max() < 1e-10
    assert (found.theta != other.theta).mean() > 0.8


def test_a_tolerance_below_the_tables_has_other_ways() -> None:
    x = _table(4, 100)
    network = NETWORKS["tanh"]
    rough, sharp = kernel(network, x), kernel(network, x, tolerance=1e-12)
    estimate = kernel_estimate(network, x)
    assert (rough != sharp).any()
    size = np.sqrt(np.outer(np.diag(sharp), np.diag(sharp)))
    assert (np.abs(rough - sharp) <= 1e-10 * size).all()
    assert not estimate.certified
    assert (np.abs(estimate.value - sharp) <= estimate.error + 1e-12 * size).all()


def test_an_error_of_the_angle_reaches_both() -> None:
    """Features with 12 figures more than the angle: its error, e/(1 - rho), is seen in Theta."""
    x = 1e7 * (1 + 1e-6 * np.random.default_rng(0).standard_normal((40, 3)))
    problem = asked(NETWORKS["tanh"], x, None, "both", 1e-10, "cpu")
    close = Close.of(problem.network, problem.diagonal)
    wide = WideInputs.of(close, 3, problem.method.error, 1)
    assert wide is not None
    i, j = np.triu_indices(40, 1)
    served, found = wide.behind(x, x, i, j, 0)
    assert served.size > 300
    other = behind(close, first_state(close, x[i], x[j], i, j), i, j)
    own = problem.diagonal.stages[0].end[1]
    wrong = np.abs(found[1] - other.theta[served]) / np.sqrt(own[i] * own[j])[served]
    assert wrong.max() > 1e-12
    assert (wrong <= found[3] + other.error[1][served]).all()
