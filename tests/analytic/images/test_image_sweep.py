"""The promise for images, over random networks, against ball arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from oracles import image_balls

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    SumPooling,
    kernel_estimate,
)

CASES = 120
NAMES = ["erf", "sin", "gaussian"]


def _network(rng: np.random.Generator, name: str) -> Network:
    def convolution(kernel: int, **options: object) -> Convolution:
        return Convolution(
            name, kernel, weight_std=float(10 ** rng.uniform(-0.7, 0.2)),
            bias_std=float(rng.choice([0.0, 0.3])), **options,  # type: ignore[arg-type]
        )  # fmt: skip

    mode = str(rng.choice(["zeros", "circular"]))
    first = {"padding_mode": mode, "dilation": int(rng.integers(1, 3))}
    layers: list[object] = [convolution(int(rng.integers(1, 4)), **first)]
    for _ in range(rng.integers(0, 3)):
        layer = convolution(int(rng.integers(1, 4)))
        layers.append(Residual(layer) if rng.random() < 0.4 else layer)
        if rng.random() < 0.3:
            pool = SumPooling(2, stride=1) if rng.random() < 0.5 else AveragePooling(3)
            layers.append(pool if len(layers) < 3 else layer)
    layers.append(Flatten() if rng.random() < 0.5 else GlobalAveragePooling())
    if rng.random() < 0.4:
        layers.append(FullyConnected(name))
    return Network(*layers)  # type: ignore[arg-type]


def test_three_dimensions_are_within_their_bound_of_ball_arithmetic() -> None:
    network = Network(
        Convolution("gaussian", (2, 1, 2), weight_std=0.6),
        AveragePooling((2, 1, 1), stride=1),
        Convolution("erf", (1, 2, 2), bias_std=0.3),
        GlobalAveragePooling(),
    )
    x = np.random.default_rng(3).standard_normal((2, 1, 3, 2, 2))
    image_balls.margins(network, x, kernel_estimate(network, x))


def test_filters_divided_by_their_fan_in_are_within_their_bound_of_ball_arithmetic() -> None:
    rng = np.random.default_rng(5)
    for name, size in (("erf", 3), ("sin", 5), ("relu", 2)):
        layer = Convolution(name, size, normalize="fan_in", weight_std=1.3, bias_std=0.2)
        network, x = Network(layer, layer, GlobalAveragePooling()), rng.standard_normal((2, 1, 4))
        image_balls.margins(network, x, kernel_estimate(network, x))


def _cases() -> Iterator[tuple[Network, np.ndarray]]:
    rng = np.random.default_rng(2027)
    for _ in range(CASES):
        network = _network(rng, str(rng.choice(NAMES)))
        x = rng.standard_normal((2, int(rng.integers(1, 3)), 3))
        if rng.random() < 0.5:
            x[1] = x[0] + 10.0 ** rng.uniform(-12, 0) * x[1]
        if rng.random() < 0.3:
            x[:, :, -1] = 0
        yield network, x


def test_the_true_error_never_exceeds_the_bound_and_is_not_far_below() -> None:
    median, refused = image_balls.sweep(_cases())
    assert median < 10_000
    assert refused <= CASES // 20
