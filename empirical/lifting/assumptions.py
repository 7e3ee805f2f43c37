"""What a description assumes of a module, in sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from torch import Tensor, nn

from analytic.activation import Activation
from analytic.network import Branched, Layer
from empirical.lifting.first_layer import first_layer_moments
from empirical.lifting.initial_laws import InitialLaw
from empirical.lifting.numbers_of_parts import Numbers
from empirical.lifting.parameter_groups import parameter_names
from empirical.lifting.structure import Built
from empirical.lifting.units import InputData, Normalised, Weights

UNSURE = 0.05
"""Relative error of a standard deviation from which a law is not told by the numbers alone."""

__all__ = ["sentences"]


def sentences(
    module: nn.Module,
    stack: Built,
    readout: Weights,
    numbers: Sequence[Numbers],
    trained: Collection[str],
    data: Tensor,
) -> Iterator[str]:
    """All but the proof: widths, laws, first layers, rates.

    Args:
        module: the module.
        stack: its hidden layers.
        readout: its last one.
        numbers: of those with weights, the readout last.
        trained: names of the parameters that autograd reaches.
        data: what the first weights read.
    """
    parts = (*stack.parts, readout)
    widths = [part.shape[0] for part in parts[:-1]]
    yield (
        f"the {len(widths)} hidden layers are wide: their units are {_runs(widths)}, and the limit"
        " is that of all of them together, in these proportions"
    )
    yield from _laws(parts, numbers)
    yield from _first(parts, numbers, stack.layers, data)
    yield from _trained(module, [*parts, *stack.normalised], trained)


def _runs(values: Sequence[int]) -> str:
    """Numbers in order, with repetitions counted."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return ", ".join(f"{v}" if k == 1 else f"{k} times {v}" for v, k in runs)


def _laws(parts: Sequence[Weights], numbers: Sequence[Numbers]) -> Iterator[str]:
    """Each law once, with the parameters that have it."""
    named: dict[str, list[tuple[str, InitialLaw]]] = {}
    for part, one in zip(parts, numbers, strict=True):
        found = [(part.weight.name, one.law)]
        if part.bias is not None and one.bias_law is not None:
            found.append((part.bias.name, one.bias_law))
        for name, law in found:
            named.setdefault(law.name, []).append((name, law))
    for law_name, entries in named.items():
        law = entries[0][1]
        names = _list([name for name, _ in entries])
        if law.name == "measured":
            for name, measured in entries:
                yield (
                    f"{name!r} has no law that is known here: its standard deviation"
                    f" {measured.std:.4g} is read off the numbers, to {measured.error:.1%}, and"
                    " the kernel is known no better; pass laws= if it is known"
                )
        elif law.family == "orthogonal":
            yield (
                f"{names} are orthogonal matrices; any finite number of rows of a large one is as"
                " independent normal numbers of the same variance (Jiang 2006), so that the limit"
                " is theirs, while the distance at finite width is another"
            )
        elif law.family == "constant":
            yield f"{names} start at 0"
        else:
            yield f"{names} are drawn from {law_name} ({law.family})"
    yield from _few(parts, numbers)


def _few(parts: Sequence[Weights], numbers: Sequence[Numbers]) -> Iterator[str]:
    """Which parameters have too few numbers to tell their law by themselves."""
    few = [
        (part.weight.name, error)
        for part, one in zip(parts, numbers, strict=True)
        for error in [math.sqrt((one.law.kurtosis - 1) / (4 * one.drawn))]
        if error > UNSURE and one.law.family != "orthogonal" and one.law.name != "measured"
    ]
    if few:
        worst = max(few, key=lambda entry: entry[1])
        yield (
            f"{_list([name for name, _ in few])} have so few numbers that other laws fit them as"
            f" well: alone those of {worst[0]!r} would tell the standard deviation to"
            f" {worst[1]:.0%}; what is assumed is the rule of the others, pass laws= or draws= to"
            " be sure"
        )


def _list(names: Sequence[str]) -> str:
    """A few names, or the first ones and how many there are."""
    few, more = ", ".join(map(repr, names[:3])), len(names) - 3
    if more <= 0:
        return few
    return f"{few} and {more} others" if more > 1 else f"{few} and {names[3]!r}"


def _first(
    parts: Sequence[Weights], numbers: Sequence[Numbers], layers: Sequence[Layer], data: Tensor
) -> Iterator[str]:
    """How far the first layers are from Gaussian ones."""
    activation = _first_activation(layers)
    for part, one in zip(parts, numbers, strict=True):
        if not isinstance(part.source, InputData):
            continue
        if one.law.family == "unknown":
            yield (
                f"the first layer {part.weight.name!r} is taken for Gaussian, though the law of its"
                " weights is not known: with few inputs that may be another limit"
            )
        found = first_layer_moments(part, one, activation, data)
        if found is not None:
            yield (
                f"the first layer {part.weight.name!r} reads {found.read} numbers with weights that"
                " are not normal, so that its units are not Gaussian however many they are:"
                f" {found} from the Gaussian values, and the kernel of the description is off by"
                " as much; gap and convergence take the true law unless images, or vectors of a"
                " network with skips, have more than a thousand positions in all"
            )


def _first_activation(layers: Sequence[Layer]) -> Activation:
    """That of the first layer that is not linear."""
    for layer in layers:
        if isinstance(layer, Branched):
            inner = [one for branch in layer.branches for one in branch]
            found = _first_activation(inner)
            if not found.is_linear:
                return found
        activation = getattr(layer, "activation", None)
        if activation is not None and not activation.is_linear:
            return activation
    return Activation("identity")


def _trained(
    module: nn.Module, parts: Sequence[Weights | Normalised], trained: Collection[str]
) -> Iterator[str]:
    """Which parameters have which rate."""
    used = {name for part in parts for name in parameter_names(part)}
    gains = [n for part in parts if isinstance(part, Normalised) for n in parameter_names(part)]
    if gains:
        yield f"{_list(gains)} are gains and shifts of normalisations, which start at 1 and 0"
    frozen = [name for part in parts for name in parameter_names(part) if name not in trained]
    if frozen:
        yield f"{_list(frozen)} are not trained: rate 0"
    unused = [name for name, p in module.named_parameters() if name not in used]
    if unused:
        yield f"{_list(unused)} have no influence on the outputs"
    yield (
        "all trained parameters have one learning rate, as in gradient descent; in this"
        " parametrisation that gives the layers the rates of the description"
    )
