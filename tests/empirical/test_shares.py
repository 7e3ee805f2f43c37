"""The shares of groups of parameters in K_0, beside those of the limit under the same names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks.rated import RATED, RATED_IMAGES, draw
from numpy.testing import assert_allclose
from torch import nn

from analytic import (
    FullyConnected,
    Network,
    Readout,
    kernel,
    kernel_shares,
)
from empirical import FiniteNetwork, network_of, tangent_kernel, tangent_kernel_shares

F = FullyConnected
CASES: dict[str, tuple[Network, tuple[int, ...], list[str]]] = {
    "vectors": (RATED, (4,), [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.2.bias",
        "readout.weight", "readout.bias",
    ]),
    "images": (RATED_IMAGES, (2, 5), [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "readout.weight", "readout.bias",
    ]),
}  # fmt: skip
WIDTH, DRAWS = 64, 10


@pytest.mark.parametrize("name", CASES)
def test_the_shares_of_finite_networks_are_those_of_the_limit(name: str) -> None:
    """Same names, and the mean of each over networks in standard errors; 1/m beside them."""
    network, shape, names = CASES[name]
    x = draw(2, *shape)
    limit = kernel_shares(network, x.numpy())
    assert_allclose(limit.total, kernel(network, x.numpy()), rtol=1e-9)
    finite = [
        tangent_kernel_shares(
            FiniteNetwork(network, shape, WIDTH, seed=seed, antisymmetric=seed == 0),
            x,
            groups="parameters",
        )
        for seed in range(DRAWS)
    ]
    assert [*limit.shares] == names
    assert all(sorted(one.shares) == sorted(names) for one in finite)
    for group, share in limit.shares.items():
        drawn = torch.stack([one.shares[group] for one in finite])
        error = drawn.std(0) / DRAWS**0.5 + 1e-12 * share.max()  # that of a bias is exact
        bias = 2 / WIDTH * share.max()
        assert ((drawn.mean(0) - torch.from_numpy(share)).abs() <= 4.5 * error + bias).all(), group
    whole = tangent_kernel(FiniteNetwork(network, shape, WIDTH, seed=0), x)
    assert_allclose(finite[0].total, whole, rtol=1e-11)


def default(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Linear(a, b).double() for a, b in ((3, width), (width, width), (width, 2))]
    for layer in layers:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    layers[1].weight.requires_grad_(False)
    norm = nn.LayerNorm(width).double()
    return nn.Sequential(
        layers[0], nn.Tanh(), norm, layers[1], norm_free(width), nn.Tanh(), layers[2]
    )


def norm_free(width: int) -> nn.Module:
    """With shifts alone that are trained."""
    norm = nn.LayerNorm(width).double()
    norm.weight.requires_grad_(False)
    return norm


def test_a_module_has_them_under_the_names_of_its_description() -> None:
    x = draw(3, 3)
    described = network_of(default(WIDTH, 0), x)
    names = described.named_groups
    assert names["layers.2.weight"] == ("2.weight",)
    assert names["layers.3.bias"] == ("3.bias",)
    assert names["layers.5.bias"] == ("4.bias",)
    limit = kernel_shares(described.network, described.inputs(x).numpy()).shares
    finite = [tangent_kernel_shares(default(WIDTH, s), x, groups=names) for s in range(DRAWS)]
    assert limit.keys() == finite[0].shares.keys()
    assert_allclose(finite[0].total, tangent_kernel(default(WIDTH, 0), x), rtol=1e-11)
    for group, share in limit.items():
        drawn = torch.stack([one.shares[group] for one in finite])
        error = drawn.std(0) / DRAWS**0.5 + 1e-12 * share.max()
        bias = 2 / WIDTH * share.max()
        assert ((drawn.mean(0) - torch.from_numpy(share)).abs() <= 4.5 * error + bias).all(), group


def test_rates_multiply_the_shares_and_frozen_groups_are_left_out() -> None:
    module, x = default(8, 0), draw(3, 3)
    plain = tangent_kernel_shares(module, x, groups="parameters").shares
    found = tangent_kernel_shares(module, x, groups="parameters", rates={"0.*": 0.0, "6.*": 3.0})
    trained = ["2.weight", "2.bias", "3.bias", "4.bias", "6.weight", "6.bias"]
    assert list(found.shares) == trained
    assert_allclose(found.shares["6.weight"], 3 * plain["6.weight"], rtol=1e-12)
    layers = tangent_kernel_shares(module, x, rates={"0.bias": 0.0}).shares
    assert_allclose(layers["0"], plain["0.weight"], rtol=1e-12)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"groups": "all"}, "groups 'layers', 'parameters' or a dict, got 'all'; pass one"),
        ({"groups": {"a": ["0.weight"], "b": ["0.weight"]}}, "one group, got '0.weight' twice"),
        ({"groups": {"a": ["nobody"]}}, "in one group, got 'nobody' which is none"),
        ({"rates": {"*": 0.0}}, "a positive rate of some parameter, got 0 for all"),
    ],
)
def test_groups_that_are_none_are_refused(named: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tangent_kernel_shares(default(8, 0), draw(3, 3), **named)


def test_a_limit_of_which_nothing_is_trained_has_no_shares() -> None:
    frozen = Network(F("tanh", weight_rate=0), Readout(weight_rate=0))
    with pytest.raises(ValueError, match="of which something is trained, got rates 0 in"):
        kernel_shares(frozen, draw(2, 3).numpy())
