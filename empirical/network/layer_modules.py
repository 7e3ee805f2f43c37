"""The layers of a finite network as torch modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from analytic.network import Convolution
from empirical.network.pointwise_activation import pointwise
from empirical.network.wires import Feed, Wire

__all__ = ["PointwiseLayer", "ReadoutLayer", "WeightLayer", "module_of"]

Draw = Callable[..., Tensor]


class PointwiseLayer(nn.Module):
    """w(alpha): a nonlinearity without weights, behind a linear map that changes nothing."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self.function = pointwise(wire.step.layer.activation)
        self.slope = pointwise(wire.step.layer.activation, 1)

    def activation(self, h: Tensor) -> Tensor:
        """The units, from what reaches the activation."""
        return self.function(h)

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        """df/dh from the derivatives of f by the units."""
        return signal * self.slope(h)

    def preactivation(self, alpha: Tensor) -> Tensor:
        """h, of the shape of alpha."""
        return alpha

    def pullback(self, signal: Tensor) -> Tensor:
        """df/dalpha from df/dh."""
        return signal

    def mask(self, rows: Sequence[range], like: Tensor) -> Tensor | None:
        """What rows with some numbers are multiplied with instead of the activation, or None."""
        return None

    def forward(self, alpha: Tensor) -> Tensor:
        return self.activation(self.preactivation(alpha))


class WeightLayer(PointwiseLayer):
    """h = weight_std W alpha / sqrt(m_in) + bias_std b, then w(h)."""

    def __init__(self, wire: Wire, draw: Draw) -> None:
        super().__init__(wire)
        self.weight = nn.Parameter(self.arrange(draw((wire.units, wire.columns), part=0)))
        self.bias, self.bias_std = biases(wire.bias_std, wire.learned[1], wire.units, draw)

    def arrange(self, drawn: Tensor) -> Tensor:
        """The matrix W, from the numbers for each unit in a row."""
        return drawn

    @property
    def matrix(self) -> Tensor:
        """The matrix W as a map of what is read at one position."""
        return self.weight

    def preactivation(self, alpha: Tensor) -> Tensor:
        """h, shape (n, m_out)."""
        h = (alpha @ self.matrix.T) * self.wire.scale
        return h if self.bias is None else h + self.bias_std * self.bias

    def pullback(self, signal: Tensor) -> Tensor:
        """df/dalpha, shape (n, m_in), from df/dh."""
        return (signal @ self.matrix) * self.wire.scale


class ConvolutionLayer(WeightLayer):
    """h[p] = weight_std sum_k W_k alpha[s p + d k - back] / sqrt(m_in) + bias_std b, then w(h).

    W has torch's shape, (m_out, m_in, *kernel).
    """

    def arrange(self, drawn: Tensor) -> Tensor:
        return drawn.unflatten(1, (*self.wire.kernel, -1)).movedim(-1, 1).contiguous()

    @property
    def matrix(self) -> Tensor:
        return self.weight.movedim(1, -1).flatten(1)

    def pullback(self, signal: Tensor) -> Tensor:
        return (signal * self.wire.scale) @ self.matrix  # K times as many numbers come out

    def forward(self, alpha: Tensor) -> Tensor:
        layer = self.wire.step.layer
        assert isinstance(layer, Convolution)
        convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[alpha.ndim - 3]
        bias = None if self.bias is None else self.bias_std * self.bias
        read = self.padded(alpha * self.wire.scale)
        h = convolve(read, self.weight, bias, stride=layer.stride, dilation=layer.dilation)
        return self.activation(h)

    def padded(self, alpha: Tensor) -> Tensor:
        """With all positions that are read; torch's own padding has the others for even K."""
        layer, sides = self.wire.step.layer, self.wire.sides
        assert isinstance(layer, Convolution)
        if layer.padding_mode == "zeros":
            return functional.pad(alpha, [side for pair in reversed(sides) for side in pair])
        for axis, (before, after) in enumerate(sides, 2):
            size = alpha.shape[axis]
            around = torch.arange(-before, size + after, device=alpha.device) % size
            alpha = alpha.index_select(axis, around)
        return alpha


class ReadoutLayer(nn.Module):
    """weight_std v^T alpha / sqrt(m) + bias_std b."""

    def __init__(self, feed: Feed, draw: Draw) -> None:
        super().__init__()
        self.feed, self.scale = feed, feed.scale
        self.weight = nn.Parameter(draw((feed.units,), part=0))
        self.bias, self.bias_std = biases(feed.output.bias_std, feed.learned[1], 1, draw)

    def forward(self, alpha: Tensor) -> Tensor:
        f = (alpha @ self.weight) * self.scale
        return f if self.bias is None else f + self.bias_std * self.bias


def biases(std: float, rate: float, units: int, draw: Draw) -> tuple[nn.Parameter | None, float]:
    """The parameters b and their factor: standard normal, or 0 if they are trained from there."""
    if std > 0:
        return nn.Parameter(draw((units,), part=1)), std
    if rate > 0:
        return nn.Parameter(torch.zeros_like(draw((units,), part=1))), 1.0
    return None, 0.0


def module_of(wire: Wire, draw: Draw) -> WeightLayer:
    """The module of a layer with weights."""
    return (ConvolutionLayer if wire.kernel else WeightLayer)(wire, draw)
