"""Tangent kernels of finite networks, drawn without their weights.

A network on n inputs needs of a weight matrix only its products with n vectors on the way
forward and with n others on the way back. Given the layer before, the pre-activations are n
correlated normal vectors; given them, W^T delta is a regression on what W has already shown,
plus a fresh normal part orthogonal to it. So K_0 has exactly the law it has in a network with
weights, for O(n width) random numbers instead of O(width^2).

It shares with the package the description of the network and the torch functions of the
activation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from analytic import FullyConnected, Network, Residual, kernel
from analytic.expectations import moments
from empirical.network import pointwise

__all__ = ["mean_shift", "sample_kernels"]


def sample_kernels(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    controls: list[Tensor] | None = None,
) -> Tensor:
    """K_0 of ``count`` independent networks of vectors, shape (count, n, n).

    Small matrices are solved in float64, units are drawn in ``dtype``. To ``controls`` are
    added random matrices whose means are known: the averages over the first layer's units of
    w w' and of the slopes, which have their limits as means, and at the last layer that of
    (v^2 - 1) times the slopes, with mean 0.
    """
    alpha = x.to(dtype).expand(count, *x.shape)
    trace, kernel = [], torch.zeros(count, len(x), len(x), dtype=torch.float64)
    for outer in network.layers:
        layer = outer.layers[0] if isinstance(outer, Residual) else outer
        assert isinstance(layer, FullyConnected)
        units = max(1, round(width * layer.width_ratio))
        covariance = layer.weight_std**2 * _gram(alpha) / alpha.shape[2] + layer.bias_std**2
        root = torch.linalg.cholesky(covariance)
        noise = torch.randn(count, len(x), units, dtype=dtype, generator=generator)
        h = root.to(dtype) @ noise
        trace.append((layer, isinstance(outer, Residual), alpha, h, covariance))
        new = pointwise(layer.activation)(h)
        alpha = alpha + new if isinstance(outer, Residual) else new
        if controls is not None and len(trace) == 1:
            first = pointwise(layer.activation, 1)(h)
            controls += [_gram(new) / units, _gram(first) / units, new.double().mean(2)]
    kernel += _gram(alpha) / alpha.shape[2]
    signal = torch.randn(count, 1, alpha.shape[2], dtype=dtype, generator=generator)
    signal = (signal / math.sqrt(alpha.shape[2])).expand_as(alpha)
    for index, (layer, skip, before, h, covariance) in reversed(list(enumerate(trace))):
        slopes = pointwise(layer.activation, 1)(h)
        delta = signal * slopes
        if controls is not None and index == len(trace) - 1:
            controls.append(_gram(delta) - _gram(slopes) / h.shape[2])
        kernel += _gram(delta) * covariance
        if index:
            back = _backward(layer, before, h, covariance, delta, generator)
            signal = signal + back if skip else back
    return kernel


def _backward(
    layer: FullyConnected,
    alpha: Tensor,
    h: Tensor,
    covariance: Tensor,
    delta: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """weight_std W^T delta / sqrt(m), given that h = X (W, b) with X = (weight_std alpha/sqrt(m),
    bias_std)."""
    count, n, m = alpha.shape
    scale = layer.weight_std / math.sqrt(m)
    noise = torch.randn(count, n, m + 1, dtype=alpha.dtype, generator=generator)
    root = _root(_gram(delta)).to(alpha.dtype)
    fresh = root @ noise  # sum_i zeta_i delta_i, one row for every input
    x = torch.cat([scale * alpha, alpha.new_full((count, n, 1), layer.bias_std)], dim=2)
    known = (h @ delta.mT).double() - (x @ fresh.mT).double()  # what X^+ is applied to
    shown = torch.linalg.solve(covariance, known).to(alpha.dtype)
    whole = fresh + shown.mT @ x
    return scale * whole[:, :, :m]


def _gram(a: Tensor) -> Tensor:
    return (a @ a.mT).double()


def _root(a: Tensor) -> Tensor:
    """A square root of a matrix that may be singular."""
    size = a.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-300)[:, None, None]
    jitter = 1e-7 * size * torch.eye(a.shape[1], dtype=a.dtype)
    return torch.linalg.cholesky(a + jitter)


def mean_shift(
    network: Network, x: Tensor, width: int, count: int, generator: torch.Generator, batch: int
) -> tuple[Tensor, Tensor]:
    """m (E K_0 - K_inf) and its standard error, (n, n), by regression on the controls.

    The coefficients come from the same kernels as the mean, which biases it by the order of
    the number of controls over ``count``, of one standard deviation of what is left.
    """
    first = network.layers[0]
    assert isinstance(first, FullyConnected)
    numpy = x.numpy()
    both = kernel(Network(first), numpy, kind="both")
    covariance = first.weight_std**2 * x @ x.mT / x.shape[1] + first.bias_std**2
    slopes = torch.from_numpy(both.ntk - both.nngp) / covariance
    means = moments(first.activation, covariance.diagonal().sqrt().numpy()).mean
    i, j = torch.triu_indices(len(x), len(x))
    kernels: list[Tensor] = []
    known: list[Tensor] = []
    for start in range(0, count, batch):
        c: list[Tensor] = []
        size = min(batch, count - start)
        k = sample_kernels(network, x, width, size, generator, controls=c)
        kernels.append((k - torch.from_numpy(kernel(network, numpy)))[:, i, j])
        columns = (c[0] - torch.from_numpy(both.nngp), c[1] - slopes, c[3])
        known.append(torch.cat([*(a[:, i, j] for a in columns), c[2] - torch.from_numpy(means)], 1))
    k, controls = torch.cat(kernels), torch.cat(known)
    centred = controls - controls.mean(0)
    coefficients = torch.linalg.lstsq(centred, k - k.mean(0)).solution
    rest = k - controls @ coefficients
    shift, error = (torch.empty(len(x), len(x), dtype=k.dtype) for _ in range(2))
    shift[i, j] = shift[j, i] = width * rest.mean(0)
    error[i, j] = error[j, i] = width * rest.std(0) / count**0.5
    return shift, error
