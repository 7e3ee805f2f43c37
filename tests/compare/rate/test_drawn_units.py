"""Linear stems with weights of another law, and several layers that read the inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Flatten,
    FullyConnected,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Sum,
    kernel,
)
from compare.rate import first_layer_limit
from compare.rate.first_layer_limit import integrated_first_layer
from compare.rate.loose_limits import tangent_limit
from empirical import InitialLaw

F, C = FullyConnected, Convolution
NONE = InitialLaw("zeros", "constant", 0.0)
RATES: dict[str, Any] = {"weight_rate": 0.7, "bias_rate": 0.6}
BOUND = 2.0
"""Of the uniform weights of the closed forms."""
POINTS = np.array([0.3, 1.0, -0.8])


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).standard_normal(shape)


NORMAL: dict[str, tuple[Network, np.ndarray, list[float]]] = {
    "gains before the activation": (
        Network(F("identity", **RATES),
                Residual(LayerNorm(eps=0.3, gain_rate=2), Nonlinearity("cos"), F("erf"),
                         F("identity", bias_std=0.3)),
                Nonlinearity("relu"), F("softplus")),
        draw(3, 2), [0.5],
    ),
    "normalised": (
        Network(F("cos", **RATES), LayerNorm(eps=0.2, bias_rate=0.3), F("erf"),
                LayerNorm(gain_rate=0.7), Residual(F("cos"))),
        draw(3, 2), [0.5],
    ),
    "pooled": (
        Network(C("2*x", 2, padding="valid", weight_std=0.7, **RATES), AveragePooling(2),
                Residual(Nonlinearity("cos"), C("softplus", 1)), Flatten(), F("erf")),
        draw(2, 1, 5), [0.49],
    ),
    "over positions": (
        Network(C("identity", 2, **RATES), LayerNorm(positions=True, eps=0.2, gain_rate=0.4),
                Nonlinearity("tanh"), C("cos", 2)),
        draw(2, 1, 4), [1.0],
    ),
    "two that are added": (
        Network(Sum(F("identity", **RATES), F("2*x"), [F("cos"), F("identity", bias_std=0.5)]),
                Nonlinearity("erf"), F("softplus")),
        draw(3, 2), [0.5, 0.5, 0.5],
    ),
    "two side by side": (
        Network(Concatenate(C("identity", 1), C("cos", 2, width_ratio=2)), Flatten(), F("erf")),
        draw(2, 1, 4), [1.0, 1.0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMAL)
def test_normal_weights_have_the_limit_of_the_description(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recursion with drawn units against ``kernel``, in errors of the four scramblings."""
    monkeypatch.setattr(first_layer_limit, "SOBOL_POINTS", 2**11)
    network, x, variances = NORMAL[name]
    laws = [(InitialLaw("", "normal", variance**0.5), NONE) for variance in variances]
    found = integrated_first_layer(network, x, laws)
    assert found is not None
    value, error = found
    exact = kernel(network, x, tolerance=1e-8)
    assert error.max() < 2e-2 * exact.max()
    assert (np.abs(value - exact) <= 10 * error + 1e-7 * exact.max()).all()  # t of 3 degrees


def cosines(matrix: np.ndarray) -> np.ndarray:
    """E cos(t x) over t uniform within the bound."""
    return np.sinc(BOUND * matrix / np.pi)


def behind_cosine(own: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E cos(h) cos(h') and E sin(h) sin(h') of h = x t + g; ``own`` is 1 if x t is there."""
    v = np.diag(covariance)
    down, up = (
        cosines(own * np.add.outer(POINTS, sign * POINTS))
        * np.exp(-(v[:, None] + v + 2 * sign * covariance) / 2)
        for sign in (-1, 1)
    )
    return (down + up) / 2, (down - up) / 2


def agrees(network: Network, laws: int, expected: np.ndarray) -> None:
    """Within errors, and the Gaussian formula is far off."""
    law = InitialLaw("", "uniform", BOUND / 3**0.5)
    found = integrated_first_layer(network, POINTS[:, None], [(law, NONE)] * laws)
    assert found is not None
    value, error = found
    assert error.max() < 5e-3 * expected.max()
    assert (np.abs(value - expected) <= 6 * error + 1e-9).all()
    assert np.abs(tangent_limit(network, POINTS[:, None]) - expected).max() > 8 * error.max()


def test_a_linear_stem_is_carried_to_the_activations() -> None:
    """h = t x + 0.5 w cos(t x), read by a cosine: three integrals in closed form."""
    std = BOUND / 3**0.5
    network = Network(
        F("identity", weight_std=std, **RATES),
        Residual(Nonlinearity("cos"), F("identity", weight_std=0.5)),
        Nonlinearity("cos"),
    )
    none = np.zeros((3, 3))
    sigma, slope = behind_cosine(np.ones(()), none)
    learned = 0.7 * std**2 * np.outer(POINTS, POINTS) + 0.6
    whole = learned + 0.25 * (sigma + slope * learned)
    last, last_slope = behind_cosine(np.ones(()), 0.25 * sigma)
    agrees(network, 1, last + last_slope * whole)


def test_two_layers_that_read_the_inputs_have_each_its_own_law() -> None:
    """h = t x + 0.5 w cos(s x) with independent t and s."""
    std = BOUND / 3**0.5
    first = F("identity", weight_std=std, **RATES)
    second = F("cos", weight_std=std, weight_rate=0.2, bias_rate=0.1)
    network = Network(Sum([first], [second, F("identity", weight_std=0.5)]), Nonlinearity("cos"))
    sigma, slope = behind_cosine(np.ones(()), np.zeros((3, 3)))
    products = std**2 * np.outer(POINTS, POINTS)
    whole = 0.7 * products + 0.6 + 0.25 * (sigma + slope * (0.2 * products + 0.1))
    last, last_slope = behind_cosine(np.ones(()), 0.25 * sigma)
    agrees(network, 2, last + last_slope * whole)
