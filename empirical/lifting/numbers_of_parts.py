r"""The numbers of a description, from the weights of a module.

A layer of a module is h = W alpha + b with independent numbers of variance v and v_b, trained at
rate 1; that of a description is h = weight_std w alpha / sqrt(m) + bias_std c with standard normal
ones. With m units read they are the same if

    weight_std^2 = m v,    weight_rate = 1 / v,    bias_std^2 = v_b,    bias_rate = 1,

and a factor f in front of W or b has f^2 v for the variance and f^2 for the slope. Rate 0 is what
autograd does not reach. So the parametrisation of a module, whichever it is, is a choice of rates.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from empirical.lifting.initial_laws import InitialLaw
from empirical.lifting.law_assignment import Drawn, laws_of
from empirical.lifting.places import LiftingError
from empirical.lifting.units import Matrix, Normalised, Units, Weights, upstream

__all__ = ["Numbers", "gains_of", "numbers_of"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Laws and numbers of one layer with weights.

    Attributes:
        law: of its weights, as the parameter has them.
        bias_law: of its biases, None if there are none.
        read: how many units each of its own reads.
        drawn: how many numbers have told the law of the weights.
        keywords: those of ``FullyConnected``: standard deviations and rates.
    """

    law: InitialLaw
    bias_law: InitialLaw | None
    read: int
    drawn: int
    keywords: dict[str, float]


def numbers_of(
    parts: Sequence[Weights],
    trained: Collection[str],
    given: Mapping[str, InitialLaw],
    draws: Sequence[nn.Module] = (),
) -> list[Numbers]:
    """The numbers of all layers.

    Args:
        parts: the layers.
        trained: names of the parameters that the kernel is about.
        given: laws by patterns of names, for parameters whose numbers need not decide.
        draws: other modules of the same kind, whose numbers help to decide.

    Raises:
        LiftingError: some numbers are no draw from a law with mean 0, or all of them are 0.
    """
    others = [dict(module.named_parameters()) for module in draws]
    weights = {part.weight.name: _drawn(part.weight, others, None) for part in parts}
    biases = {
        part.bias.name: _drawn(part.bias, others, part.weight)
        for part in parts
        if part.bias is not None
    }
    for pattern, law in given.items():
        if not isinstance(law, InitialLaw):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"expected laws as InitialLaw, got {law!r} for {pattern!r}; pass"
                ' InitialLaw("mine", "normal", std)'
            )
        if not fnmatch.filter([*weights, *biases], pattern):
            raise ValueError(
                f"expected names of weights and biases in laws, got {pattern!r}, which fits none of"
                f" {', '.join([*weights, *biases])}; change it"
            )
    laws = laws_of([*weights.values(), *biases.values()], given)
    return [_numbers(part, laws, trained, weights[part.weight.name].flat.size) for part in parts]


def gains_of(units: Units, trained: Collection[str]) -> dict[int, dict[str, float]]:
    """The keywords of every ``LayerNorm`` that some units are made of, by the id of its units."""
    return {
        id(one): {
            "eps": one.eps,
            "gain_rate": float(one.gain is not None and one.gain.name in trained),
            "bias_rate": float(one.shift is not None and one.shift.name in trained),
        }
        for one in upstream(units)
        if isinstance(one, Normalised)
    }


def _drawn(matrix: Matrix, others: Sequence[Mapping[str, Any]], weight: Matrix | None) -> Drawn:
    """A parameter with those of the same name in other modules."""
    for other in others:
        like = other.get(matrix.name)
        if like is None or like.shape != matrix.tensor.shape:
            found = "none of that name" if like is None else f"one of shape {tuple(like.shape)}"
            raise ValueError(
                f"expected draws that are modules of the same kind, with a parameter"
                f" {matrix.name!r} of shape {tuple(matrix.tensor.shape)}, got {found}; make them as"
                " the module was made"
            )
    tensors = [matrix.tensor, *(other[matrix.name] for other in others)]
    numbers = np.stack([t.detach().double().cpu().numpy() for t in tensors])
    fan = None if weight is None else max(1, weight.tensor[0].numel())
    shape = tuple(matrix.tensor.shape)
    return Drawn(matrix.name, numbers, shape or (1,), fan)


def _numbers(
    part: Weights, laws: Mapping[str, InitialLaw], trained: Collection[str], drawn: int
) -> Numbers:
    weight, bias = part.weight, part.bias
    law, bias_law = laws[weight.name], None
    shape = weight.tensor.shape
    read = shape[0] if len(shape) == 1 else int(weight.value.shape[1])
    if law.std == 0:
        raise LiftingError(
            f"expected weights that are not 0 at the start, got zeros in {weight.name!r}: what is"
            " behind them starts at 0, and so does all of the kernel but their own share; draw"
            " them, or describe the network by hand"
        )
    keywords = {
        "weight_std": _short(abs(weight.factor) * law.std * math.sqrt(read)),
        "weight_rate": _short(law.std**-2) if weight.name in trained else 0.0,
    }
    if bias is not None:
        bias_law = laws[bias.name]
        keywords["bias_std"] = _short(abs(bias.factor) * bias_law.std)
        learned = bias.factor**2 if bias.name in trained else 0.0
        usual = keywords["bias_std"] ** 2  # to the bit, so that rate 1 is seen
        keywords["bias_rate"] = usual if math.isclose(learned, usual) else _short(learned)
    return Numbers(law, bias_law, read, drawn, keywords)


def _short(number: float) -> float:
    """Without the last digit, in which sqrt(6) sqrt(1/6) is not 1."""
    return float(f"{number:.15g}")
