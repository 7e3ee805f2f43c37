"""What a refusal says: what was expected, where it fails, and which tolerance will do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from analytic.machine import Array
from analytic.recursion import Diagonal, Problem, dearest
from analytic.results import AccuracyError, Estimate

__all__ = ["early_refusal", "full_refusal"]

LARGE = 4.0
"""Root mean square of inputs above which smooth activations look like steps and kinks."""
ALL, SOME = 2, 8
"""How much above a bound the advised tolerance is, where all pairs were seen or only some."""


def full_refusal(problem: Problem, tolerance: float, worst: float, pair: Any) -> str:
    """Of a kernel that has been computed.

    Args:
        problem: what was asked.
        tolerance: the promise.
        worst: the largest bound.
        pair: where it is.
    """
    advice = _advice(ALL * worst, (problem.x, problem.y))
    return f"{_found(tolerance, worst, pair)}, {_why(problem.diagonal)}; {advice}"


def early_refusal(
    ends: Diagonal,
    tolerance: float,
    bound: float,
    later: Callable[[], Estimate],
    *,
    x: Array,
    pair: tuple[int, int] = (0, 0),
) -> AccuracyError:
    """Before all pairs have been seen.

    Args:
        ends: the recursion at x = x', of what was seen.
        tolerance: the promise.
        bound: the largest that was seen.
        later: computes the best value, with all bounds.
        x: the inputs.
        pair: where the bound was seen.
    """
    text = f"{_found(tolerance, bound, pair)}, {_why(ends)}; {_advice(SOME * bound, (x,))}"
    return AccuracyError(text, None, bound, later=later)


def _found(tolerance: float, bound: float, pair: Any) -> str:
    return (
        f"expected a relative error of at most {tolerance:.1e}, got the bound {bound:.1e} at the"
        f" pair ({pair[0]}, {pair[1]})"
    )


def _why(ends: Diagonal) -> str:
    layer, why = dearest(ends)
    return f"which weight layer {layer} costs ({why})"


def _advice(tolerance: float, inputs: tuple[Array, ...]) -> str:
    """What to do instead: a tolerance that will succeed, or inputs of usual size."""
    if tolerance < 0.5:
        return (
            f"pass tolerance={_rounded_up(tolerance)} or take the best value from the attribute"
            " estimate"
        )
    size = max(float(np.sqrt(np.mean(x**2))) for x in inputs)
    if size > LARGE:
        return (
            f"no tolerance will do; scale the inputs, whose root mean square is {size:.1e} (pixels"
            " by 1/255), so that the first layer does not saturate"
        )
    return "no tolerance will do; the attribute estimate has the values and their bounds"


def _rounded_up(tolerance: float) -> str:
    """One digit, not below."""
    exponent = math.floor(math.log10(tolerance))
    digit = math.ceil(tolerance / 10.0**exponent - 1e-9)
    return f"{digit}e{exponent}" if digit < 10 else f"1e{exponent + 1}"
