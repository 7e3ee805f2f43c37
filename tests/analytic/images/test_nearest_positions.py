"""An image with itself: its bound has the largest |rho| that two of its positions have."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import balls, image_balls

from analytic import AccuracyError, Convolution, GlobalAveragePooling, Network, kernel
from analytic import kernel_estimate as estimate
from analytic.images.own_positions import image_diagonal
from analytic.images.stretch_layouts import layouts
from analytic.images.stretches import network_stretches
from analytic.solve.refusal import _told_apart

C, G = Convolution, GlobalAveragePooling
STD = 0.7


def _nearest(network: Network, x: np.ndarray) -> np.ndarray:
    """What the recursion finds for images (n, channels, positions)."""
    spatial = x.shape[2:]
    cut = layouts(network, network_stretches(network, spatial), 1)
    return image_diagonal(cut, np.moveaxis(x, 1, -1).reshape(len(x), -1, x.shape[1]), None).nearest


def _by_pairs(x: np.ndarray, depth: int) -> list[float]:
    """The same of layers of erf with filters of 3, from all pairs of positions of every image."""
    most = [0.0] * depth
    for image in x:
        sigma = image.T @ image / len(image)
        for layer in range(depth):
            wide = np.pad(sigma, 1)
            size = len(sigma)
            summed = STD**2 * sum(wide[k : k + size, k : k + size] for k in range(3))
            s = np.sqrt(np.diag(summed))
            rho = summed / np.outer(s, s)
            most[layer] = max(most[layer], float(np.abs(rho[~np.eye(size, dtype=bool)]).max()))
            scale = np.sqrt(1 + 2 * s**2)
            sigma = 2 / np.pi * np.arcsin(2 * summed / np.outer(scale, scale))
    return most


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("together", [True, False])
def test_the_largest_correlation_of_two_positions(
    n: int, together: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not together:  # one shift after the other
        monkeypatch.setattr("analytic.images.stretch_layouts.FIELDS", 1)
    x = rng.standard_normal((n, 2, 7))
    network = Network(*[C("erf", 3, weight_std=STD)] * 3, G())
    assert_allclose(_nearest(network, x), _by_pairs(x, 3), rtol=1e-12)


def test_equal_positions_and_unmixed_ones_count_with_one(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 1, 9))
    x[1, :, 2:] = 0.5  # patches that are equal
    assert _nearest(Network(C("tanh", 3), G()), x) == pytest.approx(1, abs=1e-15)
    assert _nearest(Network(C("tanh", 3)), x) == 1  # two positions never meet


@pytest.mark.parametrize("std", [0.2, 1.0, 2.0])
def test_bounds_of_noise_against_balls(std: float, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 1, 5))
    network = Network(C("erf", 3, weight_std=std), C("erf", 3, weight_std=std), G())
    exact = image_balls.kernel(network, x[0], x[1], 300)
    found = estimate(network, x)
    assert found.certified
    for i, j in np.ndindex(2, 2):
        assert balls.distance(found.value[i, j], exact[i][j]) <= found.error[i, j]


@pytest.mark.parametrize("std", [0.2, 1 / 3, 1.0])
def test_noise_is_answered_behind_its_average(std: float) -> None:
    """16 x 16 positions whose average is a hundredth of them."""
    x = np.random.default_rng(0).standard_normal((2, 1, 16, 16))
    network = Network(*[C("tanh", 3, weight_std=std)] * 3, G())
    values, bounds = kernel(network, x), estimate(network, x)
    scale = np.sqrt(np.diag(values))
    assert (bounds.error / np.outer(scale, scale)).max() < 5e-11
    assert (abs(values - bounds.value) <= 1e-10 * np.outer(scale, scale)).all()


def test_a_refusal_tells_its_bound_from_the_tolerance() -> None:
    assert _told_apart(1e-10, 1.04e-10) == ("1.00e-10", "1.04e-10")
    assert _told_apart(1e-10, 3e-9) == ("1.0e-10", "3.0e-09")
    x = np.random.default_rng(0).standard_normal((2, 1, 16, 16))
    network = Network(*[C("tanh", 3, weight_std=0.2)] * 3, G())
    bounds, values = estimate(network, x), kernel(network, x)
    worst = float((bounds.error / np.sqrt(np.outer(np.diag(values), np.diag(values)))).max())
    with pytest.raises(AccuracyError) as refusal:
        kernel(network, x, tolerance=0.99 * worst)
    expected, got = str(refusal.value).split("at most ")[1].split(", got the bound ")
    assert expected < got.split(" ")[0]
