r"""K_0 at widths whose weights do not fit into memory.

A hidden layer of width m has m^2 weights, its units only n m. The forward pass needs W a and
the backward pass W^T b: both are sums over blocks of rows of W. Each block is drawn by
counter, used, forgotten, and drawn again on the way back, with the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor

from analytic.network import Network
from empirical.checks import check_batch, check_like
from empirical.layerwise.identity import layerwise_kernel
from empirical.memory import require
from empirical.network import (
    Feed,
    PointwiseLayer,
    Wire,
    check_description,
    held,
    normal,
    pointwise,
    pointwise_layer,
    redraw,
    wiring,
)
from empirical.precision import full_precision

__all__ = ["DrawnLayer", "DrawnReadout", "drawn_layers", "streamed_tangent_kernel"]

STREAMED_BYTES = {"cpu": 2**26, "cuda": 2**31}
"""Bytes of the weights that exist at a time."""


class DrawnLayer:
    """A weight layer whose weights are drawn when they are needed.

    Args:
        wire: the layer.
        index: of the layer in the network.
        seed: of the network.
        like: a tensor of the dtype and on the device to work with.
        block: bytes of the weights to draw at a time.

    Attributes:
        drawing: seconds spent on random numbers; on a GPU, on asking for them.
    """

    def __init__(self, wire: Wire, *, index: int, seed: int, like: Tensor, block: int) -> None:
        self.wire, self.scale = wire, wire.scale
        self.bias_std = wire.bias_std
        self.activation = pointwise(wire.step.layer.activation)
        self.slope = pointwise(wire.step.layer.activation, 1)
        self.index, self.seed, self.like = index, seed, like
        self.rows = max(1, block // (wire.columns * like.element_size()))
        self.drawing = 0.0

    def preactivation(self, alpha: Tensor) -> Tensor:
        """h, shape (n, m_out)."""
        h = alpha.new_empty(len(alpha), self.wire.units)
        for rows, weight in self._blocks():
            torch.mul(alpha @ weight.T, self.scale, out=h[:, rows])
        if self.bias_std > 0:
            h += self.bias_std * self._draw((self.wire.units,), 1)
        return h

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        """df/dh from the derivatives of f by the units."""
        return signal * self.slope(h)

    def pullback(self, signal: Tensor) -> Tensor:
        """df/dalpha, shape (n, m_in), from df/dh."""
        total = signal.new_zeros(len(signal), self.wire.columns)
        for rows, weight in self._blocks():
            total.addmm_(signal[:, rows], weight)
        return total.mul_(self.scale)

    def _blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Rows of W, one block after the other in the same memory."""
        buffer = self.like.new_empty(1, min(self.rows, self.wire.units), self.wire.columns)
        for start in range(0, self.wire.units, self.rows):
            rows = slice(start, min(start + self.rows, self.wire.units))
            began = perf_counter()
            weight = buffer[:, : rows.stop - start]
            redraw(weight, seeds=[self.seed], layer=2 * self.index, row0=start)
            self.drawing += perf_counter() - began
            yield rows, weight[0]

    def _draw(self, shape: tuple[int, ...], part: int) -> Tensor:
        return normal(
            shape, seed=self.seed, layer=2 * self.index + part,
            dtype=self.like.dtype, device=self.like.device,
        )  # fmt: skip


def streamed_tangent_kernel(
    network: Network,
    x: Tensor,
    width: int,
    seed: int = 0,
    *,
    y: Tensor | None = None,
    block: int | None = None,
) -> Tensor:
    r"""K_0 of a finite network without ever holding its weights.

    The value is that of ``tangent_kernel(FiniteNetwork(network, x.shape[1:], width, seed=seed),
    x)`` up to rounding. Memory is O((n + n') m) and one block, times the positions of images;
    every weight is drawn twice.

    Args:
        network: the description.
        x: inputs, shape (n, d) or ``(n, channels, *spatial)``; their dtype and device are those
            of the computation.
        width: units per layer (times the width ratio of the layer).
        seed: of the weights.
        y: other inputs, n' of them; x itself if None.
        block: bytes of the weights that exist at a time; 64 MB, or 2 GB on a GPU.

    Returns:
        K_0, shape (n, n').

    Raises:
        TypeError: the network is no ``Network``, x no floating tensor, or block no integer.
        ValueError: a number is out of range, or a shape does not fit.
        MemoryError: the units do not fit either; the message says how much is needed.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> from empirical import FiniteNetwork, tangent_kernel
        >>> network = Network(FullyConnected("tanh"), FullyConnected("tanh"))
        >>> x = torch.eye(3, dtype=torch.float64)
        >>> k = streamed_tangent_kernel(network, x, 64, 5, block=2**12)
        >>> stored = tangent_kernel(FiniteNetwork(network, (3,), 64, seed=5), x)
        >>> bool(torch.allclose(k, stored, rtol=1e-12))
        True
    """
    check_batch("x", x)
    check_description(network, tuple(x.shape[1:]), width, seed, x.dtype)
    if y is not None:
        check_like(y, x)
    block = STREAMED_BYTES.get(x.device.type, 2**26) if block is None else block
    if isinstance(block, bool) or not hasattr(block, "__index__"):
        raise TypeError(f"expected an integer block, got {block!r}; pass an int")
    if block < 1:
        raise ValueError(f"expected a positive block, got {block}; give it some bytes")
    layers, readout = drawn_layers(network, x, width, seed, block)
    _require(layers, x, 0 if y is None else len(y), block)
    with torch.no_grad(), full_precision(x.device):
        return layerwise_kernel(layers, DrawnReadout(readout, len(layers), seed, x), x, y)


class DrawnReadout:
    """The readout of a network."""

    def __init__(self, feed: Feed, index: int, seed: int, like: Tensor) -> None:
        self.feed, self.scale = feed, feed.scale
        self.weight = normal(
            (feed.units,), seed=seed, layer=2 * index, dtype=like.dtype, device=like.device
        )


def drawn_layers(
    network: Network, x: Tensor, width: int, seed: int, block: int
) -> tuple[list[DrawnLayer | PointwiseLayer], Feed]:
    """The layers of a network for inputs like x, and what the readout reads."""
    wires, readout = wiring(network, tuple(x.shape[1:]), width)
    return [
        DrawnLayer(wire, index=index, seed=seed, like=x, block=block)
        if wire.columns
        else pointwise_layer(wire, index, [seed]).to(x)
        for index, wire in enumerate(wires)
    ], readout


def _require(layers: list[DrawnLayer | PointwiseLayer], like: Tensor, k: int, block: int) -> None:
    """What all samples hold, and the kernel with its terms."""
    n = len(like)
    numbers = (n + k) * held(tuple(layer.wire for layer in layers)) + 3 * n * (k or n)
    what = f"{n + k} samples at width {max(layer.wire.units for layer in layers)}"
    require(numbers * like.element_size() + 2 * block, like.device, what)
