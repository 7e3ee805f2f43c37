"""The parts of the flow's integrators, each against something slower."""

from __future__ import annotations

import copy
import math
from fractions import Fraction
from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from analytic import Convolution, FullyConnected, Network, Residual
from empirical import FiniteNetwork
from empirical.flow.dense_jacobian import DenseJacobian
from empirical.flow.dormand_prince import DormandPrince
from empirical.flow.exponential import Exponential
from empirical.flow.kernel_functions import KernelSpectrum, Span, phi
from empirical.flow.steps import Position, Tolerance
from empirical.flow.vector_field import Field
from empirical.jacobian.operators import GraphJacobian, LayerJacobian

BLOCKS = (
    FullyConnected("tanh", bias_std=0.4, weight_std=1.3),
    Residual(FullyConnected("softplus"), FullyConnected("erf", width_ratio=1.0)),
    FullyConnected("identity", width_ratio=0.5),
    FullyConnected("relu", bias_std=0.2),
)


def moved(antisymmetric: bool) -> FiniteNetwork:
    """A network away from its initialisation, where its copies differ."""
    torch.manual_seed(3)
    module = FiniteNetwork(Network(*BLOCKS), (3,), 8, antisymmetric=antisymmetric)
    for p in module.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return module


def sample(n: int = 5) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(4)
    x = torch.randn(n, 3, generator=g, dtype=torch.float64)
    return x, torch.randn(n, 1, generator=g, dtype=torch.float64)


def dense(*given: Any) -> DenseJacobian:
    held = DenseJacobian.of(GraphJacobian(*given))
    assert held is not None
    return held


@pytest.mark.parametrize("antisymmetric", [True, False])
@pytest.mark.parametrize("kind", [LayerJacobian, GraphJacobian, dense])
def test_jacobians_are_made_of_per_sample_gradients(antisymmetric: bool, kind: Any) -> None:
    module = moved(antisymmetric)
    x, y = sample()
    leaves = list(module.parameters())
    rows = [torch.autograd.grad(value, leaves, retain_graph=True) for value in module(x)]
    entries = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    jacobian = kind(module, leaves, x, y)
    v = torch.randn(entries.shape[1], generator=torch.Generator().manual_seed(5)).double()
    pulled = torch.full_like(v, torch.nan)
    parts = [p.view(q.shape) for p, q in zip(v.split([q.numel() for q in leaves]), leaves)]  # noqa: B905
    out = [p.view(q.shape) for p, q in zip(pulled.split([q.numel() for q in leaves]), leaves)]  # noqa: B905
    jacobian.pull(y, out)
    close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
    assert_close(pulled, entries.T @ y[:, 0], **close)
    assert_close(jacobian.push(parts)[:, 0], entries @ v, **close)
    assert_close(jacobian.residual[:, 0], module(x).detach() - y[:, 0], **close)
    if kind is not GraphJacobian:
        assert_close(jacobian.gram(), entries @ entries.T, **close)


def test_the_field_knows_the_networks_that_have_layers() -> None:
    x, y = sample()
    module = moved(True)
    assert Field(module, x, y).layered
    hooked = copy.deepcopy(module)
    hooked.stacks[0].register_forward_hook(lambda *_: None)
    frozen = copy.deepcopy(module)
    next(frozen.parameters()).requires_grad_(False)
    for other in (hooked, frozen, nn.Linear(3, 1).double()):
        assert not Field(other, x, y).layered
    images = FiniteNetwork(Network(Convolution("tanh", 3)), (2, 5), 4)
    assert not Field(images, torch.randn(5, 2, 5).double(), y).layered


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_phi_is_the_integral(k: int) -> None:
    z = torch.tensor([0.0, -1e-12, -1e-3, -0.3, -0.999, -1.0, -1.001, -3.0, -50.0, -1e6]).double()
    for argument, value in zip(z.tolist(), phi(k, z).tolist(), strict=True):
        with mpmath.workdps(50):
            exact = mpmath.hyp1f1(1, k + 1, mpmath.mpf(argument)) / mpmath.factorial(k)
        assert value == pytest.approx(float(exact), rel=1e-13)


def test_functions_of_the_kernel_are_those_of_the_matrix() -> None:
    g = torch.Generator().manual_seed(6)
    jacobian, slopes = (torch.randn(k, 9, generator=g).double() for k in (3, 2))
    n, h = 3, 0.7
    spectrum = KernelSpectrum(jacobian @ jacobian.T, n, 2)
    spectrum.pushed = slopes @ jacobian.T @ spectrum.vectors
    w = torch.randn(3, generator=g).double()

    def full(x: Span) -> Tensor:
        return torch.tensor(x.c, dtype=torch.float64) @ slopes + jacobian.T @ spectrum.vectors @ x.w

    x = Span((0.3, -2.0), w)
    values, vectors = torch.linalg.eigh(-h / n * jacobian.T @ jacobian)
    for weights in ((1.0,), (0.0, 1.0), (2.0, -3.0, 4.0)):
        terms = [a * phi(k + 1, values.clamp_max(0)) for k, a in enumerate(weights)]
        exact = vectors @ (sum(terms) * (vectors.T @ full(x)))
        assert_close(full(spectrum.function(weights, h, x)), exact, rtol=1e-12, atol=1e-12)
    forced = Span((0.0, 0.0), w)
    exact = h * vectors @ (phi(1, values.clamp_max(0)) * (vectors.T @ full(forced)))
    assert_close(full(spectrum.decay(h, forced)), exact, rtol=1e-12, atol=1e-12)
    assert_close(full(x - forced), full(x) - full(forced), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("kind", "order", "inside"), [(DormandPrince, 5, 4), (Exponential, 4, 3)])
def test_steps_and_interpolants_have_their_order(kind: Any, order: int, inside: int) -> None:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    x, y = sample()
    field = Field(module, x, y)
    tolerance = Tolerance(field, 1.0, None, torch.ones(1, 1))

    def local(h: float, count: int, share: float = 1.0) -> Tensor:
        """Theta after a share of h, in some equal steps."""
        start = torch.zeros_like(field.origin)
        for _ in range(count):
            one = kind(field, tolerance, Position(0.0, start, h / count))
            one.attempt(h / count)
            one.end = h / count
            start = (one.ahead if share == 1 else one.between(share)).clone()
        return start

    def rate(share: float) -> float:
        wrong = [float((local(h, 1, share) - local(share * h, 16)).norm()) for h in (0.4, 0.2, 0.1)]
        return math.log2(wrong[1] / wrong[2])

    assert rate(1.0) > order + 0.6
    assert rate(0.3) > inside + 0.6


def test_the_tables_of_dormand_and_prince_satisfy_their_conditions() -> None:
    from empirical.flow.dormand_prince import _A

    rows = [[Fraction(float(a)).limit_denominator(10**6) for a in row] for row in _A]
    b, nodes = rows[6], [sum(row, Fraction(0)) for row in rows[:6]]
    for power in range(5):
        assert sum(w * c**power for w, c in zip(b, nodes, strict=True)) == Fraction(1, power + 1)
