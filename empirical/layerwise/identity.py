r"""The layer identity, for the networks that a description stands for.

For a weight layer with inputs A (n, m_in) and backward signals B = df/dh (n, m_out), the
gradient of sample a is the outer product B_a A_a^T, so that the layer's share of K_0 is

    scale^2 (A A^T) o (B B^T)  +  bias_std^2 B B^T

(times the rates at which W and b are trained, if these are not 1); that of gains g and shifts b is
sum_i of g's A_i B_i A_i' B_i' and of b's B_i B_i',

two matrix products and an entrywise one: no object of the size n x parameters is formed. A
convolution has such a product for every position, and its gradient is their sum: see
``contraction``. The layers are asked for W a and for W^T b only, so that they may hold W,
draw it again, or hold the weights of many networks: all tensors may have leading axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from analytic.network import fold
from empirical.layerwise.contraction import convolution_share
from empirical.layerwise.position_rows import averages, patches, rows
from empirical.memory import available, require
from empirical.network import Feed, PointwiseLayer, Wire, held

__all__ = [
    "LayerMap",
    "Link",
    "ReadoutMap",
    "backward_signals",
    "forward_trace",
    "layerwise_kernel",
    "tiled_layerwise_kernel",
]

ONE_PIECE = 2**28
"""Bytes below which the memory of the machine is not asked for."""


class LayerMap(Protocol):
    """A layer, seen as a linear map with an activation behind it.

    A convolution is a map of what it reads at one position.
    """

    @property
    def wire(self) -> Wire: ...
    @property
    def activation(self) -> Callable[[Tensor], Tensor]: ...
    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor: ...
    def preactivation(self, alpha: Tensor) -> Tensor: ...
    def pullback(self, signal: Tensor) -> Tensor: ...


class ReadoutMap(Protocol):
    """The weights v, shape (..., m), with their factor 1/sqrt(m), and what they read."""

    @property
    def feed(self) -> Feed: ...
    @property
    def weight(self) -> Tensor: ...
    @property
    def scale(self) -> float: ...


class Link:
    """A weight layer with the positions that it works on.

    Args:
        map: the layer.
        like: a tensor of the dtype and on the device to work with.
        numbered: the numbers of the rows.
    """

    def __init__(self, map: LayerMap, like: Tensor, numbered: Sequence[range]) -> None:
        device = like.device
        self.mask = map.mask(numbered, like) if isinstance(map, PointwiseLayer) else None
        self.map, self.step, self.wire = map, map.wire.step, map.wire
        self.averages = averages(map.wire.feed, device)
        self.patches = patches(map.wire, device)

    def activation(self, h: Tensor) -> Tensor:
        return self.map.activation(h) if self.mask is None else h * self.mask

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        """df/dh from the derivatives of f by the units."""
        return self.map.pulled_back(signal, h) if self.mask is None else signal * self.mask

    def preactivation(self, alpha: Tensor) -> Tensor:
        return self.map.preactivation(alpha if self.patches is None else self.patches.read(alpha))

    def pullback(self, signal: Tensor) -> Tensor:
        alpha = self.map.pullback(signal)
        return alpha if self.patches is None else self.patches.spread(alpha)

    def share(self, alpha: Tensor, signal: Tensor, n: int, start: int) -> Tensor:
        """Of the kernel of the first n samples and those from ``start`` on."""
        rate, bias = self.wire.learned
        if not self.wire.columns:
            share = rate * _gram(self._summed(alpha * signal), n, start)
            return share + bias * _gram(self._summed(signal), n, start) if bias > 0 else share
        scale = rate * self.wire.scale**2
        if self.patches is None:
            inputs = _gram(alpha, n, start) * scale
            if bias > 0:
                inputs += bias
            return _gram(signal, n, start).mul_(inputs)
        share = convolution_share(self.patches, alpha, signal, n, start).mul_(scale)
        if bias > 0:
            share += bias * _gram(self._summed(signal), n, start)
        return share

    def _summed(self, units: Tensor) -> Tensor:
        """Over all positions of a sample."""
        return units.unflatten(-2, (-1, self.wire.positions)).sum(-2)


def layerwise_kernel(
    layers: Iterable[LayerMap],
    readout: ReadoutMap,
    x: Tensor,
    y: Tensor | None,
    first: tuple[int, int] = (0, 0),
) -> Tensor:
    """K_0, shape (..., n, k).

    Args:
        layers: from the input to the readout.
        readout: its weights.
        x: inputs, shape (n, d) or (n, channels, *spatial).
        y: other inputs; x itself if None.
        first: the numbers of the first row of x and of y, by which noise is drawn; the rows of y
            come behind those of x by default.
    """
    numbered = [range(first[0], first[0] + len(x))]
    if y is not None:
        second = first[1] or numbered[0].stop
        numbered.append(range(second, second + len(y)))
    chain = [Link(layer, x, numbered) for layer in layers]
    n, start = len(x), 0 if y is None else len(x)
    trace, alpha = forward_trace(chain, rows(x if y is None else torch.cat([x, y])))
    last = averages(readout.feed, x.device)
    for average in last:
        alpha = average.read(alpha)
    rate, bias_rate = readout.feed.learned
    kernel = _gram(alpha, n, start) * (rate * readout.scale**2)
    if bias_rate > 0:
        kernel += bias_rate
    signal = (readout.weight * readout.scale)[..., None, :].expand_as(alpha)
    del alpha
    for average in reversed(last):
        signal = average.spread(signal)
    for layer, units, at_h in backward_signals(chain, trace, signal):
        if layer.wire.is_trained:
            kernel += layer.share(units, at_h, n, start)
    return kernel


def tiled_layerwise_kernel(
    layers: Sequence[LayerMap], readout: ReadoutMap, x: Tensor, y: Tensor | None
) -> Tensor:
    """The same for as many samples at a time as memory allows; see ``layerwise_kernel``.

    Raises:
        MemoryError: the kernel, or what one sample holds, does not fit.
    """
    other = x if y is None else y
    n, k, item = len(x), len(other), x.element_size()
    each = held(tuple(layer.wire for layer in layers)) * item
    if (n + k) * (each + n * item) < ONE_PIECE:
        return layerwise_kernel(layers, readout, x, y)
    result = 2 * n * k * item
    require(result + 2 * each, x.device, f"the kernel of {n} x {k} samples of this network")
    size = max(1, int((available(x.device) - result) / (4 * each)))
    if size >= max(n, k):
        return layerwise_kernel(layers, readout, x, y)
    kernel = x.new_empty(n, k)
    for i in range(0, n, size):
        for j in range(i if y is None else 0, k, size):
            same = y is None and i == j
            a, b = x[i : i + size], None if same else other[j : j + size]
            first = i, j if y is None else n + j
            tile = layerwise_kernel(layers, readout, a, b, first)
            kernel[i : i + size, j : j + size] = tile
            if y is None and not same:
                kernel[j : j + size, i : i + size] = tile.T
    return kernel


def _gram(features: Tensor, n: int, start: int) -> Tensor:
    return features[..., :n, :] @ features[..., start:, :].mT


def forward_trace(
    chain: Sequence[Link], alpha: Tensor
) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """(alpha, h) of every layer, and the units behind the last."""
    trace: list[tuple[Tensor, Tensor]] = []

    def after(layer: Link, alpha: Tensor) -> Tensor:
        h = layer.preactivation(alpha)
        trace.append((alpha, h))
        return layer.activation(h)

    def added(layer: Link, number: int, total: Tensor, branch: Tensor) -> Tensor:
        if layer.wire.beside[number]:
            return torch.cat([total, branch], dim=-1)
        return total + branch

    def averaged(layer: Link, alpha: Tensor) -> Tensor:
        for average in layer.averages:
            alpha = average.read(alpha)
        return alpha

    return trace, fold(chain, alpha, after, added, averaged=averaged)


def backward_signals(
    chain: Sequence[Link], trace: list[tuple[Tensor, Tensor]], signal: Tensor
) -> Iterator[tuple[Link, Tensor, Tensor]]:
    """(layer, alpha, df/dh) from the last layer to the first: ``fold`` the other way round.

    Where a sum ends, its signal is that of all branches; where they begin, theirs are added. Of
    units side by side each branch has its own.
    The trace is used up, so that memory is given back on the way.
    """
    aside: list[Tensor] = []
    for index in range(len(chain) - 1, -1, -1):
        layer, (alpha, h) = chain[index], trace.pop()
        for before in reversed(layer.wire.beside):
            aside.append(signal[..., :before] if before else signal)
            signal = signal[..., before:]
        at_h = layer.pulled_back(signal, h)
        del h
        yield layer, alpha, at_h
        if index > 0:
            signal = layer.pullback(at_h)
            for _ in range(layer.step.opens):
                signal = signal + aside.pop()
            if layer.step.switches:
                signal, aside[-1] = aside[-1], signal
            for average in reversed(layer.averages):
                signal = average.spread(signal)
