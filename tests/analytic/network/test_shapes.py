"""Positions, shapes and the summary of networks of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    SumPooling,
)
from analytic.network.shapes import reads, shape_after

LAYERS = [
    Convolution("tanh", kernel, stride=stride, dilation=dilation, **padding)  # type: ignore[arg-type]
    for kernel in (1, 2, 3, 4, (3, 2))
    for stride in (1, 2, (1, 3))
    for dilation in (1, (2, 1), (1, 3))
    for padding in ({}, {"padding_mode": "circular"}, {"padding": "valid"})
    if kernel != 1 or dilation == 1
]


def each(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size, size)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_convolution_reads_what_torch_reads(layer: Convolution) -> None:
    kernel, stride, dilation = map(each, (layer.kernel_size, layer.stride, layer.dilation))
    x = torch.arange(1.0, 78.0, dtype=torch.float64).reshape(1, 1, 7, 11)
    filters = torch.eye(kernel[0] * kernel[1], dtype=torch.float64).reshape(-1, 1, *kernel)
    if layer.padding == "same":
        back = [d * ((k - 1) // 2) for k, d in zip(kernel, dilation, strict=True)]
        need = [
            (-(-p // s) - 1) * s + d * (k - 1) + 1 - p
            for p, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
        ]
        ahead = [max(n - b, 0) for n, b in zip(need, back, strict=True)]
        mode = "circular" if layer.padding_mode == "circular" else "constant"
        x = torch.nn.functional.pad(x, (back[1], ahead[1], back[0], ahead[0]), mode=mode)
    seen = torch.nn.functional.conv2d(x, filters, stride=stride, dilation=dilation)[0]
    found = reads(layer, (7, 11)) + 1  # the pixel at a position is its number plus 1
    assert shape_after(layer, (7, 11)) == tuple(seen.shape[1:])
    np.testing.assert_array_equal(found, seen.flatten(1).T.numpy())


def test_three_dimensions_are_read_as_torch_reads_them() -> None:
    layer = Convolution("tanh", (2, 1, 3), stride=(1, 2, 1), dilation=(2, 1, 1), padding="valid")
    x = torch.arange(1.0, 61.0, dtype=torch.float64).reshape(1, 1, 4, 3, 5)
    filters = torch.eye(6, dtype=torch.float64).reshape(6, 1, 2, 1, 3)
    seen = torch.nn.functional.conv3d(x, filters, stride=(1, 2, 1), dilation=(2, 1, 1))[0]
    assert shape_after(layer, (4, 3, 5)) == tuple(seen.shape[1:])
    np.testing.assert_array_equal(reads(layer, (4, 3, 5)) + 1, seen.flatten(1).T.numpy())


def test_pooling_reads_its_windows() -> None:
    np.testing.assert_array_equal(reads(AveragePooling(2), (4, 2)), [[0, 1, 2, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(reads(AveragePooling(3, stride=2), (6,)), [[0, 1, 2], [2, 3, 4]])
    np.testing.assert_array_equal(reads(SumPooling((1, 2), stride=3), (4, 2)), [[0, 1], [6, 7]])
    np.testing.assert_array_equal(reads(Flatten(), (2, 2)), [[0, 1, 2, 3]])
    np.testing.assert_array_equal(reads(GlobalAveragePooling(), (3,)), [[0, 1, 2]])


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (Network(Convolution("tanh", 9, padding="valid")), (1, 8, 8), "at least 9 x 9 positions"),
        (
            Network(Convolution("tanh", (1, 4), padding="valid", dilation=3)),
            (1, 8, 8),
            "at least 1 x 10 positions",
        ),
        (
            Network(Convolution("tanh", (1, 3), dilation=8)),
            (1, 4, 8),
            "no two at once; lower it, or write kernel_size 1 in that dimension",
        ),
        (Network(Convolution("tanh", 3), AveragePooling(3)), (1, 8, 8), "divides, got 8 x 8"),
        (
            Network(Convolution("tanh", 3), SumPooling((4, 3), stride=2)),
            (1, 3, 8),
            r"at least 4 x 3 positions for SumPooling.* got 3 x 8; pool a smaller size",
        ),
        (Network(Convolution("tanh", (3, 3))), (1, 8), r"\(channels, height, width\), got"),
        (Network(Convolution("tanh", 3)), (64,), r"\(channels, positions\) or"),
        (Network(FullyConnected("tanh")), (1, 8, 8), r"expected inputs of shape \(d,\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    network: Network, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        network.summary(shape)


def test_the_summary_counts_units() -> None:
    network = Network(
        Convolution("tanh", 3, weight_std=0.5),
        Residual(Convolution("tanh", 3, bias_std=0.25, dilation=2)),
        SumPooling(2),
        Convolution("tanh", 2, padding="valid", width_ratio=2),
        Flatten(),
        FullyConnected("tanh"),
    )
    rows = network.summary((3, 8, 8)).rows
    assert [row[1] for row in rows] == [
        "3 x 8 x 8", "m x 8 x 8", "m x 8 x 8", "m x 8 x 8", "m x 4 x 4", "2 m x 3 x 3", "18 m",
        "m", "1",
    ]  # fmt: skip
    assert [row[3] for row in rows] == ["", "27", "", "9 m", "", "4 m", "", "18 m", "m"]
    assert rows[1][2] == "0.5 sum of 9 W_k alpha[p + k] / sqrt(3)"
    assert rows[3][2] == "sum of 9 W_k alpha[p + d k] / sqrt(m) + 0.25 b"
    assert rows[4][2] == "sum of 4 positions"
    assert "18 m" in str(network.summary((3, 8, 8)))
    assert "<td>18 m</td>" in network.summary((3, 8, 8))._repr_html_()


def test_images_without_a_flattening_layer_are_flattened_at_the_end() -> None:
    rows = Network(Convolution("tanh", 3)).summary((1, 5)).rows
    assert rows[-2][:2] == ("Flatten()", "5 m")
    assert rows[-1][3] == "5 m"
    assert (
        Network(Convolution("tanh", 3), GlobalAveragePooling()).summary((1, 5)).rows[-1][3] == "m"
    )
