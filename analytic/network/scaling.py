r"""A constant factor, and how it is taken into the layers around it.

    scale   alpha -> factor alpha

It needs no rule in the recursion. A factor goes forward, through averages and into all branches
of a sum, until it meets weights, which take it, weight_std W (c alpha) = (c weight_std) W alpha, or
a nonlinearity, which becomes w(c x). At the end of a branch or of the network it goes back: w
becomes c w. Past a skip it cannot go back alone: c alpha + F(alpha) is c (alpha + F(alpha)/c).
Each factor is rounded once, with what takes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analytic.network.layer_text import Described
from analytic.network.options import number

__all__ = ["Scale"]


@dataclass(frozen=True, repr=False)
class Scale(Described):
    """Multiplies all units by a factor, alpha -> factor alpha.

    ``AveragePooling(2), Scale(4)`` is the sum over windows of 2 x 2; a branch that ends in
    ``Scale(0.1)`` a small one.

    Args:
        factor: positive.

    Raises:
        ValueError: it is not a positive number.

    Example:
        >>> Scale(0.5)
        Scale(0.5)
    """

    factor: float

    def __init__(self, factor: float) -> None:
        known = isinstance(factor, int | float)  # pyright: ignore[reportUnnecessaryIsInstance]
        if known and -math.inf < factor <= 0:
            advice = "leave out the layers before it, or their branch"
            if factor < 0:
                advice = (
                    'write the sign into the activation, "-tanh(x)"; of units that only weights'
                    " read, it changes no kernel"
                )
            raise ValueError(f"expected a positive factor, got {factor!r}; {advice}")
        object.__setattr__(self, "factor", number("factor", factor, positive=True))
