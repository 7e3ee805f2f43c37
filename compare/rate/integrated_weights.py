r"""Tangent kernels of finite networks, drawn without their weights.

A network on n inputs needs of a weight matrix only its products with n vectors on the way
forward and with n others on the way back. Given the layer before, the pre-activations are n
correlated normal vectors; given them, W^T delta is a regression on what W has already shown,
plus a fresh normal part orthogonal to it. So K_0 has exactly the law it has in a network with
weights, for O(n width) random numbers instead of O(width^2). Positions of images are points,
channels are units, and what a layer reads is a sum over offsets B_k of maps of points.

Covariances may be singular (more points than units, equal inputs). Each is lifted by a multiple of
the unit of rounding, as if every point showed the weights one small number of its own besides what
it reads, on the way forward and on the way back: what is drawn is a network of that kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analytic.corrections import Place, StackLayer, stack
from analytic.network import Network
from empirical.network import pointwise

__all__ = [
    "DrawnNetworks",
    "DrawnSignal",
    "IntegratedLayer",
    "Normal",
    "back",
    "back_covariance",
    "draw_layers",
    "draw_networks",
    "gram",
    "normal_numbers",
]

Normal = Callable[[int, int], Tensor]
"""(rows, columns) -> independent standard normal numbers, (networks, rows, columns)."""


@dataclass(frozen=True, slots=True, eq=False)
class IntegratedLayer:
    """A layer with weights of many networks, P points each.

    Attributes:
        layer: its description.
        maps: of the points of all inputs, one for each offset.
        m: units before.
        reads: what its weights meet at a point, (count, P, offsets * units before).
        before: the units before, which a residual layer adds, (count, P, units).
        h: pre-activations, (count, P, units).
        covariance: of them given the layer before, float64, (count, P, P).
        lift: what it was lifted by, (count, 1, 1).
        values, slopes: w(h) and w'(h).
    """

    layer: StackLayer
    maps: list[Tensor]
    m: int
    reads: Tensor
    before: Tensor
    h: Tensor
    covariance: Tensor
    lift: Tensor
    values: Tensor
    slopes: Tensor

    @property
    def units(self) -> Tensor:
        """What the next layer meets."""
        return self.before + self.values if self.layer.residual else self.values


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSignal:
    """df/dalpha at the points behind a layer, as it is drawn on the way back.

    Attributes:
        after: index of the layer.
        passing: what came through a skip, (count, P, units), or zeros.
        fresh: normal, independent over units and of all that was drawn before.
        covariance: of ``fresh`` between points, (count, P, P).
    """

    after: int
    passing: Tensor
    fresh: Tensor
    covariance: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class DrawnNetworks:
    """Many networks and all that was drawn for them, in order.

    Attributes:
        kernel: K_0 of n inputs, (count, n, n).
        layers, signals: first the former, then the latter, from the readout to the first layer.
        averages: maps of points between the layers, by the number of layers before.
    """

    kernel: Tensor
    layers: list[IntegratedLayer]
    signals: list[DrawnSignal]
    averages: dict[int, list[list[Tensor]]]


def normal_numbers(width: int, numbers: range, dtype: torch.dtype) -> Normal:
    """Those of the networks with these numbers at a width, whichever are drawn together."""
    states = [np.random.SeedSequence([width, k]).generate_state(1, np.uint64) for k in numbers]
    generators = [torch.Generator().manual_seed(int(state[0])) for state in states]

    def draw(rows: int, columns: int) -> Tensor:
        shape = (rows, columns)
        return torch.stack([torch.randn(shape, dtype=dtype, generator=g) for g in generators])

    return draw


def draw_networks(
    network: Network, x: Tensor, width: int, count: int, normal: Normal, dtype: torch.dtype
) -> DrawnNetworks:
    """``count`` independent networks; small matrices are solved in float64, units in ``dtype``.

    Raises:
        ValueError: a residual block has several layers, or an activation has no derivative.
    """
    n = len(x)
    layers, averages, alpha = draw_layers(network, x, width, count, normal, dtype)
    m = layers[-1].h.shape[2]
    scale, _, rate, learned = network.output.coefficients
    kernel = rate * scale * gram(alpha) / m + learned
    signals, signal = _backward(layers, averages, alpha, n, m, normal, scale)
    for drawn, s in zip(layers, signal, strict=True):
        layer = drawn.layer
        own = layer.rate * drawn.covariance + (layer.learned - layer.rate * layer.bias)
        share = gram(s * drawn.slopes) * own
        p = share.shape[1] // n
        kernel = kernel + share.reshape(count, n, p, n, p).sum(dim=(2, 4))
    return DrawnNetworks(kernel, layers, signals, averages)


def draw_layers(
    network: Network, x: Tensor, width: int, count: int, normal: Normal, dtype: torch.dtype
) -> tuple[list[IntegratedLayer], dict[int, list[list[Tensor]]], Tensor]:
    """The way forward: the layers, the averages behind them, and what the readout meets."""
    n, channels = len(x), x.shape[1]
    points = x.reshape(n, channels, -1).movedim(1, 2).reshape(-1, channels)
    alpha = points.to(dtype).expand(count, *points.shape)
    layers: list[IntegratedLayer] = []
    averages: dict[int, list[list[Tensor]]] = {}  # how points are averaged behind a layer
    m = channels
    for place in stack(network, tuple(x.shape[2:]), 1):
        maps = _maps(place, n, dtype)
        if place.layer is None:
            averages.setdefault(len(layers), []).append(maps)
            alpha = _read(maps, alpha)
            continue
        layers.append(_forward(place.layer, maps, alpha, m, width, normal))
        alpha, m = layers[-1].units, layers[-1].h.shape[2]
    return layers, averages, alpha


def _forward(
    layer: StackLayer,
    maps: list[Tensor],
    alpha: Tensor,
    m: int,
    width: int,
    normal: Normal,
) -> IntegratedLayer:
    reads = _read(maps, alpha)
    covariance = layer.weight * gram(reads) / m + layer.bias
    lift = _lift(covariance, reads)
    covariance = covariance + lift * torch.eye(reads.shape[1], dtype=torch.float64)
    root = torch.linalg.cholesky(covariance).to(reads.dtype)
    h = root @ normal(reads.shape[1], max(1, round(width * layer.ratio)))
    w, slope = pointwise(layer.activation), pointwise(layer.activation, 1)
    return IntegratedLayer(layer, maps, m, reads, alpha, h, covariance, lift, w(h), slope(h))


def _backward(
    layers: list[IntegratedLayer],
    averages: dict[int, list[list[Tensor]]],
    alpha: Tensor,
    n: int,
    m: int,
    normal: Normal,
    scale: float,
) -> tuple[list[DrawnSignal], list[Tensor]]:
    """All that is drawn on the way back, and the whole signals behind every layer."""
    v = normal(1, alpha.shape[2]) * math.sqrt(scale) / math.sqrt(m)
    fresh, covariance = v.expand_as(alpha), torch.full((n, n), scale / m, dtype=torch.float64)
    passing = known = torch.zeros_like(fresh)
    signals: list[DrawnSignal] = []
    whole: list[Tensor] = []
    for index in reversed(range(len(layers))):
        for maps in reversed(averages.get(index + 1, [])):
            fresh, passing, known = (back(maps, s) for s in (fresh, passing, known))
            covariance = back_covariance(maps, covariance)
        signals.append(DrawnSignal(index, passing, fresh, covariance))
        signal, drawn = passing + fresh + known, layers[index]
        whole.insert(0, signal)
        if index:
            fresh, known, covariance = _through(drawn, signal * drawn.slopes, normal)
            passing = signal if drawn.layer.residual else torch.zeros_like(fresh)
    return signals, whole


def _through(
    drawn: IntegratedLayer, delta: Tensor, normal: Normal
) -> tuple[Tensor, Tensor, Tensor]:
    """weight_std W^T delta/sqrt(m), given h = X (W, b, ...), X X^T the lifted covariance.

    X = (weight_std reads/sqrt(m), bias_std, lift^(1/2) I). A fresh normal part, the rest, and the
    covariance of the former between points.
    """
    reads = drawn.reads
    count, points, length = reads.shape
    scale = math.sqrt(drawn.layer.weight / drawn.m)
    squares = gram(delta)
    lifted = squares + _lift(squares, delta) * torch.eye(points, dtype=torch.float64)
    noise = normal(points, length + 1 + points)
    fresh = torch.linalg.cholesky(lifted).to(reads.dtype) @ noise  # a row for every point
    ones = reads.new_full((count, points, 1), math.sqrt(drawn.layer.bias))
    own = drawn.lift.sqrt().to(reads.dtype) * torch.eye(points, dtype=reads.dtype)
    x = torch.cat([scale * reads, ones, own], dim=2)
    known = (drawn.h @ delta.mT).double() - (x @ fresh.mT).double()  # what X^+ is applied to
    shown = torch.linalg.solve(drawn.covariance, known).to(reads.dtype)
    maps = drawn.maps
    parts = [back(maps, scale * a[:, :, :length]) for a in (fresh, shown.mT @ x)]
    return parts[0], parts[1], back_covariance(maps, scale**2 * squares)


def _read(maps: list[Tensor], alpha: Tensor) -> Tensor:
    """(B_k alpha)_k side by side."""
    return torch.cat([b @ alpha for b in maps], dim=2)


def back(maps: list[Tensor], signal: Tensor) -> Tensor:
    """sum_k B_k^T signal_k."""
    parts = signal.chunk(len(maps), dim=2)
    return torch.stack([b.T @ part for b, part in zip(maps, parts, strict=True)]).sum(0)


def back_covariance(maps: list[Tensor], covariance: Tensor) -> Tensor:
    """The covariance between points of what ``back`` gives."""
    wide = [b.double() for b in maps]
    return torch.stack([b.T @ covariance @ b for b in wide]).sum(0)


def _maps(place: Place, n: int, dtype: torch.dtype) -> list[Tensor]:
    """The maps of the points of n inputs."""
    return [torch.kron(torch.eye(n), torch.from_numpy(b)).to(dtype) for b in place.maps]


def gram(a: Tensor) -> Tensor:
    """Sums over units of products at two points, float64."""
    return (a @ a.mT).double()


def _lift(covariance: Tensor, terms: Tensor) -> Tensor:
    """Above what rounding moves the eigenvalues of sums of many terms, (count, 1, 1).

    Sums of k numbers in blocks are off by about sqrt(k) units of rounding, matrices by P of them.
    """
    size = covariance.diagonal(dim1=1, dim2=2).amax(1).clamp_min(1e-300)[:, None, None]
    points, length = terms.shape[1:]
    return torch.finfo(terms.dtype).eps * (4 * points + math.sqrt(length)) * size
