"""Compile what most tests use before they start.

    python .ci/compile_first.py

Every process of a run of all tests would compile all of it, at the same time as the others; two
processes that shared it would both compile the half that each part needs.
"""

from __future__ import annotations

import numpy as np

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    kernel,
)

RNG = np.random.default_rng(0)


def vectors() -> None:
    """The tiles of pairs, and tables of large inputs."""
    many = np.linspace(1000, 1010, 380)[:, None]
    kernel(Network(*[FullyConnected("softplus", bias_std=0.5)] * 2), many)
    kernel(
        Network(FullyConnected("tanh"), Residual(FullyConnected("softplus"))),
        RNG.standard_normal((40, 6)),
    )


def kinks() -> None:
    """Lines, whose tiles go through layers by tables, and kinks beside a bias."""
    line = np.linspace(-12, 12, 1100)[:, None]
    for name in ("gelu", "relu"):
        kernel(Network(*[FullyConnected(name)] * 2), line)
    for name in ("hardswish", "elu", "hardtanh"):
        kernel(Network(*[FullyConnected(name, bias_std=0.5)] * 2), RNG.standard_normal((300, 6)))


def images() -> None:
    """Images, and pairs that the tiles leave out."""
    x = RNG.standard_normal((6, 2, 6, 6))
    for name, end in (("tanh", Flatten()), ("softplus", GlobalAveragePooling())):
        layers = Convolution(name, 3), AveragePooling(2), Convolution("tanh", 3)
        kernel(Network(*layers, end), x)
    kernel(Network(Convolution("relu", 3), Convolution("relu", 3), GlobalAveragePooling()), x)
    close = np.repeat(RNG.standard_normal((4, 6)), 2, axis=0)
    close[::2] += 1e-7
    for name in ("tanh", "erf", "hardtanh", "hardswish", "elu"):
        kernel(Network(FullyConnected(name, weight_std=5.0)), close)


if __name__ == "__main__":
    vectors()
    kinks()
    images()
