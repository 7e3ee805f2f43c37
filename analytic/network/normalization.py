r"""Normalisation over channels, in the limit, and the gains and shifts behind it.

    layer norm   alpha_i(x)[p] -> g_i (alpha_i(x)[p] - mu)/sqrt(sigma^2 + eps) + b_i

with mu and sigma^2 the mean and the variance of the m units of the sample at that position (Ba,
Kiros and Hinton 2016). Both tend to numbers, mu and V = Sigma(x, x) - mu^2, and so does what the
gradients become: docs/theory/recursion.md shows that the derivatives of the two are of order
m^(-1/2), so that with s^2 = V + eps

    Sigma <- (Sigma - mu mu')/(s s'),   Theta <- Theta/(s s'),   mu <- 0.

Over channels and positions the two are those of all numbers of an image. Where units have mean 0,
as behind weights, s^2 is the mean of Sigma(x, x) over the positions, plus eps, and

    Sigma <- Sigma/(s s'),   Theta <- Theta/(s s').

Gains start at 1 and shifts at 0: they change nothing but what is trained (docs/theory/rates.md),

    Theta <- gain_rate Sigma + bias_rate + Theta.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analytic.activation import Activation
from analytic.network.layer_text import Described
from analytic.network.options import number

__all__ = ["Gains", "LayerNorm"]


@dataclass(frozen=True, repr=False)
class Gains(Described):
    """One gain and one shift for each unit, alpha_i -> g_i alpha_i + b_i.

    The second part of a ``LayerNorm`` in the steps of a network: a layer whose weights are the unit
    matrix, of which the diagonal alone is trained.

    Attributes:
        weight_rate: at which the gains are trained.
        bias_rate: at which the shifts are trained.
        start: of the gains, 1 or 0.
    """

    required = 0
    weight_rate: float = 0.0
    bias_rate: float = 0.0
    start: float = 1.0

    @property
    def activation(self) -> Activation:
        """None: the identity."""
        return Activation("identity")


@dataclass(frozen=True, repr=False)
class LayerNorm(Described):
    """Subtracts the mean over the channels and divides by their standard deviation.

    At every position of images by itself, or over all positions. torch's ``nn.LayerNorm`` over
    channels is ``LayerNorm(eps=1e-5, gain_rate=1, bias_rate=1)``, its ``nn.GroupNorm`` of one group
    the same with ``positions=True``; by default there are no parameters and nothing is added to the
    variance.

    Args:
        eps: added to the variance. Without it units that are all equal, such as those of a zero
            input without biases, are refused.
        gain_rate: at which the gains g_i are trained, which start at 1; 0 for none.
        bias_rate: at which the shifts b_i are trained, which start at 0; 0 for none.
        positions: whether mean and deviation are those over channels and positions; of units with
            mean 0 only, behind weights or odd activations.

    Raises:
        ValueError: a number is negative or not finite.
        TypeError: it is not a number, or ``positions`` neither True nor False.

    Example:
        >>> LayerNorm()
        LayerNorm()
        >>> LayerNorm(eps=1e-5, gain_rate=1)
        LayerNorm(eps=1e-05, gain_rate=1.0)
    """

    required = 0
    eps: float = 0.0
    gain_rate: float = 0.0
    bias_rate: float = 0.0
    positions: bool = False

    def __init__(
        self,
        *,
        eps: float = 0.0,
        gain_rate: float = 0.0,
        bias_rate: float = 0.0,
        positions: bool = False,
    ) -> None:
        if not isinstance(positions, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"expected True or False for positions, got {positions!r}; the limit is that over"
                " all positions or at each by itself"
            )
        object.__setattr__(self, "positions", positions)
        given = {"eps": eps, "gain_rate": gain_rate, "bias_rate": bias_rate}
        for name, value in given.items():
            object.__setattr__(self, name, number(name, value, positive=False))

    @property
    def activation(self) -> Activation:
        """That of what is left of a unit: the identity."""
        return Activation("identity")

    @property
    def parts(self) -> tuple[LayerNorm, *tuple[Gains, ...]]:
        """The normalisation, and the gains and shifts behind it if they are trained."""
        if self.gain_rate == 0 and self.bias_rate == 0:
            return (self,)
        alone = replace(self, gain_rate=0.0, bias_rate=0.0)
        return alone, Gains(self.gain_rate, self.bias_rate)
