r"""The linear map from the last units to the outputs.

    f = weight_std v^T alpha / sqrt(m) + b

with v standard normal and b of standard deviation bias_std. It makes of (Sigma, Theta) what every
layer makes of them before its activation: Lambda is the kernel of the Gaussian process, and Gamma
the tangent kernel. Several outputs have weights of their own; their kernel is this one times the
identity.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytic.network.layer_text import Described
from analytic.network.options import number
from analytic.network.training_rates import bias_rate_of, set_rates

__all__ = ["Coefficients", "Readout"]

Coefficients = tuple[float, float, float, float]
"""(weight, bias, rate, bias_rate) of ``analytic.recursion.layer_equations``."""


@dataclass(frozen=True, repr=False)
class Readout(Described):
    """The last part of a network, alpha -> weight_std v^T alpha / sqrt(m) + b.

    A network without one has ``Readout()``: v standard normal, trained at rate 1, no bias.

    Args:
        weight_std: standard deviation of the weights before the 1/sqrt(m), positive.
        bias_std: that of the bias; 0 means that it starts at 0.
        weight_rate: rate at which v is trained; 0 freezes it.
        bias_rate: rate at which b is trained, bias_std^2 if None.

    Raises:
        ValueError: a number is out of its range.

    Example:
        All but the readout frozen: the kernel of the Gaussian process.

        >>> from analytic import FullyConnected, Network
        >>> Network(FullyConnected("tanh", weight_rate=0), Readout(weight_std=2))
        Network(FullyConnected("tanh", weight_rate=0.0), Readout(weight_std=2.0))
    """

    weight_std: float = 1.0
    bias_std: float = 0.0
    weight_rate: float = 1.0
    bias_rate: float | None = None
    required = 0

    def __init__(
        self,
        *,
        weight_std: float = 1.0,
        bias_std: float = 0.0,
        weight_rate: float = 1.0,
        bias_rate: float | None = None,
    ) -> None:
        object.__setattr__(self, "weight_std", number("weight_std", weight_std, positive=True))
        object.__setattr__(self, "bias_std", number("bias_std", bias_std, positive=False))
        set_rates(self, weight_rate, bias_rate)

    @property
    def coefficients(self) -> Coefficients:
        """(weight_std^2, bias_std^2, weight_rate, bias_rate)."""
        learned = bias_rate_of(self.bias_std, self.bias_rate)
        return self.weight_std**2, self.bias_std**2, self.weight_rate, learned
