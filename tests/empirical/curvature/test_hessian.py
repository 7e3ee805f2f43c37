"""The norm of the Hessian against dense Hessians, closed forms and random points."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from networks.cases import CASES
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from analytic import FullyConnected, Network, Residual
from empirical import FiniteNetwork, hessian_norm

NAMES = ("tanh", "softplus", "sigmoid")


def dense(module: nn.Module, x: Tensor, parameters: dict[str, Tensor] | None = None) -> Tensor:
    """The whole Hessian of the first output, by forward over reverse differentiation."""
    module = copy.deepcopy(module)
    if parameters is not None:
        module.load_state_dict(parameters, strict=False)
    named = {k: p.detach() for k, p in module.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in named.values()]

    def f(theta: Tensor) -> Tensor:
        parts = zip(theta.split(sizes), named.items(), strict=True)
        leaves = {name: part.view(p.shape) for part, (name, p) in parts}
        return functional_call(module, leaves, (x,)).reshape(-1)[0]

    theta = torch.cat([p.flatten() for p in named.values()])
    with sdpa_kernel(SDPBackend.MATH):
        return torch.autograd.functional.hessian(f, theta)  # pyright: ignore[reportReturnType]


def norm(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix, ord=2))


def network(name: str, depth: int, residual: bool) -> Network:
    later = Residual(FullyConnected(name)) if residual else FullyConnected(name)
    return Network(FullyConnected(name), *[later] * (depth - 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("depth", "residual"), [(1, False), (2, False), (3, False), (3, True)])
def test_the_norm_is_that_of_the_dense_hessian(name: str, depth: int, residual: bool) -> None:
    f = FiniteNetwork(network(name, depth, residual), (3,), 6, seed=depth)
    x = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    found = hessian_norm(f, x)
    exact = norm(dense(f, x[None]))
    assert abs(found.value - exact) <= 1e-8 * exact
    assert found.error <= 2e-6 * exact
    assert found.displacement == 0


@pytest.mark.parametrize("case", ["Small ResNet", "transformer", "Conv1d, stride, padding", "tied"])
def test_modules_from_outside_have_the_norm_of_their_dense_hessian(case: str) -> None:
    torch.manual_seed(5)
    name = next(n for n in CASES if case.lower() in n.lower())
    module, x = CASES[name].make().double().eval(), CASES[name].inputs(1)
    if sum(p.numel() for p in module.parameters()) > 1500:
        module.requires_grad_(False)
        for p in list(module.parameters())[-4:]:
            p.requires_grad_(True)
    output = (0,) * (module(x).ndim - 1)
    exact = norm(dense(module, x))
    assert abs(hessian_norm(module, x, output=output).value - exact) <= 1e-8 * exact


def unit_norms(f: FiniteNetwork, x: Tensor, dv: np.ndarray, dh: np.ndarray) -> np.ndarray:
    """Norms of the Hessian of v^T w(W x/sqrt(d))/sqrt(m) for every unit, both shifted.

    Only parameters of the same unit meet, v_i and w_i along x: with q = |x|^2/d the block is
    [[v_i w''(h_i) q, w'(h_i) sqrt(q)], [w'(h_i) sqrt(q), 0]]/sqrt(m).
    """
    stack = next(f.copies())
    layer = next(stack.weight_layers())
    q = float((x @ x) / len(x))
    h = (layer.weight @ x / math.sqrt(len(x))).detach().numpy()
    v = stack.readout.weight.detach().numpy()
    shape = (slice(None), *[None] * dv.ndim)
    h, v = torch.from_numpy(h[shape] + dh), v[shape] + dv
    h.requires_grad_(True)
    first = torch.autograd.grad(torch.tanh(h).sum(), h, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), h)[0].numpy()
    half, off = v * second * q / 2, first.detach().numpy() * math.sqrt(q)
    return (np.abs(half) + np.hypot(half, off)) / math.sqrt(f.width)


@pytest.mark.parametrize("width", [8, 64, 1024])
def test_one_layer_has_the_norm_of_its_worst_unit(width: int) -> None:
    f = FiniteNetwork(Network(FullyConnected("tanh")), (5,), width, antisymmetric=False)
    x = torch.linspace(-1, 2, 5, dtype=torch.float64)
    exact = float(unit_norms(f, x, np.zeros(()), np.zeros(())).max())
    assert abs(hessian_norm(f, x).value - exact) <= 1e-10 * exact
    both = FiniteNetwork(Network(FullyConnected("tanh")), (5,), width)
    assert abs(hessian_norm(both, x).value - exact / math.sqrt(2)) <= 1e-10 * exact


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0])
def test_the_ascent_reaches_the_supremum_of_one_layer_and_never_exceeds_it(radius: float) -> None:
    """All of R is best spent on one unit: a search in two numbers gives the supremum."""
    f = FiniteNetwork(Network(FullyConnected("tanh")), (5,), 32, antisymmetric=False, seed=2)
    x = torch.linspace(-1, 2, 5, dtype=torch.float64)
    angle = np.linspace(0, 2 * np.pi, 721)[:, None]
    length = np.linspace(0, radius, 121)[None, :]
    q = float((x @ x) / len(x))
    dv, dh = length * np.cos(angle), length * np.sin(angle) * math.sqrt(q)
    supremum = float(unit_norms(f, x, dv, dh).max())
    found = hessian_norm(f, x, radius)
    assert 0.99 * supremum <= found.value <= (1 + 1e-3) * supremum  # spacing of the grid
    assert found.displacement <= radius * (1 + 1e-12)
    assert "lower bound" in found.meaning


@pytest.mark.parametrize("name", NAMES)
def test_the_ascent_exceeds_random_points_and_says_where_it_is(name: str) -> None:
    f = FiniteNetwork(network(name, 2, True), (3,), 8, seed=1, antisymmetric=False)
    x = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    found = hessian_norm(f, x, radius=1.5)
    generator = torch.Generator().manual_seed(9)
    named = {k: p.detach() for k, p in f.named_parameters()}
    for _ in range(20):
        away = {k: torch.randn(p.shape, generator=generator).to(p) for k, p in named.items()}
        length = math.sqrt(sum(float(a.square().sum()) for a in away.values()))
        point = {k: named[k] + away[k] * 1.5 / length for k in named}
        assert norm(dense(f, x[None], point)) < found.value
    there = norm(dense(f, x[None], found.parameters))
    assert abs(found.value - there) <= 1e-8 * there
    away = sum(float((found.parameters[k] - p).square().sum()) for k, p in named.items())
    assert abs(math.sqrt(away) - found.displacement) <= 1e-12


def test_a_linear_module_has_no_hessian() -> None:
    x = torch.ones(1, 3).double()
    assert hessian_norm(nn.Linear(3, 2).double(), x).value == 0.0
    assert hessian_norm(nn.Linear(3, 2).double(), x, radius=1.0).value == 0.0


def test_float32_has_the_norm_to_its_own_accuracy() -> None:
    f = FiniteNetwork(network("tanh", 2, False), (3,), 16, dtype=torch.float32)
    x = torch.tensor([1.0, -0.5, 2.0])
    wide = FiniteNetwork(network("tanh", 2, False), (3,), 16)
    found, exact = hessian_norm(f, x), hessian_norm(wide, x.double())
    assert abs(found.value - exact.value) <= 1e-5 * exact.value


def test_the_module_is_left_as_it_was_and_kinks_are_named() -> None:
    f = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    before = copy.deepcopy(f.state_dict())
    found = hessian_norm(f, torch.ones(3).double(), radius=0.5)
    assert all(torch.equal(before[k], v) for k, v in f.state_dict().items())
    assert "no second derivative" in found.meaning
    assert "relu" in found.meaning


class Once(torch.autograd.Function):
    """A square whose derivative cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * ctx.saved_tensors[0] * g


class Squared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1).double()

    def forward(self, x: Tensor) -> Tensor:
        return Once.apply(self.linear(x))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, x: hessian_norm(f, x[:1], -0.1), "radius of at least 0, got -0.1"),
        (lambda f, x: hessian_norm(f, x[:1], math.nan), "radius of at least 0, got nan"),
        (lambda f, x: hessian_norm(f, x), "expected one input, a batch of 1, got 2"),
        (lambda f, x: hessian_norm(f, x[:1], output="trace"), "one output .* got 'trace'"),
        (lambda f, x: hessian_norm(f, x[:1], output=2), "from 0 to 1, got 2"),
        (lambda f, x: hessian_norm(f, x[:1], rtol=0), "rtol between 0 and 1, got 0"),
        (lambda f, x: hessian_norm(f, x[:1], starts=0), "at least 1 start, got 0"),
        (lambda f, x: hessian_norm(Squared(), x[:1]), "differentiate again and again"),
    ],
)
def test_bad_input_is_refused(call: Callable[..., Any], message: str) -> None:
    f = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    with pytest.raises(ValueError, match=message):
        call(f, torch.ones(2, 2).double())
