"""Networks of images of a x + b |x|, whose patches may be parallel, against ball arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import image_balls

from analytic import (
    AccuracyError,
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Residual,
    Sum,
    kernel,
    kernel_estimate,
    resnet,
)
from analytic.images import Images, prepare_images
from analytic.recursion import ChordErrors
from compare import Inputs

CASES = 50
ACTIVATIONS = ["relu", "abs(x)", "max(x, x/4)"]


def _network(rng: np.random.Generator) -> tuple[Network, bool]:
    """A random network of images of 6 positions, and whether an average mixes before a layer."""
    activation = ACTIVATIONS[rng.integers(3)]

    def options() -> dict[str, float]:
        return {"weight_std": float(10 ** rng.uniform(-0.5, 0.3)), "bias_std": rng.choice([0, 0.3])}

    def convolution(kernel: int, **more: object) -> Convolution:
        return Convolution(activation, kernel, **options(), **more)  # type: ignore[arg-type]

    mode = str(rng.choice(["zeros", "circular"]))
    layers: list[object] = [convolution(int(rng.integers(1, 4)), padding_mode=mode)]
    if rng.random() < 0.3:
        layers = [convolution(2, stride=2), convolution(3)]
    elif rng.random() < 0.3:
        layers.append(AveragePooling(3, stride=1) if rng.random() < 0.5 else AveragePooling(2))
    layers += [convolution(3, dilation=2 - at % 2) for at in range(rng.integers(0, 3))]
    if rng.random() < 0.6:
        layers += _branches(rng, activation, convolution)
    layers.append(Flatten() if rng.random() < 0.6 else GlobalAveragePooling())
    if rng.random() < 0.4:
        layers.append(FullyConnected(activation, **options()))
    last = isinstance(layers[-1], FullyConnected)
    pools = (AveragePooling, GlobalAveragePooling) if last else AveragePooling
    return Network(*layers), any(isinstance(layer, pools) for layer in layers)  # type: ignore[arg-type]


def _branches(rng: np.random.Generator, activation: str, convolution: Any) -> list[object]:
    """A part with branches, or with noise."""
    number = rng.integers(6)
    if number == 0:
        return [Residual(convolution(2), Residual(convolution(3)))]
    if number == 1:
        linear = Convolution("identity", 2)
        return [linear, Residual(Nonlinearity(activation), convolution(3), linear)]
    if number == 2:
        strided = [convolution(2, stride=2), convolution(2)]
        return [Sum(Convolution("identity", 1, stride=2), strided), convolution(2)]
    if number == 3:
        return [Concatenate(convolution(1), [convolution(3), convolution(2)]), convolution(2)]
    if number == 4:
        return [Residual(Dropout(0.2), convolution(3)), Dropout(0.01), AveragePooling(2, stride=1)]
    return [Sum(convolution(3), [convolution(1), convolution(2)]), AveragePooling(2, stride=1)]


def _images(rng: np.random.Generator) -> np.ndarray:
    """Two images: of noise, of few grey values, or of nearly equal ones, with blank borders."""
    x = rng.standard_normal((2, int(rng.integers(1, 3)), 6))
    if rng.random() < 0.5:
        x = rng.integers(-1, 3, x.shape) / 8
    if rng.random() < 0.4:
        x[1] = rng.choice([-1, 1, 3]) * x[0]
        x[1] += 10.0 ** rng.uniform(-14, -1) * rng.standard_normal(x[1].shape)
    if rng.random() < 0.3:
        x[:, :, -2:] = 0
    return x


def _cases() -> Iterator[tuple[Network, bool, np.ndarray]]:
    rng = np.random.default_rng(2028)
    for _ in range(CASES):
        yield *_network(rng), _images(rng)


def test_the_true_error_never_exceeds_the_bound_and_parallel_patches_are_not_refused() -> None:
    ratios, refused = list[float](), 0
    for network, mixes, x in _cases():
        try:
            estimate = kernel_estimate(network, x)
        except AccuracyError as refusal:
            estimate, refused = refusal.estimate, refused + 1
            assert mixes, (network, x)
            assert estimate is not None
        assert estimate.certified
        ratios += image_balls.margins(network, x, estimate)
    print(f"bound/error: median {np.median(ratios):.0f} of {len(ratios)}; refused {refused}")
    assert np.median(ratios) < 10_000
    assert refused <= CASES // 25


@pytest.mark.parametrize("readout", [Flatten(), GlobalAveragePooling()])
def test_digits_keep_the_default_tolerance(readout: Flatten | GlobalAveragePooling) -> None:
    """Most of their patches are parallel to others: blank, of one bright pixel, or saturated."""
    relu = Convolution("relu", 3, weight_std=2**0.5 / 3)
    images = np.concatenate([Inputs.digits(flat=False).sample(3, seed=0), np.zeros((1, 1, 8, 8))])
    images[2] = images[1]
    layers = [relu, relu, AveragePooling(2), relu, AveragePooling(2), relu]
    found = kernel(Network(*layers, readout), images, kind="both")
    for values in found:
        assert_allclose(values[1], values[2], rtol=2e-10)  # twice the tolerance
        assert not values[3].any()


RELU = Convolution("relu", 3, weight_std=(2 / 3) ** 0.5)
LINE = Convolution("identity", 3, weight_std=3**-0.5)
DEEP = {
    "pools": [*[RELU, AveragePooling(2)] * 3, RELU],
    "overlapping": [RELU, AveragePooling(3, stride=1), RELU, AveragePooling(3, stride=2), RELU],
    "blocks": [LINE, *[Residual(Nonlinearity("relu"), RELU, LINE)] * 6],
}


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("shift", [1e-9, 0.3])
def test_bounds_of_deep_networks(name: str, shift: float) -> None:
    """Smooth images, one of them nearly parallel to the other: what averages lose most at."""
    at = 2 * np.pi * np.arange(8 if name == "blocks" else 16) / (8 if name == "blocks" else 16)
    first = np.stack([1 + np.cos(2 * at), 1 + np.sin(at + 0.2) / 2])
    x = np.stack([first, 3 * first + shift * np.cos([at, 3 * at])])
    network = Network(*DEEP[name], GlobalAveragePooling())
    estimate = kernel_estimate(network, x, tolerance=1e-6)
    image_balls.margins(network, x, estimate, digits=240)
    if shift != 1e-9:  # which is what the rounding of a mean makes of two equal images
        root = np.sqrt(np.diag(estimate.value))
        assert (estimate.error / np.outer(root, root)).max() <= 1e-10


def _chords(*layers: object) -> ChordErrors:
    """The rules of a network of one image of one position."""
    network = Network(*layers, Flatten())  # type: ignore[arg-type]
    images = np.ones((1, 1, 1))
    method = prepare_images(network, images, None, 1e-10, spatial=(1,)).method
    assert isinstance(method, Images)
    assert method.defects is not None
    return method.defects[1]


@pytest.mark.parametrize("bend", [0.5, 0.375, 1.0])
def test_an_error_of_a_covariance_does_not_grow_behind_an_activation(bend: float) -> None:
    """|dE| <= g' |dLambda| + |g - rho g'| |d(s s')|, which is all of the error at rho = 1."""
    slope, wrong = 1 - bend, 1e-6
    chords = _chords(Convolution(f"{slope}*x + {bend}*abs(x)", 1))
    error = chords.layer(0, np.array([[0.0], [wrong], [0.0]]), np.array([2.0]))[1, 0] - 1e-12
    rho = 1 - np.logspace(-12, np.log10(2), 200)

    def value(covariance: np.ndarray, of_norms: float) -> np.ndarray:
        part = np.clip(covariance / of_norms, -1, 1)
        folded = 2 / np.pi * (np.sqrt(1 - part**2) + part * np.arcsin(part))
        return of_norms * (slope**2 * part + bend**2 * folded) / (slope**2 + bend**2)

    steps = value(rho + wrong, 1.0) - value(rho, 1.0), value(rho - wrong, 1.0) - value(rho, 1.0)
    largest = float(np.abs(steps).max())
    assert 0.99 * error < largest <= error + 1e-12
    shares = abs(value(rho + wrong, 1 + wrong) - value(rho, 1.0))
    assert shares.max() <= error + 2e-12  # to first order


@pytest.mark.parametrize("side", [1, 4])
def test_a_residual_network_keeps_the_default_tolerance(side: int) -> None:
    """Equal images beside each other, and one of another brightness, which is parallel."""
    images = np.random.default_rng(0).uniform(size=(4, 3, 8, 8))
    images[1], images[2] = images[0], side * images[0]
    nngp, ntk = kernel(resnet(20), images, kind="both")
    for values in (nngp, ntk):
        assert_allclose(values[0, 1], values[0, 0], rtol=2e-10)
        assert_allclose(values[0, 2], side * values[0, 0], rtol=2e-10)
