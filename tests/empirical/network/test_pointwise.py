"""The torch callable: the numpy one's values, and derivatives by automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analytic import Activation
from analytic.activation import NAMES
from analytic.expressions import KINKED
from empirical.network.pointwise_activation import pointwise

SPECS = [
    *sorted(set(NAMES) - set(KINKED)),
    "x*sigmoid(1.702*x)",
    "tanh(x) + sin(3*x)/10",
    "x*tanh(softplus(x))",
    "log(cosh(x))",
    "sqrt(1 + x**2)",
    "(1 + x**2)**(-3/2)",
    "atan(x)*pi + asinh(x/E)",
    "1/cosh(x) + erfc(x)",
    "(exp(x) - exp(-x))/(exp(x) + exp(-x))",
    "Max(x**2, tanh(x), -2) + Min(x, 1)",
    "abs(x)**3/(1 + x**2)",
    "2*x",
    "3",
]


@pytest.mark.parametrize("spec", SPECS)
def test_values_and_derivatives_match_numpy(spec: str) -> None:
    activation = Activation(spec)
    x = torch.tensor([-9.7, -2.3, -0.4, 0.31, 1.7, 8.8], dtype=torch.float64, requires_grad=True)
    exact = activation.derivatives(x.detach().numpy(), 2)
    value = pointwise(activation)(x)
    for order in (0, 1, 2):
        np.testing.assert_allclose(value.detach().numpy(), exact[order], rtol=1e-11, atol=1e-12)
        if order < 2 and value.requires_grad:
            (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        elif order < 2:
            value = torch.zeros_like(x)
    for order in (1, 2):
        direct = pointwise(activation, order)(x.detach()).numpy()
        np.testing.assert_allclose(direct, exact[order], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("spec", [s for s in SPECS if "exp(" not in s and "Max" not in s])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_derivatives_stay_finite_far_out(spec: str, dtype: torch.dtype) -> None:
    x = torch.tensor([-1e4, -800.0, 800.0, 1e4], dtype=dtype, requires_grad=True)
    value = pointwise(Activation(spec))(x)
    assert value.dtype == dtype
    assert torch.all(torch.isfinite(value))
    for _ in range(2):
        if not value.requires_grad:
            break
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        assert torch.all(torch.isfinite(value))


def test_torch_functions_may_be_mapped_and_differentiated() -> None:
    w = pointwise(Activation("x*tanh(softplus(x)) + 1/cosh(x)"))
    slope = torch.func.vmap(torch.func.grad(torch.func.grad(lambda t: w(t))))
    x = torch.linspace(-2, 2, 5, dtype=torch.float64)
    exact = Activation("x*tanh(softplus(x)) + 1/cosh(x)").derivatives(x.numpy(), 2)[2]
    np.testing.assert_allclose(slope(x).numpy(), exact, rtol=1e-12)
