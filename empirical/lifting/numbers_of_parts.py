r"""The numbers of a description, from the weights of a module.

A layer of a module is h = W alpha + b with independent numbers of variance v and v_b, trained at rate
1; that of a description is h = weight_std w alpha / sqrt(m) + bias_std c with standard normal ones.
With m units read they are the same if

    weight_std^2 = m v,    weight_rate = 1 / v,    bias_std^2 = v_b,    bias_rate = 1,

and a factor f in front of W or b has f^2 v for the variance and f^2 for the slope. Rate 0 is what
autograd does not reach. So the parametrisation of a module, whichever it is, is a choice of rates.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from empirical.lifting.initial_laws import InitialLaw, candidates, fits, is_orthogonal, outlier, read_law
from empirical.lifting.places import LiftingError
from empirical.lifting.units import Matrix, Weights

__all__ = ["Numbers", "numbers_of"]

Given = Mapping[str, InitialLaw]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Laws and numbers of one layer with weights.

    Attributes:
        law: of its weights, as the parameter has them.
        bias_law: of its biases, None if there are none.
        read: how many units each of its own reads.
        keywords: those of ``FullyConnected``: standard deviations and rates.
    """

    law: InitialLaw
    bias_law: InitialLaw | None
    read: int
    keywords: dict[str, float]


def numbers_of(part: Weights, trained: Collection[str], given: Given) -> Numbers:
    """The numbers of a layer.

    Args:
        part: the layer.
        trained: names of the parameters that the kernel is about.
        given: laws by patterns of names, for parameters whose numbers need not decide.

    Raises:
        LiftingError: the numbers are no draw from a law with mean 0.
    """
    weight, bias = part.weight, part.bias
    shape = tuple(weight.tensor.shape)
    read = shape[0] if weight.tensor.ndim == 1 else int(weight.value.shape[1])
    law = _law(weight, candidates(shape if len(shape) > 1 else (1, *shape)), given)
    if law.std == 0:
        raise LiftingError(
            f"expected weights that are not 0 at the start, got zeros in {weight.name!r}: what is"
            " behind them starts at 0, and so does all of the kernel but their own share; draw"
            " them, or describe the network by hand"
        )
    scale = abs(weight.factor) * law.std
    keywords = {"weight_std": scale * math.sqrt(read), "weight_rate": 0.0}
    if weight.name in trained:
        keywords["weight_rate"] = 1.0 if law.std == 1 else law.std**-2
    bias_law = None
    if bias is not None:
        fan = read * math.prod(shape[2:])
        bias_law = _law(bias, candidates(tuple(bias.tensor.shape), fan), given)
        keywords["bias_std"] = abs(bias.factor) * bias_law.std
        keywords["bias_rate"] = bias.factor**2 if bias.name in trained else 0.0
    return Numbers(law, bias_law, read, keywords)


def _law(matrix: Matrix, laws: list[InitialLaw], given: Given) -> InitialLaw:
    """The law of a parameter, passed or read off."""
    numbers = matrix.tensor.detach().double().cpu().numpy()
    for pattern, law in given.items():
        if fnmatch.fnmatchcase(matrix.name, pattern):
            if law.std > 0 and law.family != "orthogonal" and not fits(law, numbers.ravel()):
                raise LiftingError(
                    f"expected numbers from {law.name} in {matrix.name!r}, got others: mean"
                    f" {numbers.mean():.3g}, standard deviation {numbers.std():.3g} for"
                    f" {law.std:.3g}; pass the law they were drawn from"
                )
            return law
    flat = numbers.reshape(len(numbers), -1) if numbers.ndim > 1 else numbers[None]
    if is_orthogonal(flat):
        return InitialLaw("orthogonal", "orthogonal", float(np.sqrt((flat**2).mean())))
    law = read_law(numbers, laws)
    if law is None:
        raise LiftingError(
            f"expected a fresh draw, got numbers in {matrix.name!r} whose mean {numbers.mean():.3g}"
            f" is not 0 within its error {numbers.std() / math.sqrt(numbers.size):.2g}: they are"
            " trained, or constants; pass the module as it was initialised"
        )
    if law.std > 0 and (ratio := outlier(flat, law.std)):
        raise LiftingError(
            f"expected a fresh draw, got a matrix {matrix.name!r} whose largest singular value is"
            f" {ratio:.3g} times that of independent numbers: it is trained; pass the module as"
            " it was initialised"
        )
    return law
