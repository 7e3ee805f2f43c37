"""Families of modules find K_inf by themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import integrate
from torch import nn

from analytic import AccuracyError, Estimate, FullyConnected, Network, Readout
from compare import Inputs, convergence, gap
from compare.rate import loose_limits
from compare.rate.first_layer_limit import integrated_first_layer
from compare.rate.lifted_limits import ModuleLimits, module_limit, module_limits
from compare.rate.loose_limits import tangent_limit
from compare.rate.network_cells import made
from compare.rho import square_norms
from empirical import tangent_kernel
from empirical.lifting import InitialLaw

SPHERE = Inputs.sphere(3)


def ntk(width: int, seed: int) -> nn.Module:
    """tanh in the NTK parametrisation."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, width, bias=False), nn.Tanh(), nn.Linear(width, 1, bias=False))
    for p in net.parameters():
        nn.init.normal_(p)
    return Divided(net)


class Divided(nn.Module):
    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.net[0](x) / math.sqrt(3)
        return self.net[2](torch.tanh(h)) / math.sqrt(h.shape[1])


def default(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
    )


def bottleneck(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 1)
    )


def test_a_family_is_compared_with_the_kernel_of_its_description() -> None:
    tanh = Network(FullyConnected("tanh"))
    found = convergence(ntk, SPHERE, [8, 16, 32], 4, points=5)
    given = convergence(ntk, SPHERE, [8, 16, 32], 4, points=5, limit=tanh)
    for one, other in zip(found.distances, given.distances, strict=True):
        assert_allclose(one, other, rtol=1e-9)
    assert found.config["limit"].startswith("that of the modules")
    assert found.config["relative"] is False
    assert 'FullyConnected("tanh")' in found.config["described"]


def normal(width: int, seed: int, last: float = 1.0) -> nn.Module:
    """torch's parametrisation with normal numbers, the last of them uniform for last=0."""
    torch.manual_seed(seed)
    layers = [nn.Linear(a, b).double() for a, b in ((3, width), (width, width), (width, 1))]
    for layer in layers:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    if not last:
        nn.init.uniform_(layers[2].weight, -((3 / width) ** 0.5), (3 / width) ** 0.5)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def test_the_width_that_is_needed_is_foretold_where_all_numbers_are_normal() -> None:
    """The constant at the module's rates, against the mean over draws in standard errors."""
    x = torch.from_numpy(SPHERE.sample(6))
    width, draws = 64, 60
    found = gap(normal(width, 0), x)
    assert found.source == "the predicted constant"
    limit = found.limit.value
    kernels = [tangent_kernel(normal(width, seed), x).numpy() for seed in range(draws)]
    distances = np.array([square_norms(k0 - limit) for k0 in kernels]) / square_norms(limit)
    expected = found.needed * (found.target / 100) ** 2 / width
    error = distances.std() / draws**0.5
    assert abs(distances.mean() - expected) <= 4.5 * error
    assert error < expected / 4
    assert "draw" in gap(normal(width, 0, last=0), x).source


def test_torch_s_parametrisation_settles_relative_to_its_own_limit() -> None:
    """K_0 grows like m, and so does its limit, which is that of each width."""
    widths = [16, 32, 64]
    found = convergence(default, SPHERE, widths, 30, points=6)
    assert found.config["relative"] is True
    assert found.config["first_layer"] == "drawn"
    means = [d.mean() for d in found.distances]
    assert means[0] > means[1] > means[2]
    assert abs(found.bias[-1]) < 0.15 * means[-1]
    x = SPHERE.sample(6)
    limits = module_limits(default, x, widths)
    assert isinstance(limits, ModuleLimits)
    assert 2 < np.abs(limits.values[2]).max() / np.abs(limits.values[0]).max() < 4
    k0 = tangent_kernel(made(default, 64, 3).double(), torch.from_numpy(x)).numpy()
    direct = square_norms(k0 - limits.values[2]) / square_norms(limits.values[2])
    assert_allclose(found.distances[2][3], direct, rtol=1e-9)


@pytest.mark.parametrize("bound", [0.5, 1.0, math.nan])
def test_what_may_be_wrong_by_all_of_its_size_is_no_limit(
    bound: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AccuracyError("refused", Estimate(np.eye(2), np.eye(2), 1), bound)

    monkeypatch.setattr(loose_limits, "kernel", refused)
    network, x = Network(FullyConnected("tanh")), np.eye(2)
    if bound < 1:
        value, certain = loose_limits.best_limit(network, x)
        assert (value.tolist(), certain) == (np.eye(2).tolist(), False)
    else:
        with pytest.raises(AccuracyError, match="refused"):
            loose_limits.best_limit(network, x)


def test_a_limit_without_a_bound_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no tolerance is kept, there is the best value; it is that of finite modules."""
    monkeypatch.setattr(loose_limits, "LIMIT_TOLERANCES", (1e-15,))
    monkeypatch.setattr(loose_limits, "LAST_TOLERANCE", 1e-15)

    def made_at(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        first, second, last = (
            nn.Conv1d(1, 64, 2, bias=False),
            nn.Linear(64, 64, False),
            nn.Linear(64, 1, False),
        )
        for part in (first, second, last):
            nn.init.normal_(part.weight, std=part.weight[0].numel() ** -0.5)
        pooled = nn.AdaptiveAvgPool1d(1), nn.Flatten(), second, nn.ELU(), last
        return nn.Sequential(first, nn.ELU(), *pooled).double()

    x = torch.randn(3, 1, 6, generator=torch.Generator().manual_seed(3)).double()
    found = gap(made_at(0), x)
    assert not found.limit.certified
    assert "limit, of which no error bound is known, at width 64" in str(found)
    with pytest.raises(AccuracyError):
        module_limit(found.described, x)
    kernels = np.array([tangent_kernel(made_at(seed), x).numpy() for seed in range(60)])
    error = kernels.std(0) / 60**0.5
    assert (np.abs(kernels.mean(0) - found.limit.value) <= 4.5 * error).all()


def test_a_layer_that_stays_narrow_is_told() -> None:
    why = module_limits(bottleneck, SPHERE.sample(5), [16, 32])
    assert isinstance(why, str)
    assert "got 8 at width 16 and 8 at width 32" in why


@pytest.mark.parametrize("depth", [1, 2])
def test_a_uniform_first_layer_on_one_number_is_integrated(depth: int) -> None:
    """On one number the expectations are integrals over (-1, 1), one after the other."""
    first = FullyConnected("tanh", weight_std=2.0, weight_rate=0.7, bias_rate=0.3)
    x = np.array([[0.3], [1.0], [-0.8]])
    law = InitialLaw("uniform", "uniform", 2.0)
    readout = Readout(weight_std=1.5, weight_rate=1.2, bias_rate=0.1)
    layers = [first, FullyConnected("identity", weight_std=0.5, weight_rate=2.0)][:depth]
    found = integrated_first_layer(
        Network(*layers, readout), x, [(law, InitialLaw("zeros", "constant", 0.0))]
    )
    assert found is not None

    def mean(function: Any, a: float, b: float) -> float:
        bound = 2 * math.sqrt(3)
        return integrate.quad(lambda t: function(bound * t * a) * function(bound * t * b), 0, 1)[0]

    sigma = np.array([[mean(np.tanh, a, b) for b in x[:, 0]] for a in x[:, 0]])
    slope = np.array(
        [[mean(lambda u: 1 / np.cosh(u) ** 2, a, b) for b in x[:, 0]] for a in x[:, 0]]
    )
    theta = slope * (0.7 * 4 * x @ x.T + 0.3)
    if depth == 2:
        sigma, theta = 0.25 * sigma, 2 * 0.25 * sigma + 0.25 * theta
    expected = 2.25 * 1.2 * sigma + 0.1 + 2.25 * theta
    value, error = found
    assert error.max() < 1e-4 * expected.max()
    assert (np.abs(value - expected) <= 6 * error + 1e-9).all()  # t of 3 degrees: 6 is 1 in 100
    gaussian = tangent_limit(Network(*layers, readout), x)
    assert np.abs(gaussian - expected).max() > 100 * error.max()


def test_functions_that_are_no_family_are_told_before_anything_else() -> None:
    """Three widths would be too few without a limit, which is not what is wrong."""
    one = normal(16, 0)
    with pytest.raises(ValueError, match="expected other weights for every seed"):
        convergence(lambda width, seed: one, SPHERE, [8, 16, 32], 4, points=5)
    with pytest.raises(TypeError, match=r"got .*<lambda>, which cannot be called with two"):
        convergence(
            lambda width: one,  # pyright: ignore[reportArgumentType]
            SPHERE, [8, 16, 32], 4, points=5,
        )  # fmt: skip
    with pytest.raises(TypeError, match="expected a target in per cent, got '10'"):
        gap(one, torch.randn(4, 3).double(), target="10")  # pyright: ignore[reportArgumentType]
