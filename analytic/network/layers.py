r"""The layers of a description: no widths, no data.

With alpha the units of the layer before and m their number (channels, for images),

    fully connected   alpha -> w(weight_std W alpha / sqrt(m) + bias_std b)
    convolution       alpha -> w(weight_std sum_k W_k alpha[s p + d (k - back)] / sqrt(m)
                               + bias_std b)   at every position p, back = floor((K - 1)/2)
    nonlinearity      alpha -> w(alpha)

with W and b standard normal and trained (Bowman and Montufar 2022, section 2.3). There is
no 1/sqrt(K) for the K positions of a filter: ``weight_std=1/sqrt(K)`` gives the fan-in
convention of other libraries. Averaging layers have no weights; skips and sums of branches stand
in ``analytic.network.branches``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import sympy

from analytic.activation import Activation
from analytic.network.layer_text import Described
from analytic.network.options import Sizes, choice, number, sizes
from analytic.network.training_rates import set_rates

__all__ = ["Convolution", "FullyConnected", "Weighted"]


@dataclass(frozen=True, repr=False)
class FullyConnected(Described):
    """A fully connected layer, alpha -> w(weight_std W alpha / sqrt(m) + bias_std b).

    Args:
        activation: a name, a sympy expression or an ``Activation``.
        weight_std: standard deviation of the weights before the 1/sqrt(m), positive.
        bias_std: standard deviation of the biases; 0 means that there are none.
        width_ratio: width of this layer in a finite network, in units of its width.
        weight_rate: rate at which W is trained; 0 freezes it.
        bias_rate: rate at which the bias b bias_std itself is trained, bias_std^2 if None (then b
            has rate 1); with bias_std=0 a bias that starts at 0.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> FullyConnected("tanh", weight_std=2)
        FullyConnected("tanh", weight_std=2.0)
    """

    activation: Activation
    weight_std: float = 1.0
    bias_std: float = 0.0
    width_ratio: float = 1.0
    weight_rate: float = 1.0
    bias_rate: float | None = None

    def __init__(
        self,
        activation: str | sympy.Expr | Activation,
        *,
        weight_std: float = 1.0,
        bias_std: float = 0.0,
        width_ratio: float = 1.0,
        weight_rate: float = 1.0,
        bias_rate: float | None = None,
    ) -> None:
        object.__setattr__(self, "activation", Activation(activation))
        _set_weights(self, weight_std, bias_std, width_ratio)
        set_rates(self, weight_rate, bias_rate)


@dataclass(frozen=True, repr=False)
class Convolution(Described):
    """A convolution in one to three dimensions, of inputs ``(n, channels, *spatial)``.

    Position p of the output reads the positions s p + d (k - floor((K - 1)/2)), k = 0, ..., K - 1,
    in every dimension; there are ceil(P/s) outputs for P inputs. "valid" keeps those that
    read no position outside: s p + d k, floor((P - d (K - 1) - 1)/s) + 1 outputs.

    Args:
        activation: a name, a sympy expression or an ``Activation``.
        kernel_size: K, one number for all dimensions or one for each.
        stride: s, the same.
        padding: "same" or "valid".
        padding_mode: what "same" reads outside: "zeros", or "circular" for the other end.
        dilation: d, the distance of the positions that a filter reads; the same as for K.
        normalize: "sum" for the formula above, or "fan_in" for the sum divided by sqrt(K), K the
            positions of a filter in all dimensions: the convention of other libraries.
        weight_std: standard deviation of the weights before the 1/sqrt(channels), positive.
        bias_std: standard deviation of the biases; 0 means that there are none.
        width_ratio: channels of this layer in a finite network, in units of its width.
        weight_rate: rate at which W is trained; 0 freezes it.
        bias_rate: as of ``FullyConnected``.

    Raises:
        ValueError: a number is out of its range, or circular padding of "valid".
        TypeError: a size is not an integer.

    Example:
        >>> Convolution("tanh", 3, weight_std=1 / 3)
        Convolution("tanh", 3, weight_std=0.3333333333333333)
    """

    activation: Activation
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Literal["same", "valid"] = "same"
    padding_mode: Literal["zeros", "circular"] = "zeros"
    dilation: Sizes = 1
    normalize: Literal["sum", "fan_in"] = "sum"
    weight_std: float = 1.0
    bias_std: float = 0.0
    width_ratio: float = 1.0
    weight_rate: float = 1.0
    bias_rate: float | None = None
    required = 2

    def __init__(
        self,
        activation: str | sympy.Expr | Activation,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Literal["same", "valid"] = "same",
        padding_mode: Literal["zeros", "circular"] = "zeros",
        dilation: Sizes = 1,
        normalize: Literal["sum", "fan_in"] = "sum",
        weight_std: float = 1.0,
        bias_std: float = 0.0,
        width_ratio: float = 1.0,
        weight_rate: float = 1.0,
        bias_rate: float | None = None,
    ) -> None:
        object.__setattr__(self, "activation", Activation(activation))
        object.__setattr__(self, "kernel_size", sizes("kernel_size", kernel_size))
        object.__setattr__(self, "stride", sizes("stride", stride))
        object.__setattr__(self, "dilation", sizes("dilation", dilation))
        choice("padding", padding, ("same", "valid"))
        choice("padding_mode", padding_mode, ("zeros", "circular"))
        if (padding, padding_mode) == ("valid", "circular"):
            raise ValueError(
                "expected padding 'same' with padding_mode 'circular', got 'valid', which reads"
                " nothing outside; choose one of the two"
            )
        object.__setattr__(self, "padding", padding)
        object.__setattr__(self, "padding_mode", padding_mode)
        choice("normalize", normalize, ("sum", "fan_in"))
        object.__setattr__(self, "normalize", normalize)
        _set_weights(self, weight_std, bias_std, width_ratio)
        set_rates(self, weight_rate, bias_rate)

    def summed(self, dimensions: int) -> Convolution:
        """The layer with ``normalize="sum"`` that is this one in so many dimensions.

        Example:
            >>> Convolution("tanh", 3, normalize="fan_in").summed(2).weight_std == 1 / 3
            True
        """
        if self.normalize == "sum":
            return self
        sizes = self.kernel_size
        count = sizes**dimensions if isinstance(sizes, int) else math.prod(sizes)
        return replace(self, normalize="sum", weight_std=self.weight_std / math.sqrt(count))


Weighted = FullyConnected | Convolution


def _set_weights(layer: Weighted, weight_std: float, bias_std: float, width_ratio: float) -> None:
    object.__setattr__(layer, "weight_std", number("weight_std", weight_std, positive=True))
    object.__setattr__(layer, "bias_std", number("bias_std", bias_std, positive=False))
    object.__setattr__(layer, "width_ratio", number("width_ratio", width_ratio, positive=True))
