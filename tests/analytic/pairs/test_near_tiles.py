"""Tiles of large inputs by tables of 1 - |c|, against the same pairs in small problems."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel, kernel_estimate
from analytic.machine import LANES
from analytic.pairs import Series, prepare
from analytic.pairs.rays import Rays
from analytic.recursion import RowBlock

F = FullyConnected
COUNT = np.arange(1100)  # pairs enough for tables of all
YEARS = np.stack([1900 + COUNT // 12, COUNT % 12], axis=1).astype(float)
INPUTS = {
    "years": YEARS,
    "both signs": YEARS * np.where(COUNT % 3, 1.0, -1.0)[:, None],
    "line": np.linspace(-300, 300, 1100)[:, None],
    "nine features": np.sin(np.arange(9)) * 40 + np.cos(np.outer(COUNT, np.arange(1, 10)) / 50),
}
NETWORKS = {
    "tanh": Network(*[F("tanh", bias_std=0.5)] * 2),
    "erf": Network(F("erf"), F("tanh", bias_std=0.3)),
    "softplus": Network(*[F("softplus", bias_std=0.3, weight_rate=0.7)] * 2),
    "gelu": Network(F("gelu", bias_std=2.0, bias_rate=0.0)),
    "relu": Network(F("relu"), F("x/3 + abs(x)", bias_std=0.3), F("relu")),
}
NAMES = [
    pytest.param(n, marks=pytest.mark.slow) if n in ("softplus", "gelu") else n for n in NETWORKS
]
PLACES = np.array([0, 1, 31, 32, 127, 128, 129, 340, 352, 511, 639, 640, 1098, 1099])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", INPUTS)
def test_pairs_of_tiles_are_those_of_few_inputs(name: str, kind: str) -> None:
    network, x = NETWORKS[name], INPUTS[kind]
    some = x[PLACES]
    whole, few = kernel(network, x), kernel(network, some)
    size = np.sqrt(np.outer(few.diagonal(), few.diagonal()))
    assert (np.abs(whole[np.ix_(PLACES, PLACES)] - few) <= 2e-10 * size).all()
    blocks = kernel(network, x[:800], x[200:])
    assert (np.abs(blocks - whole[:800, 200:]) <= 2e-10 * whole.diagonal().max()).all()


def test_such_tiles_are_taken_and_estimated() -> None:
    method = prepare(NETWORKS["tanh"], YEARS, None, 1e-10).method
    assert isinstance(method, Series)
    assert len(method.tiles.tables) > 0
    found = kernel_estimate(NETWORKS["tanh"], YEARS, kind="ntk")
    assert not found.certified
    own = np.sqrt(np.outer(found.value.diagonal(), found.value.diagonal()))
    few = kernel_estimate(NETWORKS["tanh"], YEARS[PLACES], kind="ntk")
    apart = np.abs(found.value[np.ix_(PLACES, PLACES)] - few.value)
    assert (apart <= found.error[np.ix_(PLACES, PLACES)] + few.error).all()
    assert (found.error <= 1e-10 * own).all()


SOME_SMALL = YEARS.copy()
SOME_SMALL[350], SOME_SMALL[351] = 0.0, 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_what_tables_do_not_serve_goes_through_the_series(name: str) -> None:
    network, here = NETWORKS[name], slice(340, 360)
    whole = kernel_estimate(network, SOME_SMALL, kind="ntk")
    few = kernel_estimate(network, SOME_SMALL[here], kind="ntk")
    apart = np.abs(whole.value[here, here] - few.value)
    assert (apart <= whole.error[here, here] + few.error).all()
    quick = kernel(network, SOME_SMALL)[here, here]
    assert (np.abs(quick - few.value) <= 2e-10 * few.value.diagonal().max()).all()
    own = np.sqrt(np.outer(whole.value.diagonal(), whole.value.diagonal()))
    assert (whole.error <= 1e-10 * own).all()


@pytest.mark.parametrize("certificate", [False, True])
def test_such_tiles_leave_no_pair_of_large_and_small_inputs(certificate: bool) -> None:
    problem = prepare(NETWORKS["tanh"], SOME_SMALL, None, 1e-10)
    assert not problem.method.tiles.row_served[[350, 351]].any()  # pyright: ignore
    n = len(SOME_SMALL)
    found, bound = np.empty((n, n)), np.zeros((n, n if certificate else -(-n // LANES)))
    block = RowBlock(0, n, 0, False, found[:0], found)
    _, left = problem.method.fill(problem.data(), block, bound)
    assert left == 1  # zero and nearly zero beside a bias
    assert np.isnan(found[350, 351])
    assert bound.max() <= 1e-10


def test_networks_with_a_kink_at_zero_are_taken_and_proved() -> None:
    line = np.linspace(-300, 300, 1100)[:, None]
    network = Network(F("relu"), F("leaky_relu"))
    method = prepare(network, line, None, 1e-10).method
    assert isinstance(method, Series)
    assert len(method.tiles.tables) == 2
    found = kernel_estimate(network, line, kind="ntk")
    assert found.certified
    few = kernel_estimate(network, line[PLACES], kind="ntk")
    apart = np.abs(found.value[np.ix_(PLACES, PLACES)] - few.value)
    assert (apart <= found.error[np.ix_(PLACES, PLACES)] + few.error).all()
    plus = np.linspace(1, 300, 1100)[:, None]  # all units are parallel
    norms = kernel(network, np.ones((1, 1))).item() * np.outer(plus, plus)
    np.testing.assert_allclose(kernel(network, plus), norms, rtol=1e-13)


@pytest.mark.slow
def test_other_kinks_at_zero_are_taken_too() -> None:
    network = Network(F("selu", bias_std=0.5))
    method = prepare(network, YEARS, None, 1e-10).method
    assert isinstance(method, Series)
    assert len(method.tiles.tables) == 1
    whole, few = kernel(network, YEARS), kernel(network, YEARS[PLACES])
    size = np.sqrt(np.outer(few.diagonal(), few.diagonal()))
    assert (np.abs(whole[np.ix_(PLACES, PLACES)] - few) <= 2e-10 * size).all()


def test_lines_without_biases_are_taken_too() -> None:
    line = np.linspace(1000, 1010, 1100)[:, None]
    method = prepare(NETWORKS["erf"], line, None, 1e-10).method
    assert isinstance(method, Series)
    assert isinstance(method.near[0], Rays)
    assert len(method.tiles.tables) == 1


def test_pairs_that_a_table_knows_too_badly_are_taken_otherwise() -> None:
    """Units of small inputs feel the one error of a table most: their rows were refused."""
    network, x = Network(*[F("exp(-abs(x))", bias_std=0.1)] * 2), np.linspace(-6, 6, 400)[:, None]
    found, some = kernel(network, x), np.arange(170, 230, 3)
    few = kernel_estimate(network, x[some], kind="ntk")
    own = np.sqrt(np.outer(few.value.diagonal(), few.value.diagonal()))
    apart = np.abs(found[np.ix_(some, some)] - few.value)
    assert (apart <= 1e-10 * own + few.error).all()
