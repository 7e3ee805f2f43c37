"""Finite networks of images against their limit: mean, rate, and a limit without its means."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
import torch
from networks.images import ACTIVATIONS, ARCHITECTURES
from numpy.testing import assert_allclose
from oracles import positions

from analytic import Network, kernel
from compare import Inputs, convergence
from empirical import tangent_kernels

NARROW, WIDE = 16, 128
RESIDUAL = [name for name in ARCHITECTURES if "residual" in name]
FINITE = [
    (name, "softplus" if name in RESIDUAL else activation)  # with means, where there are such terms
    for name, activation in zip(ARCHITECTURES, cycle(ACTIVATIONS))
]


def inputs(name: str, n: int) -> np.ndarray:
    shape, _ = ARCHITECTURES[name]
    return np.random.default_rng(11).standard_normal((n, *shape))


def mean(network: Network, x: np.ndarray, width: int, seeds: range) -> tuple[np.ndarray, ...]:
    """The mean of K_0 over seeds and its standard error."""
    k = tangent_kernels(network, torch.from_numpy(x), width, seeds).numpy()
    return k.mean(axis=0), k.std(axis=0, ddof=1) / np.sqrt(len(k))


def deviations(network: Network, x: np.ndarray, limit: np.ndarray, first: int) -> np.ndarray:
    """(mean of K_0 - K_inf - b/m) in standard errors, for 200 seeds at width 128.

    The bias b/m is measured at width 16, where it is eight times larger: b = 16 (mean - K_inf).
    A wrong limit is wrong at both widths alike, and 7/8 of its error are left.
    """
    k, error = mean(network, x, WIDE, range(first, first + 200))
    narrow, narrow_error = mean(network, x, NARROW, range(first + 200, first + 2200))
    ratio = NARROW / WIDE
    left = k - limit - ratio * (narrow - limit)
    return np.abs(left) / np.hypot(error, ratio * narrow_error)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_limit_is_that_of_a_slow_recursion(name: str, activation: str) -> None:
    network, x = ARCHITECTURES[name][1](activation), inputs(name, 3)
    assert_allclose(kernel(network, x), positions.kernel(network, x), rtol=1e-10)


@pytest.mark.parametrize(("name", "activation"), FINITE)
def test_the_mean_of_k0_is_the_limit(name: str, activation: str) -> None:
    # 13 networks with 6 different entries at 4 standard errors: a level of 0.5 % in all
    network, x = ARCHITECTURES[name][1](activation), inputs(name, 3)
    first = 10_000 * list(ARCHITECTURES).index(name)
    assert deviations(network, x, kernel(network, x), first).max() < 4


def without_mean_terms(network: Network, x: np.ndarray) -> np.ndarray:
    return positions.kernel(network, x, means=False)


@pytest.mark.parametrize(("name", "activation"), [*zip(RESIDUAL, cycle(("softplus", "sigmoid")))])
def test_the_mean_terms_of_residual_convolutions_are_seen(name: str, activation: str) -> None:
    network, x = ARCHITECTURES[name][1](activation), inputs(name, 3)
    assert deviations(network, x, without_mean_terms(network, x), 0).min() > 10


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("residual around one", "sigmoid"),
        ("even filters and a stride", "softplus"),
        ("pooled, then flattened", "tanh"),
        ("fully connected behind", "softplus"),
    ],
)
def test_the_squared_distance_falls_like_one_over_the_width(name: str, activation: str) -> None:
    network = ARCHITECTURES[name][1](activation)
    result = convergence(
        network, Inputs.array(inputs(name, 4)), [32, 64, 128, 256], [400, 300, 200, 150]
    )
    low, high = result.exponent_interval  # at 99 %
    assert low < 1 < high
    assert high - low < 0.4
    assert result.holds is not False


@pytest.mark.parametrize(
    ("name", "activation"), [(RESIDUAL[0], "softplus"), (RESIDUAL[1], "sigmoid")]
)
def test_without_the_mean_terms_the_verdict_is_fails(name: str, activation: str) -> None:
    result = convergence(
        ARCHITECTURES[name][1](activation),
        Inputs.array(inputs(name, 4)),
        [32, 64, 128, 256],
        [200, 150, 100, 50],
        limit=without_mean_terms,
    )
    assert result.verdict == "fails"
    assert result.holds is False
