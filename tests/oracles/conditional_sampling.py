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

from analytic import FullyConnected, Network, Residual
from empirical.network import pointwise

__all__ = ["sample_kernels"]


def sample_kernels(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """K_0 of ``count`` independent networks of vectors, shape (count, n, n).

    Small matrices are solved in float64, units are drawn in ``dtype``.
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
    kernel += _gram(alpha) / alpha.shape[2]
    signal = torch.randn(count, 1, alpha.shape[2], dtype=dtype, generator=generator)
    signal = (signal / math.sqrt(alpha.shape[2])).expand_as(alpha)
    for index, (layer, skip, before, h, covariance) in reversed(list(enumerate(trace))):
        delta = signal * pointwise(layer.activation, 1)(h)
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
