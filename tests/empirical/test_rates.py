"""Rates of gradient flow on the finite side: kernels, flows, widths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks.rated import RATED, RATED_IMAGES, draw
from numpy.testing import assert_allclose
from torch import nn

from analytic import (
    FullyConnected,
    Network,
    Residual,
    kernel,
)
from compare import Inputs, convergence
from empirical import (
    FiniteNetwork,
    gradient_flow,
    streamed_tangent_kernel,
    tangent_kernel,
    tangent_kernel_diagonal,
    tangent_kernel_shares,
    tangent_kernels,
)

F, R = FullyConnected, Residual


CASES = [(RATED, (4,)), (RATED_IMAGES, (2, 5))]


def by_hand(f: FiniteNetwork, x: torch.Tensor, rates: dict[str, float]) -> torch.Tensor:
    """The sum over parameters of rate times the products of gradients, one by one."""
    total = torch.zeros(len(x), len(x), dtype=torch.float64)
    for name, parameter in f.named_parameters():
        rows = torch.stack([
            torch.autograd.grad(f(sample[None]).sum(), parameter)[0].flatten() for sample in x
        ])  # fmt: skip
        total += rates[name] * rows @ rows.T
    return total


@pytest.mark.parametrize(("network", "shape"), CASES, ids=["vectors", "images"])
def test_all_ways_to_a_kernel_have_the_rates_of_the_description(
    network: Network, shape: tuple[int, ...]
) -> None:
    x = draw(4, *shape)
    f = FiniteNetwork(network, shape, 9, seed=1)
    exact = by_hand(f, x, f.rates)
    for found in (
        tangent_kernel(f, x),
        tangent_kernel(f, x, method="jacobian"),
        tangent_kernel(f, x, rates=f.rates),
        streamed_tangent_kernel(network, x, 9, 1, block=64),
        tangent_kernels(network, x, 9, [0, 1])[1],
        tangent_kernel_shares(f, x).total,
    ):
        assert_allclose(found, exact, rtol=1e-11)
    assert_allclose(tangent_kernel_diagonal(f, x), exact.diagonal(), rtol=1e-11)
    assert f(x).abs().max() == 0  # biases that start at 0, and the antisymmetric copies


@pytest.mark.parametrize(("network", "shape"), CASES, ids=["vectors", "images"])
def test_finite_kernels_tend_to_the_limit(network: Network, shape: tuple[int, ...]) -> None:
    """The mean of many K_0, in standard errors; the bias of order 1/m is below them."""
    x = draw(3, *shape)
    kernels = tangent_kernels(network, x, 128, range(64))
    error = kernels.std(0) / 8
    gap = (kernels.mean(0) - torch.from_numpy(kernel(network, x.numpy()))).abs()
    assert (gap <= 4.5 * error).all()
    plain = torch.from_numpy(kernel(Network(*network.layers), x.numpy()))
    assert ((kernels.mean(0) - plain).abs() > 9 * error).any()  # the control: another readout


def test_the_distance_to_the_limit_falls_with_exponent_1() -> None:
    found = convergence(
        RATED, Inputs.sphere(4), [16, 32, 64, 128], seeds=[400, 300, 200, 150], points=12
    )
    low, high = found.exponent_interval
    assert 0.5 < low <= 1 <= high < 1.5


def test_rates_by_name_multiply_the_shares_of_any_module() -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x = draw(4, 3)
    parts = {n: tangent_kernel(module, x, parameters=n) for n, _ in module.named_parameters()}
    rates = {"0.weight": 0.5, "0.bias": 0.0, "2.*": 3.0}
    exact = 0.5 * parts["0.weight"] + 3 * (parts["2.weight"] + parts["2.bias"])
    assert_allclose(tangent_kernel(module, x, rates=rates), exact, rtol=1e-12)


def test_a_flow_at_rates_is_that_of_the_linear_model() -> None:
    """f = a w x: with x = 1 theta' = -r (f - y), so that f - y = -exp(-(r + s) t)."""
    f = nn.Linear(1, 1).double()
    nn.init.zeros_(f.weight)
    nn.init.zeros_(f.bias)
    x, y = torch.ones(1, 1).double(), torch.ones(1).double()
    flow = gradient_flow(f, x, y, [0.5, 1.0], rates={"weight": 2.0, "bias": 0.5})
    exact = -np.exp(-2.5 * np.array([0.5, 1.0]))
    assert_allclose(flow.residuals[:, 0], exact, atol=2e-6)
    moved = 1 - np.exp(-2.5)
    assert_allclose(flow.parameters["weight"].item(), 0.8 * moved, atol=1e-5)
    assert_allclose(flow.parameters["bias"].item(), 0.2 * moved, atol=1e-5)
    frozen = gradient_flow(f, x, y, [1.0], rates={"weight": 0.0})
    assert frozen.parameters["weight"].item() == 0.0
    assert_allclose(frozen.residuals[:, 0], -np.exp(-1.0), atol=2e-6)


def test_a_wide_network_follows_the_kernel_of_its_rates() -> None:
    """At first df/dt = -K_0 (f - y)/n, with the rates of the description."""
    x, y = draw(3, 4), draw(3)
    f = FiniteNetwork(RATED, (4,), 64, seed=2)
    time = 1e-4
    flow = gradient_flow(f, x, y, [time])
    step = time * tangent_kernel(f, x) @ y / 3
    assert_allclose(flow.residuals[0] + y, step, atol=20 * time * float(step.abs().max()))


@pytest.mark.parametrize(
    ("rates", "kind", "message"),
    [
        ({"0.weight": -1.0}, ValueError, "non-negative finite rate of '0.weight', got -1.0"),
        ({"nobody": 1.0}, ValueError, "names of trained parameters in rates, got 'nobody'"),
        ({"*": 0.0}, ValueError, "a positive rate of some parameter, got 0 for all"),
        ({"0.weight": "fast"}, TypeError, "a number as rate of '0.weight', got 'fast'"),
        ([1.0], TypeError, "rates as a dict of names and numbers, got list"),
    ],
)
def test_wrong_rates_are_refused(rates: Any, kind: type[Exception], message: str) -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    with pytest.raises(kind, match=message.replace(".", r"\.").replace("*", r"\*")):
        tangent_kernel(module, draw(2, 3), rates=rates)
