r"""Normalisation over channels, in the limit.

    layer norm   alpha_i(x)[p] -> (alpha_i(x)[p] - mu)/sigma

with mu and sigma^2 the mean and the variance of the m units of the sample at that position (Ba,
Kiros and Hinton 2016). Both tend to numbers, mu and Sigma(x, x) - mu^2, and so does what the
gradients become: docs/theory/recursion.md shows that the derivatives of the two are of order
m^(-1/2), so that

    Sigma <- (Sigma - mu mu')/(sigma sigma'),   Theta <- Theta/(sigma sigma'),   mu <- 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytic.activation import Activation
from analytic.network.layer_text import Described

__all__ = ["LayerNorm"]


@dataclass(frozen=True, repr=False)
class LayerNorm(Described):
    """Subtracts the mean over the channels and divides by their standard deviation.

    At every position of images by itself. It has no parameters, and nothing is added to the
    variance: units that are all equal, such as those of a zero input without biases, are refused.

    Example:
        >>> LayerNorm()
        LayerNorm()
    """

    @property
    def activation(self) -> Activation:
        """That of what is left of a unit: the identity."""
        return Activation("identity")
