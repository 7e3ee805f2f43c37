"""Shapes of images that do not fit, and memory that is not there, get one sentence."""

from __future__ import annotations

import pytest
import torch

from analytic import (
    AveragePooling,
    Convolution,
    FullyConnected,
    Network,
)
from empirical import (
    FiniteNetwork,
    streamed_tangent_kernel,
    tangent_kernel,
    tangent_kernels,
)

C, F = Convolution, FullyConnected
LINE, PLANE = Network(C("tanh", 3)), Network(C("tanh", (3, 3)))


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (PLANE, (64,), r"got \(64,\); reshape flat data, .* x.reshape\(-1, 1, 8, 8\), and pass"),
        (LINE, (60,), r"\(channels, positions\) or \(channels, height, width\) .* got \(60,\)"),
        (PLANE, (1, 8), r"expected input_shape \(channels, height, width\) .*, got \(1, 8\)"),
        (PLANE, (1, 0, 8), r"got \(1, 0, 8\)"),
        (
            PLANE,
            (28, 20, 3),
            r"looks like the channels; pass \(3, 28, 20\), and x.movedim\(-1, 1\)",
        ),
        (Network(F("tanh")), (1, 8, 8), r"got \(1, 8, 8\); pass \(64,\), .* x.flatten\(1\)"),
        (
            Network(C("tanh", 5, padding="valid")),
            (1, 4, 8),
            "expected images of at least 5 x 5 positions",
        ),
        (Network(C("tanh", 1), AveragePooling(3)), (1, 8), r"AveragePooling\(3\) divides, got 8"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    network: Network, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FiniteNetwork(network, shape, 4)
    x = torch.zeros(2, *shape, dtype=torch.float64)
    if x.numel():
        with pytest.raises(ValueError, match=message):
            streamed_tangent_kernel(network, x, 4)
        with pytest.raises(ValueError, match=message):
            tangent_kernels(network, x, 4, [0])


@pytest.mark.parametrize(
    ("network", "shape", "got", "message"),
    [
        (PLANE, (3, 8, 6), (5, 144), r"got \(5, 144\); reshape them with x.reshape\(-1, 3, 8, 6\)"),
        (PLANE, (3, 8, 6), (5, 8, 6, 3), r"the channels are last: pass x.movedim\(-1, 1\)"),
        (PLANE, (3, 8, 6), (3, 8, 6), r"add the axis of the batch with x\[None\]"),
        (PLANE, (3, 8, 6), (5, 3, 8, 8), r"\(n, 3, 8, 6\), got \(5, 3, 8, 8\); reshape them"),
        (Network(F("tanh")), (64,), (5, 1, 8, 8), r"flatten the images with x.flatten\(1\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    network: Network, shape: tuple[int, ...], got: tuple[int, ...], message: str
) -> None:
    f, x = FiniteNetwork(network, shape, 4), torch.ones(got, dtype=torch.float64)
    with pytest.raises(ValueError, match=message):
        f(x)
    with pytest.raises(ValueError, match=message):
        tangent_kernel(f, x)


def test_memory_that_is_not_there_is_refused_before_it_is_taken() -> None:
    x = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    with pytest.raises(MemoryError, match=r"GB of free memory on cpu .* width 1000000000"):
        streamed_tangent_kernel(LINE, x, 10**9)
    with pytest.raises(MemoryError, match=r"GB of free memory on cpu .* width 100000000"):
        tangent_kernels(LINE, x, 10**8, [0])
