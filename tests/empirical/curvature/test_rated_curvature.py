"""Fisher information and Hessian of the parameters that gradient flow trains at rate 1."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor, nn
from torch.func import functional_call

from analytic import FullyConnected, Network, Readout
from empirical import FiniteNetwork, fisher_eigenvalues, fisher_limit, hessian_norm

RATES = {"0.weight": 0.25, "0.bias": 0.0, "2.weight": 3.0, "2.bias": 3.0}
RATED = Network(
    FullyConnected("tanh", weight_rate=0.25, bias_rate=2),
    FullyConnected("softplus", weight_rate=0, bias_std=0.5),
    Readout(weight_std=0.7, weight_rate=2, bias_rate=0.4),
)


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def finite() -> FiniteNetwork:
    return FiniteNetwork(RATED, (3,), 4, seed=1)


def inputs(n: int) -> Tensor:
    return torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def weighed(module: nn.Module, rates: dict[str, float]) -> tuple[Tensor, Any]:
    """sqrt(rate) of every number of theta, and the first output as a function of phi."""
    named = dict(module.named_parameters())
    roots = torch.cat([
        torch.full((p.numel(),), rates[name] ** 0.5, dtype=torch.float64)
        for name, p in named.items()
    ])  # fmt: skip
    theta = torch.cat([p.detach().flatten() for p in named.values()])

    def output(phi: Tensor, x: Tensor) -> Tensor:
        parts = (theta + roots * phi).split([p.numel() for p in named.values()])
        moved = {n: v.view_as(p) for (n, p), v in zip(named.items(), parts, strict=True)}
        return functional_call(module, moved, (x,)).reshape(len(x), -1)[:, 0]

    return roots, output


CASES = [(perceptron, RATES, {"rates": {"0.weight": 0.25, "0.bias": 0, "2.*": 3.0}}),
         (finite, None, {})]  # fmt: skip


@pytest.mark.parametrize(("factory", "rates", "named"), CASES, ids=["module", "description"])
def test_curvature_is_that_of_rescaled_parameters(
    factory: Any, rates: dict[str, float] | None, named: dict[str, Any]
) -> None:
    """From all gradients and second derivatives, one by one."""
    module, x = factory(), inputs(5)
    roots, output = weighed(module, rates or module.rates)
    start = torch.zeros_like(roots)
    rows = torch.autograd.functional.jacobian(lambda phi: output(phi, x), start)
    exact = torch.linalg.eigvalsh(rows @ rows.T / 5).flip(0)
    assert_allclose(fisher_eigenvalues(module, x, **named), exact, rtol=1e-9, atol=1e-14)
    hessian = torch.autograd.functional.hessian(lambda phi: output(phi, x[:1])[0], start)
    norm = hessian_norm(module, x[:1], **named)
    assert_allclose(norm.value, torch.linalg.eigvalsh(hessian).abs().max(), rtol=1e-9)
    assert norm.parameters.keys() == dict(module.named_parameters()).keys()


def test_the_ball_is_one_of_rescaled_parameters() -> None:
    """f = v w x: |H| = r x wherever v and w are; the ball of theta/sqrt(r) is r^(1/2) as large."""
    f = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Tanh(), nn.Linear(1, 1, bias=False)).double()
    x = torch.full((1, 1), 2.0, dtype=torch.float64)
    for rate in (0.25, 4.0):
        slow = hessian_norm(f, x, radius=0.3, rates={"*": rate})
        plain = hessian_norm(f, x, radius=0.3 * rate**0.5)
        assert_allclose(slow.value, rate * plain.value, rtol=1e-6)
        moved = [slow.parameters[k] - p.detach() for k, p in f.named_parameters()]
        length = torch.cat([m.flatten() for m in moved]).norm()
        assert_allclose(length, slow.displacement * rate**0.5, rtol=1e-9)


def test_the_limit_of_many_samples_has_the_rates() -> None:
    module, x = perceptron(), inputs(32)
    found = fisher_limit(module, x, rates=RATES)
    assert_allclose(found.eigenvalues[-1], fisher_eigenvalues(module, x, rates=RATES)[:4])
    with pytest.raises(ValueError, match="a positive rate of some parameter, got 0 for all"):
        hessian_norm(module, x[:1], rates={"*": 0.0})
