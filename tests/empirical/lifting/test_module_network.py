"""Modules become descriptions, which are proved to be the same functions."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from networks import liftable_forms, liftable_images, unliftable
from networks.liftable import MODULES
from torch import nn

from analytic import (
    Activation,
    Concatenate,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Readout,
    Residual,
    Scale,
    Sum,
    kernel,
)
from empirical import FiniteNetwork, tangent_kernel
from empirical.lifting import InitialLaw, LiftingError, network_of, numbers_of_parts

assert liftable_images  # its modules stand among the others
assert liftable_forms
FC, CONV = FullyConnected, Convolution


def torch_fc(activation: Any, read: int, **keywords: Any) -> FullyConnected:
    """Weights of variance 1/read and biases that start at 0, all trained at rate 1."""
    return FC(activation, weight_rate=read, bias_rate=1, **keywords)


LAYERS: dict[str, tuple[Any, ...]] = {
    "functional calls": (
        torch_fc("7*exp(Min(0, x))/10 + Max(0, x) - 7/10", 6),
        torch_fc("Max(0, x) + Min(0, x)/5", 16), Readout(weight_rate=16, bias_rate=1),
    ),
    "NTK parametrisation, bare parameters": (
        FC("erf", bias_std=0.3, bias_rate=0.09), FC("erf"), Readout(),
    ),
    "residual with projection": (
        torch_fc("relu", 6),
        Sum(
            [torch_fc("relu", 16), torch_fc("identity", 16, width_ratio=2)],
            FC("identity", width_ratio=2, weight_rate=16),
        ),
        Nonlinearity("relu"), Readout(weight_rate=32, bias_rate=1),
    ),
    "two branches side by side": (
        torch_fc("tanh", 6), Concatenate(torch_fc("relu", 16), torch_fc("sin", 16)),
        Readout(weight_rate=32, bias_rate=1),
    ),
    "frozen backbone": (
        FC("tanh", weight_rate=0, bias_rate=0), FC("tanh", weight_rate=0, bias_rate=0),
        torch_fc("tanh", 16), Readout(weight_rate=16, bias_rate=1),
    ),
    "patches as tokens": (
        CONV("identity", 4, stride=4, padding="valid", weight_std=1 / 4, weight_rate=48,
             bias_rate=1),
        Residual(Nonlinearity("gelu"), CONV("identity", 1, weight_rate=16,
                                            bias_rate=1)),
        Nonlinearity("gelu"), GlobalAveragePooling(), Readout(weight_rate=16, bias_rate=1),
    ),
    "normalised before each block": (
        CONV("identity", 1, weight_rate=4, bias_rate=1),
        *(
            Residual(
                LayerNorm(eps=1e-5, gain_rate=rate, bias_rate=rate),
                CONV("gelu", 1, width_ratio=2, weight_rate=16, bias_rate=1),
                CONV("identity", 1, weight_rate=32, bias_rate=1),
            )
            for rate in (0, 1)
        ),
        LayerNorm(eps=1e-5), GlobalAveragePooling(), Readout(weight_rate=16, bias_rate=1),
    ),
    "float32 that casts": (
        CONV("identity", 3, padding="valid", weight_std=1 / 3, weight_rate=9, bias_rate=1),
        LayerNorm(eps=1e-5, gain_rate=1, bias_rate=1), Nonlinearity("relu"),
        GlobalAveragePooling(), Readout(weight_rate=16, bias_rate=1),
    ),
    "a last layer at every position": (
        CONV("relu", 3, weight_std=1 / 3, weight_rate=18, bias_rate=1),
        CONV("relu", 3, stride=2, weight_std=1 / 3, weight_rate=144, bias_rate=1),
        GlobalAveragePooling(), Readout(weight_rate=16, bias_rate=1),
    ),
    "products by einsum, a frozen slope": (
        CONV("Max(0, x) + Min(0, x)/4", 1, weight_std=3**0.5), CONV("erf", 1),
        GlobalAveragePooling(), Readout(),
    ),
    "sum over positions": (
        CONV("erf", 3, padding="valid", weight_std=1 / 3, weight_rate=9, bias_rate=1),
        GlobalAveragePooling(), Scale(4), Readout(weight_rate=16, bias_rate=1),
    ),
}  # fmt: skip
"""Descriptions written by hand, at width 16."""


@pytest.mark.parametrize("name", LAYERS)
def test_a_module_has_the_description_that_one_would_write(name: str) -> None:
    found = network_of(MODULES[name].module(16, 1), MODULES[name].inputs(4))
    _check_same((*found.network.layers, found.network.output), LAYERS[name])
    assert found.width == 16


def _check_same(one: Any, other: Any) -> None:
    """Two descriptions field by field, but for the rounding of numbers."""
    assert type(one) is type(other) or isinstance(one, float | int), (one, other)
    if isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _check_same(a, b)
    elif dataclasses.is_dataclass(one) and not isinstance(one, Activation):
        for field in dataclasses.fields(one):
            _check_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-14)
    else:
        assert one == other


NETWORKS = {
    "dense": (
        Network(
            FC("softplus", bias_std=0.3, weight_std=1.5), Residual(FC("identity")),
            Concatenate(FC("tanh"), [FC("gelu"), FC("cos", width_ratio=0.5)]), FC("erf"),
        ), (5,),
    ),
    "images": (
        Network(
            CONV("tanh", 3, weight_std=1 / 3), CONV("erf", 2, stride=2, padding="valid"),
            Residual(CONV("softplus", 3, weight_std=0.3, bias_std=0.1)), GlobalAveragePooling(),
            FC("silu"),
        ), (2, 6, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_finite_network_of_a_description_is_lifted_to_it(name: str) -> None:
    """Both have the same kernels, of the same inputs."""
    network, shape = NETWORKS[name]
    module = FiniteNetwork(network, shape, 24, seed=1, antisymmetric=False)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, *shape)))
    found = network_of(module, x)
    limits = kernel(found.network, found.inputs(x).numpy(), kind="both")
    expected = kernel(network, x.numpy(), kind="both")
    np.testing.assert_allclose(limits.nngp, expected.nngp, rtol=1e-9)
    np.testing.assert_allclose(limits.ntk, expected.ntk, rtol=1e-9)


@pytest.mark.parametrize("name", unliftable.REFUSED)
def test_a_refusal_names_the_call_and_what_is_nearest(name: str) -> None:
    make, shape, says = unliftable.REFUSED[name]
    torch.manual_seed(1)
    module = make().double().eval()
    with pytest.raises(LiftingError) as caught:
        network_of(module, torch.randn(32, *shape, dtype=torch.float64))
    text = str(caught.value)
    assert says in text
    assert text.startswith("expected ")
    assert "; " in text


def test_a_module_that_is_not_its_description_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A description with a rate, or a scale, that is off does not pass the proof."""
    module, x = MODULES["equalised learning rate"].module(16, 1), torch.randn(4, 6).double()
    network_of(module, x)
    original = numbers_of_parts._numbers
    for wrong in ("weight_rate", "bias_rate"):

        def off(*arguments: Any, wrong: str = wrong) -> Any:
            numbers = original(*arguments)
            numbers.keywords[wrong] *= 1 + 1e-9
            return numbers

        monkeypatch.setattr(numbers_of_parts, "_numbers", off)
        with pytest.raises(LiftingError, match="tangent kernels that differ"):
            network_of(module, x)


def test_bad_inputs_are_refused_in_one_sentence() -> None:
    module = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 1))
    x = torch.randn(3, 6)
    with pytest.raises(ValueError, match="expected a module in eval mode"):
        network_of(module, x)
    module.eval()
    assert network_of(module, x).widths == (16,)
    assert network_of(module, x[:1]).widths == (16,)
    with pytest.raises(ValueError, match="expected a batch that Sequential can take"):
        network_of(module, x[:, :5])
    with pytest.raises(TypeError, match=r"expected x of the network's torch\.float32"):
        network_of(module, x.double())
    with pytest.raises(ValueError, match="on the network's device cpu"):
        network_of(module, x.to("meta"))
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        network_of(torch.tanh, x)  # pyright: ignore[reportArgumentType]
    with pytest.raises(LiftingError, match="got a linear one"):
        network_of(nn.Linear(6, 1), x)
    with pytest.raises(ValueError, match=r"got shape \(6,\), of which .*; pass x\[None\]"):
        network_of(module, x[0])
    with pytest.raises(ValueError, match=r"got 0\.weight on the meta device"):
        network_of(copy.deepcopy(module).to("meta"), x)
    with pytest.raises(ValueError, match=r"got 'head\.\*', which fits none of 0\.weight, 3"):
        network_of(module, x, laws={"head.*": InitialLaw("mine", "normal", 1.0)})
    with pytest.raises(ValueError, match=r"'0\.weight' of shape \(16, 6\), got one of shape"):
        network_of(module, x, draws=[nn.Sequential(nn.Linear(6, 8))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.trace(module, x)
    with pytest.raises(LiftingError, match=r"got one of torch\.jit"):
        network_of(scripted, x)  # pyright: ignore[reportArgumentType]


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    before = {name: p.clone() for name, p in module.named_parameters()}
    state = torch.get_rng_state()
    network_of(module, torch.ones(2, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], p) for name, p in module.named_parameters())
    assert all(p.grad is None for p in module.parameters())


def test_trained_gains_right_before_tanh_have_a_limit_and_before_sums_they_have_none() -> None:
    module = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 1))
    found = network_of(module, torch.randn(4, 6))
    assert found.network.layers[1:3] == (
        LayerNorm(eps=1e-5, gain_rate=1, bias_rate=1), Nonlinearity("tanh"),
    )  # fmt: skip
    module[2] = nn.ReLU6()
    with pytest.raises(LiftingError, match=r"hardtanh in ReLU6 .2. acts on the units that"):
        network_of(module, torch.randn(4, 6))
    module[1].weight.requires_grad_(False)
    assert network_of(module, torch.randn(4, 6)).widths == (16,)

    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 1)
            self.norm = nn.LayerNorm(16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.norm(self.a(x))
            return self.c(torch.tanh(h + self.b(h)))

    with pytest.raises(LiftingError, match=r"tanh in Summed, line .* acts on a sum with the units"):
        network_of(Summed(), torch.randn(4, 6))


def test_a_module_of_float32_is_described_by_a_copy() -> None:
    """Its own kernel has float32's rounding: n summands of one sign, each rounded a few times."""
    entry = MODULES["float32"]
    module, x = entry.module(16, 1), entry.inputs(4)
    found = network_of(module, x)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert {p.dtype for p in found.module.parameters()} == {torch.float64}
    assert found.inputs(x).dtype == torch.float64
    own, wide = tangent_kernel(module, x), tangent_kernel(found.module, x.double())
    scale = torch.outer(wide.diagonal(), wide.diagonal()).sqrt()
    assert float(((own - wide) / scale).abs().max()) < 100 * 2.0**-24


def test_assumptions_say_how_far_a_first_layer_is_from_gaussian() -> None:
    """The numbers of the issue: on five inputs a percent or two, on normal weights nothing."""
    few = MODULES["five inputs, torch's default"]
    found = network_of(few.module(16, 1), few.inputs(4))
    text = " ".join(found.assumptions)
    assert "reads 5 numbers with weights that are not normal" in text
    assert "torch's default (uniform)" in text
    assert found.first is not None
    assert found.first[0][0].family == "uniform"
    np.testing.assert_allclose(found.first[0][0].std, 1 / np.sqrt(15), rtol=1e-14)
    normal = network_of(MODULES["functional calls"].module(16, 1), torch.randn(4, 6).double())
    assert normal.first is None
    assert "not Gaussian" not in " ".join(normal.assumptions)
