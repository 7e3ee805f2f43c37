"""Several outputs with rates: the kernel of the limit times the identity."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from analytic import Convolution, FullyConnected, GlobalAveragePooling, Network, Readout, kernel
from compare import gap
from empirical import network_of, tangent_kernel

F = FullyConnected
DRAWS, WIDTH, OUTPUTS = 40, 64, 3


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def perceptron(width: int, seed: int, outputs: int = OUTPUTS) -> nn.Module:
    """Weights of variance 1/m_in, biases of variance 0.04 in front."""
    torch.manual_seed(seed)
    sizes = [4, width, width, outputs]
    layers = [nn.Linear(a, b).double() for a, b in pairwise(sizes)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    nn.init.normal_(layers[0].bias, std=0.2)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def images(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    first, last = nn.Conv1d(2, width, 3, padding=1).double(), nn.Linear(width, OUTPUTS).double()
    for layer, read in ((first, 6), (last, width)):
        nn.init.normal_(layer.weight, std=read**-0.5)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, nn.Tanh(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), last)


class Case(NamedTuple):
    """A family of modules with rates by name, and the description at these rates.

    A weight of variance 1/m_in at rate r is a standard normal one at rate r m_in.
    """

    factory: Callable[[int, int], nn.Module]
    shape: tuple[int, ...]
    rates: dict[str, float]
    network: Network


VECTORS = Case(
    perceptron,
    (4,),
    {
        "0.weight": 0.5 / 4, "0.bias": 2.0, "2.weight": 0.0, "2.bias": 0.3,
        "4.weight": 3.0 / WIDTH, "4.bias": 0.7,
    },
    Network(
        F("tanh", bias_std=0.2, weight_rate=0.5, bias_rate=2),
        F("tanh", weight_rate=0, bias_rate=0.3),
        Readout(weight_rate=3, bias_rate=0.7),
    ),
)  # fmt: skip
IMAGES = Case(
    images,
    (2, 5),
    {"0.weight": 2 / 2, "0.bias": 0.5, "4.*": 0.25 / WIDTH},
    Network(
        Convolution("tanh", 3, weight_std=3**-0.5, weight_rate=2 * 3, bias_rate=0.5),
        GlobalAveragePooling(),
        Readout(weight_rate=0.25, bias_rate=0.25 / WIDTH),
    ),
)


@pytest.mark.parametrize("case", [VECTORS, IMAGES], ids=["vectors", "images"])
def test_the_kernel_of_several_outputs_is_that_of_one_times_the_identity(case: Case) -> None:
    """The mean of many K_0, in standard errors; the bias of order 1/m is below them."""
    x = draw(3, *case.shape)
    kernels = torch.stack([
        tangent_kernel(case.factory(WIDTH, seed), x, output="all", rates=case.rates)
        for seed in range(DRAWS)
    ])  # fmt: skip
    one = kernel(case.network, x.numpy())
    limit, coupled = (
        torch.from_numpy(np.einsum("ab,ij->aibj", one, between))
        for between in (np.eye(OUTPUTS), np.ones((OUTPUTS, OUTPUTS)))
    )
    error = kernels.std(0) / DRAWS**0.5
    assert ((kernels.mean(0) - limit).abs() <= 4.5 * error).all()
    assert ((kernels.mean(0) - coupled).abs() > 9 * error).any()  # the control


class FirstOutput(nn.Module):
    """A module of several outputs, of which the first is kept."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)[:, 0]


def test_comparisons_are_those_of_the_first_output() -> None:
    """Both sides have it: the limit is the same for all, and K_0 is that of output 0."""

    def first(width: int, seed: int) -> nn.Module:
        return perceptron(width, seed, outputs=1)

    x = draw(4, 4)
    several = perceptron(16, 0)
    limits = [network_of(perceptron(16, 0, k), x, draws=[perceptron(16, 1, k)]) for k in (1, 3)]
    assert limits[0].network == limits[1].network
    k0 = tangent_kernel(FirstOutput(several), x)
    assert_allclose(tangent_kernel(several, x), k0, rtol=1e-12)
    found = gap(several, x)
    off = ~np.eye(4, dtype=bool)  # pairs of different inputs count
    limit = found.limit.value[off]
    apart = np.linalg.norm(k0.numpy()[off] - limit) / np.linalg.norm(limit)
    assert_allclose(found.percent, 100 * apart, rtol=1e-9)
