"""How many units there are, in units of the width, counted layer by layer; for the oracles."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from analytic import Concatenate, Residual, Sum

__all__ = ["after", "shares"]


def after(layers: Sequence[Any], count: Fraction) -> Fraction:
    """The units behind the layers."""
    for layer in layers:
        if isinstance(layer, Concatenate):
            count = sum((after(branch, count) for branch in layer.branches), Fraction(0))
        elif isinstance(layer, Sum):
            count = after(layer.branches[0], count)
        elif not isinstance(layer, Residual):
            count = Fraction(getattr(layer, "width_ratio", count))
    return count


def shares(layer: Concatenate, count: Fraction) -> list[Fraction]:
    """The share of each branch in all units."""
    ends = [after(branch, count) for branch in layer.branches]
    return [end / sum(ends) for end in ends]
