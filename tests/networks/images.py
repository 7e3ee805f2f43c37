"""Networks of images that between them have everything that a description offers."""

from __future__ import annotations

import math
from collections.abc import Callable

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    Sum,
    SumPooling,
)

__all__ = ["ACTIVATIONS", "ARCHITECTURES"]

C, F, G, R = Convolution, FullyConnected, GlobalAveragePooling, Residual

ACTIVATIONS = ("tanh", "softplus", "sigmoid")

Build = Callable[[str], Network]
THIRD = 1 / 3

ARCHITECTURES: dict[str, tuple[tuple[int, ...], Build]] = {
    "a line, flattened": ((2, 5), lambda a: Network(C(a, 3), C(a, 3))),
    "even filters and a stride": (
        (1, 7),
        lambda a: Network(C(a, 4, stride=2), C(a, 2, weight_std=1.2), Flatten()),
    ),
    "valid, with biases": (
        (1, 6),
        lambda a: Network(
            C(a, 3, padding="valid", bias_std=0.5), C(a, 2, padding="valid", stride=2, bias_std=0.3)
        ),
    ),
    "a torus with two kinds of steps": (
        (1, 4, 4),
        lambda a: Network(
            C(a, 3, padding_mode="circular", weight_std=THIRD),
            C(a, (2, 3), stride=(1, 2), padding_mode="circular", weight_std=0.5),
        ),
    ),
    "three dimensions, pooled globally": (
        (2, 3, 2, 2),
        lambda a: Network(
            C(a, (3, 2, 1), weight_std=THIRD),
            AveragePooling((2, 1, 1), stride=1),
            C(a, 2, stride=(1, 2, 1), weight_std=THIRD),
            G(),
        ),
    ),
    "residual around one": ((1, 5), lambda a: Network(C(a, 3), R(C(a, 3, weight_std=0.7)))),
    "residual around two, pooled": (
        (1, 3, 3),
        lambda a: Network(
            C(a, 2), R(C(a, 3, weight_std=0.5, dilation=(1, 2)), C(a, 2, weight_std=0.5)), G()
        ),
    ),
    "residual in residual on a circle": (
        (1, 5),
        lambda a: Network(
            C(a, 3, padding_mode="circular"),
            R(
                R(C(a, 2, padding_mode="circular")),
                C(a, 3, padding_mode="circular", weight_std=0.6),
            ),
        ),
    ),
    "sums of branches, projected and pooled": (
        (1, 5),
        lambda a: Network(
            C(a, 2),
            Sum(C("identity", 1, stride=2), [C(a, 3, stride=2), R(C(a, 2))], C(a, 2, stride=2)),
            Sum([C(a, 2, weight_std=0.7)], []),
            G(),
        ),
    ),
    "pooled, then flattened": (
        (1, 4, 4),
        lambda a: Network(C(a, 3, weight_std=THIRD), AveragePooling(2, stride=(1, 2)), Flatten()),
    ),
    "pooled in the middle": (
        (1, 6),
        lambda a: Network(C(a, 3, dilation=2), AveragePooling(2), C(a, 2, bias_std=0.4), G()),
    ),
    "fully connected behind": (
        (1, 4, 4),
        lambda a: Network(
            C(a, 3, padding="valid", weight_std=THIRD), Flatten(), F(a, bias_std=0.5), R(F(a))
        ),
    ),
    "pooled first, of several widths": (
        (1, 8),
        lambda a: Network(
            SumPooling(2),
            C(a, 3, bias_std=0.5, width_ratio=0.5),
            R(C(a, 3, bias_std=0.2, width_ratio=0.5, weight_std=1 / math.sqrt(3))),
            C(a, 1, width_ratio=2),
            G(),
            F(a),
        ),
    ),
}
"""Input shapes, and the network for the name of an activation."""
