"""Pairs that the tiles leave out, by tables of 1 - |c| and by conditioning: one kernel."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel
from analytic.pairs.carried_angles import Carried
from analytic.pairs.close_inputs import Close
from analytic.pairs.left_out import left_out_pairs
from analytic.pairs.near_layers import NearLayers
from analytic.pairs.nearly_parallel import behind, first_state, nearly_parallel_pairs
from analytic.request import asked

pytestmark = pytest.mark.slow  # conditioning, one pair at a time

F = FullyConnected
NETWORKS = {
    "tanh": Network(F("tanh")),
    "bias": Network(F("tanh", bias_std=0.5), F("erf"), F("tanh", bias_std=1.0)),
    "erf": Network(F("erf", weight_std=2.0)),
    "softplus": Network(*[F("softplus", bias_std=0.3)] * 4),
    "rates": Network(F("gelu", bias_std=3.0, weight_rate=0.3), F("softplus", bias_rate=2.0)),
    "relu": Network(*[F("relu", bias_std=0.5)] * 3),
    "frozen": Network(F("relu", weight_std=1e-4, bias_std=1.0, bias_rate=0.0, weight_rate=1e10)),
    "leaky": Network(F("leaky_relu"), F("gelu"), F("leaky_relu", bias_std=0.5)),
    "bump": Network(F("exp(-x**2) + x/3", bias_std=0.5), F("softplus")),
    "even": Network(F("x*tanh(x)"), F("x*tanh(x)", bias_std=1.0)),
}
KINKED = Network(F("selu", bias_std=0.5))
COLUMNS = {"line": 1, "plane": 2, "cone": 11}
CASES = [(name, "plane") for name in NETWORKS]
CASES += [(name, kind) for name in ("bias", "softplus", "relu") for kind in ("line", "cone")]


def _inputs(kind: str, seed: int, n: int) -> np.ndarray:
    """Of both signs, sizes from 10 to 1000; a duplicate, an opposite, and a nearly equal one."""
    rng = np.random.default_rng(seed)
    x = 10 ** rng.uniform(1, 3, (n, 1)) * rng.choice([-1, 1], (n, 1))
    x = x * (1 + 10.0 ** rng.uniform(-6, -0.5, (n, 1)) * rng.standard_normal((n, COLUMNS[kind])))
    x[1], x[2], x[3] = x[0], -x[0], x[0] * (1 + 1e-9)
    return x


def _close(network: Network, x: np.ndarray, y: np.ndarray | None, depth: int):
    problem = asked(network, x, y, "both", 1e-10, "cpu")
    close = Close.of(problem.network, problem.diagonal)
    layers = NearLayers.of(close, x.shape[1], problem.method.error, depth, len(x), problem.own)
    assert layers is not None
    return problem, close, layers


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_all_layers_agree_with_conditioning(name: str, kind: str) -> None:
    network, x = NETWORKS[name], _inputs(kind, 1, 40)
    problem, close, layers = _close(network, x, None, len(network.layers))
    i, j = np.triu_indices(40, 1)
    served, (sigma, theta, of_sigma, of_theta) = layers.behind(problem.x, problem.x, i, j, 0)
    assert served.size > 0.6 * i.size
    i, j = i[served], j[served]
    other, ends = nearly_parallel_pairs(close, x[i], x[j], i, j), problem.diagonal
    for found, exact, error, own in (
        (sigma, other.sigma, of_sigma, ends.sigma),
        (theta, other.theta, of_theta, ends.theta),
    ):
        norm = np.sqrt(own[i] * own[j])
        both = error + other.error * np.maximum(1, (ends.sigma + ends.theta)[i] / own[i])
        assert (np.abs(found - exact) <= both * norm).all()
        assert (found != exact).any()
    assert np.quantile(np.maximum(of_sigma, of_theta), 0.5) < 1e-10


@pytest.mark.parametrize("name", ["tanh", "bias", "erf"])
def test_the_first_layer_agrees_with_conditioning(name: str) -> None:
    x, y = _inputs("plane", 2, 30), _inputs("plane", 3, 35)
    problem, close, layers = _close(NETWORKS[name], x, y, 1)
    i, j = np.divmod(np.arange(30 * 35), 35)
    served, found = layers.behind(problem.x, problem.y, i, j, 30)
    assert served.size > 0.6 * i.size
    i, j = i[served], j[served]
    state, own = first_state(close, x[i], y[j], i, j + 30), problem.diagonal.stages[0].end
    other = behind(close, state, i, j + 30)
    for row, exact in enumerate((other.sigma, other.theta)):
        norm = np.sqrt(own[row][i] * own[row][j + 30])
        assert (np.abs(found[row] - exact) <= (found[row + 2] + other.error[row]) * norm).all()
        assert found[row + 2].max() < 1e-10


def test_pairs_that_tables_do_not_serve_are_taken_otherwise() -> None:
    """A zero, small inputs, and both signs of a network that is not odd."""
    x = np.concatenate([[[0.0, 0.0]], 1e-3 * _inputs("plane", 4, 10), _inputs("plane", 5, 30)])
    problem, close, layers = _close(NETWORKS["softplus"], x, None, 4)
    i, j = np.triu_indices(len(x), 1)
    found = left_out_pairs(problem, close, [layers], i, j)
    other = nearly_parallel_pairs(close, x[i], x[j], i, j)
    own = problem.diagonal.sigma + problem.diagonal.theta
    apart = np.abs(found.sigma + found.theta - other.sigma - other.theta)
    assert (apart <= (found.error + other.error) * np.sqrt(own[i] * own[j])).all()
    assert found.error.max() < 1e-10


def test_the_kernel_of_many_pairs_is_that_of_few() -> None:
    """Enough pairs for tables; ten of the rows against all others have none."""
    x = np.linspace(1000, 1010, 600)[:, None]
    network = Network(*[F("softplus", bias_std=0.5)] * 2)
    whole, rows = kernel(network, x), kernel(network, x[::60], x)
    size = np.sqrt(np.outer(whole.diagonal()[::60], whole.diagonal()))
    assert (np.abs(whole[::60] - rows) <= 2e-10 * size).all()
    assert (whole[::60] != rows).any()


def test_kinks_at_zero_agree_with_conditioning() -> None:
    """Years and months, the same ones stretched, and an opposite one."""
    x = np.stack(np.divmod(np.arange(1990 * 12, 1990 * 12 + 60, 4), 12), axis=1).astype(float)
    x = np.concatenate([x, 1.01 * x, -x[:1]])
    problem, close, layers = _close(KINKED, x, None, 1)
    i, j = np.triu_indices(len(x), 1)
    served, found = layers.behind(problem.x, problem.x, i, j, 0)
    assert served.size == i.size
    state, own = first_state(close, x[i], x[j], i, j), problem.diagonal.stages[0].end
    other = behind(close, state, i, j)
    for row, exact in enumerate((other.sigma, other.theta)):
        norm = np.sqrt(own[row][i] * own[row][j])
        assert (np.abs(found[row] - exact) <= (found[row + 2] + other.error[row]) * norm).all()
        assert found[row + 2].max() < 1e-10


@pytest.mark.parametrize("share", [1e-7, 1e-3, 1.0])
@pytest.mark.parametrize("name", ["tanh", "softplus", "relu", "leaky", "kinked"])
def test_errors_of_the_angle_pass_through_a_layer(name: str, share: float) -> None:
    """Angles that are wrong by a share of 1 - |c|: what comes out is wrong by what is said."""
    narrow = name == "kinked"
    x = np.geomspace(1400 if narrow else 100, 1500 if narrow else 1000, 40)[:, None]
    _, _, layers = _close(KINKED if narrow else NETWORKS[name], x, None, 1)
    i, j = np.triu_indices(40, 1)
    rng = np.random.default_rng(0)
    near, sign = 10 ** rng.uniform(-12, -0.5, i.size), rng.choice([-1.0, 1.0], i.size)

    def behind(moved: float, theta: float) -> Carried:
        pairs = Carried.new(i.size)
        pairs.near[:], pairs.sign[:], pairs.wrong[:] = near * (1 + moved), sign, share * near
        pairs.theta[:], pairs.error[:] = theta, share
        layers.layers[0].take(i, j, 0, (0.0, 0.0), pairs)
        return pairs

    given, slope = behind(0.0, 1.0), layers.layers[0].norms.slope
    seen = []
    for moved in (-share, share):
        for theta in (1 - share, 1 + share):
            found = behind(moved, theta)
            cosine, theta_ = (p.sign * (1 - p.near) for p in (found, given))
            assert (np.abs(cosine - theta_) <= given.wrong + 1e-15).all()
            assert (np.abs(found.d - given.d) <= given.bent).all()
            own = slope[i] * slope[j] * layers.layers[0].norms.s[i] * layers.layers[0].norms.s[j]
            assert (np.abs(found.theta - given.theta) <= (given.error + 1e-15) * (own + 1)).all()
            seen.append(np.abs(found.d - given.d) / given.bent)
    assert np.max(seen) > 0.1


@pytest.mark.parametrize("name", ["tanh", "kinked"])
def test_angles_that_are_wrong_by_more_than_they_are(name: str) -> None:
    """A jump of w' is seen as the root of 1 - |c|, and no chord bounds what is beyond its end."""
    x = np.geomspace(1400, 1500, 40)[:, None]
    network = Network(F("selu")) if name == "kinked" else NETWORKS[name]
    _, _, layers = _close(network, x, None, 1)
    i, j = np.triu_indices(40, 1)
    near = 10 ** np.random.default_rng(0).uniform(-20, -7 if name == "tanh" else -17, i.size)
    seen: list[Carried] = []
    for share in (0.0, 100.0):
        pairs = Carried.new(i.size)
        pairs.near[:], pairs.sign[:], pairs.wrong[:] = near * (1 + share), 1.0, 100 * near
        layers.layers[0].take(i, j, 0, (0.0, 0.0), pairs)
        seen.append(pairs)
    given, found = seen
    assert (np.abs(found.d - given.d) <= given.bent).all()
    assert (np.abs(found.d - given.d) > 10 * layers.layers[0].of_table[1]).mean() > 0.3


def test_a_tolerance_below_the_tables_makes_none() -> None:
    x = _inputs("plane", 6, 20)
    for name, served in (("softplus", False), ("relu", True)):  # relu has no tables
        network = NETWORKS[name]
        close = Close.of(network, asked(network, x, None, "ntk", 1e-9, "cpu").diagonal)
        layers = NearLayers.of(close, 2, 1e-13, len(network.layers), 20, True)
        assert (layers is not None) == served
