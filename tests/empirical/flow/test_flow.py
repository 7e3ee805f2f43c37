"""Gradient flow: closed forms, identities, tolerances."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from networks.cases import CASES
from oracles.rounding import of_difference
from scipy.linalg import expm
from torch import Tensor, nn
from torch.testing import assert_close

from analytic import AveragePooling, Convolution, Flatten, FullyConnected, Network, Residual
from empirical import FiniteNetwork, Flow, gradient_flow, tangent_kernel

METHODS: list[Any] = ["explicit", "exponential"]
SLOW: list[Any] = ["auto", "explicit"]
LARGE = {"LeNet-5", "Small ResNet"}
KINKED = {
    "Average and max pooling",
    "BatchNorm in eval mode",
    "Conv2d, dilation, groups",
    "Functional and bare parameters",
    "In-place activation after Linear",
    "PReLU",
}
EPS = torch.finfo(torch.float64).eps


def problem(n: int = 8, seed: int = 0, d: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets and evaluation points."""
    g = torch.Generator().manual_seed(seed)
    x, z = (torch.randn(k, d, generator=g, dtype=torch.float64) for k in (n, n + 3))
    return x, torch.sin(2 * x[:, 0]) + x[:, 1] / 2, z


def network(width: int = 24, antisymmetric: bool = True, dtype: Any = torch.float64) -> Any:
    layers = FullyConnected("tanh", bias_std=0.3), Residual(FullyConnected("softplus"))
    return FiniteNetwork(Network(*layers), (3,), width, antisymmetric=antisymmetric, dtype=dtype)


def perceptron(outputs: int = 1) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 10), nn.SiLU(), nn.Linear(10, outputs)).double()


def errors(flow: Flow, exact: Flow) -> list[float]:
    """What ``rtol`` bounds: predictions at samples and elsewhere, and the displacement."""
    n = len(exact.residuals[0])
    rms = float(exact.residuals[0].norm()) / math.sqrt(n)
    assert flow.evaluation is not None
    assert exact.evaluation is not None
    pairs = (flow.residuals, exact.residuals), (flow.evaluation, exact.evaluation)
    wrong = [float((a - b).flatten(1).norm(dim=1).max()) / math.sqrt(a.shape[1]) for a, b in pairs]
    moved = (flow.displacement - exact.displacement).abs() / exact.displacement.max()
    return [*(w / rms for w in wrong), float(moved.max())]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_a_linear_model_follows_the_exponential(method: Any, rtol: float) -> None:
    x, y, z = problem()
    torch.manual_seed(0)
    module = nn.Linear(3, 1).double()
    times = [0.0, 0.1, 1.0, 4.0, 20.0]
    flow = gradient_flow(module, x, y, times, evaluate=z, rtol=rtol, method=method)
    ones = np.ones((len(x), 1))
    features, elsewhere = np.hstack([x, ones]), np.hstack([z, np.ones((len(z), 1))])
    start = np.hstack([module.weight.detach().numpy()[0], module.bias.detach().numpy()])
    least = np.linalg.lstsq(features, y.numpy(), rcond=None)[0]
    decay = [expm(-features.T @ features / len(x) * t) for t in times]
    thetas = np.array([least + e @ (start - least) for e in decay])
    rms = float(flow.residuals[0].norm()) / math.sqrt(len(x))
    allowed = rtol if method == "explicit" else 1e3 * EPS  # one exponential step is exact
    residuals = thetas @ features.T - y.numpy()
    for value, exact in ((flow.residuals, residuals), (flow.evaluation, thetas @ elsewhere.T)):
        assert np.sqrt(np.mean((np.asarray(value) - exact) ** 2, 1)).max() <= allowed * rms
    moved = np.linalg.norm(thetas - start, axis=1)
    rounding = of_difference(start, thetas)  # at t = 0 both are the same numbers, rounded
    np.testing.assert_allclose(flow.displacement, moved, rtol=allowed, atol=2 * rounding)
    np.testing.assert_allclose(flow.loss, np.mean(residuals**2, 1) / 2, rtol=20 * rtol)


@lru_cache
def nonlinear(width: int, rtol: float, method: Any) -> Flow:
    x, y, z = problem()
    times = [0.05, 0.3, 2.0, 10.0, 20.0]
    return gradient_flow(network(width), x, y, times, evaluate=z, rtol=rtol, method=method)


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize(("method", "width"), [("explicit", 4), ("exponential", 24)])
def test_errors_stay_below_the_tolerance(method: Any, rtol: float, width: int) -> None:
    flow = nonlinear(width, rtol, method)
    exact = nonlinear(width, 1e-9, METHODS[method == "explicit"])
    assert max(errors(flow, exact)) < rtol
    if rtol > 1e-4:
        assert max(errors(flow, exact)) > 1e-8  # the tolerance is used, not ignored


@pytest.mark.parametrize("name", [k for k in CASES if k not in LARGE])
@pytest.mark.filterwarnings("ignore:The operator .*:UserWarning")
def test_modules_of_every_kind_flow(name: str) -> None:
    torch.manual_seed(1)
    module, x = CASES[name].make().double().eval(), CASES[name].inputs(6)
    y = 0.5 * torch.randn_like(module(x).detach())
    times = [0.02, 0.05] if name in KINKED else [0.02, 0.2, 0.4]
    flows = [
        gradient_flow(module, x, y, times, evaluate=x, rtol=rtol, method=method)
        for rtol, method in zip((1e-4, 1e-6), SLOW, strict=True)
    ]
    allowed = 1e-3 if name in KINKED else 1e-4  # a kink has no order, see docs/theory/flow.md
    assert max(errors(*flows)[:2]) < allowed
    if name not in KINKED:
        assert errors(*flows)[2] < allowed


@pytest.mark.parametrize(
    ("method", "module"),
    [
        ("explicit", network(8, False)),
        ("exponential", network()),
        *((method, perceptron()) for method in METHODS),
    ],
)
def test_identities_hold_along_the_flow(method: Any, module: nn.Module) -> None:
    x, y, _ = problem()
    nodes, weights = np.polynomial.legendre.leggauss(12)
    ends = [0.0, 0.5, 2.0, 6.0]
    inner = [(b - a) / 2 * nodes + (a + b) / 2 for a, b in pairwise(ends)]
    times = np.sort(np.concatenate([ends, *inner]))
    flow = gradient_flow(module, x, y, times.tolist(), rtol=1e-9, method=method)
    at = {t: i for i, t in enumerate(times)}
    for (a, b), points in zip(pairwise(ends), inner, strict=True):
        slopes = np.array([float(flow.gradient[at[t]]) for t in points])
        lost = float(flow.loss[at[a]] - flow.loss[at[b]])
        assert lost == pytest.approx((b - a) / 2 * float(weights @ slopes), rel=1e-7)
    assert bool((flow.loss.diff() < 0).all())
    bound = flow.times * (flow.loss[0] - flow.loss)
    assert bool((flow.displacement**2 <= bound * (1 + 1e-7)).all())


def test_monitors_are_what_they_say() -> None:
    x, y, z = problem()
    module = network()
    before = [p.clone() for p in module.parameters()]
    flow = gradient_flow(module, x, y, [0.5, 3.0], evaluate=z, watch=z[:4])
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))
    module.load_state_dict(flow.parameters)
    moved = torch.cat([(p - q).flatten() for p, q in zip(module.parameters(), before, strict=True)])
    values = module(x)
    gradients = torch.autograd.grad((values - y).square().sum() / 16, list(module.parameters()))
    tight: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
    assert_close(flow.residuals[-1], values.detach() - y, **tight)
    assert flow.evaluation is not None
    assert flow.kernels is not None
    assert_close(flow.evaluation[-1], module(z).detach(), **tight)
    assert_close(flow.kernels[-1], tangent_kernel(module, z[:4]), **tight)
    assert_close(flow.displacement[-1], moved.detach().norm(), **tight)
    assert_close(flow.loss[-1], (values - y).detach().square().mean() / 2, **tight)
    assert_close(flow.gradient[-1], sum(g.square().sum() for g in gradients), **tight)
    assert flow.kernels.shape == (2, 4, 4)


def three(y: Tensor) -> Tensor:
    return torch.stack([y, y**2, -y], 1)


@lru_cache
def euler(steps: int = 2**14) -> tuple[Tensor, Tensor]:
    """Residuals and loss at t = 1 by Euler's method, which is first order."""
    x, y, _ = problem()
    module, targets = perceptron(3), three(y)
    parameters = list(module.parameters())
    loss = torch.zeros(())
    for _ in range(steps):
        loss = (module(x) - targets).square().sum() / 16
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data -= g / steps
    return module(x).detach() - targets, loss.detach()


@pytest.mark.parametrize("method", METHODS)
def test_many_outputs_flow_together(method: Any) -> None:
    x, y, z = problem()
    targets = three(y)
    times = [1.0, 5.0]
    flow = gradient_flow(perceptron(3), x, targets, times, evaluate=z, watch=z, method=method)
    assert flow.residuals.shape == (2, 8, 3)
    assert flow.evaluation is not None
    assert flow.evaluation.shape == (2, 11, 3)
    assert flow.kernels is not None
    assert flow.kernels.shape == (2, 11, 3, 11, 3)
    residuals, loss = euler()
    assert_close(flow.residuals[0], residuals, rtol=0, atol=1e-3)
    assert_close(flow.loss[0], loss, rtol=1e-3, atol=0)


@pytest.mark.parametrize("antisymmetric", [True, False])
def test_networks_of_images_flow(antisymmetric: bool) -> None:
    layers = Convolution("tanh", 3), AveragePooling(2), Flatten(), FullyConnected("softplus")
    module = FiniteNetwork(Network(*layers), (2, 6), 8, antisymmetric=antisymmetric)
    x = torch.randn(7, 2, 6, generator=torch.Generator().manual_seed(0)).double()
    times = [0.3, 3.0]
    flow, exact = (
        gradient_flow(module, x, x[:, 0, 0], times, evaluate=x[:3], rtol=rtol, method=method)
        for rtol, method in ((1e-5, METHODS[1]), (1e-9, METHODS[0]))
    )
    assert max(errors(flow, exact)) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_keeps_its_tolerance(method: Any) -> None:
    x, y, z = problem()
    narrow: list[Any] = [t.float() for t in (x, y, z)]
    times = [0.3, 3.0, 100.0]
    module = network(64, dtype=torch.float32)
    flow = gradient_flow(
        module, narrow[0], narrow[1], times, evaluate=narrow[2], rtol=1e-4, method=method
    )
    exact = gradient_flow(module.double(), x, y, times, evaluate=z, rtol=1e-7)
    assert flow.residuals.dtype == torch.float32
    assert flow.displacement.dtype == torch.float64
    assert max(errors(flow, exact)) < 1e-4


def test_targets_that_are_met_stay() -> None:
    x, _, _ = problem()
    flow = gradient_flow(network(), x, torch.zeros(8, dtype=torch.float64), [0.0, 1e6])
    assert not flow.residuals.any()
    assert not flow.displacement.any()


def test_stiffness_is_said() -> None:
    x, y, _ = problem()
    module = perceptron()
    rate = float(torch.linalg.eigvalsh(tangent_kernel(module, x))[-1]) / len(x)
    for method, words in zip(METHODS, ("stable", "took them"), strict=True):
        short = gradient_flow(module, x, y, [3 / rate], method=method)
        assert short.stiff is None
        long = gradient_flow(module, x, y, [300 / rate], method=method, rtol=1e-3)
        assert long.stiff is not None
        assert words in long.stiff
    # explicit steps are bounded by stability, exponential ones are not
    counts = [
        gradient_flow(module, x, y, [1000 / rate], method=m, rtol=1e-3).work["steps"]
        for m in METHODS
    ]
    assert counts[0] > 1000 / 3.4
    assert counts[1] < counts[0] / 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_the_flow_is_the_same_on_a_gpu(method: Any) -> None:
    x, y, z = problem()
    times = [0.3, 3.0, 30.0]
    here = gradient_flow(network(), x, y, times, evaluate=z, rtol=1e-9, method=method)
    module = network().cuda()
    there = gradient_flow(
        module, x.cuda(), y.cuda(), times, evaluate=z.cuda(), rtol=1e-9, method=method
    )
    assert there.residuals.is_cuda
    assert_close(there.residuals.cpu(), here.residuals, rtol=1e-8, atol=1e-8)
    assert_close(there.displacement, here.displacement, rtol=1e-8, atol=1e-8)
