"""The shift of the mean of K_0: against brute force and finite networks."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from networks.fluctuating import NETWORKS, points
from oracles.conditional_means import (
    conditional_means,
    controls,
    given_the_pre_activations,
    layer_moments,
    regression,
)
from oracles.conditional_sampling import draw_networks
from oracles.pair_fluctuation import pair_shift

from analytic import FullyConnected, Network, Residual, kernel
from analytic.corrections import fluctuation, mean_correction, mean_shift
from analytic.corrections.pair_state import Pair

pytestmark = pytest.mark.slow  # sums in two dimensions

X = points()


SHIFTED = ["gelu, 3 residual, biases"]


@pytest.mark.parametrize("name", SHIFTED)
def test_networks_agree_with_brute_force(name: str) -> None:
    """Central differences of step 1e-4 leave 1e-8 of a third derivative of the layers' maps.

    These are of the order of K itself here, and V multiplies them.
    """
    network = NETWORKS[name]
    b, c, k = (f(network, X) for f in (mean_correction, fluctuation, kernel))
    scale = math.sqrt(k[0, 0] * k[3, 3]) * (1 + np.max(c / np.outer(k.diagonal(), k.diagonal())))
    assert abs(b[0, 3] - pair_shift(network, X[0], X[3])) <= 1e-6 * scale


@lru_cache
def measured(name: str) -> tuple[Any, Any]:
    """m (E K_0 - K_inf) = b + c/m: twice the value at 2 m less that at m, with standard errors."""
    network, x, found = NETWORKS[name], torch.from_numpy(X[PLACES]), []
    limit = kernel(network, X[PLACES])[UPPER]
    generator = torch.Generator().manual_seed(4)
    for width in (32, 64):
        a = regression(network, x, width, 1000, generator, 500)
        k = conditional_means(network, x, width, 2000, generator, 500, a).numpy()
        found.append((width * (k.mean(axis=0) - limit), width * k.std(axis=0) / 2000**0.5))
    (one, error), (two, finer) = found
    return 2 * two - one, np.hypot(2 * finer, error)


PLACES = [0, 1, 3]
UPPER = np.triu_indices(3)
CHOSEN = [
    "sigmoid, 3 layers, biases",
    "gelu, 3 residual, biases",
    "mixed, residual inside",
    "unequal widths",
]


@pytest.mark.parametrize("name", CHOSEN)
def test_the_mean_of_finite_networks_is_shifted_as_predicted(name: str) -> None:
    """In standard errors of 1 to 4 % of the largest shift; what e/m^2 leaves is below them.

    The largest of 24 normal numbers exceeds 4.5 once in 6,000 fresh seeds.
    """
    shift, error = measured(name)
    b = mean_correction(NETWORKS[name], X[PLACES])[UPPER]
    assert np.abs((shift - b) / error).max() < 4.5
    assert error.max() < 0.04 * np.abs(b).max()


def test_the_measurement_would_notice_a_missing_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curvature of the maps, the weights' share in the slopes, its form behind layer 1."""
    name = "gelu, 3 residual, biases"
    shift, error = measured(name)
    for part in ("bent_maps", "gram_shift", "gram_form"):
        whole = getattr(mean_shift, part)

        def without(pair: Pair, seen: Any, whole: Any = whole, part: str = part) -> Any:
            return whole(pair, 0 * seen) if part == "gram_form" else 0 * whole(pair, seen)

        with monkeypatch.context() as broken:
            broken.setattr(mean_shift, part, without)
            b = mean_correction(NETWORKS[name], X[PLACES])[UPPER]
        assert np.abs((shift - b) / error).max() > 15, part


@pytest.mark.parametrize("name", ["tanh, 3 layers", "unequal widths, biases, residual"])
def test_what_is_integrated_out_and_taken_off_has_mean_zero(name: str) -> None:
    """The oracle itself: drawn kernels less their conditional means, and every control."""
    x, generator = torch.from_numpy(X[PLACES]), torch.Generator().manual_seed(1)
    drawn = draw_networks(NETWORKS[name], x, 12, 4000, generator, torch.float64)
    known = [layer_moments(layer) for layer in drawn.layers]
    for i, j in zip(*UPPER, strict=True):
        expected = given_the_pre_activations(drawn.layers, int(i), int(j))
        zeros = [(drawn.kernel[:, i, j] - expected)[:, None]]
        zeros.append(controls(drawn.layers, known, int(i), int(j)))
        zero = torch.cat(zeros, 1)
        z = zero.mean(0) / zero.std(0) * len(zero) ** 0.5
        assert float(z.abs().max()) < 5  # of about a thousand: once in 2,000 fresh seeds


def test_one_layer_and_linear_networks_have_no_shift() -> None:
    """E W^T G W = tr G; rounding of sums of a dozen terms."""
    for network in (
        Network(FullyConnected("softplus", bias_std=1)),
        Network(*[FullyConnected("identity", bias_std=0.5)] * 3),
        Network(FullyConnected("identity"), *[Residual(FullyConnected("identity"))] * 2),
    ):
        assert np.abs(mean_correction(network, X)).max() < 1e-12


def test_the_order_of_the_inputs_does_not_matter() -> None:
    """The recursion treats x and x' by different lines: their exchange is a check of both."""
    network = NETWORKS["gelu, 3 residual, biases"]
    forward, backward = mean_correction(network, X), mean_correction(network, X[::-1])
    np.testing.assert_allclose(forward, backward[::-1, ::-1], rtol=1e-10)


def test_an_activation_without_five_derivatives_is_refused() -> None:
    with pytest.raises(ValueError, match=r"5 continuous derivatives.*w'{5} jumps"):
        mean_correction(Network(FullyConnected("abs(x)**5")), X)
