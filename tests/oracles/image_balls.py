"""Kernels of networks of images in ball arithmetic: each number encloses its true value.

All pairs of positions of two images are carried, with the closed-form duals of ``balls``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from flint import arb, ctx
from oracles import balls, channels, dense, positions

from analytic import (
    AccuracyError,
    Activation,
    Concatenate,
    Convolution,
    Dropout,
    Estimate,
    FullyConnected,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Sum,
    kernel_estimate,
)
from analytic.activation import X
from analytic.network.averages import Averaging, Flatten, SumPooling


class _State(NamedTuple):
    """Sigma and Theta of all (image, position) pairs, the means, and the spatial shape."""

    sigma: list[list[arb]]
    theta: list[list[arb]]
    mu: list[arb]
    spatial: tuple[int, ...]
    channels: Fraction = Fraction(1)


def margins(network: Network, x: np.ndarray, estimate: Estimate, digits: int = 120) -> list[float]:
    """Bound over error of the three entries of two images; fails where a bound is violated.

    Balls of parallel patches lose half of the digits at every layer.
    """
    exact, found = kernel(network, x[0], x[1], digits), list[float]()
    for i, j in ((0, 0), (0, 1), (1, 1)):
        error = balls.distance(estimate.value[i, j], exact[i][j])
        assert error <= estimate.error[i, j], (network, x)
        if error > 0:
            found.append(estimate.error[i, j] / error)
    return found


def sweep(cases: Iterable[tuple[Network, np.ndarray]]) -> tuple[float, int]:
    """The median margin of many pairs of images, and how many were refused; prints both."""
    ratios, refused = list[float](), 0
    for network, x in cases:
        try:
            estimate = kernel_estimate(network, x)
        except AccuracyError as refusal:
            estimate, refused = refusal.estimate, refused + 1
            assert estimate is not None
        ratios += margins(network, x, estimate)
    median = float(np.median(ratios))
    print(f"bound/error: median {median:.0f} of {len(ratios)}; refused {refused}")
    return median, refused


def kernel(network: Network, x: np.ndarray, y: np.ndarray, digits: int = 120) -> list[list[arb]]:
    """The tangent kernel of two images (channels, *spatial) with themselves and each other."""
    before, ctx.dps = ctx.dps, digits
    try:
        channels, spatial = x.shape[0], x.shape[1:]
        points = [
            [arb(float(v)) for v in image.reshape(channels, -1)[:, p]]
            for image in (x, y)
            for p in range(int(np.prod(spatial)))
        ]
        sigma = [
            [sum((u * v for u, v in zip(a, b, strict=True)), arb(0)) / channels for b in points]
            for a in points
        ]
        none = [[arb(0)] * len(points) for _ in points]
        layers = network.layers
        state = _through(layers, _State(sigma, none, [arb(0)] * len(points), spatial))
        if state.spatial:
            state = _average(Flatten(), state)
        weight, (of_weights, of_biases) = (
            arb(network.output.weight_std) ** 2, dense.rates(network.output, arb(0)),
        )  # fmt: skip
        return [
            [weight * (of_weights * a + b) + of_biases for a, b in zip(*rows, strict=True)]
            for rows in zip(state.sigma, state.theta, strict=True)
        ]
    finally:
        ctx.dps = before


def _through(layers: Sequence[Any], state: _State) -> _State:
    gains = arb(0)
    for layer in layers:
        count = channels.after([layer], state.channels)
        if isinstance(layer, Residual):
            state = _skip(state, _through(layer.layers, state))
        elif isinstance(layer, Sum):
            first, *others = (_through(branch, state) for branch in layer.branches)
            state = reduce(_skip, others, first)
        elif isinstance(layer, Concatenate):
            ends = [_through(branch, state) for branch in layer.branches]
            state = _side_by_side(ends, channels.shares(layer, state.channels))
        elif isinstance(layer, LayerNorm):
            state = _normalized(layer, state)
        elif isinstance(layer, Dropout):
            sigma, theta = ([row.copy() for row in values] for values in state[:2])
            for values in (sigma, theta):  # a skip keeps the units before
                for i in range(len(values)):
                    values[i][i] = values[i][i] / (1 - arb(layer.rate))
            state = state._replace(sigma=sigma, theta=theta)
        elif isinstance(layer, Nonlinearity):
            state = _activated(layer, state.sigma, state.theta, state.spatial, gains)
        else:
            state = (_average if isinstance(layer, Averaging) else _weights)(layer, state)
        state = state._replace(channels=count)
        if not isinstance(layer, Averaging):
            gains = arb(layer.gain_rate if isinstance(layer, LayerNorm) else 0)
    return state


def _normalized(layer: LayerNorm, old: _State) -> _State:
    size = range(len(old.mu))
    of_gains, of_shifts = arb(layer.gain_rate), arb(layer.bias_rate)
    taken = _over(layer, old, old.mu)
    sigma = [
        [
            old.sigma[i][j] - taken[i] * old.mu[j] - old.mu[i] * taken[j] + taken[i] * taken[j]
            for j in size
        ]
        for i in size
    ]
    variance = _over(layer, old, [sigma[i][i] for i in size])
    root = [(v + layer.eps).sqrt() for v in variance]
    sigma = [[sigma[i][j] / (root[i] * root[j]) for j in size] for i in size]
    theta = [
        [of_gains * sigma[i][j] + of_shifts + old.theta[i][j] / (root[i] * root[j]) for j in size]
        for i in size
    ]
    mu = [(old.mu[i] - taken[i]) / root[i] for i in size]
    return _State(sigma, theta, mu, old.spatial)


def _over(layer: LayerNorm, old: _State, values: list[arb]) -> list[arb]:
    """Numbers of all positions; their mean in their image if it normalises over positions."""
    if not layer.positions:
        return values
    count = math.prod(old.spatial)  # those of an image are one after another
    images = [values[i : i + count] for i in range(0, len(values), count)]
    return [sum(part, arb(0)) / count for part in images for _ in part]


def _side_by_side(ends: list[_State], shares: list[Fraction]) -> _State:
    p = [arb(share.numerator) / share.denominator for share in shares]
    size = range(len(ends[0].mu))

    def mean(parts: list[Any]) -> arb:
        return sum((q * part for q, part in zip(p, parts, strict=True)), arb(0))

    sigma, theta = (
        [[mean([values[i][j] for values in matrices]) for j in size] for i in size]
        for matrices in ([end.sigma for end in ends], [end.theta for end in ends])
    )
    mu = [mean([end.mu[i] for end in ends]) for i in size]
    return _State(sigma, theta, mu, ends[0].spatial)


def _skip(old: _State, new: _State) -> _State:
    size = range(len(old.mu))
    sigma = [
        [
            old.sigma[i][j] + new.sigma[i][j] + old.mu[i] * new.mu[j] + new.mu[i] * old.mu[j]
            for j in size
        ]
        for i in size
    ]
    theta = [[old.theta[i][j] + new.theta[i][j] for j in size] for i in size]
    return _State(sigma, theta, [old.mu[i] + new.mu[i] for i in size], old.spatial)


def _table(layer: Any, spatial: tuple[int, ...]) -> tuple[list[list[Any]], tuple[int, ...]]:
    if isinstance(layer, FullyConnected):
        return [[0]], ()
    return positions.windows(layer, spatial)


def _both(table: list[list[Any]], size: int) -> list[list[Any]]:
    """The positions that those of either image read."""
    return [
        [None if u is None else u + image * size for u in row] for image in (0, 1) for row in table
    ]


def _average(layer: Any, state: _State) -> _State:
    table, spatial = _table(layer, state.spatial)
    reads = _both(table, len(state.mu) // 2)

    def mean(values: list[list[arb]], a: list[int], b: list[int]) -> arb:
        if isinstance(layer, Flatten):
            return sum((values[i][j] for i, j in zip(a, b, strict=True)), arb(0)) / len(a)
        total = sum((values[i][j] for i in a for j in b), arb(0))
        return total if isinstance(layer, SumPooling) else total / (len(a) * len(b))

    sigma, theta = ([[mean(values, a, b) for b in reads] for a in reads] for values in state[:2])
    count = 1 if isinstance(layer, SumPooling) else len(reads[0])
    mu = [sum((state.mu[i] for i in a), arb(0)) / count for a in reads]
    return _State(sigma, theta, mu, spatial)


def _weights(layer: Any, state: _State) -> _State:
    table, spatial = _table(layer, state.spatial)
    reads = _both(table, len(state.mu) // 2)
    weight, bias = arb(layer.weight_std) ** 2, arb(layer.bias_std) ** 2
    if isinstance(layer, Convolution) and layer.normalize == "fan_in":
        weight /= len(reads[0])  # what lies outside counts

    def total(values: list[list[arb]], a: list[Any], b: list[Any]) -> arb:
        read = [(i, j) for i, j in zip(a, b, strict=True) if i is not None and j is not None]
        return weight * sum((values[i][j] for i, j in read), arb(0))

    size = range(len(reads))
    covariance = [[total(state.sigma, a, b) + bias for b in reads] for a in reads]
    of_weights, of_biases = dense.rates(layer, arb(0))
    learned = [[of_weights * (covariance[i][j] - bias) + of_biases for j in size] for i in size]
    tangent = [[learned[i][j] + total(state.theta, reads[i], reads[j]) for j in size] for i in size]
    return _activated(layer, covariance, tangent, spatial)


def _activated(
    layer: Any,
    covariance: list[list[arb]],
    tangent: list[list[arb]],
    spatial: tuple[int, ...],
    gains: arb | None = None,
) -> _State:
    """The activation of units with these second moments and tangent kernels.

    Gains g before it, with this rate, are taken out of the latter: their gradient is u w'(u).
    """
    size = range(len(covariance))
    w, dual = layer.activation, balls.enclosed_dual
    rate = gains or arb(0)
    product = Activation(X * w.derivative) if rate > 0 else None
    sigma: list[list[arb]] = [[arb(0)] * len(size) for _ in size]
    theta: list[list[arb]] = [[arb(0)] * len(size) for _ in size]
    mu: list[arb] = [arb(0)] * len(size)
    for i in size:
        for j in size:
            v, v_ = covariance[i][i], covariance[j][j]
            c, v_ = (v, v) if i == j else (covariance[i][j], v_)
            e, d, mean, _ = dual(w, v, c, v_)
            sigma[i][j], theta[i][j], mu[i] = e, d * (tangent[i][j] - rate * c), mean
            if product is not None:
                theta[i][j] += rate * dual(product, v, c, v_)[0]
    return _State(sigma, theta, mu, spatial)
