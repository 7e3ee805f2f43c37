"""Choices that units make for themselves are pointwise functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from analytic import Activation, Concatenate, Flatten
from empirical.lifting import LiftingError, network_of
from empirical.network import pointwise

Function = Callable[[Tensor], Tensor]


class Applies(nn.Module):
    """A perceptron with a function of somebody's."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.a, self.b, self.function = nn.Linear(6, 16), nn.Linear(16, 1), function

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.function(self.a(x)))


def activation(function: Function) -> Activation:
    """That of the description, whose finite network has proved to be the module."""
    layer: Any = network_of(Applies(function).eval(), torch.randn(4, 6)).network.layers[0]
    return layer.activation


CHOICES: list[tuple[Function, str]] = [
    (lambda h: torch.where(h > 0, h, 0.1 * h), "Max(0, x) + Min(0, x)/10"),
    (lambda h: torch.where(h <= 0, torch.exp(h) - 1, h), "elu"),
    (lambda h: h.where(0 < h, torch.zeros_like(h)), "relu"),
    (lambda h: h * (h >= 0), "relu"),
    (lambda h: h * (h > 0).to(h.dtype), "relu"),
    (lambda h: h * (~(h < 0)).float(), "relu"),
    (lambda h: h.masked_fill(h < -1, -1.0), "Max(-1, x)"),
    (
        lambda h: torch.max(h, 0.1 * h) + torch.min(h, torch.zeros_like(h)),
        "Max(x/10, x) + Min(0, x)",
    ),
    (lambda h: torch.fmax(h, torch.tensor(0.0)), "relu"),
    (lambda h: torch.clamp(h, -1, 1), "Min(1, Max(-1, x))"),
    (
        lambda h: torch.where(h > 0, torch.sin(h), h * torch.tanh(h)),
        "sin(Max(0, x)) + tanh(Min(0, x))*Min(0, x)",
    ),
]


@pytest.mark.parametrize(("function", "name"), CHOICES, ids=range(len(CHOICES)))
def test_a_choice_of_one_unit_is_a_function_of_it(function: Function, name: str) -> None:
    assert activation(function) == Activation(name)


def test_rrelu_is_leaky_relu_with_the_mean_slope_when_nothing_is_drawn() -> None:
    assert activation(nn.RReLU(0.25, 0.75).eval()) == Activation("Max(x, 0) + Min(x, 0)/2")


def test_parameters_that_are_cast_are_parameters() -> None:
    """A cast that the copy in float64 leaves out gives another tensor, which may be written to."""

    class Casts(Applies):
        def forward(self, x: Tensor) -> Tensor:
            h = functional.linear(x, self.a.weight.float(), self.a.bias.to(torch.float32))
            wide = h.double()
            after = wide.float()
            after += 1.0
            return self.b(torch.relu(after) + torch.tanh(wide.float()))

    layer: Any = network_of(Casts(torch.relu), torch.randn(4, 6)).network.layers[0]
    assert layer.activation == Activation("Max(0, x + 1) + tanh(x)")


REFUSED: list[tuple[Function, str]] = [
    (torch.sign, r"got sign in Applies, line .*w jumps from -1 to 1 at x = 0.*nn.Tanh"),
    (lambda h: (h > 0).to(h.dtype), r"got gt in Applies, line .*w jumps from 0 to 1 at x = 0"),
    (lambda h: torch.where(h.flip(1) > 0, h, 0.1 * h), r"got flip in Applies, line"),
    (lambda h: torch.where(torch.arange(16) > 3, h, 0.1 * h), r"got where .*each unit decide for"),
    (lambda h: torch.maximum(h, torch.relu(h).mean(1, keepdim=True)), r"in Applies, line"),
    (lambda h: torch.where(torch.tanh(h) > 0, h, -h), r"expected comparisons of x with numbers"),
]


@pytest.mark.parametrize(("function", "says"), REFUSED, ids=range(len(REFUSED)))
def test_other_choices_are_refused_with_their_line(function: Function, says: str) -> None:
    with pytest.raises(LiftingError, match=says):
        activation(function)


class Rows(nn.Module):
    """Filters of several sizes in one row, and a function of all of them (Szegedy et al. 2015)."""

    def __init__(self, function: Function, times: int = 1) -> None:
        super().__init__()
        self.function, self.a = function, nn.Conv1d(2, 16, 1)
        self.b, self.c = nn.Conv1d(2, 32, 3, padding=1), nn.Linear(times * 48 * 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.cat([self.a(x), torch.tanh(self.b(x))], dim=1)
        return self.c(self.function(rows.flatten(1)))


@pytest.mark.parametrize(
    ("function", "inner", "outer"),
    [
        (functional.silu, "silu", "tanh(x)/(1 + exp(-tanh(x)))"),
        (lambda h: h * torch.sigmoid(2 * h), "x/(1 + exp(-2*x))", "tanh(x)/(1 + exp(-2*tanh(x)))"),
    ],
)
def test_a_function_of_units_side_by_side_is_one_of_each(
    function: Function, inner: str, outer: str
) -> None:
    found: Any = network_of(Rows(function).double(), torch.randn(4, 2, 6).double()).network
    assert [type(layer) for layer in found.layers] == [Concatenate, Flatten]
    branches = found.layers[0].branches
    t = torch.linspace(-3, 3, 7).double()
    for (layer,), name in zip(branches, (inner, outer), strict=True):
        expected = pointwise(Activation(name))(t)
        torch.testing.assert_close(pointwise(layer.activation)(t), expected, rtol=1e-12, atol=1e-12)


def test_units_that_are_read_as_they_are_too_keep_their_function_behind_them() -> None:
    both = Rows(lambda h: torch.cat([h, torch.relu(h)], dim=1), 2)
    with pytest.raises(LiftingError, match=r'Concatenate\(\[\], Nonlinearity\("relu"\)\)'):
        network_of(both.double(), torch.randn(4, 2, 6).double())
