"""Structured gradients, and where samples are."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest
import torch
from torch import Tensor, nn

from empirical import tangent_kernel
from empirical.layerwise import inner_products
from empirical.layerwise.gradients import Gradient, beside, stacked
from empirical.layerwise.inner_products import SUMMED, inner, products
from empirical.layerwise.samples import Samples, locate


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def random(n: int, g: int, t: int, r: int, c: int, *kinds: str) -> Gradient:
    """Gradients of a parameter of shape (g r, c)."""
    left, right, index, dense = normal(n, g, t, r), normal(n, g, t, c), None, None
    if "index" in kinds:
        left, index = None, torch.randint(r, (n, t))
    if "dense" in kinds:
        dense = normal(n, g * r, c)
    return Gradient(torch.Size((g * r, c)), left, right, index, dense)


def formed(gradient: Gradient) -> Tensor:
    """The definition, one sample and one position at a time, shape (n, g r c)."""
    samples: list[Tensor] = []
    assert gradient.right is not None
    n, g, t, c = gradient.right.shape
    r = gradient.shape[0] // g
    for a in range(n):
        total = torch.zeros(g, r, c, dtype=torch.float64)
        for k in range(g):
            for s in range(t):
                if gradient.index is not None:
                    total[k, gradient.index[a, s]] += gradient.right[a, k, s]
                else:
                    total[k] += torch.outer(gradient.factors[0][a, k, s], gradient.right[a, k, s])
        if gradient.dense is not None:
            total += gradient.dense[a].reshape(g, r, c)
        samples.append(total.flatten())
    return torch.stack(samples)


SHAPES = [(3, 1, 1, 4, 5), (3, 1, 2, 40, 50), (3, 1, 30, 2, 3), (2, 3, 4, 2, 5), (4, 5, 7, 1, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kinds", [(), ("dense",), ("index",), ("index", "dense")])
@pytest.mark.parametrize("workspace", [1, 2**26])
def test_inner_products_are_those_of_the_formed_gradients(
    shape: tuple, kinds: tuple, workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "index" in kinds and shape[1] > 1:
        shape = (shape[0], 1, *shape[2:])  # tables have no groups
    monkeypatch.setattr(inner_products, "WORKSPACE", workspace)
    torch.manual_seed(1)
    a, b = random(*shape, *kinds), random(shape[0] + 2, *shape[1:], *kinds)
    for p, q in ((a, b), (a, a)):
        exact = formed(p) @ formed(q).T
        allowed = 1e-13 * float(exact.abs().max())
        torch.testing.assert_close(inner(p, q), exact, rtol=0, atol=allowed)
    torch.testing.assert_close(a.total().flatten(), formed(a).sum(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_ways_to_contract_agree(shape: tuple) -> None:
    torch.manual_seed(2)
    a, b = random(*shape), random(shape[0] + 1, *shape[1:])
    exact = inner_products._by_rows(a, b)
    torch.testing.assert_close(inner_products._by_pairs(a, b), exact, rtol=1e-11, atol=1e-11)


def test_uses_add_up_whatever_their_kind() -> None:
    torch.manual_seed(3)
    shape = torch.Size((4, 5))
    dense = Gradient(shape, dense=normal(3, 4, 5))
    uses = [random(3, 1, 2, 4, 5), random(3, 1, 6, 4, 5, "index"), dense, random(3, 1, 1, 4, 5),
            random(3, 1, 3, 5, 4).transposed(-0.5, True)]  # fmt: skip
    parts = [formed(u) if u.outer else u.dense.flatten(1) for u in uses]  # pyright: ignore
    exact = sum(parts[1:], parts[0])
    torch.testing.assert_close(inner(*[reduce(add, uses)] * 2), exact @ exact.T, rtol=1e-12, atol=0)
    both = reduce(add, [uses[1], uses[1]])
    assert both.index is not None
    torch.testing.assert_close(formed(both), 2 * formed(uses[1]))
    more = stacked([uses[0], uses[0].zeros(2)])
    torch.testing.assert_close(formed(more)[:3], formed(uses[0]))
    assert not formed(more)[3:].any()
    torch.testing.assert_close(formed(uses[0].sample(1)), formed(uses[0])[1:2])


def test_a_bias_is_a_column_of_ones() -> None:
    torch.manual_seed(4)
    left, right = normal(3, 1, 1, 4), normal(3, 1, 1, 5)
    weight = Gradient(torch.Size((4, 5)), left, right)
    bias = Gradient(torch.Size((4,)), left, left[..., :0], ones=True)
    (one,) = beside([weight, bias])
    torch.testing.assert_close(inner(bias, bias), left[:, 0, 0] @ left[:, 0, 0].T)
    torch.testing.assert_close(inner(one, one), inner(weight, weight) + inner(bias, bias))
    assert len(beside([weight, weight])) == 2
    twice = bias + bias
    torch.testing.assert_close(inner(twice, twice), 4 * inner(bias, bias))
    scaled = bias.transposed(3.0, False)
    torch.testing.assert_close(inner(scaled, scaled), 9 * inner(bias, bias))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("positions", [1, 4])
def test_the_samples_are_found_on_any_axis(first: bool, axis: int, positions: int) -> None:
    count = 3
    place = Samples(axis, count, first or positions == 1)
    owner = torch.arange(count)[:, None].expand(count, positions)
    owner = owner.flatten() if place.first else owner.T.flatten()
    shape = [5, 7]
    shape.insert(axis, count * positions)
    along = owner.reshape([-1 if d == axis else 1 for d in range(3)]).expand(shape)
    signals = [torch.where(along == a, normal(*shape), 0.0) for a in range(count)]
    assert locate(signals) == place
    owners = place.split(along)[:, :, 0, 0]
    assert torch.equal(owners, torch.arange(count)[:, None].expand(-1, positions))


def test_what_does_not_tell_the_samples_apart_is_refused() -> None:
    assert locate([torch.zeros(2, 3), torch.zeros(2, 3)]) is None  # silent
    assert locate([torch.ones(2, 3), torch.ones(2, 3)]) is None  # mixed
    assert locate([torch.ones(5, 3), torch.ones(5, 3)]) is None  # no axis of two
    assert Samples(0, 2).reduce(torch.ones(2, 3), (2, 3)) is None  # one value for each sample


def test_products_of_long_rows_keep_the_precision_of_short_ones() -> None:
    a = torch.rand(1, 2**22, generator=torch.Generator().manual_seed(0))
    exact = float(a.double().square().sum())
    allowed = 8 * SUMMED**0.5 * 2.0**-24  # roundings of a part are a random walk; a plain
    assert abs(float(products(a, a)) / exact - 1) <= allowed  # product errs by 1e-4 or more


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 16, 3, padding=1),  # 9 positions, 16 x 72 weights: by patches
        nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=2),
        nn.ConvTranspose2d(16, 8, 2, groups=2),
        nn.Conv2d(8, 2, 1),  # more positions than weights: gradients at once
        nn.ConvTranspose2d(8, 2, 2, stride=2, output_padding=1, padding=1, dilation=2),
    ],
    ids=repr,
)
def test_convolutions_of_few_and_of_many_positions(layer: nn.Module) -> None:
    channels = int(layer.in_channels)  # pyright: ignore[reportArgumentType]
    module = nn.Sequential(nn.Conv2d(1, channels, 1), nn.Tanh(), layer, nn.Tanh(), nn.Flatten())
    module = module.double()
    x = torch.randn(4, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    by_rules = tangent_kernel(module, x, output="trace")
    one_by_one = tangent_kernel(module, x, output="trace", method="jacobian")
    torch.testing.assert_close(by_rules, one_by_one, rtol=1e-12, atol=1e-12 * by_rules.max().item())
