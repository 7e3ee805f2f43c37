"""The Hessian in the directions where it is not zero, against the whole one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from analytic import FullyConnected, Network, Residual
from empirical import FiniteNetwork
from empirical.curvature.hessian import OutputHessian, check_hessian
from empirical.curvature.stacked_hessian import StackedHessian, is_stacked

EPS = 2.0**-52
LAYER = FullyConnected("tanh", weight_std=1.3, bias_std=0.4)
NETWORKS = {
    "plain": Network(LAYER, FullyConnected("softplus"), LAYER),
    "residual": Network(LAYER, Residual(FullyConnected("sigmoid")), Residual(LAYER)),
    "longer branch": Network(LAYER, Residual(FullyConnected("softplus", width_ratio=2), LAYER)),
    "unequal": Network(FullyConnected("tanh", width_ratio=0.5), LAYER),
}


def pair(name: str, both: bool) -> tuple[StackedHessian, OutputHessian]:
    """The two at the same point, which is not where the weights were drawn."""
    x = torch.tensor([[1.0, -0.5, 2.0]], dtype=torch.float64)
    f = FiniteNetwork(NETWORKS[name], (3,), 6, seed=3, antisymmetric=both)
    short, whole = StackedHessian(f, x), OutputHessian(f, x, 0)
    theta = whole.place.origin + 0.1 * normal(whole.size, 1)
    short.move(theta)
    whole.move(theta)
    return short, whole


def normal(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_products_and_slopes_are_those_of_the_whole_hessian(name: str, both: bool) -> None:
    short, whole = pair(name, both)
    v, z = normal(whole.size, 2), normal(short.size, 4)
    exact = whole(v)
    allowed = 1000 * EPS * math.sqrt(whole.size)  # some hundred roundings of sums of m terms
    assert float((short.full(v) - exact).norm()) <= allowed * float(exact.norm())
    slope = whole.slope(short.expand(z))
    assert float((short.slope(z) - slope).norm()) <= allowed * float(slope.norm())
    assert abs(float(short.compress(v) @ z - v @ short.expand(z))) <= allowed * float(v.norm())
    assert short.size < whole.size


@pytest.mark.parametrize("name", NETWORKS)
def test_its_eigenvalues_are_those_that_are_not_zero(name: str) -> None:
    short, whole = pair(name, False)
    small = torch.stack([short(row) for row in torch.eye(short.size).double()])
    large = torch.stack([whole(row) for row in torch.eye(whole.size).double()])
    here, there = (torch.linalg.eigvalsh(h) for h in (small, large))
    norm = float(there.abs().max())
    assert float((small - small.T).abs().max()) <= 100 * EPS * norm
    here, there = (e[e.abs() > 1e-12 * norm] for e in (here, there))
    assert len(here) == len(there)
    assert float((here - there).abs().max()) <= 100 * whole.size * EPS * norm


def test_an_input_of_zeros_and_a_readout_of_zeros_have_their_hessian() -> None:
    f = FiniteNetwork(NETWORKS["plain"], (3,), 6, antisymmetric=False)
    torch.nn.init.zeros_(next(f.copies()).readout.weight)
    for x in (torch.zeros(1, 3).double(), torch.ones(1, 3).double()):
        short, whole = StackedHessian(f, x), OutputHessian(f, x, 0)
        v = normal(whole.size, 5)
        short.move(whole.place.origin)
        whole.move(whole.place.origin)
        assert float((short.full(v) - whole(v)).norm()) <= 1e4 * EPS * float(whole(v).norm())


def test_a_frame_that_is_wrong_is_noticed() -> None:
    """The comparison with differences of gradients is made for every network."""
    f, x = FiniteNetwork(NETWORKS["residual"], (3,), 6), torch.ones(1, 3).double()
    short = StackedHessian(f, x)
    check_hessian(short, x, 0, normal(len(short.place.origin), 6))
    short.x = 2 * x
    with pytest.raises(ValueError, match="not the differences of its gradients"):
        check_hessian(short, x, 0, normal(len(short.place.origin), 6))


def test_only_networks_whose_parameters_all_move_are_stacked() -> None:
    f, x = FiniteNetwork(NETWORKS["plain"], (3,), 6), torch.ones(1, 3).double()
    assert is_stacked(f, x, 0)
    assert not is_stacked(f, x, lambda y: y)
    assert not is_stacked(torch.nn.Linear(3, 1), x, 0)
    next(f.parameters()).requires_grad_(False)
    assert not is_stacked(f, x, 0)
