"""Kinks on the way: located, slid along, or said."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from empirical import Flow, FlowError, gradient_flow
from empirical.flow.kinks import first_change, kinks_of, switched_field

RTOL = 1e-6
TIMES = [0.1, 0.5, 1.0, 2.0]
ONE = torch.ones(1, 1, dtype=torch.float64)


def sample() -> tuple[Tensor, Tensor]:
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, torch.sin(2 * x[:, 0]) + x[:, 2] / 2


def perceptron(seed: int, activation: Any = nn.ReLU) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), activation(), nn.Linear(8, 1)).double()


@lru_cache
def euler(seed: int, steps: int) -> Tensor:
    """Residuals at t = 2 by Euler's method, in steps that chatter about the kinks."""
    (x, y), module = sample(), perceptron(seed)
    leaves = list(module.parameters())
    for _ in range(steps):
        loss = (module(x)[:, 0] - y).square().sum() / 32
        for p, g in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
            p.data -= 2 / steps * g
    return (module(x)[:, 0] - y).detach()


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_relu_networks_keep_the_tolerance(seed: int) -> None:
    x, y = sample()
    flows = [gradient_flow(perceptron(seed), x, y, TIMES, rtol=r) for r in (RTOL, 1e-9)]
    rms = float(y.norm()) / 4
    apart = (flows[0].residuals - flows[1].residuals).norm(dim=1) / 4
    assert float(apart.max()) < RTOL * rms
    moved = (flows[0].displacement - flows[1].displacement).abs() / flows[1].displacement
    assert float(moved.max()) < RTOL
    # Euler's method is of order 1, kinks and all
    wrong = [float((euler(seed, n) - flows[1].residuals[-1]).abs().max()) for n in (1000, 2000)]
    assert wrong[1] < 2e-4
    assert wrong[1] < 0.65 * wrong[0]
    assert flows[0].kinks == flows[1].kinks
    assert flows[0].kinks is not None
    assert flows[0].kinks.endswith("led along the kink")


class Corner(nn.Module):
    """f = (relu(w), w - c)/...: a loss that holds w at its kink for a time one can compute.

    Outputs relu(w) and v - w with targets 1 and 0 move w; see the test.
    """

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([-0.5], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.relu(self.w) * x, self.w * x], dim=1)


def test_a_flow_slides_along_its_kink() -> None:
    """Phi = (relu(w) + 1)^2/2 + (w - 1/2)^2/2 has its least value at the kink w = 0.

    Below, w' = 1/2 - w: w = 1/2 - e^-t from w_0 = -1/2, until t = log 2; above,
    w' = -(w + 1) + 1/2 - w < 0. So w stays at 0, with the share 1/2 of the slope of relu.
    """
    y = torch.tensor([[-1.0, 0.5]], dtype=torch.float64)
    times = [0.3, math.log(2) + 1e-3, 5.0]
    flow = gradient_flow(Corner(), ONE, y, times, rtol=1e-9)
    w = flow.residuals[:, 0, 1] + 0.5
    expected = [0.5 - math.exp(-0.3), 0.0, 0.0]
    torch.testing.assert_close(w, torch.tensor(expected).double(), rtol=0, atol=1e-8)
    assert float(flow.gradient[-1]) < 1e-16  # 0 is a subgradient there
    assert flow.kinks == "kinks: 1 changes of slope were located, 1 led along the kink"


@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU])
def test_the_energy_identity_holds_across_kinks(activation: Any) -> None:
    """Phi_0 - Phi_T = int ||Phi'||^2, by Simpson's rule on a fine grid: order 1 at a kink."""
    x, y = sample()
    lost = {}
    for n in (200, 400):
        times = [2.0 * k / n for k in range(n + 1)]
        flow = gradient_flow(perceptron(0, activation), x, y, times, rtol=1e-8)
        integral = float(torch.trapezoid(flow.gradient, flow.times))
        lost[n] = abs(float(flow.loss[0] - flow.loss[-1]) - integral)
        assert bool((flow.loss.diff() < 0).all())
    assert lost[400] < 1e-4
    assert lost[400] < 0.75 * lost[200]


@pytest.mark.parametrize("stop", range(1, 5))
def test_flows_across_kinks_continue_to_the_bit(stop: int) -> None:
    x, y = sample()
    whole = gradient_flow(perceptron(0), x, y, TIMES)
    part = gradient_flow(perceptron(0), x, y, TIMES[:stop])
    rest = gradient_flow(perceptron(0), x, y, TIMES, resume=part)
    assert torch.equal(rest.residuals, whole.residuals)
    assert torch.equal(rest.gradient, whole.gradient)
    assert rest.kinks == whole.kinks
    with pytest.raises(FlowError) as caught:
        gradient_flow(perceptron(0), x, y, TIMES, max_evaluations=400)
    again = gradient_flow(perceptron(0), x, y, TIMES, resume=caught.value.partial)
    assert torch.equal(again.residuals, whole.residuals)


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 8).double()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x)).amax(1)


def test_kinks_that_are_stepped_over_are_said() -> None:
    x, y = sample()
    short: list[Any] = [x, y, [0.01]]
    for method in ("explicit", "exponential"):
        flow: Flow = gradient_flow(perceptron(0), *short, method=method)
        assert flow.kinks is not None
        assert "functions of two slopes were stepped over" in flow.kinks
    pooled = gradient_flow(Pooled(), *short)
    assert pooled.kinks is not None
    assert "those of amax, functions of two slopes" in pooled.kinks
    assert gradient_flow(perceptron(0, nn.Tanh), *short).kinks is None


def test_switches_are_the_module() -> None:
    x, y = sample()
    for activation in (nn.ReLU, nn.LeakyReLU, lambda: nn.LeakyReLU(0.3), lambda: nn.ReLU(True)):
        module = perceptron(2, activation)
        assert kinks_of(module, x) == (128, [])
        field, other = switched_field(module, x, y), torch.empty(41).double()
        slope = torch.empty(41).double()
        residual = field(field.origin, slope).residual[:, 0]
        torch.testing.assert_close(residual, module(x)[:, 0].detach() - y, rtol=0, atol=1e-14)
        loss = (module(x)[:, 0] - y).square().sum() / 32
        grads = torch.autograd.grad(loss, list(module.parameters()))
        other = torch.cat([-g.flatten() for g in grads])
        torch.testing.assert_close(slope, other, rtol=1e-12, atol=1e-14)


def test_the_first_change_is_found() -> None:
    roots = torch.tensor([0.7, 0.2, 1.5], dtype=torch.float64)
    time, values = first_change(lambda t: (roots - t) * torch.exp(roots), 0.0, 1.0)
    assert 0.2 <= time <= 0.2 + 1e-12
    assert (values < 0).tolist() == [False, True, False]
