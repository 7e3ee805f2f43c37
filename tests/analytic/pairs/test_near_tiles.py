"""Tiles of large inputs by tables of 1 - |c|, against the same pairs in small problems."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel, kernel_estimate
from analytic.pairs import Series, prepare

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
}
PLACES = np.array([0, 1, 31, 32, 127, 128, 129, 340, 352, 511, 639, 640, 1098, 1099])


@pytest.mark.parametrize("name", NETWORKS)
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


def test_zeros_and_small_inputs_stay_with_the_series() -> None:
    """Tables do not serve them; their tiles do not ask these."""
    x = YEARS.copy()
    x[350], x[351] = 0.0, 1e-3
    network = NETWORKS["softplus"]
    whole, few = kernel(network, x), kernel(network, x[340:360])
    assert (np.abs(whole[340:360, 340:360] - few) <= 2e-10 * few.diagonal().max()).all()
