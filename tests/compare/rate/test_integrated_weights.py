"""Kernels that are drawn without weights have the law of those of networks with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from analytic import Convolution, Flatten, FullyConnected, Network, Residual
from compare import Inputs, convergence
from compare.rate.integrated_weights import draw_networks, normal_numbers
from empirical import tangent_kernels

DENSE = Network(FullyConnected("tanh"), Residual(FullyConnected("softplus", bias_std=0.3)))
IMAGES = Network(Convolution("tanh", 3, weight_std=0.6), Convolution("gelu", 3), Flatten())
COUNT = 3000


def drawn(network: Network, x: np.ndarray, width: int, dtype: torch.dtype) -> np.ndarray:
    normal = normal_numbers(width, range(COUNT), dtype)
    return draw_networks(network, torch.from_numpy(x), width, COUNT, normal, dtype).kernel.numpy()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("network", [DENSE, IMAGES], ids=["dense", "images"])
def test_equal_inputs_and_more_points_than_units_do_no_harm(
    network: Network, dtype: torch.dtype
) -> None:
    """Singular covariances: means and variances of all entries within 4.5 standard errors."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((5, 2) if network is DENSE else (2, 1, 4))
    x[-1] = x[0]  # width 4: five points, or eight
    found = drawn(network, x, 4, dtype)
    real = tangent_kernels(network, torch.from_numpy(x), 4, range(COUNT)).numpy()
    error = np.sqrt((real.var(axis=0) + found.var(axis=0)) / COUNT)
    assert (np.abs(real.mean(axis=0) - found.mean(axis=0)) < 4.5 * error).all()
    assert (
        np.diag(error) < 0.1 * np.diag(real.mean(axis=0))
    ).all()  # a layer left out would be noticed
    squares = [(k - k.mean(axis=0)) ** 2 for k in (real, found)]
    spread = np.hypot(*(s.std(axis=0) for s in squares)) / COUNT**0.5
    assert (np.abs(squares[0].mean(axis=0) - squares[1].mean(axis=0)) < 4.5 * spread).all()


def p_value(a: np.ndarray, b: np.ndarray) -> float:
    found: Any = stats.ks_2samp(a, b)
    return float(found.pvalue)


def test_distances_have_the_same_law_and_those_of_another_width_have_not() -> None:
    """Kolmogorov and Smirnov's test of D at 2 x 250 networks."""
    inputs, widths = Inputs.sphere(4), [8, 16, 32]
    real = convergence(DENSE, inputs, widths, 250, points=6)
    found = convergence(DENSE, inputs, widths, 250, points=6, weights="integrated")
    for a, b in zip(real.distances, found.distances, strict=True):
        assert p_value(a, b) > 1e-4
    assert p_value(real.distances[1], found.distances[0]) < 1e-8


def test_a_network_is_the_same_whichever_are_drawn_with_it() -> None:
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((4, 3)))

    def kernels(numbers: range) -> np.ndarray:
        normal = normal_numbers(16, numbers, torch.float64)
        return draw_networks(DENSE, x, 16, len(numbers), normal, torch.float64).kernel.numpy()

    # products of stacks of matrices may be summed in another order: rounding, times the
    # root of the lift that it is magnified by where covariances are singular
    whole = kernels(range(6))
    np.testing.assert_allclose(kernels(range(2, 5)), whole[2:5], rtol=1e-9)
    assert len(np.unique(whole[:, 0, 0].round(6))) == 6


def test_ranges_of_numbers_are_independent_sweeps(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"points": 4, "progress": False}
    inputs, widths = Inputs.sphere(3), [8, 16, 32]
    for weights in ("drawn", "integrated"):
        first, second, both = (
            convergence(
                DENSE, inputs, widths, count, first=start, weights=weights, **arguments,
                store=tmp_path / f"{weights}-{start}-{count}.sqlite",
            )
            for start, count in ((0, 3), (3, 3), (0, 6))
        )  # fmt: skip
        for a, b, c in zip(first.distances, second.distances, both.distances, strict=True):
            np.testing.assert_allclose(np.concatenate([a, b]), c, rtol=1e-9)
        assert np.isfinite(second.rounding).all()
        assert second.config["first"] == 3
        with pytest.raises(ValueError, match="first 3 instead of None"):
            convergence(
                DENSE, inputs, widths, 3, **arguments, weights=weights,
                store=tmp_path / f"{weights}-3-3.sqlite",
            )  # fmt: skip


def test_the_floor_is_that_of_the_format() -> None:
    floors = [
        convergence(
            DENSE, Inputs.sphere(3), [8, 16, 32], 3, points=4, weights="integrated", dtype=dtype
        ).rounding
        for dtype in (torch.float64, torch.float32)
    ]
    ratio = torch.finfo(torch.float32).eps / torch.finfo(torch.float64).eps
    np.testing.assert_allclose(np.divide(floors[1], floors[0]), ratio, rtol=1e-3)


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        (DENSE, {"weights": "none"}, "expected weights 'drawn' or 'integrated', got 'none'"),
        (DENSE, {"weights": "integrated", "device": "meta"}, "on the CPU .*, got device 'meta'"),
        (lambda m, s: nn.Linear(3, 1), {"weights": "integrated"}, "expected a Network .*a module"),
        (
            Network(FullyConnected("tanh"), Residual(*[FullyConnected("tanh")] * 2)),
            {"weights": "integrated"},
            "residual blocks of one layer",
        ),
        (DENSE, {"first": -1}, "expected first from 0 to"),
        (DENSE, {"first": 2**31}, "expected first from 0 to"),
    ],
)
def test_what_cannot_be_drawn_is_refused(network: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convergence(network, Inputs.sphere(3), [4, 8, 16, 32], 3, points=4, **arguments)
