"""The fluctuation of networks of images, against finite ones and against vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.martingale_controls import coefficients, controlled

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    SumPooling,
    mean_correction,
)
from analytic.corrections import fluctuation, fluctuation_covariance
from analytic.corrections.positions import position_maps

LINE = np.random.default_rng(1).standard_normal((2, 2, 4))
SQUARE = np.random.default_rng(2).standard_normal((1, 2, 2, 3))
CASES = {
    "flattened": (
        Network(
            Convolution("tanh", 3, weight_std=0.7),
            Convolution("softplus", 3, weight_std=0.6, bias_std=0.2),
        ),
        LINE,
    ),
    "residual and pooled": (
        Network(
            Convolution("softplus", 3, weight_std=0.7, width_ratio=0.5),
            Residual(Convolution("tanh", 2, padding_mode="circular", width_ratio=0.5)),
            AveragePooling(2),
            Convolution("sigmoid", 2, weight_std=2),
            GlobalAveragePooling(),
        ),
        LINE,
    ),
    "strides, two dimensions, flattened inside": (
        Network(
            Convolution("tanh", (2, 3), stride=(1, 2), weight_std=0.7),
            Flatten(),
            FullyConnected("sigmoid", weight_std=2),
        ),
        SQUARE,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_finite_networks_of_images_vary_as_predicted(name: str) -> None:
    """m Var = C + c/m from widths 48 and 192, in standard errors of 3 % at most."""
    network, x = CASES[name]
    c, inputs, found = fluctuation(network, x)[np.triu_indices(len(x))], torch.from_numpy(x), []
    for width in (48, 192):
        generator = torch.Generator().manual_seed(width)
        a = coefficients(network, inputs, width, 1500, generator, 500)
        drawn = controlled(network, inputs, width, 160_000 // width, generator, 500, a)
        found.append([width * v.numpy() for v in drawn.variance()])
    (one, error), (two, finer) = found
    spread = np.hypot(4 * finer, error) / 3
    assert np.abs(((4 * two - one) / 3 - c) / spread).max() < 4.5
    assert (spread < 0.03 * c).all()


def test_flattened_images_are_vectors() -> None:
    """The same numbers by another way: the flattening is a map of positions here."""
    x = np.random.default_rng(3).standard_normal((3, 2, 2))
    layers = FullyConnected("tanh"), Residual(FullyConnected("softplus", weight_std=0.8))
    image = fluctuation_covariance(Network(Flatten(), *layers), x)
    vector = fluctuation_covariance(Network(*layers), x.reshape(3, 4))
    np.testing.assert_allclose(image, vector, rtol=1e-12)


def test_two_sets_of_images_are_a_part_of_one() -> None:
    network, x = CASES["flattened"]
    c = fluctuation(network, x[:, :, :2])
    np.testing.assert_allclose(fluctuation(network, x[:1, :, :2], x[1:, :, :2]), c[:1, 1:])


def test_filters_read_the_positions_they_say() -> None:
    """Offsets s p + d (k - floor((K - 1)/2)), nothing outside or the other end."""
    zeros = position_maps(Convolution("tanh", 3, stride=2), (5,), (3,))
    np.testing.assert_array_equal(sum(zeros) @ np.arange(1.0, 6.0), [1 + 2, 2 + 3 + 4, 4 + 5])
    apart = position_maps(Convolution("tanh", 3, dilation=2), (4,), (4,))
    np.testing.assert_array_equal(sum(apart) @ np.array([1.0, 2.0, 4.0, 8.0]), [5, 10, 5, 10])
    (mean,) = position_maps(AveragePooling(2, stride=1), (4,), (3,))
    np.testing.assert_array_equal(mean @ np.array([1.0, 2.0, 4.0, 8.0]), [1.5, 3, 6])
    circular = position_maps(Convolution("tanh", 2, padding_mode="circular"), (3,), (3,))
    np.testing.assert_array_equal(sum(circular) @ np.array([1.0, 2.0, 4.0]), [3, 6, 5])


def test_conventions_are_those_of_the_kernel() -> None:
    """The mean over a filter, and the sum over windows, are plain sums with other weights."""
    layers = Convolution("tanh", 2, weight_std=2**-0.5), AveragePooling(3, stride=1)
    plain = Network(*layers, Flatten(), FullyConnected("tanh", weight_std=3))
    named = Network(
        Convolution("tanh", 2, normalize="fan_in"),
        SumPooling(3, stride=1),
        Flatten(),
        FullyConnected("tanh"),
    )
    np.testing.assert_allclose(fluctuation(named, LINE), fluctuation(plain, LINE), rtol=1e-13)


def test_the_mean_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match="the mean of K_0 of images is not derived"):
        mean_correction(*CASES["flattened"])
