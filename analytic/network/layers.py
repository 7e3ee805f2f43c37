r"""The layers of a description: no widths, no data.

With alpha the units of the layer before and m their number (channels, for images),

    fully connected   alpha -> w(weight_std W alpha / sqrt(m) + bias_std b)
    convolution       alpha -> w(weight_std sum_k W_k alpha[s p + k - floor((K - 1)/2)] / sqrt(m)
                               + bias_std b)   at every position p
    nonlinearity      alpha -> w(alpha)
    residual          alpha -> alpha + layers(alpha)

with W and b standard normal and trained (Bowman and Montufar 2022, section 2.3). There is
no 1/sqrt(K) for the K positions of a filter: ``weight_std=1/sqrt(K)`` gives the fan-in
convention of other libraries. Averaging layers have no weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

import sympy

from analytic.activation import Activation
from analytic.network.averages import Averaging
from analytic.network.layer_text import Described
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.options import Sizes, choice, number, sizes

__all__ = [
    "Convolution",
    "FullyConnected",
    "Layer",
    "Residual",
    "Weighted",
    "check_layers",
    "joined",
    "summed",
]


@dataclass(frozen=True, repr=False)
class FullyConnected(Described):
    """A fully connected layer, alpha -> w(weight_std W alpha / sqrt(m) + bias_std b).

    Args:
        activation: a name, a sympy expression or an ``Activation``.
        weight_std: standard deviation of the weights before the 1/sqrt(m), positive.
        bias_std: standard deviation of the biases; 0 means that there are none.
        width_ratio: width of this layer in a finite network, in units of its width.

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

    def __init__(
        self,
        activation: str | sympy.Expr | Activation,
        *,
        weight_std: float = 1.0,
        bias_std: float = 0.0,
        width_ratio: float = 1.0,
    ) -> None:
        _set_weights(self, activation, weight_std, bias_std, width_ratio)


@dataclass(frozen=True, repr=False)
class Convolution(Described):
    """A convolution in one or two dimensions, of inputs ``(n, channels, *spatial)``.

    Position p of the output reads the positions s p + k - floor((K - 1)/2), k = 0, ..., K - 1,
    in every dimension; there are ceil(P/s) outputs for P inputs. "valid" keeps those that
    read no position outside: s p + k, floor((P - K)/s) + 1 outputs.

    Args:
        activation: a name, a sympy expression or an ``Activation``.
        kernel_size: K, one number for all dimensions or one for each.
        stride: s, the same.
        padding: "same" or "valid".
        padding_mode: what "same" reads outside: "zeros", or "circular" for the other end.
        normalize: "sum" for the formula above, or "fan_in" for the sum divided by sqrt(K), K the
            positions of a filter in all dimensions: the convention of other libraries.
        weight_std: standard deviation of the weights before the 1/sqrt(channels), positive.
        bias_std: standard deviation of the biases; 0 means that there are none.
        width_ratio: channels of this layer in a finite network, in units of its width.

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
    normalize: Literal["sum", "fan_in"] = "sum"
    weight_std: float = 1.0
    bias_std: float = 0.0
    width_ratio: float = 1.0
    required = 2

    def __init__(
        self,
        activation: str | sympy.Expr | Activation,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Literal["same", "valid"] = "same",
        padding_mode: Literal["zeros", "circular"] = "zeros",
        normalize: Literal["sum", "fan_in"] = "sum",
        weight_std: float = 1.0,
        bias_std: float = 0.0,
        width_ratio: float = 1.0,
    ) -> None:
        object.__setattr__(self, "kernel_size", sizes("kernel_size", kernel_size))
        object.__setattr__(self, "stride", sizes("stride", stride))
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
        _set_weights(self, activation, weight_std, bias_std, width_ratio)

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


@dataclass(frozen=True, repr=False)
class Residual:
    """A skip around one or several layers, alpha -> alpha + layers(alpha).

    The layers keep the shape; the last of them must be a fresh weight layer that is not
    itself residual: the limit relies on its weights being independent of alpha. A block that
    begins with its activation ends in a linear layer.

    Raises:
        ValueError: there are no layers, or the branch ends in a skip, pools or strides.
        TypeError: something in the branch is not a layer.

    Example:
        >>> Residual(FullyConnected("softplus"), FullyConnected("tanh"))
        Residual(FullyConnected("softplus"), FullyConnected("tanh"))
        >>> Residual(Nonlinearity("relu"), Convolution("identity", 3))
        Residual(Nonlinearity("relu"), Convolution("identity", 3))
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        check_layers("Residual", layers)
        _check_end(joined(layers)[-1])
        for layer in layers:
            if reason := _changes_shape(layer):
                raise ValueError(
                    f"expected a residual branch that keeps the shape, got {layer}, {reason};"
                    " put it before or after the Residual"
                )
        object.__setattr__(self, "layers", layers)

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"


IDENTITY = Activation("identity")
Layer = Weighted | Nonlinearity | Averaging | Residual


def joined(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers, each linear one and a nonlinearity behind it written as one layer.

    Example:
        >>> joined((FullyConnected("identity", bias_std=1), Nonlinearity("tanh")))
        (FullyConnected("tanh", bias_std=1.0),)
    """
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Residual):
            layer = Residual(*joined(layer.layers))
        if found and isinstance(layer, Nonlinearity) and _is_linear(before := found[-1]):
            found[-1] = replace(before, activation=layer.activation)
        else:
            found.append(layer)
    return tuple(found)


def _is_linear(layer: Layer) -> TypeGuard[Weighted]:
    """Whether a layer is weights and nothing else."""
    return isinstance(layer, Weighted) and layer.activation == IDENTITY


def _check_end(last: Layer) -> None:
    """Raise unless a residual branch may end in a layer."""
    if isinstance(last, Residual):
        raise ValueError(
            "expected a residual branch that ends in a weight layer, got one that ends in a"
            " skip, whose limit is another one; put a weight layer last in the branch"
        )
    if isinstance(last, Nonlinearity):
        raise ValueError(
            f"expected a residual branch that ends in a weight layer, got {last}, which is a"
            " function of the units that are skipped; put weights behind it, FullyConnected"
            '("identity") or Convolution("identity", 3)'
        )


def summed(layers: tuple[Layer, ...], dimensions: int) -> tuple[Layer, ...]:
    """The layers, all convolutions with a plain sum over their filters."""
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Residual):
            layer = Residual(*summed(layer.layers, dimensions))
        elif isinstance(layer, Convolution):
            layer = layer.summed(dimensions)
        found.append(layer)
    return tuple(found)


def _changes_shape(layer: Layer) -> str:
    """Why a layer cannot stand in a residual branch, or nothing."""
    if isinstance(layer, Averaging):
        return "which has fewer positions after it"
    if isinstance(layer, Convolution):
        if not _is_one(layer.stride):
            return "whose stride leaves out positions"
        if layer.padding == "valid" and not _is_one(layer.kernel_size):
            return "whose padding 'valid' loses the border"
    return ""


def _is_one(value: Sizes) -> bool:
    return value in (1, (1,), (1, 1))


def check_layers(owner: str, layers: tuple[object, ...]) -> None:
    """Raise unless there are layers and nothing else."""
    if not layers:
        raise ValueError(f"expected at least one layer, got {owner}(); add a FullyConnected")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(
                f"expected layers such as FullyConnected('tanh') in {owner}, got"
                f" {type(layer).__name__}; pass the layers one by one"
            )


def _set_weights(
    layer: Weighted,
    activation: str | sympy.Expr | Activation,
    weight_std: float,
    bias_std: float,
    width_ratio: float,
) -> None:
    object.__setattr__(layer, "activation", Activation(activation))
    object.__setattr__(layer, "weight_std", number("weight_std", weight_std, positive=True))
    object.__setattr__(layer, "bias_std", number("bias_std", bias_std, positive=False))
    object.__setattr__(layer, "width_ratio", number("width_ratio", width_ratio, positive=True))
