"""The check that a description is the module: same weights, same outputs, same tangent kernel.

The finite network of the description has standard normal numbers w, each a weight of the module
over its standard deviation. So its gradients, squared and multiplied by the rates of the
description, have to be those of the module.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from analytic.network import Network
from empirical.batches import called
from empirical.lifting.fresh_draws import check_fresh
from empirical.lifting.numbers_of_parts import Numbers, gains_of
from empirical.lifting.places import LiftingError
from empirical.lifting.structure import built
from empirical.lifting.units import Matrix, Weights
from empirical.network import FiniteNetwork, GainLayer

__all__ = ["proved"]

AGREES = 1e-12
"""Of the largest number: what rounding leaves of two ways to sum the same ones."""
Rated = tuple[Tensor, float]


def proved(
    module: nn.Module,
    x: Any,
    data: Tensor,
    parts: Sequence[Weights],
    numbers: Sequence[Numbers],
    width: int,
    trained: Collection[str],
    spread: Tensor,
) -> str:
    """What the comparison has given, in a sentence.

    Args:
        module: in float64.
        x: two of its inputs.
        data: what its first weights read of these.
        parts: its layers with weights, the readout last.
        numbers: of these.
        width: of the narrowest.
        trained: names of the parameters that autograd reaches.
        spread: what its first weights read of more inputs, at which its weights are looked at.

    Raises:
        LiftingError: outputs or kernels differ, or the weights are no fresh draw.
    """
    last, read = parts[-1], numbers[-1]
    twin, rated = _twin(data, parts, numbers, width, trained)
    normal = _rows(last.weight) * math.sqrt(read.read) / read.keywords["weight_std"]
    check_fresh(twin, spread, parts, numbers, normal.detach().flatten(1).numpy())
    outputs = _in_a_row(called(module, x))
    bias = 0.0 if last.bias is None else last.bias.value.reshape(-1)
    worst = kernels = 0.0
    for index in {0, outputs.shape[1] - 1}:
        with torch.no_grad():
            row = _rows(last.weight)[index].flatten()
            twin.readout.weight.copy_(row * math.sqrt(read.read))
        own = twin(data)[:, None] + bias
        worst = max(worst, _difference(own[:, [index]], outputs[:, [index]], "outputs"))
        if index == 0:
            parameters = [(p, 1.0) for p in module.parameters() if p.requires_grad]
            expected = _kernel(outputs[:, 0], parameters)
            got = _kernel(own[:, 0], rated)
            got += read.keywords.get("bias_rate", 0.0)
            kernels = _difference(got, expected, "tangent kernels")
    return (
        f"the finite network of the description with the weights of the module has its outputs to"
        f" {worst:.1g} and its tangent kernel to {kernels:.1g}, at two inputs"
    )


def _twin(
    data: Tensor,
    parts: Sequence[Weights],
    numbers: Sequence[Numbers],
    width: int,
    trained: Collection[str],
) -> tuple[Any, list[Rated]]:
    """The finite network with the module's hidden weights, and its parameters with their rates."""
    plain: dict[int, Mapping[str, float]] = {
        id(part): {
            "weight_std": one.keywords["weight_std"],
            "width_ratio": part.shape[0] / width,
            "bias_std": 0.0 if part.bias is None else one.keywords["bias_std"] or 1.0,
        }
        for part, one in zip(parts, numbers, strict=True)
    }
    rates = gains_of(parts[-1], trained)
    described = built(
        parts[-1].source, plain | {key: _with_all(found) for key, found in rates.items()}
    )
    network = Network(*described.layers)
    finite = FiniteNetwork(network, tuple(data.shape[1:]), width, antisymmetric=False)
    (stack,) = finite.copies()
    rated = list(_filled(stack.weight_layers(), parts, numbers, plain))
    behind = [layer for layer in stack.chain() if isinstance(layer, GainLayer)]
    for layer, one in zip(behind, described.normalised, strict=True):
        assert layer.bias is not None
        rated.append((layer.weight, rates[id(one)]["gain_rate"]))
        rated.append((layer.bias, rates[id(one)]["bias_rate"]))
    last = numbers[-1].keywords
    rated.append((stack.readout.weight, last["weight_rate"] * last["weight_std"] ** 2))
    return stack, rated


def _with_all(keywords: dict[str, float]) -> dict[str, float]:
    """A normalisation whose gains and shifts exist, which are those of the module at its start."""
    return {**keywords, "gain_rate": 1.0, "bias_rate": 1.0}


def _filled(
    layers: Iterator[Any],
    parts: Sequence[Weights],
    numbers: Sequence[Numbers],
    plain: Mapping[int, Mapping[str, float]],
) -> Iterator[Rated]:
    """Give the layers the weights of the module; yields their parameters with the rates."""
    for layer, part, one in zip(layers, parts[:-1], numbers[:-1], strict=True):
        with torch.no_grad():
            standard = _rows(part.weight) * (math.sqrt(one.read) / one.keywords["weight_std"])
            layer.weight.copy_(standard.reshape(layer.weight.shape))
            yield layer.weight, one.keywords["weight_rate"]
            if part.bias is not None:
                std = plain[id(part)]["bias_std"]
                layer.bias.copy_(part.bias.value.reshape(-1) / std)
                yield layer.bias, one.keywords["bias_rate"] / std**2


def _rows(weight: Matrix) -> Tensor:
    return weight.value[None] if weight.tensor.ndim == 1 else weight.value


def _in_a_row(outputs: Tensor) -> Tensor:
    return outputs.reshape(len(outputs), -1)


def _kernel(outputs: Tensor, rated: Sequence[Rated]) -> Tensor:
    """sum_p rate_p <grad_p f(x), grad_p f(x')>, shape (n, n)."""
    parameters = [p for p, _ in rated]
    rows = [
        torch.autograd.grad(f, parameters, retain_graph=True, allow_unused=True) for f in outputs
    ]
    kernel = torch.zeros(len(outputs), len(outputs), dtype=torch.float64)
    for k, (_, rate) in enumerate(rated):
        slopes = [row[k] for row in rows]
        if all(slope is not None for slope in slopes):
            matrix = torch.stack([slope.flatten() for slope in slopes if slope is not None])
            kernel += rate * (matrix @ matrix.T)
    return kernel


def _difference(got: Tensor, expected: Tensor, what: str) -> float:
    """The largest difference, relative to the largest number; raises if it is too large."""
    scale = float(expected.detach().abs().max()) or 1.0
    difference = float((got - expected).detach().abs().max()) / scale
    if not difference <= AGREES:
        raise LiftingError(
            f"expected a module that is the finite network of its description, got {what} that"
            f" differ by {difference:.2g} of the largest: {_why(what, difference)}; describe the"
            " network with analytic.Network"
        )
    return difference


def _why(what: str, difference: float) -> str:
    return _ROUNDED if what == "tangent kernels" and difference < SINGLE else _WHY[what]


SINGLE = 2.0**-20
"""Of the largest number: slopes that are rounded to single precision differ by less."""
_ROUNDED = (
    "its outputs are those of the description, but a slope is rounded to single precision on its"
    " way, as that of torch's own Hardsigmoid is (1/6 as a float32); write such a function in"
    " float64, torch.clamp(x / 6 + 0.5, 0, 1)"
)
_WHY = {
    "outputs": "something in it was not seen (numbers written through a view, a function outside"
    " torch, a hook, a decision that depends on the input)",
    "tangent kernels": "its outputs are those of the description, but its gradients take other ways"
    " (detach or no_grad in one of several branches, a gradient of one's own), which no rates give",
}
