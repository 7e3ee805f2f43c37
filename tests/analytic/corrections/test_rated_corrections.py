"""What finite width adds where parameters are trained at rates of their own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks.fluctuating import points
from numpy.testing import assert_allclose
from oracles.conditional_sampling import sample_kernels
from oracles.pair_fluctuation import pair_fluctuation, pair_shift

from analytic import (
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Readout,
    Residual,
    fluctuation,
    fluctuation_covariance,
    mean_correction,
)
from analytic.corrections import sampled_fluctuation
from empirical import tangent_kernels

pytestmark = pytest.mark.slow  # Monte Carlo, and sums in two and three dimensions

F = FullyConnected
X = points()
RATED = Network(
    F("tanh", bias_std=0.3, weight_rate=0.25, bias_rate=2, width_ratio=0.5),
    F("softplus", weight_std=1.2, weight_rate=0, bias_rate=0.7),
    Residual(F("sigmoid", weight_std=2, bias_std=0.4, weight_rate=3, bias_rate=0, width_ratio=1)),
    Readout(weight_std=0.7, bias_std=0.3, weight_rate=2, bias_rate=0.4),
)
FROZEN = Network(
    F("tanh", weight_rate=0), F("softplus", weight_rate=0, bias_rate=0), Readout(weight_rate=2)
)
ONE = Network(
    F("tanh", bias_std=0.5, weight_rate=3, bias_rate=0.1),
    Readout(weight_std=1.5, bias_std=0.4, weight_rate=0.2, bias_rate=2),
)
IMAGES = Network(
    Convolution("tanh", 3, weight_std=0.7, bias_std=0.8, weight_rate=2, bias_rate=0.5),
    Convolution("softplus", 2, padding="valid", weight_rate=0.3),
    GlobalAveragePooling(),
    Readout(weight_std=1.3, weight_rate=0.5),
)


@pytest.mark.parametrize("network", [RATED, FROZEN], ids=["rated", "frozen"])
def test_variance_and_mean_agree_with_brute_force(network: Network) -> None:
    """To 1e-10 and 1e-6 of the scale, as at rate 1: series, and differences in the sum."""
    c, b = fluctuation(network, X), mean_correction(network, X)
    exact = pair_fluctuation(network, X[1], X[2])
    assert abs(c[1, 2] - exact) <= 1e-10 * math.sqrt(c[1, 1] * c[2, 2])
    assert abs(b[1, 2] - pair_shift(network, X[1], X[2])) <= 1e-6 * abs(b).max()


def test_one_layer_is_exact_at_any_width() -> None:
    """Networks with weights: the variance of K_0 at width 8 in its standard errors."""
    width, count = 8, 4000
    kernels = tangent_kernels(ONE, torch.from_numpy(X), width, range(count))
    off = kernels - kernels.mean(0)
    variance, error = off.square().mean(0), off.square().std(0) / count**0.5
    c = torch.from_numpy(fluctuation(ONE, X)) / width
    assert ((variance - c).abs() <= 4.5 * error).all()
    assert (mean_correction(ONE, X) == 0).all()
    plain = torch.from_numpy(fluctuation(Network(*ONE.layers), X)) / width
    assert ((variance - plain).abs() > 9 * error).any()  # the control: another readout


def test_the_covariance_has_the_variance_on_its_diagonal() -> None:
    """Rules for four units, accurate to 1e-7 of their scale, and series for two."""
    c = fluctuation_covariance(RATED, X[:1])
    assert_allclose(c.ravel(), fluctuation(RATED, X[:1]).ravel(), rtol=1e-6)


def _rated(*rates: float) -> Network:
    """``RATED`` whose weights and biases have these rates, in order."""
    first, second, third = RATED.layers
    assert isinstance(third, Residual)
    parts = [first, second, third.layers[0], RATED.output]
    pairs = zip(parts, rates[::2], rates[1::2], strict=True)
    layers = [replace(p, weight_rate=a, bias_rate=b) for p, a, b in pairs]  # pyright: ignore
    return Network(layers[0], layers[1], Residual(layers[2]), layers[3])


def test_variances_are_quadratic_in_the_rates_and_means_linear() -> None:
    """K_0 is linear in the rates of all groups together."""
    x = X[:2]
    one, other = np.array([0.5, 3.0, 0.0, 0.25, 2.0, 1.5, 1.0, 0.5]), np.arange(8.0) / 4
    c = [fluctuation(_rated(*(one + t * other)), x) for t in (0, 1, 2, 3)]
    third = c[3] - 3 * c[2] + 3 * c[1] - c[0]
    assert abs(third).max() <= 1e-9 * c[3].max()
    b = [mean_correction(_rated(*(one + t * other)), x) for t in (0, 1, 2)]
    assert abs(b[2] - 2 * b[1] + b[0]).max() <= 1e-9 * abs(b[2]).max()


def test_drawing_without_weights_is_drawing_with_weights() -> None:
    """Mean and variance of K_0 at width 12, of vectors and of images."""
    images = np.random.default_rng(3).standard_normal((2, 2, 4))
    for network, x in ((RATED, X[:2]), (IMAGES, images)):
        inputs, count = torch.from_numpy(x), 1500
        generator = torch.Generator().manual_seed(5)
        drawn = sample_kernels(network, inputs, 12, count, generator)
        whole = tangent_kernels(network, inputs, 12, range(count))
        for power in (1, 2):
            a, b = drawn.double() ** power, whole**power
            error = ((a.var(0) + b.var(0)) / count).sqrt()
            assert ((a.mean(0) - b.mean(0)).abs() <= 4.5 * error).all()


def test_images_vary_as_sampled_units_say() -> None:
    x = np.random.default_rng(3).standard_normal((1, 2, 3))
    value, error = sampled_fluctuation(IMAGES, x, units=2**12)
    assert (abs(value - fluctuation(IMAGES, x)) <= 4.5 * error).all()
