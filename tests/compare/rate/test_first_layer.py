"""First layers of another law than the normal one, where images or skips follow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import nn

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Readout,
    Residual,
    Sum,
    kernel,
)
from compare.rate import first_layer_limit
from compare.rate.first_layer_limit import integrated_first_layer
from compare.rate.lifted_limits import module_limit
from compare.rate.loose_limits import tangent_limit
from empirical import InitialLaw, network_of, tangent_kernel

F, C = FullyConnected, Convolution
NONE = InitialLaw("zeros", "constant", 0.0)
RATES: dict[str, Any] = {"weight_rate": 0.7, "bias_rate": 0.6}


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).standard_normal(shape)


NORMAL: dict[str, tuple[Network, np.ndarray, float]] = {
    "skip": (
        Network(F("softplus", **RATES), Residual(F("cos", bias_std=0.4, weight_rate=3)), F("erf"),
                Readout(weight_std=0.7, weight_rate=2, bias_rate=0.1)),
        draw(3, 2), 0.5,
    ),
    "branches": (
        Network(F("softplus", **RATES), Sum([F("cos")], [F("softplus")]),
                Concatenate([F("erf")], [F("cos", width_ratio=2)])),
        draw(3, 2), 0.5,
    ),
    "images": (
        Network(C("softplus", 3, stride=2, weight_std=0.6, **RATES), Residual(C("cos", 3)),
                AveragePooling(2), C("erf", 1, weight_std=0.8), Flatten()),
        draw(2, 1, 8), 0.36,
    ),
    "pooled": (
        Network(C("erf", 2, normalize="fan_in", padding="valid"), C("cos", 2),
                Residual(C("erf", 1)), GlobalAveragePooling(), F("cos", bias_std=0.5)),
        draw(2, 1, 3, 3), 0.25,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMAL)
def test_normal_weights_have_the_limit_of_the_description(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole recursion against ``kernel``, in standard errors of the four scramblings."""
    monkeypatch.setattr(first_layer_limit, "SOBOL_POINTS", 2**11)
    network, x, variance = NORMAL[name]
    found = integrated_first_layer(network, x, [(InitialLaw("", "normal", variance**0.5), NONE)])
    assert found is not None
    value, error = found
    exact = kernel(network, x, tolerance=1e-8)
    assert error.max() < 2e-3 * exact.max()
    assert (np.abs(value - exact) <= 10 * error + 1e-7 * exact.max()).all()  # t of 3 degrees


def test_a_uniform_filter_on_one_number_is_integrated() -> None:
    """u = W x: integrals over (-1, 1), and cos behind a skip in closed form, at two positions."""
    network = Network(
        C("softplus", 1, weight_std=2.0, **RATES), Residual(C("cos", 1, bias_std=0.5)), Flatten()
    )
    x = np.array([[[0.3, 1.0]], [[-0.8, 0.5]]])
    points, bound = x.ravel(), 2 * math.sqrt(3)

    def mean(*factors: Any) -> np.ndarray:
        def product(t: float) -> np.ndarray:
            u = bound * t * points
            return np.multiply.outer(*(f(u) for f in factors)) / 2

        return integrate.quad_vec(product, -1, 1, epsabs=1e-12)[0]

    softplus, sigmoid = (lambda u: np.logaddexp(0, u)), (lambda u: 1 / (1 + np.exp(-u)))
    sigma, mu = mean(softplus, softplus), mean(softplus, np.ones_like)[:, 0]
    theta = mean(sigmoid, sigmoid) * (0.7 * 4 * np.outer(points, points) + 0.6)
    covariance = sigma + 0.25
    v = np.diag(covariance)
    size, eta = np.exp(-(v[:, None] + v) / 2), np.exp(-v / 2)
    whole = sigma + size * np.cosh(covariance) + np.outer(mu, eta) + np.outer(eta, mu)
    whole += theta + size * np.sinh(covariance) * (covariance + theta)
    exact = whole.reshape(2, 2, 2, 2)[:, [0, 1], :, [0, 1]].mean(0)
    found = integrated_first_layer(network, x, [(InitialLaw("", "uniform", 2.0), NONE)])
    assert found is not None
    value, error = found
    assert (np.abs(value - exact) <= 6 * error + 1e-9).all()
    gaussian = tangent_limit(network, x)
    assert np.abs(gaussian - exact).max() > 100 * error.max()  # the trap


class Block(nn.Module):
    """torch's default filters on few pixels, a skip, and a mean over positions."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv1d(1, width, 2, bias=False).double()
        self.second = nn.Conv1d(width, width, 1, bias=False).double()
        self.last = nn.Linear(width, 1, bias=False).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.cos(4 * self.first(x))
        return self.last((h + torch.sigmoid(self.second(h))).mean(2))


def test_finite_modules_tend_to_it_and_not_to_the_gaussian_one() -> None:
    x = torch.from_numpy(draw(3, 1, 3))
    width, draws = 128, 40
    described = network_of(Block(width, 0), x, draws=[Block(width, s) for s in range(1, 5)])
    limit = module_limit(described, x)
    assert limit.first == "drawn"
    kernels = np.array([tangent_kernel(Block(width, s), x).numpy() for s in range(draws)])
    error = kernels.std(0) / draws**0.5
    assert (np.abs(kernels.mean(0) - limit.value) <= 4.5 * error).all()
    gaussian = tangent_limit(described.network, described.inputs(x).numpy())
    assert (np.abs(kernels.mean(0) - gaussian) > 6 * error).any()


def test_what_is_not_integrated_is_none() -> None:
    law = InitialLaw("", "uniform", 1.0)
    noisy = Network(F("softplus"), Residual(F("tanh")), Dropout(0.2), F("tanh"))
    assert integrated_first_layer(noisy, np.ones((2, 3)), [(law, NONE)]) is None
    images = np.ones((2, 1, 24, 24))
    assert integrated_first_layer(Network(C("tanh", 3)), images, [(law, NONE)]) is None
