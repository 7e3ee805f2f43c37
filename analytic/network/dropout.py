r"""Multiplicative noise, and what a kernel with it means.

    dropout   alpha_i(x)[p] -> xi_i(x)[p] alpha_i(x)[p],   xi = 1/(1 - rate), and 0 by chance rate

independently for all units, positions and samples (Srivastava et al. 2014). A sample has one mask
in a pass, and E[xi xi'] is 1 for two masks and 1/(1 - rate) for one with itself. So Sigma and Theta
of two samples, or of two positions, stay what they are, and those of a sample with itself at
one position are divided by 1 - rate. Entry (i, j) of a kernel is that of row i and row j of one
pass: rows have masks of their own, even where the inputs in them are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytic.activation import Activation
from analytic.network.layer_text import Described
from analytic.network.options import number

__all__ = ["Dropout"]


@dataclass(frozen=True, repr=False)
class Dropout(Described):
    """Sets units to 0 with some probability and divides the others by what is left.

    Kernels are those of training mode, in which row i has the same mask throughout and different
    rows have different masks: of the limit the diagonal changes, and through it what later
    nonlinearities see. In evaluation mode it is the identity: describe the network without it, or
    take ``FiniteNetwork(...).eval()``.

    Args:
        rate: the probability, from 0 to below 1.

    Raises:
        ValueError: it is out of this range.

    Example:
        >>> Dropout(0.1)
        Dropout(0.1)
    """

    rate: float

    def __init__(self, rate: float) -> None:
        found = number("rate", rate, positive=False)
        if not found < 1:
            raise ValueError(
                f"expected a rate from 0 to below 1, got {rate!r}; pass the probability of a unit"
                " to be dropped"
            )
        object.__setattr__(self, "rate", found)

    @property
    def activation(self) -> Activation:
        """That of the units that are kept, but for a factor: the identity."""
        return Activation("identity")

    @property
    def noise(self) -> float:
        """E[xi^2], with which Sigma and Theta at x = x' are multiplied."""
        return 1 / (1 - self.rate)
