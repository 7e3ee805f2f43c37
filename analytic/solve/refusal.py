"""What a refusal says: what was expected, where it fails, and which tolerance will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from analytic.images import Images, PositionAngles
from analytic.machine import UNIT, Array
from analytic.network import Pointwise
from analytic.pairs import Close, nearly_parallel_pairs, own_ends, roundings
from analytic.recursion import (
    NO_AVERAGE,
    Cost,
    Diagonal,
    ErrorPropagation,
    Problem,
    amplifications,
    dearest_cost,
    diagonal,
    in_kernels,
    mean_squares,
)
from analytic.results import AccuracyError, Estimate

__all__ = [
    "SOME",
    "Objection",
    "costs_of",
    "early_refusal",
    "full_refusal",
    "least_known",
    "of_others",
]

LARGE = 4.0
"""Root mean square of inputs above which smooth activations look like steps and kinks."""
ALL, SOME = 2, 8
"""How much above a bound the advised tolerance is, where all pairs were seen or only some."""
LEAST_GOOD = 0.4
"""The largest tolerance that says anything."""
TABLE = 2**10 * UNIT
"""Errors of integrals that no rounding explains."""


class Objection(NamedTuple):
    """What speaks against a kernel.

    Attributes:
        bound: the largest that was seen.
        pair: where.
        ends: the recursion at x = x', of what was seen.
        costs: what the operations of the network make of errors.
        enough: a tolerance that all pairs meet, infinite where none is known.
        margin: how far above the bound others may be; infinite where it takes long to know.
    """

    bound: float
    pair: tuple[int, int]
    ends: Diagonal
    costs: Sequence[Cost]
    enough: float = math.inf
    margin: float = SOME


def full_refusal(
    problem: Problem, tolerance: float, worst: float, pair: tuple[int, int], *, near: bool
) -> str:
    """Of a kernel that has been computed.

    Args:
        problem: what was asked.
        tolerance: the promise.
        worst: the largest bound.
        pair: where it is.
        near: whether the tiles left that pair out.
    """
    seen = Objection(worst, pair, problem.diagonal, costs_of(problem, worst, pair, near=near))
    return f"{_found(tolerance, seen)}; {_advice(ALL * worst, (problem.x, problem.y))}"


def early_refusal(
    seen: Objection, tolerance: float, later: Callable[[], Estimate], x: Array
) -> AccuracyError:
    """Before all pairs have been seen.

    Args:
        seen: why.
        tolerance: the promise.
        later: computes the best value, with all bounds.
        x: the inputs.
    """
    wanted = seen.margin * seen.bound
    if wanted < seen.enough <= SOME * wanted:
        wanted = seen.enough
    if ALL * seen.bound < LEAST_GOOD and seen.margin < math.inf:
        wanted = min(wanted, LEAST_GOOD)
    text = f"{_found(tolerance, seen)}; {_advice(wanted, (x,))}"
    return AccuracyError(text, None, seen.bound, _places(seen.pair), later=later)


def of_others(
    refused: AccuracyError, places: Sequence[int], later: Callable[[], Estimate]
) -> AccuracyError:
    """The refusal of some inputs as one of all, among which they have these places."""
    pair = refused.pair
    assert pair is not None
    i, j = (places[k] for k in pair)
    text = str(refused).replace(_at(pair), _at((i, j)))
    return AccuracyError(text, None, refused.bound, (i, j), later=later)


def least_known(problem: Problem) -> tuple[int, int]:
    """The input whose kernel with itself is least known, of one of every size, as a pair."""
    octaves = np.frexp(mean_squares(problem.x).astype(np.float64))[1] // 2
    few = np.unique(octaves, return_index=True)[1]
    bounds = [own_ends(problem.network, problem.x[[k]])[1] for k in few]
    worst = int(few[np.argmax(np.nan_to_num(bounds, nan=np.inf))])
    return worst, worst


def costs_of(
    problem: Problem, bound: float, pair: tuple[int, int], *, near: bool = False
) -> Sequence[Cost]:
    """What the operations of a network make of the errors of a pair."""
    method, (i, j) = problem.method, pair
    if isinstance(method, Images):
        return method.costs(bound)
    if isinstance(method, PositionAngles):
        return method.costs(pair)
    x, y = problem.x[i][None], problem.y[j][None]
    ends = diagonal(problem.network, mean_squares(np.concatenate([x, y])))
    if near:
        costs, (one, other) = list[Cost](), np.array([[0], [1]])
        nearly_parallel_pairs(Close.of(problem.network, ends), x, y, one, other, costs=costs)
        return costs
    layers, start = amplifications(ends, 16 * UNIT), roundings(x.shape[1]) * UNIT
    return ErrorPropagation(layers, NO_AVERAGE, start, 0.0, in_kernels(ends)).costs(bound)


def _found(tolerance: float, seen: Objection) -> str:
    expected, bound = _told_apart(tolerance, seen.bound)
    return (
        f"expected a relative error of at most {expected}, got the bound {bound}"
        f" {_at(seen.pair)}, {_why(seen)}"
    )


def _at(pair: tuple[int, int]) -> str:
    return f"at the pair {_places(pair)}"


def _places(pair: tuple[int, int]) -> tuple[int, int]:
    i, j = (int(k) for k in pair)
    return i, j


def _told_apart(expected: float, got: float) -> tuple[str, str]:
    """Two numbers with as many digits as show which is the larger."""
    texts = ((f"{expected:.{digits}e}", f"{got:.{digits}e}") for digits in range(1, 17))
    return next((both for both in texts if both[0] != both[1]), (str(expected), str(got)))


def _why(seen: Objection) -> str:
    """The operation that costs most accuracy, and how."""
    stages, worst = seen.ends.stages, dearest_cost(seen.costs)
    if worst is None:
        weighted = [not isinstance(stage.step.layer, Pointwise) for stage in stages]
        noises = [stage.moments.noise.largest for stage in stages]
        if max(noises) > TABLE:
            layer = sum(weighted[: int(np.argmax(noises)) + 1])
            name = f"weight layer {layer}" if layer else "the first layer"
            return f"which {name} costs (its integrals are known to {max(noises):.0e})"
        return f"to which roundings of all {sum(weighted)} weight layers add up"
    why = worst.how
    if worst.is_layer:
        stage = stages[worst.at]
        noise = stage.moments.noise.largest
        if stage.step.layer.activation.jump is not None:
            why = "it jumps: an error of 1 - rho grows by its root"
        elif noise > TABLE and noise > worst.behind / 64:
            why = f"its integrals are known to {noise:.0e}"
    return f"which {worst.what} costs ({why})"


def _advice(tolerance: float, inputs: tuple[Array, ...]) -> str:
    """What to do instead: a tolerance that will succeed soon, or inputs of usual size."""
    if tolerance <= LEAST_GOOD:
        return (
            f"pass tolerance={_rounded_up(tolerance)} or take the best value from the attribute"
            " estimate"
        )
    size = max(float(np.sqrt(np.mean(x**2))) for x in inputs)
    none = "no tolerance will do" + (" soon" if tolerance == math.inf else "")
    if size > LARGE:
        return (
            f"{none}; scale the inputs, whose root mean square is {size:.1e} (pixels"
            " by 1/255), so that the first layer does not saturate"
        )
    return f"{none}; the attribute estimate has the values and their bounds"


def _rounded_up(tolerance: float) -> str:
    """One digit, not below."""
    exponent = math.floor(math.log10(tolerance))
    digit = math.ceil(tolerance / 10.0**exponent - 1e-9)
    return f"{digit}e{exponent}" if digit < 10 else f"1e{exponent + 1}"
