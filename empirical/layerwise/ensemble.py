r"""The tangent kernels of many small networks in one computation.

A narrow network on few inputs is all overhead: building modules, starting operations. The
weights of several seeds side by side, W of shape (seeds, m_out, m_in), make every product a
batch of products. As many seeds at a time as keep the weights in cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    pointwise,
    pointwise_layer,
    redraw,
    wiring,
)
from empirical.precision import full_precision

__all__ = ["BatchedLayer", "BatchedReadout", "tangent_kernels"]

ENSEMBLE_BYTES = {"cpu": 2**22, "cuda": 2**31}
"""Bytes of the weights of the networks that are computed together."""


class BatchedLayer:
    """The same weight layer of several networks.

    Args:
        wire: the layer.
        weight: shape (seeds, m_out, columns).
        bias: shape (seeds, 1, m_out), or None.
    """

    def __init__(self, wire: Wire, weight: Tensor, bias: Tensor | None) -> None:
        self.wire, self.weight = wire, weight
        self.shift = None if bias is None else wire.bias_std * bias
        self.activation = pointwise(wire.step.layer.activation)
        self.slope = pointwise(wire.step.layer.activation, 1)

    def preactivation(self, alpha: Tensor) -> Tensor:
        """h, shape (seeds, n, m_out), from alpha of shape (seeds, n, m_in) or (n, m_in)."""
        h = torch.matmul(alpha, self.weight.mT).mul_(self.wire.scale)
        return h if self.shift is None else h.add_(self.shift)

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        """df/dh from the derivatives of f by the units."""
        return signal * self.slope(h)

    def pullback(self, signal: Tensor) -> Tensor:
        """df/dalpha, shape (seeds, n, m_in), from df/dh."""
        return torch.matmul(signal, self.weight).mul_(self.wire.scale)


@dataclass(frozen=True, slots=True, eq=False)
class BatchedReadout:
    """The readouts of several networks, weights of shape (seeds, m)."""

    feed: Feed
    weight: Tensor

    @property
    def scale(self) -> float:
        return self.feed.scale


def tangent_kernels(
    network: Network,
    x: Tensor,
    width: int,
    seeds: Sequence[int],
    *,
    y: Tensor | None = None,
) -> Tensor:
    r"""K_0 of finite networks with different seeds, several in one computation.

    Args:
        network: the description.
        x: inputs, shape (n, d) or ``(n, channels, *spatial)``; their dtype and device are those
            of the computation.
        width: units per layer (times the width ratio of the layer).
        seeds: of the networks.
        y: other inputs, n' of them; x itself if None.

    Returns:
        the kernel of ``FiniteNetwork(network, x.shape[1:], width, seed=s)`` for each seed s,
        shape (len(seeds), n, n').

    Raises:
        TypeError: the network is no ``Network``, or x no floating tensor.
        ValueError: there are no seeds, a number is out of range, or a shape does not fit.
        MemoryError: the kernels do not fit; the message says how much is needed.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> from empirical import FiniteNetwork, tangent_kernel
        >>> network, x = Network(FullyConnected("tanh")), torch.eye(3, dtype=torch.float64)
        >>> k = tangent_kernels(network, x, 16, range(5))
        >>> one = tangent_kernel(FiniteNetwork(network, (3,), 16, seed=4), x)
        >>> bool(torch.allclose(k[4], one, rtol=1e-12))
        True
    """
    check_batch("x", x)
    if not seeds:
        raise ValueError("expected at least one seed, got none; pass range(count)")
    if y is not None:
        check_like(y, x)
    check_description(network, tuple(x.shape[1:]), width, seeds[0], x.dtype)
    n, k = len(x), 0 if y is None else len(y)
    size = _batch(network, x, width)
    at_once = min(size, len(seeds)) * _numbers(network, x, n + k, width)
    needed = (1.1 * len(seeds) * n * (k or n) + at_once) * x.element_size()
    require(needed, x.device, f"{len(seeds)} kernels of networks at width {width}")
    for seed in seeds:
        check_description(network, tuple(x.shape[1:]), width, seed, x.dtype)
    kernels = x.new_empty(len(seeds), len(x), len(x if y is None else y))
    with torch.no_grad(), full_precision(x.device):
        for start in range(0, len(seeds), size):
            layers, readout = _layers(network, x, width, seeds[start : start + size])
            kernels[start : start + size] = layerwise_kernel(layers, readout, x, y)
    return kernels


def _batch(network: Network, x: Tensor, width: int) -> int:
    """How many networks have weights and units that fit into the cache."""
    numbers = _numbers(network, x, len(x), width)
    return max(1, ENSEMBLE_BYTES.get(x.device.type, 2**22) // (numbers * x.element_size()))


def _numbers(network: Network, x: Tensor, n: int, width: int) -> int:
    """The weights of one network, and its units for n inputs like x, forward and backward."""
    wires, _ = wiring(network, tuple(x.shape[1:]), width)
    units = x[0].numel() + sum(wire.size for wire in wires) + max(wire.patches for wire in wires)
    return sum(wire.units * wire.columns for wire in wires) + 2 * n * units


def _layers(
    network: Network, x: Tensor, width: int, seeds: Sequence[int]
) -> tuple[list[BatchedLayer | PointwiseLayer], BatchedReadout]:
    """The layers and the readouts."""

    def draw(rows: int, columns: int, layer: int) -> Tensor:
        return redraw(x.new_empty(len(seeds), rows, columns), seeds=seeds, layer=layer)

    wires, feed = wiring(network, tuple(x.shape[1:]), width)
    layers: list[BatchedLayer | PointwiseLayer] = []
    for index, wire in enumerate(wires):
        if not wire.columns:
            layers.append(pointwise_layer(wire, index, seeds).to(x))
            continue
        bias = draw(1, wire.units, 2 * index + 1) if wire.bias_std > 0 else None
        layers.append(BatchedLayer(wire, draw(wire.units, wire.columns, 2 * index), bias))
    return layers, BatchedReadout(feed, draw(1, feed.units, 2 * len(wires))[:, 0])
